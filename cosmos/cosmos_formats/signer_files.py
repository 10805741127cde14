"""Key and state files of other remote signers: tmkms and Cosmos-KMS.

tmkms keeps a *softsign* key as base64 of 32 bytes (an ed25519 seed, or a secp256k1 scalar), or as CometBFT's JSON; its
identity (``kms-identity.key``) in the first form. It also takes ed25519 keys without their seed, which no token takes.
Cosmos-KMS keeps an ed25519 key as CometBFT's JSON or as base64 of 64 bytes (seed, then public half), a secp256k1 key as
hexadecimal digits; its states are CometBFT's (:mod:`cosmos_formats.sign_state`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cosmos_formats import private_keys
from cosmos_formats.privval.canonical import Canonical
from cosmos_formats.privval.errors import InvalidMessage
from cosmos_formats.privval.model import BlockId
from cosmos_formats.pubkeys import KeyType
from cosmos_formats.sign_state import HIGHEST, HIGHEST_ROUND, InvalidStateFile, SignState, number, read_members
from cosmos_formats.validator_files import LARGEST, InvalidKeyFile, read_private_member
from cosmos_formats.wipeable import unbase64, unhex, wipe

if TYPE_CHECKING:
    from cosmos_formats.private_keys import PrivateKey

_BLANKS: Final = b" \t\r\n"
_LAST_STEP: Final = 3
"""CometBFT's number of a precommit."""
_STATE_MEMBERS: Final = frozenset({"height", "round", "step", "block_id"})


# --- keys ------------------------------------------------------------------------------------------------------------


def read_tmkms_key(content: bytes | bytearray, key_type: KeyType = KeyType.ED25519) -> PrivateKey:
    """Read a softsign or identity key of tmkms.

    Args:
        content: The whole file, in a buffer that the caller wipes.
        key_type: ``ed25519`` for consensus keys and identities, ``secp256k1`` for account keys: the file doesn't tell.

    Raises:
        InvalidKeyFile: Not such a file, or an ed25519 key without its seed (64 or 96 bytes).
        InvalidKey: Out of range.
    """
    if _is_json(content):
        return _of_type(read_private_member(content), key_type)
    stored = _decoded(content)
    if key_type is KeyType.ED25519 and len(stored) in (64, 96):
        wipe(stored)
        raise InvalidKeyFile("the file holds an expanded ed25519 key, without its seed: no token imports those")
    if len(stored) != private_keys.LENGTH:
        wipe(stored)
        raise InvalidKeyFile("not a softsign key of tmkms: it is base64 of 32 bytes")
    return private_keys.opened(key_type, stored)


def read_cosmos_kms_key(content: bytes | bytearray, key_type: KeyType = KeyType.ED25519) -> PrivateKey:
    """Read a key file of Cosmos-KMS.

    Args:
        content: The whole file, in a buffer that the caller wipes.
        key_type: ``ed25519``, ``secp256k1`` or ``eth_secp256k1``: the file doesn't tell.

    Raises:
        InvalidKeyFile: Not such a file.
        InvalidKey: Out of range, or an ed25519 seed beside another's public half.
    """
    if _is_json(content):
        return _of_type(read_private_member(content), key_type)
    if key_type is KeyType.ED25519:
        stored = _decoded(content)
        try:
            return private_keys.from_stored(key_type, stored)
        finally:
            wipe(stored)
    start, end = _trimmed(content)
    with memoryview(content) as view:
        if bytes(view[start : start + 2]) == b"0x":
            start += 2
        try:
            secret = unhex(view[start:end])
        except ValueError:
            raise InvalidKeyFile("not a secp256k1 key of Cosmos-KMS: it is 64 hexadecimal digits") from None
    return private_keys.opened(key_type, secret)


def _is_json(content: bytes | bytearray) -> bool:
    if len(content) > LARGEST:
        raise InvalidKeyFile(f"key file of {len(content)} bytes; at most {LARGEST} are allowed")
    start, end = _trimmed(content)
    return start < end and content[start] == ord("{")


def _trimmed(content: bytes | bytearray) -> tuple[int, int]:
    start, end = 0, len(content)
    while start < end and content[start] in _BLANKS:
        start += 1
    while start < end and content[end - 1] in _BLANKS:
        end -= 1
    return start, end


def _decoded(content: bytes | bytearray) -> bytearray:
    start, end = _trimmed(content)
    try:
        with memoryview(content) as view:
            return unbase64(view[start:end])
    except ValueError:
        raise InvalidKeyFile("the key file is neither JSON nor base64") from None


def _of_type(key: PrivateKey, key_type: KeyType) -> PrivateKey:
    if key.key_type is not key_type:
        key.wipe()
        raise InvalidKeyFile(f"the key file holds a {key.key_type} key, not {key_type}")
    return key


# --- the state of tmkms ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TmkmsState:
    """What tmkms has signed last.

    Attributes:
        height: 0 if nothing was signed.
        round: From 0.
        step: 0 propose, 1 prevote, 2 precommit.
        block_id: What it was for; None for nil.
    """

    height: int
    round: int
    step: int
    block_id: BlockId | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.step <= 2:
            raise InvalidStateFile("the step of tmkms is 0, 1 or 2")
        SignState(self.height, self.round, self.step)

    def to_sign_state(self) -> SignState:
        """Return it in CometBFT's numbers. tmkms keeps no signature: nothing more may be signed at them."""
        return SignState(self.height, self.round, self.step + 1 if self.height else 0)

    @classmethod
    def from_sign_state(cls, state: SignState) -> TmkmsState:
        """Return what tmkms would have written.

        Raises:
            InvalidStateFile: The sign bytes are no canonical vote or proposal.
        """
        block_id = block_id_of(state.sign_bytes) if state.sign_bytes else None
        return cls(state.height, state.round, max(state.step - 1, 0), block_id)


def refusing(state: SignState) -> TmkmsState:
    """Return a state with which tmkms signs nothing at the numbers of ``state``, whatever was signed there.

    tmkms compares blocks, and lets nil through where its state names none. So without the block that was signed, its
    state has to be that of the next step: a vote for a block there is refused as well, a nil vote there harms nobody.

    Raises:
        InvalidStateFile: There is no next step.
    """
    if state.sign_bytes:
        return TmkmsState.from_sign_state(state)
    if state.step < _LAST_STEP:
        return TmkmsState(state.height, state.round, state.step)
    if state.round < HIGHEST_ROUND:
        return TmkmsState(state.height, state.round + 1, 0)
    if state.height < HIGHEST:
        return TmkmsState(state.height + 1, 0, 0)
    raise InvalidStateFile("there is no step above the last one of all")


def read_tmkms_state(content: bytes | bytearray) -> TmkmsState:
    """Read a state file of tmkms.

    Raises:
        InvalidStateFile: Another file, or numbers out of range.
    """
    members = read_members(content, required=_STATE_MEMBERS - {"block_id"}, allowed=_STATE_MEMBERS)
    block_id = members.get("block_id")
    return TmkmsState(
        number(members["height"]),
        number(members["round"]),
        number(members["step"]),
        None if block_id is None else _block_id(block_id),
    )


def write_tmkms_state(state: TmkmsState) -> bytes:
    """Return a state file as tmkms writes it."""
    block = state.block_id
    members = {
        "height": str(state.height),
        "round": str(state.round),
        "step": state.step,
        "block_id": None
        if block is None
        else {
            "hash": block.hash.hex().upper(),
            "parts": {"total": block.parts_total, "hash": block.parts_hash.hex().upper()},
        },
    }
    return json.dumps(members, separators=(",", ":")).encode("ascii")


def block_id_of(sign_bytes: bytes) -> BlockId | None:
    """Return the block that a canonical vote or proposal is for; None for nil.

    Args:
        sign_bytes: Length and message.

    Raises:
        InvalidStateFile: Neither a vote nor a proposal.
    """
    try:
        block = Canonical.from_sign_bytes(sign_bytes).block_id
    except InvalidMessage as error:
        raise InvalidStateFile(str(error)) from None
    return None if block.is_nil else block


def _block_id(value: object) -> BlockId | None:
    if not isinstance(value, dict):
        raise InvalidStateFile("block_id is not an object")
    parts = value.get("parts", value.get("part_set_header"))
    if len(value) != 2 or not isinstance(parts, dict) or set(parts) != {"total", "hash"}:
        raise InvalidStateFile("block_id has a hash and parts, which have a total and a hash")
    try:
        block = BlockId(_hash(value.get("hash")), number(parts["total"]), _hash(parts["hash"]))
    except InvalidMessage as error:
        raise InvalidStateFile(str(error)) from None
    # A state that was never used names a block without a hash.
    return block if block.hash else None


def _hash(value: object) -> bytes:
    try:
        if not isinstance(value, str) or len(value) not in (0, 64) or (value and not value.isalnum()):
            raise ValueError("not a hash")
        return bytes.fromhex(value)
    except ValueError:
        raise InvalidStateFile("a hash in block_id is not 64 hexadecimal digits") from None
