"""The documents: a transaction, and the signatures that members of a multisig account pass on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cosmos_formats.errors import FormatError
from cosmos_formats.signing import SignMode
from keyring_bridge.errors import InvalidRequest, InvalidSignDoc
from keyring_bridge.tx.errors import InvalidTx, InvalidTxJson

if TYPE_CHECKING:
    from cosmos_formats.multisig import AnyPublicKey
    from cosmos_formats.schema import Message, Schema
    from cosmos_formats.tx import Transaction, TxSigner

_DESCRIPTORS: Final = "cosmos.tx.signing.v1beta1.SignatureDescriptors"
_ERRORS: Final = {error.code: error for error in (InvalidTxJson, InvalidTx, InvalidSignDoc)}


@dataclass(frozen=True, slots=True)
class SignaturePart:
    """The signature of one member of a multisig account.

    Attributes:
        public_key: Of the member.
        mode: How it signed.
        signature: What it signed with.
        sequence: Of the account, as the member saw it.
    """

    public_key: AnyPublicKey
    mode: SignMode
    signature: bytes = field(repr=False)
    sequence: int


@contextmanager
def format_errors() -> Iterator[None]:
    """Turn errors of the formats into those of the bridge, with their codes."""
    try:
        yield
    except FormatError as error:
        raise _ERRORS.get(error.code, InvalidRequest)(str(error)) from error


def read_transaction(text: bytes, schema: Schema) -> Transaction:
    """Read a transaction in JSON.

    Raises:
        InvalidTxJson: It is none, or has messages of types that the schema does not have.
    """
    from cosmos_formats.tx import Transaction

    with format_errors():
        return Transaction.from_json(text, schema)


def read_signatures(text: bytes, schema: Schema) -> tuple[SignaturePart, ...]:
    """Read what ``tx sign --signature-only`` wrote.

    Raises:
        InvalidTxJson: It is something else.
        InvalidTx: A public key is missing or broken, or a signature is that of a nested multisig account.
    """
    from cosmos_formats.protojson import decode_text

    with format_errors():
        document = decode_text(text, schema.message(_DESCRIPTORS), schema)
        return tuple([_part(descriptor, place) for place, descriptor in enumerate(document.signatures)])


def write_signatures(signers: Sequence[TxSigner], schema: Schema, *, ascii_only: bool = False) -> str:
    """Return signatures as ``--signature-only`` prints them, on one line.

    Raises:
        InvalidTx: A signer has no mode, or its signature does not fit the mode.
    """
    from cosmos_formats.protojson import dumps, encode

    document = schema.message(_DESCRIPTORS)()
    with format_errors():
        for signer in signers:
            added = document.signatures.add(sequence=signer.sequence)
            if signer.public_key is not None:
                added.public_key.type_url = signer.public_key.type_url
                added.public_key.value = signer.public_key.value
            if signer.mode_info is None:
                raise InvalidTx("a signer has no sign mode")
            info = schema.message("cosmos.tx.v1beta1.ModeInfo").FromString(signer.mode_info)
            _describe(added.data, info, signer.signature)
        return dumps(encode(document, schema), ascii_only=ascii_only)


def _part(descriptor: Message, place: int) -> SignaturePart:
    from cosmos_formats.anyvalue import AnyValue
    from cosmos_formats.multisig import pubkey_from_any

    if not descriptor.HasField("public_key"):
        raise InvalidTx(f"signature {place} names no public key")
    packed = descriptor.public_key
    key = pubkey_from_any(AnyValue(packed.type_url, packed.value))
    if descriptor.data.WhichOneof("sum") != "single":
        raise InvalidTx(f"signature {place} is that of a multisig account, and those are not put into others here")
    single = descriptor.data.single
    try:
        mode = SignMode(single.mode)
    except ValueError:
        raise InvalidTx(f"signature {place} has the unknown sign mode {single.mode}") from None
    return SignaturePart(key, mode, single.signature, descriptor.sequence)


def _describe(data: Message, info: Message, signature: bytes) -> None:
    """Fill a ``SignatureDescriptor.Data`` from a ``ModeInfo`` and the signature that belongs to it."""
    from cosmos_formats.multisig_signature import MultiSignature

    if info.WhichOneof("sum") == "single":
        data.single.mode = info.single.mode
        data.single.signature = signature
        return
    data.multi.bitarray.CopyFrom(info.multi.bitarray)
    members = MultiSignature.decode(signature).signatures
    if len(members) != len(info.multi.mode_infos):
        raise InvalidTx("a multisig signature has another number of members than its sign modes")
    for member_info, member in zip(info.multi.mode_infos, members, strict=True):
        _describe(data.multi.signatures.add(), member_info, member)
