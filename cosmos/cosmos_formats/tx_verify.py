"""Checks the signatures of a transaction, each in the mode that it declares.

It asks what a chain asks (``x/auth/ante`` and ``validate-signatures`` of cosmos-sdk v0.53): as many signatures as
signers, the n-th by the key of the n-th signer, with that account's sequence, over the bytes of the declared mode. What
only the chain knows is given: account numbers, sequences, and keys that the transaction leaves out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from cosmos_formats import address, wire
from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.errors import FormatError, InvalidAddress, InvalidSignature, InvalidSignDoc
from cosmos_formats.multisig import AnyPublicKey, pubkey_from_any
from cosmos_formats.multisig_signature import SignBytesFor, check_signature, decode_mode_info
from cosmos_formats.signing import SignMode
from cosmos_formats.signing.contents import view_contents
from cosmos_formats.signing.signers import required_signers
from cosmos_formats.signing.transaction import SignerData, TxParts

if TYPE_CHECKING:
    from cosmos_formats.schema import Schema
    from cosmos_formats.signing.textual import MetadataFor

_AUTH_INFO: Final = {1: wire.Kind.REPEATED, 2: wire.Kind.MESSAGE, 3: wire.Kind.MESSAGE}
_SIGNER_INFO: Final = {1: wire.Kind.MESSAGE, 2: wire.Kind.MESSAGE, 3: wire.Kind.VARINT}


@dataclass(frozen=True, slots=True)
class SignatureCheck:
    """What was found out about one signature.

    Attributes:
        address: Of the account that has to sign; empty if nobody has to sign at this place.
        modes: The sign modes it was made in: one, or one for each member of a multisig account that signed.
        reason: Why it is not good; empty if it is.
    """

    address: str
    modes: tuple[SignMode, ...]
    reason: str

    @property
    def ok(self) -> bool:
        """Whether the signature is good."""
        return not self.reason


def verify_transaction(
    transaction: TxParts,
    signatures: Sequence[bytes],
    signers: Sequence[SignerData],
    schema: Schema,
    metadata: MetadataFor | None = None,
) -> tuple[SignatureCheck, ...]:
    """Check all signatures of a transaction.

    Args:
        transaction: Body and auth info, as ``TxRaw`` holds them.
        signatures: As ``TxRaw`` holds them.
        signers: What the chain knows about the accounts that sign, in any order. A public key is needed only where the
            transaction leaves it out.
        schema: The message types that are known.
        metadata: Of coins, for signatures in TEXTUAL; see :mod:`cosmos_formats.signing.textual`.

    Returns:
        One check for each account that has to sign, in the order of the signatures, and one for each signature beyond.
        The transaction is signed if all are ``ok``.

    Raises:
        InvalidAddress: The address of one of ``signers`` is none.
        InvalidSignDoc: The transaction cannot be read, has another number of signatures than of signer infos, or has
            messages of which nobody knows who signs them.
    """
    view = view_contents(SignMode.DIRECT, transaction, "", 0, schema)
    required = required_signers(view)
    if not required.complete:
        raise InvalidSignDoc("the transaction has messages of which nobody knows who signs them")
    infos = wire.read(transaction.auth_info_bytes, _AUTH_INFO).repeated(1)
    if len(infos) != len(signatures):
        raise InvalidSignDoc(f"the transaction has {len(signatures)} signatures and {len(infos)} signer infos")
    context = _Context(transaction, view.unordered, schema, metadata)
    accounts = {address.decode(signer.address)[1]: signer for signer in signers}
    expected = _by_address(required.addresses)
    checks = []
    for number, (raw, text) in enumerate(expected.items()):
        if number < len(infos):
            checks.append(_check(context, raw, text, accounts.get(raw), infos[number], signatures[number]))
        else:
            checks.append(SignatureCheck(text, (), "there is no signature of this account"))
    beyond = len(infos) - len(expected)
    return (*checks, *[SignatureCheck("", (), "nobody has to sign at this place")] * beyond)


def _by_address(texts: Sequence[str]) -> dict[bytes, str]:
    """Return the accounts that sign, each once: a validator's operator may be there by the account's address too."""
    found: dict[bytes, str] = {}
    for text in texts:
        try:
            found.setdefault(address.decode(text.lower() if text.isupper() else text)[1], text)
        except InvalidAddress as error:
            raise InvalidSignDoc(f"a signer of the transaction: {error}") from error
    return found


@dataclass(frozen=True, slots=True)
class _Context:
    """What all signatures of a transaction have in common."""

    transaction: TxParts
    unordered: bool
    schema: Schema
    metadata: MetadataFor | None


def _check(
    context: _Context, raw: bytes, text: str, account: SignerData | None, signer_info: bytes, signature: bytes
) -> SignatureCheck:
    modes: tuple[SignMode, ...] = ()
    try:
        fields = wire.read(signer_info, _SIGNER_INFO)
        info = decode_mode_info(fields.message(2) or b"")
        modes = tuple(info.modes())
        if account is None:
            raise InvalidSignature("nothing is known about this account")
        text = account.address
        key = _key(fields.message(1), account, raw)
        sequence = fields.varint(3)
        if context.unordered and sequence:
            raise InvalidSignature("sequence is not allowed for unordered transactions")
        if not context.unordered and sequence != account.sequence:
            raise InvalidSignature(f"account sequence mismatch, expected {account.sequence}, got {sequence}")
        signer = SignerData(text, account.chain_id, account.account_number, sequence, key)
        check_signature(key, info, signature, _sign_bytes_for(context, signer))
    except FormatError as error:
        return SignatureCheck(text, modes, str(error))
    return SignatureCheck(text, modes, "")


def _key(packed: bytes | None, account: SignerData, raw: bytes) -> AnyPublicKey:
    """Return the key that must have signed: the account's, which may also be known from the transaction alone."""
    named = None if packed is None else pubkey_from_any(AnyValue.decode(packed))
    for key in (named, account.public_key):
        if key is not None and key.address != raw:
            raise InvalidSignature("the public key is not that of the account that has to sign")
    found = account.public_key if account.public_key is not None else named
    if found is None:
        raise InvalidSignature("the transaction leaves the public key out, and it is not given")
    return found


def _sign_bytes_for(context: _Context, signer: SignerData) -> SignBytesFor:
    if not signer.chain_id:
        raise InvalidSignDoc("a signature without a chain is not one of a transaction")

    @cache
    def sign_bytes(mode: SignMode) -> bytes:
        transaction, schema = context.transaction, context.schema
        if mode is SignMode.DIRECT:
            from cosmos_formats.signing import direct

            return direct.sign_bytes(transaction, signer, schema)
        if mode is SignMode.DIRECT_AUX:
            from cosmos_formats.signing import direct_aux

            return direct_aux.sign_bytes(transaction, signer, schema)
        if mode is SignMode.LEGACY_AMINO_JSON:
            from cosmos_formats.signing import amino_json

            return amino_json.sign_bytes(transaction, signer, schema)
        if mode is SignMode.TEXTUAL:
            from cosmos_formats.signing import textual

            return textual.sign_bytes(transaction, signer, schema, metadata=context.metadata or {})
        raise InvalidSignature(f"sign mode {mode.name} is not one that a chain verifies")

    return sign_bytes
