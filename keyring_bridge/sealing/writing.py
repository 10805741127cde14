"""Sealing: content in, a sealed file out, a piece at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING

from keyring_bridge.sealing.errors import SealedError
from keyring_bridge.sealing.header import MAX_AGE_HEADER, Header, age_header_end, binding, check_line
from keyring_bridge.sealing.keys import Passphrase, Recipients
from keyring_bridge.sealing.streams import Pump

if TYPE_CHECKING:
    from pyrage import x25519


def seal(
    kind: str,
    chunks: Iterable[bytes | bytearray],
    write: Callable[[bytes], object],
    key: Recipients | Passphrase,
) -> str:
    """Seal content, in memory that does not grow with it.

    Args:
        kind: What the content is, such as ``backup``; whoever opens it has to ask for the same.
        chunks: The content in pieces of any size. They are used up piece by piece.
        write: Takes the sealed file piece by piece, each of them whole; see :func:`~keyring_bridge.sealing.new_file`.
        key: Who can open it.

    Returns:
        SHA-256 of the sealed file, 64 hexadecimal digits.

    Raises:
        SealedError: The library refused.
        Exception: Whatever ``chunks`` or ``write`` raised.
    """
    from pyrage import EncryptError, encrypt_io

    keys: list[x25519.Recipient]
    if isinstance(key, Passphrase):
        parameters = key.new_parameters()
        header = Header(kind, parameters)
        keys = [key.identity(parameters).to_public()]
    else:
        header = Header(kind)
        keys = key.keys()
    line = header.line()
    out = _Front(line, write)
    pump = Pump(_Pieces(_after(binding(line), chunks)).read, out.write)
    try:
        encrypt_io(pump, pump, keys)
    except (EncryptError, OSError) as error:
        if pump.failure is None:
            raise SealedError("the content could not be sealed", detail=str(error)) from error
    if pump.failure is not None:
        raise pump.failure
    return out.digest.hexdigest()


def seal_bytes(kind: str, content: bytes | bytearray, key: Recipients | Passphrase) -> bytes:
    """Return a sealed file with small content (see :func:`seal`); ``content`` is not changed."""
    sealed = bytearray()
    seal(kind, (content,), sealed.extend, key)
    return bytes(sealed)


def _after(first: bytes, chunks: Iterable[bytes | bytearray]) -> Iterator[bytes | bytearray]:
    yield first
    yield from chunks


class _Pieces:
    """Reads from an iterable."""

    def __init__(self, chunks: Iterator[bytes | bytearray]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._rest = memoryview(chunk)
        piece, self._rest = self._rest[:size], self._rest[size:]
        return bytes(piece)


class _Front:
    """Holds age's header back until it is complete, and writes our lines before it."""

    def __init__(self, line: bytes, write: Callable[[bytes], object]) -> None:
        self._line = line
        self._write = write
        self._held: bytearray | None = bytearray()
        self.digest = sha256()

    def write(self, data: bytes) -> None:
        if self._held is None:
            self._out(data)
            return
        self._held += data
        end = age_header_end(self._held)
        if end:
            held, self._held = bytes(self._held), None
            self._out(self._line + check_line(self._line, held[:end]) + held)
        elif len(self._held) > MAX_AGE_HEADER:
            raise SealedError("age's header has no end")

    def _out(self, data: bytes) -> None:
        self.digest.update(data)
        self._write(data)
