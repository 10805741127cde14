"""How the SDK's commands print a key."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from keyring_plugin.shell.errors import ShellFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keyring_bridge.store.base import StoredRecord


def key_output(record: StoredRecord, prefix: str, bech: str = "acc") -> dict[str, str]:
    """Return what the SDK shows of a key, in its order.

    Args:
        record: The key.
        prefix: Of the chain's account addresses.
        bech: ``acc``, ``val`` or ``cons``.
    """
    from cosmos_formats import address

    names = address.prefixes(prefix)
    kinds = {"acc": names.account, "val": names.valoper, "cons": names.valcons}
    if bech not in kinds:
        raise ShellFailed(f"invalid Bech32 prefix encoding provided: {bech}")
    return {
        "name": record.name,
        "type": record.record.kind,
        "address": address.encode(kinds[bech], record.address),
        "pubkey": _json(record.record.public_key.to_proto_json()),
    }


def write_records(records: Sequence[StoredRecord], prefix: str, form: str) -> None:
    """Print keys: a list in YAML, or one array of JSON without a line break behind it."""
    shown = [key_output(record, prefix) for record in records]
    if form == "json":
        sys.stdout.write(_json(shown))
    else:
        _write_yaml(shown)


def write_record(record: StoredRecord, prefix: str, form: str, bech: str = "acc") -> None:
    """Print one key: a list of one in YAML, or an object of JSON on a line."""
    shown = key_output(record, prefix, bech)
    if form == "json":
        sys.stdout.write(_json(shown) + "\n")
    else:
        _write_yaml([shown])


def _write_yaml(shown: list[dict[str, str]]) -> None:
    from keyring_plugin.shell.yaml import to_yaml

    sys.stdout.write(to_yaml(shown) + "\n")


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
