"""Who has to sign a transaction, and whether a key is one of them.

Follows ``x/tx/signing`` of cosmos-sdk v0.53: the signers of the messages in their order, each once, then the fee payer
if the fee names one that is not among them. Packed messages (of ``MsgExec``, say) add no signers.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cosmos_formats import address
from cosmos_formats.errors import FormatError, InvalidSignDoc
from cosmos_formats.quickclass import dataclass

if TYPE_CHECKING:
    from cosmos_formats.multisig import AnyPublicKey
    from cosmos_formats.signing.tx_view import TxView

MOST_SIGNERS: Final = 1000
"""Most accounts that have to sign one transaction. The SDK's chains take 7 signatures unless they say otherwise."""

_CHECKSUM: Final = 6
"""Characters at the end of a bech32 address that depend on its prefix too."""


@dataclass(frozen=True, slots=True)
class RequiredSigners:
    """The accounts whose signatures a transaction needs.

    Attributes:
        addresses: One for each account, as the transaction spells it first, in the order of their signatures. A
            validator's operator address stands for the account of the operator.
        complete: False if a message is of a type that is not known or does not say who signs.
    """

    addresses: tuple[str, ...]
    complete: bool

    def includes(self, key: AnyPublicKey) -> bool:
        """Tell whether the account of a key is among them."""
        return any(is_address_of(text, key.address) for text in self.addresses)


def required_signers(view: TxView) -> RequiredSigners:
    """Return who has to sign the transaction that a view shows.

    Raises:
        InvalidSignDoc: More than :data:`MOST_SIGNERS` accounts.
    """
    found: dict[str, str] = {}
    complete = True
    for message in view.messages:
        signers = message.signers
        if signers is None:
            complete = False
        else:
            for text in signers:
                found.setdefault(_account(text), text)
    if view.payer:
        found.setdefault(_account(view.payer), view.payer)
    # Whoever looks for a key among them compares and decodes every address.
    if len(found) > MOST_SIGNERS:
        raise InvalidSignDoc(f"more than {MOST_SIGNERS} accounts would have to sign the transaction")
    return RequiredSigners(tuple(found.values()), complete)


def is_address_of(text: str, raw: bytes) -> bool:
    """Tell whether ``text`` is the bech32 form, with whatever prefix, of the address ``raw``."""
    prefix, separator, _ = text.rpartition("1")
    return bool(separator) and _encoded(prefix, raw) == text


def _account(text: str) -> str:
    """Return what two spellings of one account's address have in common: the characters that its bytes make."""
    return text.rpartition("1")[2][:-_CHECKSUM] or text


@lru_cache(maxsize=1024)
def _encoded(prefix: str, raw: bytes) -> str | None:
    # Encoding the one address that is looked for costs less than decoding all that a transaction has.
    try:
        return address.encode(prefix, raw)
    except FormatError:
        return None
