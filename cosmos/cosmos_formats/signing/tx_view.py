"""What sign bytes say: the one structure that policy, prompts, ``hsm tx show`` and the audit log look at.

:func:`cosmos_formats.signing.views.view` makes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from cosmos_formats.multisig import TYPE_URL as MULTISIG_URL
from cosmos_formats.multisig import AnyPublicKey, MultisigPublicKey
from cosmos_formats.pubkeys import ETH_TYPE_URLS, TYPE_URLS, PublicKey
from cosmos_formats.quickclass import dataclass

if TYPE_CHECKING:
    from cosmos_formats.signing import SignMode
    from cosmos_formats.signing.facts import Coin
    from cosmos_formats.signing.messages import MessageView

_KEY_URLS: Final = frozenset((*TYPE_URLS.values(), *ETH_TYPE_URLS, MULTISIG_URL))
_SUMMARY_ITEMS: Final = 20
_SUMMARY_TEXT: Final = 256


@dataclass(frozen=True, slots=True)
class SignerView:
    """One signer that the transaction names.

    Attributes:
        public_key: None if it is left out (the chain knows it already) or of a type that only its chain knows.
        key_type_url: Type URL of the public key, empty if it is left out.
        mode: The mode it signs in; None for a multisig key, whose members have their own.
        sequence: Its sequence number.
    """

    public_key: AnyPublicKey | None
    key_type_url: str
    mode: SignMode | None
    sequence: int


@dataclass(frozen=True, slots=True)
class TxView:
    """A transaction that was read completely.

    Attributes:
        mode: The mode the bytes were read in.
        chain_id: Never empty.
        account_number: Of the account that these bytes are signed for.
        memo: As it is; may hold control characters.
        timeout_height: Last block that may include the transaction, 0 for none.
        timeout_timestamp: Last moment, RFC 3339, or None.
        unordered: No sequence protects it against replay, only the timeout.
        fee: What is paid.
        gas_limit: Most gas it may use.
        payer: Address that pays the fee, empty for the first signer.
        granter: Address whose fee grant pays, or empty.
        tip: Coins of the deprecated tip.
        tipper: Who pays it.
        signers: As they sign, the first one paying the fee unless ``payer`` is set. Documents of the modes DIRECT_AUX,
            LEGACY_AMINO_JSON and EIP_191 tell only of the signer that they are for.
        messages: At least one.
        extensions: Extension options, critical ones first.
        unknown_non_critical: Whether there are unknown fields that a chain may ignore (ADR-020).
        signs_fee: Whether the signature covers fee and payer; false in DIRECT_AUX, where somebody else pays.
    """

    mode: SignMode
    chain_id: str
    account_number: int
    memo: str
    timeout_height: int
    timeout_timestamp: str | None
    unordered: bool
    fee: tuple[Coin, ...]
    gas_limit: int
    payer: str
    granter: str
    tip: tuple[Coin, ...]
    tipper: str
    signers: tuple[SignerView, ...]
    messages: tuple[MessageView, ...]
    extensions: tuple[MessageView, ...]
    unknown_non_critical: bool
    signs_fee: bool = True

    def walk(self) -> Iterator[MessageView]:
        """Yield all messages and extension options, with everything nested in them except public keys."""
        for top in (*self.messages, *self.extensions):
            yield top
            for nested in top.nested:
                for message in nested.walk():
                    if message.type_url not in _KEY_URLS:
                        yield message

    @property
    def message_types(self) -> tuple[str, ...]:
        """Type URLs of :meth:`walk`, in its order."""
        return tuple([message.type_url for message in self.walk()])

    def has_signer(self, public_key: PublicKey) -> bool:
        """Tell whether the transaction names a key as a signer in this mode, or as a member of a multisig signer."""
        for signer in self.signers:
            if isinstance(signer.public_key, MultisigPublicKey):
                if public_key in signer.public_key.members():
                    return True
            elif signer.public_key == public_key and signer.mode is self.mode:
                return True
        return False

    @property
    def names_every_signer(self) -> bool:
        """Whether the transaction names the public key of every signer.

        The SDK lets a signer leave it out once the chain knows it. Then :meth:`has_signer` is false for that key, and
        only the chain could tell whose signature is meant. A key of a type that only its chain knows is named.
        """
        return bool(self.signers) and all(signer.key_type_url for signer in self.signers)

    def summary(self) -> dict[str, object]:
        """Return the few facts that an audit entry keeps; long lists and texts are cut."""
        types = self.message_types
        summary: dict[str, object] = {
            "mode": self.mode.name,
            "chain_id": self.chain_id[:_SUMMARY_TEXT],
            "account_number": str(self.account_number),
            "sequences": [str(signer.sequence) for signer in self.signers[:_SUMMARY_ITEMS]],
            "messages": [name[:_SUMMARY_TEXT] for name in types[:_SUMMARY_ITEMS]],
            "fee": [str(coin)[:_SUMMARY_TEXT] for coin in self.fee[:_SUMMARY_ITEMS]],
            "gas_limit": str(self.gas_limit),
        }
        if len(types) > _SUMMARY_ITEMS:
            summary["message_count"] = len(types)
        for name in ("memo", "payer", "granter", "tipper"):
            text = getattr(self, name)
            if text:
                summary[name] = text[:_SUMMARY_TEXT]
        if self.tip:
            summary["tip"] = [str(coin)[:_SUMMARY_TEXT] for coin in self.tip[:_SUMMARY_ITEMS]]
        for name in ("unordered", "unknown_non_critical"):
            if getattr(self, name):
                summary[name] = True
        return summary


@dataclass(frozen=True, slots=True)
class ArbitraryData:
    """Data that is no transaction, signed in the envelope of ADR-036.

    Attributes:
        signer: Bech32 address of the key that it is for.
        data: The data; applications put text or JSON there, but it may be anything.
    """

    signer: str
    data: bytes

    def summary(self) -> dict[str, object]:
        """Return the few facts that an audit entry keeps."""
        return {
            "arbitrary_data": self.data[:_SUMMARY_TEXT].decode("utf-8", "backslashreplace"),
            "signer": self.signer[:_SUMMARY_TEXT],
            "size": len(self.data),
        }


@dataclass(frozen=True, slots=True)
class Opaque:
    """Bytes that nobody here can read. Signing them is blind signing.

    Attributes:
        reason: Why, in a few words.
        sha256: Of the bytes, 64 lower-case hexadecimal digits.
        size: Number of bytes.
    """

    reason: str
    sha256: str
    size: int

    @classmethod
    def of(cls, payload: bytes, reason: str) -> Opaque:
        """Describe a payload."""
        return cls(reason, hashlib.sha256(payload).hexdigest(), len(payload))

    def summary(self) -> dict[str, object]:
        """Return the few facts that an audit entry keeps."""
        return {"opaque": self.reason, "sha256": self.sha256, "size": self.size}
