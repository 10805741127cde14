"""Step 2 of the pipeline: what a request wants signed, and whether it is this key's to sign.

A transaction is signed only by a key that it concerns: one whose account is among the required signers (the fee payer
included), or a member of such an account's multisig key. A document that carries signer infos must also name the key
there, in the mode that was declared.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from cosmos_formats.errors import FormatError
from cosmos_formats.multisig import MultisigPublicKey
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.signing import SignMode
from keyring_bridge.errors import CannotSign, InvalidRequest, InvalidSignDoc
from keyring_bridge.model import Operation, Purpose

if TYPE_CHECKING:
    from cosmos_formats.signing.textual import MetadataFor
    from cosmos_formats.signing.tx_view import ArbitraryData, Opaque, TxView
    from keyring_bridge.chains import ChainBook
    from keyring_bridge.model import SignRequest
    from keyring_bridge.store.base import Store

    View: TypeAlias = TxView | ArbitraryData | Opaque

_NAMES_SIGNERS = frozenset({SignMode.DIRECT, SignMode.DIRECT_AUX, SignMode.TEXTUAL})


class RequestReader:
    """Reads requests for signatures.

    Args:
        store: The records; those of multisig accounts say whose members may sign for them.
        state_dir: Where the chains are noted whose own messages and coins are known.
    """

    def __init__(self, store: Store, state_dir: Path) -> None:
        self._store = store
        self._state_dir = state_dir
        self._book: ChainBook | None = None

    @property
    def _chains(self) -> ChainBook | None:
        """The chains that were added, None as long as there are none: importing their module takes milliseconds."""
        if self._book is None and (self._state_dir / "chains").is_dir():
            from keyring_bridge.chains import ChainBook

            self._book = ChainBook(self._state_dir)
        return self._book

    def read(self, key: PublicKey, purpose: Purpose, request: SignRequest) -> tuple[bytes, View]:
        """Return the digest of what is signed, 32 bytes, and what it says.

        Args:
            key: The public key of the record that is to sign.
            purpose: What the key is for.
            request: The request.

        Raises:
            CannotSign: The key is not for transactions.
            InvalidRequest: The payload does not fit the operation.
            InvalidSignDoc: The payload is not a complete document of the declared mode, or not one for this key.
        """
        if purpose is not Purpose.ACCOUNT:
            raise CannotSign(f"this key is for {purpose}; only account keys sign transactions")
        if request.operation is Operation.DIGEST:
            return self._digest(key, request)
        if not request.payload:
            raise InvalidSignDoc("the sign bytes are empty")
        try:
            if request.operation is Operation.ARBITRARY:
                return _hash(key, request.payload), self._arbitrary(key, request)
            view = self._document(key, request)
        except FormatError as error:
            raise InvalidSignDoc(str(error)) from error
        return _hash(key, request.payload), view

    def _digest(self, key: PublicKey, request: SignRequest) -> tuple[bytes, Opaque]:
        from cosmos_formats.signing.tx_view import Opaque

        if len(request.payload) != 32:
            raise InvalidRequest(f"digest of {len(request.payload)} bytes, expected 32")
        if key.key_type is KeyType.ED25519:
            raise InvalidRequest("ed25519 keys sign messages, not digests")
        return request.payload, Opaque.of(request.payload, "digest")

    def _arbitrary(self, key: PublicKey, request: SignRequest) -> ArbitraryData:
        from cosmos_formats.signing import adr036
        from cosmos_formats.signing.signers import is_address_of

        if request.mode is not SignMode.LEGACY_AMINO_JSON:
            raise InvalidSignDoc("arbitrary data is signed as amino JSON (ADR-036)")
        said = adr036.parse(request.payload)
        if not is_address_of(said.signer, key.address):
            raise InvalidSignDoc("the data names another signer than this key")
        return said

    def _document(self, key: PublicKey, request: SignRequest) -> TxView | Opaque:
        from cosmos_formats.signing.tx_view import TxView
        from cosmos_formats.signing.views import view

        chains = self._chains
        metadata = request.metadata
        if request.mode is SignMode.TEXTUAL and metadata is None and chains is not None:
            metadata = _metadata(chains, request.payload)
        seen = view(
            request.mode,
            request.payload,
            None if chains is None else chains.schema,
            transaction=request.transaction,
            public_key=key,
            metadata=metadata,
        )
        if isinstance(seen, TxView):
            self._require_signer(key, seen)
        return seen

    def _require_signer(self, key: PublicKey, view: TxView) -> None:
        from cosmos_formats.signing.signers import required_signers

        required = required_signers(view)
        concerned = required.includes(key) or any(key in group.members() for group in self._groups(required.addresses))
        if view.mode in _NAMES_SIGNERS:
            if not view.has_signer(key):
                raise InvalidSignDoc(
                    "the key is not among the signers that the transaction names"
                    if view.names_every_signer
                    else "the transaction leaves out a signer's public key, so nobody can tell that it is this key's"
                )
            # A multisig key that the document names need not have a record here.
            concerned = concerned or any(
                isinstance(signer.public_key, MultisigPublicKey)
                and key in signer.public_key.members()
                and required.includes(signer.public_key)
                for signer in view.signers
            )
            # Who signs for messages of unknown types only the chain can tell; that the key is named has to do then.
            concerned = concerned or not required.complete
        if not concerned:
            raise InvalidSignDoc(
                "no message of the transaction is this key's to sign, and it does not pay the fee"
                if required.complete
                else "the transaction has messages of unknown types, so nobody can tell that it is this key's"
            )

    def _groups(self, addresses: tuple[str, ...]) -> Iterator[MultisigPublicKey]:
        """Yield the multisig keys among the records of these accounts."""
        from cosmos_formats import address

        for text in addresses:
            try:
                record = self._store.by_address(address.decode(text)[1])
            except FormatError:
                continue
            if record is not None and isinstance(record.record.public_key, MultisigPublicKey):
                yield record.record.public_key


def _hash(key: PublicKey, message: bytes) -> bytes:
    """Return what an ECDSA key signs; of ed25519 keys, which sign the message itself, its SHA-256 for the audit log."""
    return sha256(message).digest() if key.key_type is KeyType.ED25519 else key.hash(message)


def _metadata(chains: ChainBook, screens: bytes) -> MetadataFor:
    """Return what is known of the coins of the chain that TEXTUAL screens are for."""
    from cosmos_formats.signing.textual import CoinMetadata, chain_of

    coins = chains.coin_metadata(chain_of(screens))
    # Some chains have tens of thousands; a transaction has a few.
    return lambda base: CoinMetadata.from_json(coins[base]) if base in coins else None
