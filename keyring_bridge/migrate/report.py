"""The report of a migration: what came from where, and the word of every migrated key on it.

A report is a JSON object. Its *body* is everything but the member ``signatures``, in the canonical form of RFC 8785;
what is in it (text, true, false, null, small whole numbers) makes that form simple: no white space, members sorted,
UTF-8. The SHA-256 of the body is the *statement*. Each migrated key signs a challenge that is
:data:`~keyring_bridge.bridge.CHALLENGE_PREFIX` and the statement: ECDSA over the SHA-256 of that, or ed25519 over it.
Nothing in it is secret.

It proves that whoever has these keys stood by these words. That the keys are the right ones, their addresses tell,
which the reader has to know from elsewhere.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from cosmos_formats import address
from cosmos_formats.errors import FormatError
from cosmos_formats.multisig import pubkey_from_proto_json
from cosmos_formats.pubkeys import PublicKey
from cosmos_formats.verify import verify
from keyring_bridge.bridge import CHALLENGE_PREFIX
from keyring_bridge.migrate.errors import ReportInvalid
from keyring_bridge.model import Purpose

if TYPE_CHECKING:
    from keyring_bridge.bridge import Bridge
    from keyring_bridge.migrate.history import History, KeyState
    from keyring_bridge.migrate.keys import Listing, MigratedKeys
    from keyring_bridge.store.base import StoredRecord

KIND = "keyring-bridge migration report"
VERSION = 1
LARGEST = 64 << 20
"""Most bytes of a report that is read."""


def statement_of(report: Mapping[str, object]) -> bytes:
    """Return what the keys vouch for: the SHA-256 of the report without its signatures."""
    body = {name: value for name, value in report.items() if name != "signatures"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return sha256(text.encode()).digest()


def make(bridge: Bridge, keys: MigratedKeys, migration: str, history: History, bridge_id: str) -> dict[str, object]:
    """Return a signed report of what a migration did.

    Args:
        bridge: The signing pipeline and its parts.
        keys: Of the caller.
        migration: Its id.
        history: What its journal says.
        bridge_id: Name of this installation.

    Raises:
        ReportInvalid: There is nothing to report, or a key has no record any more.
        BridgeError: A key did not sign.
    """
    chosen = [key for key in history.keys.values() if key.how]
    if not chosen:
        raise ReportInvalid("nothing was migrated, so there is nothing to report")
    records = [(key, _record_of(keys, key)) for key in chosen]
    keys.device(history.provider).connect()
    listing = keys.listing(history.provider)
    status = bridge.provider_status(history.provider)
    token = status.token
    report: dict[str, object] = {
        "report": KIND,
        "version": VERSION,
        "migration": migration,
        "bridge": bridge_id,
        "made_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "began_at": history.began,
        "state": str(history.state),
        "source": {
            "kind": history.kind,
            "path": _text(history.path),
            "warnings": [_text(one) for one in history.warnings],
        },
        "destination": {
            "provider": history.provider,
            "backend": keys.device(history.provider).scheme,
            "hardware": status.hardware,
            "token": None if token is None else {"label": _text(token.label), "serial": _text(token.serial)},
        },
        "keys": [_key(bridge, listing, key, record) for key, record in records],
    }
    statement = statement_of(report)
    signatures = []
    for _, record in records:
        if record.provider is not None:
            proof = keys.prove(record, statement)
            signatures.append({"fingerprint": record.fingerprint, "signature": proof.signature.hex()})
    return report | {"signatures": signatures}


def _record_of(keys: MigratedKeys, key: KeyState) -> StoredRecord:
    record = keys.record_of(key)
    if record is None:
        raise ReportInvalid(f"{key.name}: there is no record of it any more", hint="`hsm migrate verify` tells more")
    return record


def _key(bridge: Bridge, listing: Listing, key: KeyState, record: StoredRecord) -> dict[str, object]:
    public_key = record.record.public_key
    names = address.prefixes(bridge.config.prefix)
    human = names.valcons if record.purpose is Purpose.CONSENSUS else names.account
    fields: dict[str, object] = {
        "name": record.name,
        "source_item": _text(key.item) or None,
        "source_files": [{"name": _text(one.name), "sha256": one.sha256, "size": one.size} for one in key.files],
        "type": record.record.kind,
        "purpose": str(record.purpose),
        "address": address.encode(human, public_key.address),
        "public_key": public_key.to_proto_json(),
        "fingerprint": record.fingerprint,
        "done": key.how,
        "retired": key.retired or None,
    }
    if record.provider is None:
        return fields
    info = listing.look(record)
    fields |= {
        "uri": _text(info.uri),
        "attributes": {
            "key_id": info.key_id.hex(),
            "extractable": info.extractable,
            "sensitive": info.sensitive,
            "generated_in_token": info.local,
            "hardware": info.hardware,
        },
        "needs_floor": record.needs_floor,
        "proof": None
        if key.proof is None
        else {"at": key.proved_at, "message": key.proof[0], "signature": key.proof[1]},
    }
    if record.purpose is Purpose.CONSENSUS and record.fingerprint is not None:
        signed = bridge.store.last_signed(record.fingerprint)
        # Heights as text: JSON's numbers end at 2^53.
        fields["last_signed"] = [
            {"chain": chain, "height": str(one.height), "round": one.round, "step": one.step}
            for chain, one in sorted(signed.items())
        ]
    return fields


def _text(value: str) -> str:
    """Return text without the halves of characters that stand for bytes which are no UTF-8."""
    return os.fsencode(value).decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class ReportCheck:
    """What a report turned out to be.

    Attributes:
        statement: What the keys should have signed, in hexadecimal digits.
        keys: Names and addresses of the keys whose word is on it.
        problems: What does not verify; empty if everything does.
    """

    statement: str
    keys: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]


def check(content: bytes | bytearray) -> tuple[dict[str, Any], ReportCheck]:
    """Verify a report without a token, a configuration or a network.

    Args:
        content: The file.

    Returns:
        The report and what was found; a forged one is told by its problems.

    Raises:
        ReportInvalid: It is no report, or one of a newer version.
    """
    report = _parse(content)
    statement = statement_of(report)
    message = CHALLENGE_PREFIX + statement
    problems: list[str] = []
    signed = []
    try:
        signatures = {one["fingerprint"]: bytes.fromhex(one["signature"]) for one in report["signatures"]}
        for key in report["keys"]:
            found = _check_key(key, signatures, message)
            problems += [f"{key['name']}: {problem}" for problem in found]
            if not found and key["fingerprint"] in signatures:
                signed.append((str(key["name"]), str(key["address"])))
        unknown = signatures.keys() - {key["fingerprint"] for key in report["keys"]}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ReportInvalid("the report lacks something, or has it in another form", detail=repr(error)) from None
    problems += [f"a key signed that the report does not name: {fingerprint}" for fingerprint in sorted(unknown)]
    if not signed and not problems:
        problems.append("no key signed it: it has records only")
    return report, ReportCheck(statement.hex(), tuple(signed), tuple(problems))


def _parse(content: bytes | bytearray) -> dict[str, Any]:
    if len(content) > LARGEST:
        raise ReportInvalid("the file is larger than any report")
    try:
        report = json.loads(content, object_pairs_hook=_once, parse_constant=_refused, parse_float=_refused)
        if not isinstance(report, dict) or report.get("report") != KIND:
            raise ValueError("another document")
        # Half a character has no UTF-8, so nothing with one in it was ever signed.
        json.dumps(report, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise ReportInvalid("the file is no report of a migration") from None
    if report.get("version") != VERSION:
        raise ReportInvalid("the report is of a newer version", hint="check it with the release that wrote it")
    return report


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members


def _refused(text: str) -> object:
    raise ValueError(f"{text} is not in reports")


def _check_key(key: Mapping[str, Any], signatures: Mapping[str, bytes], message: bytes) -> list[str]:
    try:
        public_key = pubkey_from_proto_json(key["public_key"])
        _, raw = address.decode(key["address"])
    except FormatError as error:
        return [str(error)]
    problems = []
    if raw != public_key.address:
        problems.append("the address is not that of the public key")
    if not isinstance(public_key, PublicKey):
        return problems
    if key["fingerprint"] != public_key.fingerprint:
        problems.append("the fingerprint is not that of the public key")
    if "attributes" not in key and key["type"] != "local":
        return problems
    plain = public_key.plain
    if public_key.fingerprint not in signatures:
        problems.append("it did not sign the report")
    elif not verify(plain, message, signatures[public_key.fingerprint]):
        problems.append("its signature of the report is wrong")
    proof = key["proof"]
    if proof is not None:
        shown, signature = bytes.fromhex(proof["message"]), bytes.fromhex(proof["signature"])
        if not shown.startswith(CHALLENGE_PREFIX) or not verify(plain, shown, signature):
            problems.append("the proof from the migration is wrong")
    return problems
