"""What a validator's signer has signed last: ``priv_validator_state.json``.

CometBFT's FilePV and Cosmos-KMS write it; horcrux writes it with the round as text and two members more. It is the
floor that a key must be given before it signs anywhere else.
"""

from __future__ import annotations

import json
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from dataclasses import dataclass, field
from typing import Final

from cosmos_formats import secret_json
from cosmos_formats.errors import FormatError

LARGEST: Final = 64 << 10
"""Most bytes of a state file. Sign bytes have about 120."""

STEPS: Final = ("none", "propose", "prevote", "precommit")
"""What the numbers of the steps mean."""

HIGHEST: Final = (1 << 63) - 1
HIGHEST_ROUND: Final = (1 << 31) - 1

_MEMBERS: Final = frozenset({"height", "round", "step", "signature", "signbytes"})
_OF_HORCRUX: Final = frozenset({"nonce_public", "vote_ext_signature"})


class InvalidStateFile(FormatError):
    """Not the state of a validator's signer."""

    code = "invalid_state_file"


@dataclass(frozen=True, slots=True)
class SignState:
    """What was signed last.

    Attributes:
        height: 0 if nothing was signed.
        round: From 0.
        step: 0 none, 1 propose, 2 prevote, 3 precommit.
        signature: Of the message that was signed; None if it is not known. Then nothing more may be signed at these
            three numbers.
        sign_bytes: The message: length and canonical vote or proposal. There if the signature is.
    """

    height: int
    round: int
    step: int
    signature: bytes | None = field(default=None, repr=False)
    sign_bytes: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.height <= HIGHEST or not 0 <= self.round <= HIGHEST_ROUND or not 0 <= self.step < len(STEPS):
            raise InvalidStateFile("height, round or step is out of range")
        if bool(self.signature) != bool(self.sign_bytes):
            raise InvalidStateFile("signature and sign bytes are either both there or both absent")


def read(content: bytes | bytearray) -> SignState:
    """Read a state file of CometBFT, Cosmos-KMS or horcrux.

    Raises:
        InvalidStateFile: Another file, or numbers out of range.
    """
    members = read_members(content, required=frozenset({"height", "round", "step"}), allowed=_MEMBERS | _OF_HORCRUX)
    # FilePV writes the height as text, horcrux the round too; the step is a number for both.
    return SignState(
        number(members["height"]),
        number(members["round"]),
        number(members["step"]),
        _base64(members.get("signature")),
        _hex(members.get("signbytes")),
    )


def has_round_as_text(content: bytes | bytearray) -> bool:
    """Tell whether a state file is horcrux's.

    Raises:
        InvalidStateFile: It is none.
    """
    members = read_members(content, required=frozenset({"height", "round", "step"}), allowed=_MEMBERS | _OF_HORCRUX)
    return isinstance(members["round"], str)


def write(state: SignState, *, round_as_text: bool = False) -> bytes:
    """Return a state file as CometBFT writes it, byte for byte; with ``round_as_text`` one that horcrux reads."""
    number_or_text: object = str(state.round) if round_as_text else state.round
    members: dict[str, object] = {"height": str(state.height), "round": number_or_text, "step": state.step}
    if state.signature and state.sign_bytes:
        members["signature"] = b2a_base64(state.signature, newline=False).decode("ascii")
        members["signbytes"] = state.sign_bytes.hex().upper()
    return json.dumps(members, indent=2).encode("ascii")


# --- shared with tmkms' state ----------------------------------------------------------------------------------------


def read_members(content: bytes | bytearray, *, required: frozenset[str], allowed: frozenset[str]) -> dict[str, object]:
    """Return the members of a JSON object that has some for certain and others perhaps.

    Raises:
        InvalidStateFile: Too large, not JSON, a member twice, or another one.
    """
    if len(content) > LARGEST:
        raise InvalidStateFile(f"state file of {len(content)} bytes; at most {LARGEST} are allowed")
    try:
        members = secret_json.load(content).value
    except ValueError:
        raise InvalidStateFile("not a JSON object with each member once") from None
    if not isinstance(members, dict) or not required <= set(members) <= allowed:
        raise InvalidStateFile(f"not the state of a signer: it has {', '.join(sorted(required))}")
    return members


def number(value: object) -> int:
    """Return a number that stands in JSON as such or as text.

    Raises:
        InvalidStateFile: Not one, negative, or too large.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(HIGHEST)):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= HIGHEST:
        raise InvalidStateFile("height, round or step is not a number, or is out of range")
    return value


def _base64(value: object) -> bytes | None:
    if value is None or value == "":
        return None
    try:
        if not isinstance(value, str):
            raise ValueError("not text")
        return a2b_base64(value.encode("ascii"), strict_mode=True)
    except (ValueError, Base64Error):
        raise InvalidStateFile("the signature is not base64") from None


def _hex(value: object) -> bytes | None:
    if value is None or value == "":
        return None
    try:
        if not isinstance(value, str) or not value.isalnum():
            raise ValueError("not hexadecimal digits")
        return bytes.fromhex(value)
    except ValueError:
        raise InvalidStateFile("the sign bytes are not hexadecimal digits") from None
