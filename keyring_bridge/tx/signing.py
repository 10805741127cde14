"""Signing a transaction that came as a file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from cosmos_formats.signing import SignMode
from cosmos_formats.signing.transaction import SignerData
from keyring_bridge.errors import CannotSign, InvalidRequest
from keyring_bridge.tx.documents import format_errors
from keyring_bridge.tx.errors import TxConflict
from keyring_bridge.tx.placing import COVER_SIGNERS, place_signer

if TYPE_CHECKING:
    from cosmos_formats.multisig import AnyPublicKey, MultisigPublicKey
    from cosmos_formats.schema import Schema
    from cosmos_formats.signing.signers import RequiredSigners
    from cosmos_formats.signing.textual import MetadataFor
    from cosmos_formats.signing.transaction import TxParts
    from cosmos_formats.signing.tx_view import TxView
    from cosmos_formats.tx import Transaction
    from keyring_bridge.keyring import Keyring
    from keyring_bridge.store.base import StoredRecord

_LARGEST: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class SignOptions:
    """How transactions are signed.

    Attributes:
        chain_id: The chain that they are for.
        account_number: Of the account that signs, on that chain.
        mode: None for the SDK's choice: DIRECT for a key, LEGACY_AMINO_JSON for a member of a multisig account.
        amend: Replace a signature that the account has given already.
        overwrite: Drop what other signers there are.
    """

    chain_id: str
    account_number: int
    mode: SignMode | None = None
    amend: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if not self.chain_id:
            raise InvalidRequest("chain ID required but not specified")
        check_number(self.account_number, "account number")


def check_number(value: int, what: str) -> None:
    """Check that a number has at most 64 bits.

    Raises:
        InvalidRequest: It has more, or is negative.
    """
    if not 0 <= value <= _LARGEST:
        raise InvalidRequest(f"the {what} must be between 0 and {_LARGEST}")


class TransactionSigner:
    """Signs transactions for one account. May be used from several threads.

    Args:
        keyring: Signs; policy and audit are behind it.
        record: Of the key that signs.
        options: See :class:`SignOptions`.
        schema: The message types of the chain.
        multisig: The key of the account for which ``record`` signs as a member; None if it signs for itself.
        metadata: Of coins, for TEXTUAL.

    Attributes:
        name: Of the record.
        mode: In which it signs.

    Raises:
        TxConflict: The key is no member of the multisig key.
        InvalidRequest: Members of multisig accounts cannot sign in this mode.
    """

    def __init__(
        self,
        keyring: Keyring,
        record: StoredRecord,
        options: SignOptions,
        schema: Schema,
        *,
        multisig: MultisigPublicKey | None = None,
        metadata: MetadataFor | None = None,
    ) -> None:
        self._keyring = keyring
        self.name = record.name
        self._key: AnyPublicKey = record.record.public_key
        self._options = options
        self._schema = schema
        self._metadata = metadata
        self._account: AnyPublicKey = self._key if multisig is None else multisig
        self.mode = options.mode or (SignMode.DIRECT if multisig is None else SignMode.LEGACY_AMINO_JSON)
        if multisig is not None:
            if self._key not in tuple(multisig.members()):
                raise TxConflict("signing key is not a part of multisig key")
            if self.mode in COVER_SIGNERS:
                raise InvalidRequest(
                    f"members of a multisig account cannot sign in the mode {self.mode.name}, which covers the list of "
                    "who of them signs",
                    hint="leave out --sign-mode, or use amino-json",
                )
        if record.uri is None:
            raise CannotSign("cannot sign with offline keys")

    def add_signature(self, transaction: Transaction, sequence: int) -> tuple[Transaction, int]:
        """Sign a transaction.

        Args:
            transaction: The transaction, with whatever signatures it has.
            sequence: Of the account; of no account where the transaction is unordered.

        Returns:
            The transaction with the signature, and its place.

        Raises:
            TxConflict: The account is no signer of the transaction, or see :func:`place_signer`.
            InvalidSignDoc: The mode cannot sign this transaction.
            BridgeError: As :meth:`keyring_bridge.bridge.Bridge.sign`.
        """
        from cosmos_formats.tx import TxSigner

        check_number(sequence, "sequence")
        with format_errors():
            view = view_of(transaction.parts, self.mode, self._schema)
            required = require_known(view)
            text = _address_of(required, self._account)
            if text is None:
                raise TxConflict(f"tx intended signer does not match the given signer: {self.name}")
            entry = TxSigner.single(self._key.to_any(), self.mode, 0 if view.unordered else sequence)
            placed, place = place_signer(
                transaction,
                entry,
                self._account.address,
                required.addresses,
                amend=self._options.amend,
                overwrite=self._options.overwrite,
            )
            signer = SignerData(
                text, self._options.chain_id, self._options.account_number, entry.sequence, self._account
            )
            payload = sign_bytes(self.mode, placed.parts, signer, self._schema, self._metadata)
        beside = placed.parts if self.mode is SignMode.TEXTUAL else None
        result = self._keyring.sign(self.name, payload, self.mode, transaction=beside, metadata=self._metadata)
        signatures = list(placed.signatures)
        signatures[place] = result.signature
        return replace(placed, signatures=tuple(signatures)), place


def multisig_key(record: StoredRecord) -> MultisigPublicKey:
    """Return the key of a multisig account's record.

    Raises:
        TxConflict: It is another kind of record.
    """
    from cosmos_formats.multisig import MultisigPublicKey

    key = record.record.public_key
    if not isinstance(key, MultisigPublicKey):
        raise TxConflict(f"{record.name} is no multisig account")
    return key


def view_of(parts: TxParts, mode: SignMode, schema: Schema, *, chain_id: str = "", account_number: int = 0) -> TxView:
    """Return what a transaction says.

    Args:
        parts: The transaction.
        mode: In which it is going to be signed.
        schema: The message types of the chain.
        chain_id: What a signature would be for; a file does not say it.
        account_number: As ``chain_id``.

    Raises:
        InvalidSignDoc: It cannot be read completely.
    """
    from cosmos_formats.signing.contents import view_contents

    return view_contents(mode, parts, chain_id, account_number, schema)


def require_known(view: TxView) -> RequiredSigners:
    """Return who has to sign.

    Raises:
        TxConflict: Nobody can tell, because a message's type does not say.
    """
    from cosmos_formats.signing.signers import required_signers

    required = required_signers(view)
    if not required.complete:
        raise TxConflict("the transaction has messages whose types do not say who signs them")
    return required


def sign_bytes(
    mode: SignMode, parts: TxParts, signer: SignerData, schema: Schema, metadata: MetadataFor | None
) -> bytes:
    """Return what a signer signs in a mode.

    Raises:
        InvalidSignDoc: The mode cannot sign this transaction.
        InvalidRequest: There is no such mode.
    """
    if mode is SignMode.DIRECT:
        from cosmos_formats.signing import direct

        return direct.sign_bytes(parts, signer, schema)
    if mode is SignMode.LEGACY_AMINO_JSON:
        from cosmos_formats.signing import amino_json

        return amino_json.sign_bytes(parts, signer, schema)
    if mode is SignMode.DIRECT_AUX:
        from cosmos_formats.signing import direct_aux

        return direct_aux.sign_bytes(parts, signer, schema)
    if mode is SignMode.TEXTUAL:
        from cosmos_formats.signing import textual

        return textual.sign_bytes(parts, signer, schema, metadata=metadata or {})
    raise InvalidRequest(f"transactions in files are not signed in the mode {mode.name}")


def _address_of(required: RequiredSigners, key: AnyPublicKey) -> str | None:
    """Return the address of a key's account as the transaction spells it."""
    from cosmos_formats.signing.signers import is_address_of

    raw = key.address
    return next((text for text in required.addresses if is_address_of(text, raw)), None)
