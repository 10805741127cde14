"""What a node or a file says of a chain, examined, and not accepted yet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from cosmos_formats.errors import FormatError
from cosmos_formats.schema import default_schema, default_schema_data
from keyring_bridge.chains.errors import SchemaContradicted, SchemaRefused
from keyring_bridge.errors import InvalidRequest

if TYPE_CHECKING:
    from cosmos_formats.schema_compare import Difference
    from cosmos_formats.schema_merge import MergedSchema

LARGEST_METADATA: Final = 4 << 20
_MOST_COINS: Final = 20_000
_TEXTS: Final = ("description", "base", "display", "name", "symbol", "uri", "uri_hash")
_LARGEST_EXPONENT: Final = (1 << 32) - 1

CoinJson = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Offer:
    """A descriptor set and coin metadata that can be accepted.

    Attributes:
        merged: The set, complete.
        prefer_shipped: Whether shipped files were to stand for those that contradict them.
        coins: Metadata by base denomination, as the bank module's query has it in JSON, members in its order.
    """

    merged: MergedSchema
    prefer_shipped: bool
    coins: Mapping[str, CoinJson]

    @property
    def digest(self) -> str:
        """What is accepted: SHA-256 over the digests of the set and of the coins, 64 hexadecimal digits."""
        coins = sha256(self.metadata).hexdigest()
        return sha256(f"{self.merged.digest} {coins}".encode()).hexdigest()

    @property
    def metadata(self) -> bytes:
        """The coins as a file: a JSON list, sorted by base denomination."""
        coins = [self.coins[base] for base in sorted(self.coins)]
        return json.dumps(coins, separators=(",", ":")).encode() + b"\n"

    def new_messages(self) -> dict[str, str]:
        """Return the messages that the shipped set lacks, sorted, and for each the fields that name its signers.

        Messages without signers, which are no transactions by themselves, have an empty text.
        """
        from cosmos_formats.schema_compare import NONE, SIGNERS, all_facts
        from cosmos_formats.schema_merge import parse_files

        facts = all_facts(parse_files(self.merged.data))
        new = sorted(self.merged.index.owners().keys() - set(default_schema().names))
        return {name: facts[name][SIGNERS].replace(NONE, "") for name in new if not name.startswith("google.protobuf.")}


@dataclass(frozen=True, slots=True)
class Changes:
    """What accepting an offer would change.

    Attributes:
        added: Messages and enums that would be new.
        removed: Messages and enums that would be unknown.
        changed: What would be said differently of the others.
        coins: Base denominations whose metadata would be new, gone or other.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[Difference, ...]
    coins: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.coins)


def examine(descriptors: bytes, coins: object = (), *, prefer_shipped: bool = False) -> Offer:
    """Examine what a node or a file says.

    Args:
        descriptors: A serialised FileDescriptorSet.
        coins: A list of coin metadata as the bank module's query has it in JSON, or the query's whole answer.
        prefer_shipped: Where the set contradicts the shipped one, take the shipped file.

    Raises:
        SchemaContradicted: The set contradicts the shipped one.
        SchemaRefused: The set cannot be used.
        InvalidRequest: The metadata is malformed.
    """
    from cosmos_formats.schema_merge import SchemaContradicts, merge

    try:
        merged = merge(descriptors, default_schema_data(), prefer_shipped=prefer_shipped)
    except SchemaContradicts as error:
        raise SchemaContradicted(str(error)) from None
    except FormatError as error:
        raise SchemaRefused(str(error)) from None
    return Offer(merged, prefer_shipped, read_coins(coins))


def changes(before: tuple[bytes, Mapping[str, CoinJson]], offer: Offer) -> Changes:
    """Return what accepting ``offer`` changes.

    Args:
        before: The descriptor set and the coins that are stored.
        offer: What would take their place.
    """
    from cosmos_formats.schema_compare import all_facts, differences
    from cosmos_formats.schema_merge import parse_files

    data, coins = before
    old, new = all_facts(parse_files(data)), all_facts(parse_files(offer.merged.data))
    return Changes(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed=tuple(differences(old, new)),
        coins=tuple(
            sorted(base for base in coins.keys() | offer.coins.keys() if coins.get(base) != offer.coins.get(base))
        ),
    )


def read_coins(value: object) -> dict[str, CoinJson]:
    """Return coin metadata by base denomination, members in a fixed order and unknown ones left out.

    Raises:
        InvalidRequest: It is malformed, or has a coin twice.
    """
    listed = value.get("metadatas", ()) if isinstance(value, Mapping) else value
    if not isinstance(listed, list | tuple) or len(listed) > _MOST_COINS:
        raise InvalidRequest("coin metadata is a JSON list, or an object with one under 'metadatas'")
    found: dict[str, CoinJson] = {}
    for number, coin in enumerate(listed):
        read = _coin(coin)
        if read is None:
            raise InvalidRequest(f"coin metadata: entry {number + 1} is not what the bank module's query answers")
        if found.setdefault(read["base"], read) is not read:
            raise InvalidRequest(f"coin metadata: {read['base'][:80]!r} is there twice")
    return found


def _coin(coin: object) -> CoinJson | None:
    if not isinstance(coin, Mapping):
        return None
    texts = {name: coin.get(name, "") for name in _TEXTS}
    units = coin.get("denom_units", [])
    if not texts["base"] or not all(map(_is_text, texts.values())) or not isinstance(units, list):
        return None
    read = [_unit(unit) for unit in units]
    return None if None in read else {"denom_units": read, **texts}


def _unit(unit: object) -> CoinJson | None:
    if not isinstance(unit, Mapping):
        return None
    denom, exponent, aliases = unit.get("denom"), unit.get("exponent", 0), unit.get("aliases") or []
    if not _is_text(denom) or type(exponent) is not int or not 0 <= exponent <= _LARGEST_EXPONENT:
        return None
    if not isinstance(aliases, list) or not all(map(_is_text, aliases)):
        return None
    return {"denom": denom, "exponent": exponent, "aliases": list(aliases)}


def _is_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        # Lone surrogates, which JSON can write and UTF-8 cannot.
        return False
    return True
