"""Requests and replies of the remote signer protocol, of CometBFT 0.34, 0.37, 0.38 and 1.0.

The versions agree in the numbers of the messages and differ in three things:

* From 0.38 votes carry an extension (fields 9 and 10). Signers that don't know these fields lose them.
* 1.0 asks with ``skip_extension_signing``, and reads the public key from other fields of the reply. One reply with both
  sets of fields serves every version, and is what :func:`encode` writes.
* Numbers 9 and 10 ask for the signature of any bytes: without a prefix in 1.0, with one in tmkms. Such bytes could be a
  vote's, and so go round every guard against signing twice. They are recognised here, so that they can be refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from cosmos_formats import wire
from cosmos_formats.errors import InvalidKey
from cosmos_formats.privval import fields, parts
from cosmos_formats.privval.errors import InvalidMessage
from cosmos_formats.privval.fields import Fields, Kind
from cosmos_formats.privval.model import Proposal, Timestamp, Vote, check_range
from cosmos_formats.pubkeys import KeyType, PublicKey


@dataclass(frozen=True, slots=True)
class RemoteSignerError:
    """Why a signer refuses.

    Attributes:
        code: Signed 32 bits. CometBFT's own signer always says 0, tmkms 2 for a double sign. Nodes only print it.
        description: What the node prints beside it.
    """

    code: int = 0
    description: str = ""

    def __post_init__(self) -> None:
        check_range(self.code, 32, "code of an error")


@dataclass(frozen=True, slots=True)
class PubKeyRequest:
    """Asks for the consensus key of a chain."""

    chain_id: str = ""


@dataclass(frozen=True, slots=True)
class PubKeyResponse:
    """The consensus key (ed25519 or secp256k1), or why there is none."""

    public_key: PublicKey | None = None
    error: RemoteSignerError | None = None

    def __post_init__(self) -> None:
        _one_of(self.public_key, self.error)
        if self.public_key is not None and self.public_key.key_type not in _KEY_FIELDS:
            raise InvalidMessage(f"{self.public_key.key_type} keys are not asked for")


@dataclass(frozen=True, slots=True)
class SignVoteRequest:
    """Asks for the signatures of a vote and its extension.

    Attributes:
        vote: The vote.
        chain_id: The chain.
        skip_extension_signing: The chain has no extensions (1.0 only: earlier versions always want the signature).
    """

    vote: Vote
    chain_id: str = ""
    skip_extension_signing: bool = False


@dataclass(frozen=True, slots=True)
class SignedVoteResponse:
    """The vote with its signatures, and perhaps another timestamp than asked for; or why there is none.

    A node takes nothing but signatures and timestamp from it, so the extension may be left out to keep it small.
    """

    vote: Vote | None = None
    error: RemoteSignerError | None = None

    def __post_init__(self) -> None:
        _one_of(self.vote, self.error)


@dataclass(frozen=True, slots=True)
class SignProposalRequest:
    """Asks for the signature of a proposal."""

    proposal: Proposal
    chain_id: str = ""


@dataclass(frozen=True, slots=True)
class SignedProposalResponse:
    """The proposal with its signature, and perhaps another timestamp than asked for; or why there is none."""

    proposal: Proposal | None = None
    error: RemoteSignerError | None = None

    def __post_init__(self) -> None:
        _one_of(self.proposal, self.error)


@dataclass(frozen=True, slots=True)
class PingRequest:
    """Asks whether the connection is alive."""


@dataclass(frozen=True, slots=True)
class PingResponse:
    """It is."""


@dataclass(frozen=True, slots=True)
class RawBytesRequest:
    """Asks for the signature of any bytes: ``SignBytesRequest`` of 1.0 or ``SignRawBytesRequest`` of tmkms.

    Attributes:
        body: The message, unread: the two are not told apart, and a consensus key serves neither.
    """

    body: bytes = b""


@dataclass(frozen=True, slots=True)
class RawBytesResponse:
    """The signature of any bytes, or why there is none."""

    signature: bytes = b""
    error: RemoteSignerError | None = None


Request: TypeAlias = PubKeyRequest | SignVoteRequest | SignProposalRequest | PingRequest | RawBytesRequest
Reply: TypeAlias = PubKeyResponse | SignedVoteResponse | SignedProposalResponse | PingResponse | RawBytesResponse
Message: TypeAlias = Request | Reply

_NUMBERS: Final[dict[type[Message], int]] = {
    PubKeyRequest: 1,
    PubKeyResponse: 2,
    SignVoteRequest: 3,
    SignedVoteResponse: 4,
    SignProposalRequest: 5,
    SignedProposalResponse: 6,
    PingRequest: 7,
    PingResponse: 8,
    RawBytesRequest: 9,
    RawBytesResponse: 10,
}
_MESSAGE: Final = dict.fromkeys(_NUMBERS.values(), Kind.MESSAGE)
_KEY_FIELDS: Final = {KeyType.ED25519: 1, KeyType.SECP256K1: 2}
_KEY_TYPES: Final = {"ed25519": KeyType.ED25519, "secp256k1": KeyType.SECP256K1}

_TEXT: Final = {1: Kind.TEXT}
_ERROR: Final = {1: Kind.INT32, 2: Kind.TEXT}
_BODY_AND_TEXT: Final = {1: Kind.MESSAGE, 2: Kind.TEXT, 3: Kind.BOOL}
_BODY_AND_ERROR: Final = {1: Kind.MESSAGE, 2: Kind.MESSAGE}
_PUBLIC_KEY: Final = {1: Kind.BYTES, 2: Kind.BYTES}
_PUB_KEY_RESPONSE: Final = {1: Kind.MESSAGE, 2: Kind.MESSAGE, 3: Kind.BYTES, 4: Kind.TEXT}

# What Go writes beside an error: messages that are always there, with nothing in them but the time of year 1.
_NO_TIME: Final = wire.message_field(5, parts.write_timestamp(Timestamp()))
_NO_VOTE: Final = bytes.fromhex("22021200") + _NO_TIME
_NO_PROPOSAL: Final = bytes.fromhex("2a021200") + b"\x32" + _NO_TIME[1:]


def encode(message: Message) -> bytes:
    """Return the protocol's ``Message``, without its length.

    Raises:
        InvalidProtobuf: Text that cannot be written as UTF-8.
    """
    return wire.message_field(_NUMBERS[type(message)], _encode_body(message))


def decode(data: bytes) -> Message:
    """Read the protocol's ``Message``.

    Args:
        data: Its bytes, without its length.

    Raises:
        InvalidMessage: No message, several, or one that says what it may not.
    """
    number = None
    try:
        found = fields.read(data, _MESSAGE)
        present = found.present()
        if len(present) != 1:
            raise InvalidMessage("no message of the protocol, or several")
        number = present[0]
        return _decode_body(number, found.binary(number))
    except (InvalidMessage, InvalidKey, wire.InvalidProtobuf) as error:
        raise InvalidMessage(str(error), number) from None


def refusal(number: int | None, error: RemoteSignerError) -> Reply | None:
    """Return the reply that refuses a request.

    Args:
        number: Of the request in ``Message`` (:func:`number_of`, or :attr:`InvalidMessage.number`).
        error: Why.

    Returns:
        None if there is no such request, or none that can be refused: then the connection has to be closed.
    """
    if number == 1:
        return PubKeyResponse(error=error)
    if number == 3:
        return SignedVoteResponse(error=error)
    if number == 5:
        return SignedProposalResponse(error=error)
    if number == 9:
        return RawBytesResponse(error=error)
    return None


def number_of(message: Message) -> int:
    """Return which member of ``Message`` a message is."""
    return _NUMBERS[type(message)]


def _one_of(content: object, error: object) -> None:
    if (content is None) == (error is None):
        raise InvalidMessage("a reply has either what was asked for or an error")


# --- writing ---------------------------------------------------------------------------------------------------------


def _encode_body(message: Message) -> bytes:
    match message:
        case PubKeyRequest(chain_id):
            return wire.text_field(1, chain_id)
        case PubKeyResponse(public_key, error):
            return _encode_public_key(public_key) + _encode_error(error)
        case SignVoteRequest(vote, chain_id, skip):
            body = wire.message_field(1, parts.write_vote(vote))
            return body + wire.text_field(2, chain_id) + fields.integer(3, skip)
        case SignedVoteResponse(vote_or_none, error):
            body = _NO_VOTE if vote_or_none is None else parts.write_vote(vote_or_none)
            return wire.message_field(1, body) + _encode_error(error)
        case SignProposalRequest(proposal, chain_id):
            return wire.message_field(1, parts.write_proposal(proposal)) + wire.text_field(2, chain_id)
        case SignedProposalResponse(proposal_or_none, error):
            body = _NO_PROPOSAL if proposal_or_none is None else parts.write_proposal(proposal_or_none)
            return wire.message_field(1, body) + _encode_error(error)
        case RawBytesRequest(body):
            return body
        case RawBytesResponse(signature, error):
            return wire.bytes_field(1, signature) + _encode_error(error)
        case PingRequest() | PingResponse():
            return b""


def _encode_error(error: RemoteSignerError | None) -> bytes:
    if error is None:
        return b""
    return wire.message_field(2, fields.integer(1, error.code) + wire.text_field(2, error.description))


def _encode_public_key(key: PublicKey | None) -> bytes:
    if key is None:
        return wire.message_field(1, b"")
    older = wire.message_field(1, wire.bytes_field(_KEY_FIELDS[key.key_type], key.data))
    return older + wire.bytes_field(3, key.data) + wire.text_field(4, key.key_type.value)


# --- reading ---------------------------------------------------------------------------------------------------------


def _decode_body(number: int, body: bytes) -> Message:
    if number == 1:
        return PubKeyRequest(fields.read(body, _TEXT).text(1))
    if number == 2:
        return _decode_public_key(fields.read(body, _PUB_KEY_RESPONSE))
    if number in (3, 5):
        asked = fields.read(body, _BODY_AND_TEXT if number == 3 else {1: Kind.MESSAGE, 2: Kind.TEXT})
        content = asked.message(1)
        if content is None:
            raise InvalidMessage("a request without what is to be signed")
        if number == 3:
            return SignVoteRequest(parts.read_vote(content), asked.text(2), bool(asked.number(3)))
        return SignProposalRequest(parts.read_proposal(content), asked.text(2))
    if number in (4, 6):
        told = fields.read(body, _BODY_AND_ERROR)
        error = _decode_error(told.message(2))
        if number == 4:
            return SignedVoteResponse(None if error else parts.read_vote(told.binary(1)), error)
        return SignedProposalResponse(None if error else parts.read_proposal(told.binary(1)), error)
    if number == 9:
        return RawBytesRequest(body)
    if number == 10:
        told = fields.read(body, {1: Kind.BYTES, 2: Kind.MESSAGE})
        return RawBytesResponse(told.binary(1), _decode_error(told.message(2)))
    fields.read(body, {})
    return PingRequest() if number == 7 else PingResponse()


def _decode_error(data: bytes | None) -> RemoteSignerError | None:
    if data is None:
        return None
    found = fields.read(data, _ERROR)
    return RemoteSignerError(found.number(1), found.text(2))


def _decode_public_key(found: Fields) -> PubKeyResponse:
    error = _decode_error(found.message(2))
    if error is not None:
        return PubKeyResponse(error=error)
    keys: set[PublicKey] = set()
    older = fields.read(found.binary(1), _PUBLIC_KEY)
    keys.update(PublicKey(kind, older.binary(field)) for kind, field in _KEY_FIELDS.items() if older.binary(field))
    if found.text(4) or found.binary(3):
        kind = _KEY_TYPES.get(found.text(4))
        if kind is None:
            raise InvalidMessage(f"a public key of the type {found.text(4)[:64]!r}")
        keys.add(PublicKey(kind, found.binary(3)))
    if len(keys) != 1:
        raise InvalidMessage("no public key, or several")
    return PubKeyResponse(keys.pop())
