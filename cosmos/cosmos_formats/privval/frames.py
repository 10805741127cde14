"""Frames of a SecretConnection: 1,024 bytes of data and their length, sealed with ChaCha20-Poly1305 (RFC 8439).

Rules:

* One key seals, another opens; each direction counts its frames, and the count is the nonce: four zero bytes and 64
  bits, little-endian. So no nonce is used twice, and a frame that was repeated, left out or moved does not open.
* The last count is not used: then the connection is over, as CometBFT has it.
* What does not open, or tells a length over 1,024, ends the connection: the key is wiped.
* The bytes behind the data are padding. Zeros are sent; CometBFT sends what it sent before, so they are not looked at.
"""

from __future__ import annotations

from typing import Final

from cosmos_formats.privval.errors import BrokenFrame
from cosmos_formats.wipeable import sodium, wipe

DATA_SIZE: Final = 1024
KEY_LENGTH: Final = 32
_LENGTH_SIZE: Final = 4
_TAG_SIZE: Final = 16
_OPEN_SIZE: Final = _LENGTH_SIZE + DATA_SIZE
FRAME_SIZE: Final = _OPEN_SIZE + _TAG_SIZE
"""Bytes of a sealed frame: 1,044."""

LAST_COUNT: Final = (1 << 64) - 1


class _Direction:
    def __init__(self, key: bytearray, count: int) -> None:
        if len(key) != KEY_LENGTH:
            raise ValueError(f"key of {len(key)} bytes, expected {KEY_LENGTH}")
        self._key = key
        self._count = count

    def _nonce(self) -> bytes:
        if not any(self._key):
            raise BrokenFrame("the connection is over")
        if self._count >= LAST_COUNT:
            self.wipe()
            raise BrokenFrame("as many frames as a key is good for")
        nonce = bytes(4) + self._count.to_bytes(8, "little")
        self._count += 1
        return nonce

    def wipe(self) -> None:
        """Overwrite the key; nothing goes through any more."""
        wipe(self._key)


class Sealer(_Direction):
    """Seals what is sent.

    Args:
        key: 32 bytes; kept, and wiped at the end.
        count: Of the first frame.
    """

    def __init__(self, key: bytearray, count: int = 0) -> None:
        super().__init__(key, count)

    def seal(self, data: bytes) -> bytes:
        """Return frames with all of ``data``, none if there is none.

        Raises:
            BrokenFrame: The connection is over, or this key sealed as many frames as it may.
        """
        return b"".join(self._frame(data[at : at + DATA_SIZE]) for at in range(0, len(data), DATA_SIZE))

    def _frame(self, data: bytes) -> bytes:
        nonce = self._nonce()
        ffi, lib = sodium()
        clear = len(data).to_bytes(_LENGTH_SIZE, "little") + data.ljust(DATA_SIZE, b"\0")
        sealed = bytearray(FRAME_SIZE)
        out, key = ffi.from_buffer(sealed), ffi.from_buffer(self._key)
        lib.crypto_aead_chacha20poly1305_ietf_encrypt(
            out, ffi.NULL, clear, len(clear), ffi.NULL, 0, ffi.NULL, nonce, key
        )
        return bytes(sealed)


class Opener(_Direction):
    """Opens what is received.

    Args:
        key: 32 bytes; kept, and wiped at the end.
        count: Of the first frame.
    """

    def __init__(self, key: bytearray, count: int = 0) -> None:
        super().__init__(key, count)

    def open(self, sealed: bytes) -> bytes:
        """Return the data of the next frame, perhaps none.

        Args:
            sealed: :data:`FRAME_SIZE` bytes.

        Raises:
            BrokenFrame: Not the next frame of the other end, or the connection is over.
        """
        nonce = self._nonce()
        ffi, lib = sodium()
        clear = bytearray(_OPEN_SIZE)
        out, key = ffi.from_buffer(clear), ffi.from_buffer(self._key)
        failed = len(sealed) != FRAME_SIZE or lib.crypto_aead_chacha20poly1305_ietf_decrypt(
            out, ffi.NULL, ffi.NULL, sealed, len(sealed), ffi.NULL, 0, nonce, key
        )
        length = int.from_bytes(clear[:_LENGTH_SIZE], "little")
        if failed or length > DATA_SIZE:
            self.wipe()
            raise BrokenFrame("a frame that the other end did not send, or not now")
        return bytes(clear[_LENGTH_SIZE : _LENGTH_SIZE + length])
