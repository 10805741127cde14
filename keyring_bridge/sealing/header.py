"""The two plain lines in front of a sealed file, and age's own header behind them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from keyring_bridge.sealing.errors import SealedDamaged, SealedNewer, SealedUnknown

MAGIC = b"keyring-bridge-sealed "
VERSION = 1

MAX_LINE = 256
MAX_AGE_HEADER = 64 << 10
"""More than 300 recipients."""

SALT_BYTES = 16

# What a file may make its reader spend. A file from elsewhere must not take all memory, nor be cheap to try.
MEMORY_KIB = range(19 << 10, (1 << 20) + 1)
ITERATIONS = range(1, 17)
LANES = range(1, 17)

_VERSION = re.compile(rb"([0-9]{1,9}) [^\n]*\n")
_LINE = re.compile(
    rb"1 (?P<kind>[a-z][a-z0-9-]{0,31}) (?:(?P<recipients>recipients)|passphrase argon2id"
    rb" salt=(?P<salt>[0-9a-f]{32}) memory=(?P<memory>[1-9][0-9]{0,8})"
    rb" iterations=(?P<iterations>[1-9][0-9]{0,4}) lanes=(?P<lanes>[1-9][0-9]{0,2}))\n"
)
_CHECK = re.compile(rb"check ([0-9a-f]{64})\n")
_KIND = re.compile(r"[a-z][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True)
class Argon2Parameters:
    """How a passphrase becomes a key: Argon2id (RFC 9106), version 1.3, 32 bytes.

    Attributes:
        salt: 16 random bytes.
        memory: KiB.
        iterations: Passes over the memory.
        lanes: Parallelism.
    """

    salt: bytes
    memory: int = 64 << 10
    iterations: int = 3
    lanes: int = 4

    def __post_init__(self) -> None:
        if len(self.salt) != SALT_BYTES:
            raise ValueError(f"salt of {len(self.salt)} bytes")
        if self.memory not in MEMORY_KIB or self.iterations not in ITERATIONS or self.lanes not in LANES:
            raise ValueError("parameters are out of range")


@dataclass(frozen=True, slots=True)
class Header:
    """First line of a sealed file.

    Attributes:
        kind: What the content is, such as ``backup``: lower-case letters, digits and hyphens.
        argon2: How its passphrase becomes a key; None for a file that identities open.
    """

    kind: str
    argon2: Argon2Parameters | None = None

    def __post_init__(self) -> None:
        if _KIND.fullmatch(self.kind) is None:
            raise ValueError("not a kind of sealed file")

    def line(self) -> bytes:
        """Return the line, with its newline."""
        text = f"{VERSION} {self.kind} "
        if self.argon2 is None:
            text += "recipients\n"
        else:
            a = self.argon2
            text += f"passphrase argon2id salt={a.salt.hex()} memory={a.memory} iterations={a.iterations}"
            text += f" lanes={a.lanes}\n"
        return MAGIC + text.encode("ascii")

    @classmethod
    def parse(cls, line: bytes) -> Header:
        """Return what a line says.

        Raises:
            SealedUnknown: It begins no sealed file.
            SealedNewer: It is of a newer version.
            SealedDamaged: It is not what :meth:`line` writes, or asks for parameters out of range.
        """
        if not line.startswith(MAGIC):
            raise SealedUnknown("this is not a sealed file of the keyring bridge")
        rest = line.removeprefix(MAGIC)
        version = _VERSION.fullmatch(rest)
        if version is not None and int(version[1]) > VERSION:
            raise SealedNewer(f"the sealed file is of version {int(version[1])}; this program reads up to {VERSION}")
        found = _LINE.fullmatch(rest)
        if found is None:
            raise SealedDamaged("the first line of the sealed file is damaged")
        kind = found["kind"].decode("ascii")
        if found["recipients"]:
            return cls(kind)
        numbers = (int(found[name]) for name in ("memory", "iterations", "lanes"))
        try:
            return cls(kind, Argon2Parameters(bytes.fromhex(found["salt"].decode("ascii")), *numbers))
        except ValueError as error:
            raise SealedDamaged("the sealed file asks for a key derivation that is out of range") from error


def check_line(line: bytes, age_header: bytes) -> bytes:
    """Return the second line of the file that begins with ``line`` and has age's ``age_header``."""
    return b"check " + sha256(line + age_header).hexdigest().encode("ascii") + b"\n"


def binding(line: bytes) -> bytes:
    """Return the first line of the content, which ties the first line of the file to it."""
    return sha256(line).hexdigest().encode("ascii") + b"\n"


def age_header_end(data: bytes | bytearray) -> int:
    """Return where age's header ends in ``data`` (after the newline of its last line), or 0 if it does not yet."""
    last = data.find(b"\n--- ")
    return 0 if last < 0 else data.find(b"\n", last + 1) + 1


def read_front(read: Callable[[int], bytes]) -> tuple[Header, bytes, bytes]:
    """Read what stands before the encrypted content.

    Args:
        read: Gives up to as many bytes as it is asked for; none at the end.

    Returns:
        What the first line says, the line itself, and what was read of the age file (its header and some more).

    Raises:
        SealedError: See :meth:`Header.parse`; SealedDamaged also if the checksum does not match.
    """
    data = bytearray()

    def more(limit: int) -> bool:
        chunk = read(4096) if len(data) < limit else b""
        data.extend(chunk)
        return bool(chunk)

    def line(limit: int) -> bytes:
        while (end := data.find(b"\n") + 1) == 0 and more(limit):
            pass
        if not 0 < end <= limit:
            if not data.startswith(MAGIC[: len(data)]):
                raise SealedUnknown("this is not a sealed file of the keyring bridge")
            raise SealedDamaged("the sealed file is cut off or damaged in its first lines")
        taken = bytes(data[:end])
        del data[:end]
        return taken

    first = line(MAX_LINE)
    header = Header.parse(first)
    while b"\n" not in data and more(MAX_LINE):
        pass
    second = bytes(data[: data.find(b"\n") + 1])
    if _CHECK.fullmatch(second) is None:
        raise SealedDamaged("the second line of the sealed file is damaged or missing")
    del data[: len(second)]
    while (end := age_header_end(data)) == 0 and more(MAX_AGE_HEADER):
        pass
    if end == 0 or second != check_line(first, bytes(data[:end])):
        raise SealedDamaged("the first lines of the sealed file are damaged")
    return header, first, bytes(data)
