"""OpenPGP's ASCII armor (RFC 4880, section 6), as the SDK writes keys in it.

::

    -----BEGIN TENDERMINT PUBLIC KEY-----
    type: secp256k1
    version: 0.0.1

    Ch8vY29zbW9zLmNyeXB0by5zZWNwMjU2azEuUHViS2V5EiMKIQ…
    =7TDR
    -----END TENDERMINT PUBLIC KEY-----

Text before and behind a block is ignored, and so is a block whose headers are none; a checksum may be missing, as the
SDK's library (``golang.org/x/crypto/openpgp/armor``) has it. Unlike there, the closing line must be there and name the
same type.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cosmos_formats.errors import FormatError

LARGEST: Final = 64 << 10
"""Most characters that are read. A multisig key of a hundred members has 7,000."""

_LINE: Final = 64
_LONGEST_LINE: Final = 96
_CRC_START: Final = 0xB704CE
_CRC_POLYNOMIAL: Final = 0x1864CFB
_BEGIN: Final = "-----BEGIN "
_END: Final = "-----END "
_DASHES: Final = "-----"


class InvalidArmor(FormatError):
    """Text that is not an armored block, or not one of the wanted kind."""

    code = "invalid_armor"


@dataclass(frozen=True, slots=True)
class Block:
    """What an armor holds.

    Attributes:
        kind: Such as ``TENDERMINT PRIVATE KEY``.
        headers: Values by name.
        data: The bytes.
    """

    kind: str
    headers: Mapping[str, str]
    data: bytes


def encode(block: Block) -> str:
    """Return a block as text, with its headers sorted by name (Go's order is random) and a newline at the end.

    Raises:
        InvalidArmor: The kind, a header's name or its value cannot be written so that it reads the same.
    """
    for name, value in block.headers.items():
        if not name or ": " in name or f"{name}: {value}" != _one_line(f"{name}: {value}") or not value:
            raise InvalidArmor(f"the header {name[:64]!r} cannot be written in armor")
    if not block.kind or block.kind != _one_line(block.kind):
        raise InvalidArmor(f"{block.kind[:64]!r} cannot be a block's kind")
    text = b2a_base64(block.data, newline=False).decode("ascii")
    lines = [
        f"{_BEGIN}{block.kind}{_DASHES}",
        *(f"{name}: {block.headers[name]}" for name in sorted(block.headers)),
        "",
        *(text[at : at + _LINE] for at in range(0, len(text), _LINE)),
        "=" + b2a_base64(crc24(block.data).to_bytes(3), newline=False).decode("ascii"),
        f"{_END}{block.kind}{_DASHES}",
    ]
    return "\n".join(lines) + "\n"


def decode(text: str) -> Block:
    """Read the first block in a text.

    Raises:
        InvalidArmor: There is none (``EOF``), it is cut off or damaged, or the text is too long.
    """
    if len(text) > LARGEST:
        raise InvalidArmor(f"armor of {len(text)} characters; at most {LARGEST} are allowed")
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    kind, headers, at = _opening(lines)
    body: list[str] = []
    checksum: int | None = None
    for line in lines[at:]:
        if line.startswith(_END):
            if line.rstrip() != f"{_END}{kind}{_DASHES}":
                break
            return Block(kind, headers, _checked(body, checksum))
        if checksum is not None or len(line) > _LONGEST_LINE:
            break
        if len(line) == 5 and line[0] == "=":
            checksum = int.from_bytes(_unbase64(line[1:]))
        else:
            body.append(line)
    else:
        if checksum is None:
            raise InvalidArmor("unexpected EOF")
    raise InvalidArmor("openpgp: invalid data: armor invalid")


def crc24(data: bytes) -> int:
    """Return the checksum of RFC 4880, section 6.1."""
    crc = _CRC_START
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= _CRC_POLYNOMIAL
    return crc


def _opening(lines: list[str]) -> tuple[str, dict[str, str], int]:
    """Return kind and headers of the first block, and the number of the line where its body begins."""
    headers: dict[str, str] = {}
    kind = ""
    for number, raw in enumerate(lines):
        line = raw.strip()
        if not kind:
            if line.startswith(_BEGIN) and line.endswith(_DASHES) and len(line) > len(_BEGIN) + len(_DASHES):
                kind = line[len(_BEGIN) : -len(_DASHES)]
        elif not line:
            return kind, headers, number + 1
        else:
            name, separator, value = line.partition(": ")
            if separator:
                headers[name] = value
            else:
                kind, headers = "", {}
    raise InvalidArmor("EOF")


def _checked(body: list[str], checksum: int | None) -> bytes:
    data = _unbase64("".join(body))
    if checksum is not None and checksum != crc24(data):
        raise InvalidArmor("openpgp: invalid data: armor invalid")
    return data


def _unbase64(text: str) -> bytes:
    try:
        return a2b_base64(text, strict_mode=True) if text else b""
    except (Base64Error, ValueError):
        raise InvalidArmor("illegal base64 data in the armor") from None


def _one_line(text: str) -> str:
    """Return the text as it would be read back from a line of its own."""
    return "".join(text.split("\n")).strip() if text.isprintable() else ""
