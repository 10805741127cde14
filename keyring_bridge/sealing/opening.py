"""Opening: a sealed file in, its content out, a piece at a time."""

from __future__ import annotations

import hmac
import io
from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING

from keyring_bridge.sealing.errors import (
    SealedDamaged,
    SealedIdentityWrong,
    SealedOtherKind,
    SealedOtherLock,
    SealedPassphraseIncorrect,
    SealedTooLarge,
)
from keyring_bridge.sealing.header import Header, binding, read_front
from keyring_bridge.sealing.keys import Identities, Passphrase
from keyring_bridge.sealing.streams import Pump

if TYPE_CHECKING:
    from pyrage import x25519

    from keyring_bridge.secrets import SecretBytes


def unseal(
    kind: str,
    read: Callable[[int], bytes],
    write: Callable[[bytes], object],
    key: Identities | Passphrase,
) -> str:
    """Open a sealed file, in memory that does not grow with it.

    Args:
        kind: What the content has to be.
        read: Gives up to as many bytes of the file as it is asked for; none at the end.
        write: Takes the content piece by piece. Each piece is authentic when it comes, but only when this function has
            returned is it known that nothing is missing at the end: until then nothing may be done with them.
        key: What opens it.

    Returns:
        SHA-256 of the sealed file, 64 hexadecimal digits.

    Raises:
        SealedUnknown: It is no sealed file.
        SealedNewer: It is of a newer version.
        SealedOtherKind: It has other content.
        SealedOtherLock: It wants a passphrase and an identity was given, or the other way round.
        SealedPassphraseIncorrect: The passphrase does not open it.
        SealedIdentityWrong: It was sealed for others.
        SealedDamaged: A bit is wrong or the end is missing.
        Exception: Whatever ``read`` or ``write`` raised.
    """
    from pyrage import DecryptError, decrypt_io

    digest = sha256()

    def counted(size: int) -> bytes:
        chunk = read(size)
        digest.update(chunk)
        return chunk

    header, line, begun = read_front(counted)
    if header.kind != kind:
        raise SealedOtherKind(f"the sealed file has a {header.kind} in it, not a {kind}")
    keys = _keys(header, key)
    source = _Source(begun, counted)
    content = _Bound(binding(line), write)
    pump = Pump(source.read, content.write)
    try:
        decrypt_io(pump, pump, keys)
    except DecryptError as error:
        if pump.failure is None:
            # The front is intact, as its checksum says: the key is the one that was not found.
            if "No matching keys" in str(error):
                raise _not_opened(key) from None
            raise SealedDamaged("the sealed file is damaged", detail=str(error)) from error
    except OSError as error:
        if pump.failure is None:
            raise SealedDamaged("the sealed file is damaged, or its end is missing", detail=str(error)) from error
    if pump.failure is not None:
        raise pump.failure
    content.finish()
    return digest.hexdigest()


def unseal_bytes(kind: str, sealed: bytes, key: Identities | Passphrase, *, limit: int = 1 << 20) -> SecretBytes:
    """Return the content of a small sealed file; the caller wipes it.

    Args:
        kind: What the content has to be.
        sealed: The file.
        key: What opens it.
        limit: Most bytes that the content may have.

    Raises:
        SealedTooLarge: There are more.
        BridgeError: See :func:`unseal`.
    """
    from keyring_bridge.secrets import SecretBytes

    content = bytearray()

    def keep(data: bytes) -> None:
        if len(content) + len(data) > limit:
            raise SealedTooLarge(f"the sealed file has more than {limit} bytes in it")
        content.extend(data)

    try:
        unseal(kind, io.BytesIO(sealed).read, keep, key)
    except BaseException:
        content[:] = bytes(len(content))
        raise
    return SecretBytes(content)


def _keys(header: Header, key: Identities | Passphrase) -> list[x25519.Identity]:
    if isinstance(key, Passphrase):
        if header.argon2 is None:
            raise SealedOtherLock("the file was sealed for recipients", hint="open it with an age identity")
        return [key.identity(header.argon2)]
    if header.argon2 is not None:
        raise SealedOtherLock("the file was sealed under a passphrase", hint="open it with that")
    return list(key.keys)


def _not_opened(key: Identities | Passphrase) -> SealedPassphraseIncorrect | SealedIdentityWrong:
    if isinstance(key, Passphrase):
        return SealedPassphraseIncorrect("the passphrase does not open the sealed file")
    return SealedIdentityWrong("the sealed file is not for this identity")


class _Source:
    """The age file: what was read of it already, and the rest."""

    def __init__(self, begun: bytes, read: Callable[[int], bytes]) -> None:
        self._begun = begun
        self._read = read

    def read(self, size: int) -> bytes:
        if self._begun:
            piece, self._begun = self._begun[:size], self._begun[size:]
            return piece
        return self._read(size)


class _Bound:
    """Takes the binding off the content, and lets nothing through if it is another."""

    def __init__(self, expected: bytes, write: Callable[[bytes], object]) -> None:
        self._expected = expected
        self._write = write
        self._front = b""

    def write(self, data: bytes) -> None:
        missing = len(self._expected) - len(self._front)
        if missing:
            self._front += data[:missing]
            data = data[missing:]
            if len(self._front) == len(self._expected):
                self.finish()
        if data:
            self._write(data)

    def finish(self) -> None:
        if not hmac.compare_digest(self._front, self._expected):
            raise SealedDamaged("the first line of the sealed file is not the one that its content was sealed with")
