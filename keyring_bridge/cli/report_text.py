"""A report of a migration as text for people: the same content as the JSON, which is what the keys signed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keyring_bridge.cli.render import PLAIN, Style, details, readable, table


def report_text(report: Mapping[str, Any], statement: str, style: Style = PLAIN) -> str:
    """Return the text of a report.

    Args:
        report: See :mod:`keyring_bridge.migrate.report`.
        statement: What the keys signed, in hexadecimal digits.
        style: Colours, or none.
    """
    source, destination = report["source"], report["destination"]
    token = destination["token"] or {}
    head = {
        "report": report["report"],
        "migration": report["migration"],
        "state": report["state"],
        "bridge": report["bridge"],
        "began at": report["began_at"],
        "made at": report["made_at"],
        "source": source["path"] or source["kind"],
        "source kind": source["kind"],
        "provider": f"{destination['provider']} ({destination['backend']})",
        "token": token.get("label"),
        "token serial": token.get("serial"),
        "hardware": destination["hardware"],
        "statement": statement,
    }
    parts = [details(head, style)]
    parts += [f"note: {one}" for one in map(_shown, source["warnings"])]
    rows = [
        (key["name"], key["address"], key["type"], key["purpose"], key["done"], key["retired"])
        for key in report["keys"]
    ]
    parts += ["", table(("NAME", "ADDRESS", "TYPE", "PURPOSE", "DONE", "RETIRED"), rows, style)]
    signatures = {one["fingerprint"]: one["signature"] for one in report["signatures"]}
    for key in report["keys"]:
        parts += ["", _key_text(key, signatures, style)]
    return "\n".join(parts)


def _key_text(key: Mapping[str, Any], signatures: Mapping[str, str], style: Style) -> str:
    public_key = key["public_key"]
    fields: dict[str, object] = {
        "name": key["name"],
        "source item": key["source_item"],
        "source files": [f"{one['name']} sha256 {one['sha256']} ({one['size']} bytes)" for one in key["source_files"]],
        "public key": public_key.get("key")
        or f"{public_key.get('threshold')} of {len(public_key.get('public_keys', ()))}",
        "public key type": public_key.get("@type"),
        "fingerprint": key["fingerprint"],
        "uri": key.get("uri"),
        **readable(key.get("attributes") or {}),
        "needs floor": key.get("needs_floor"),
    }
    for one in key.get("last_signed") or ():
        fields[f"last signed{' on ' + one['chain'] if one['chain'] else ''}"] = (
            f"{one['height']}/{one['round']}/{one['step']}"
        )
    proof = key.get("proof")
    if proof:
        fields |= {"proved at": proof["at"], "proof message": proof["message"], "proof signature": proof["signature"]}
    fields["signature of this report"] = signatures.get(key["fingerprint"])
    return details(fields, style)


def _shown(text: str) -> str:
    from keyring_bridge.cli.render import visible

    return visible(text)
