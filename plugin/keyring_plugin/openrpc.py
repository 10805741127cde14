"""The protocol as an OpenRPC document (version 1.3.2 of that specification), and as text for people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from keyring_plugin.errors import classes, shorten
from keyring_plugin.method import DEADLINE, DEADLINE_TYPE, Method
from keyring_plugin.protocol import COMMON_ERRORS, DISCOVER, HANDSHAKE, METHODS, PING, PROTOCOL_VERSION

if TYPE_CHECKING:
    from keyring_bridge.errors import BridgeError
    from keyring_plugin.fields import Schema

OPENRPC_VERSION = "1.3.2"

_WITHOUT_THE_BRIDGE = frozenset({HANDSHAKE, DISCOVER, PING, "agent.status", "agent.stop"})

_TEXT = {"type": "string"}
_NULLABLE_TEXT = {"type": ["string", "null"]}


def document() -> dict[str, object]:
    """Return the document that ``rpc.discover`` answers."""
    return {
        "openrpc": OPENRPC_VERSION,
        "info": {
            "title": "keyring bridge",
            "description": "A Cosmos keyring over keys in hardware security modules. Bytes are base64; records and "
            "public keys are proto-JSON with the original field names.",
            "version": str(PROTOCOL_VERSION),
            "license": {"name": "Apache-2.0"},
        },
        "methods": [_method(method) for method in METHODS.values()],
        "components": {"schemas": _schemas(), "errors": {code: _error(kind) for code, kind in _all_errors()}},
    }


def as_json() -> str:
    """Return the document as it is kept in ``plugin/openrpc.json``."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def reference() -> str:
    """Return the methods in Markdown, for docs/protocol.md."""
    return "\n".join(line for method in METHODS.values() for line in _describe(method))


def _method(method: Method) -> dict[str, object]:
    params = [
        {"name": param.name, "summary": param.summary, "required": param.required, "schema": param.type.schema}
        for param in method.params
    ]
    if not method.notification:
        params.append(
            {
                "name": DEADLINE,
                "summary": "how long the request may take, in milliseconds",
                "required": False,
                "schema": DEADLINE_TYPE.schema,
            }
        )
    described: dict[str, object] = {
        "name": method.name,
        "summary": method.summary,
        "paramStructure": "either",
        "params": params,
        "errors": [{"$ref": f"#/components/errors/{kind.code}"} for kind in errors_of(method)],
        "examples": [
            {
                "name": "example",
                "params": [{"name": name, "value": value} for name, value in method.example.params.items()],
                "result": {"name": method.result.name, "value": method.example.result},
            }
        ],
    }
    if not method.notification:
        described["result"] = {"name": method.result.name, "schema": method.result.schema}
    return described


def errors_of(method: Method) -> list[type[BridgeError]]:
    """Return the errors that a method may answer with, its own first."""
    if method.notification:
        return []
    common = COMMON_ERRORS[:1] if method.name in _WITHOUT_THE_BRIDGE else COMMON_ERRORS
    return list(dict.fromkeys((*method.errors, *common)))


def _all_errors() -> Iterator[tuple[str, type[BridgeError]]]:
    yield from sorted(classes().items())


def _error(kind: type[BridgeError]) -> dict[str, object]:
    return {
        "code": kind.rpc_code,
        "message": shorten(" ".join((kind.__doc__ or "").split("\n\n")[0].split()), 200),
        "data": {"code": kind.code, "retryable": kind.retryable},
    }


def _schemas() -> dict[str, Schema]:
    return {
        "PublicKey": {
            "description": "A public key in proto-JSON; a multisig key has `threshold` and `public_keys`.",
            "type": "object",
            "properties": {
                "@type": _TEXT,
                "key": {"type": "string", "contentEncoding": "base64"},
                "threshold": {"type": "integer"},
                "public_keys": {"type": "array", "items": {"$ref": "#/components/schemas/PublicKey"}},
            },
            "required": ["@type"],
            "additionalProperties": False,
        },
        "Record": {
            "description": "`cosmos.crypto.keyring.v1.Record` in proto-JSON; exactly one of the last four members.",
            "type": "object",
            "properties": {
                "name": _TEXT,
                "pub_key": {"$ref": "#/components/schemas/PublicKey"},
                "local": {"type": "object"},
                "ledger": {"type": "object"},
                "multi": {"type": "object"},
                "offline": {"type": "object"},
            },
            "required": ["name", "pub_key"],
            "minProperties": 3,
            "maxProperties": 3,
            "additionalProperties": False,
        },
        "KeyEntry": _object(
            record={"$ref": "#/components/schemas/Record"},
            address={
                "description": "bech32 with the configured prefix; null for keys that have no address",
                **_NULLABLE_TEXT,
            },
            key_type={"enum": ["secp256k1", "ed25519", "secp256r1", "x25519", "eth_secp256k1", None]},
            purpose={"enum": ["account", "consensus", "encryption", "audit"]},
            fingerprint={"description": "SHA-256 of the public key's bytes; null for multisig", **_NULLABLE_TEXT},
            provider={"description": "where the private key is; null without one", **_NULLABLE_TEXT},
            hardware={"description": "whether that is hardware", "type": ["boolean", "null"]},
            extractable={
                "description": "whether the private key may leave it, wrapped; null if nobody could tell",
                "type": ["boolean", "null"],
            },
            created_at={"type": "string", "format": "date-time"},
        ),
        "NewMnemonic": _object(key={"$ref": "#/components/schemas/KeyEntry"}, mnemonic=_TEXT),
        "Signature": _object(
            signature={"description": "64 bytes: r and s with low s, or an ed25519 signature", **_TEXT},
            pub_key={"$ref": "#/components/schemas/PublicKey"},
            correlation_id={"description": "names the entries of the audit log", **_TEXT},
        ),
        "Algorithms": _object(keyring={"type": "array", "items": _TEXT}, ledger={"type": "array", "items": _TEXT}),
        "Handshake": _object(
            protocol_version={"type": "integer"},
            server=_object(name=_TEXT, version=_TEXT),
            capabilities=_object(
                framings={"type": "array", "items": _TEXT},
                batch={"type": "boolean"},
                cancel={"type": "boolean"},
                discover={"type": "boolean"},
            ),
            limits=_object(
                **{
                    name: {"type": "integer"}
                    for name in ("max_frame_bytes", "max_batch", "max_depth", "max_in_flight", "deadline_ms")
                }
            ),
            chain_id=_NULLABLE_TEXT,
            prefix=_NULLABLE_TEXT,
            problem={
                "description": "why the bridge cannot be used, as an error object, or null",
                "type": ["object", "null"],
            },
        ),
        "Status": _object(providers={"type": "array", "items": _provider_status()}),
        "Chain": _object(
            chain_id=_TEXT,
            known={"type": "boolean"},
            max_fee={"description": "coins as the SDK writes them; empty for none", **_TEXT},
            exponents={
                "description": "how many decimals a whole coin has, by base denomination",
                "type": "object",
                "additionalProperties": {"type": "integer"},
            },
        ),
        "Unlocked": _object(provider=_TEXT, state=_TEXT),
        "AgentUnlocked": _object(
            provider=_TEXT,
            state=_TEXT,
            ask={
                "description": "what to show a person who has to type the PIN; null if nobody has to",
                **_NULLABLE_TEXT,
            },
        ),
        "Agent": _object(
            pid={"type": "integer"},
            version=_TEXT,
            socket=_TEXT,
            config=_TEXT,
            since={"type": "string", "format": "date-time"},
            state={"enum": ["locked", "unlocked"]},
            locked_by={"enum": ["start", "idle", "lock", None]},
            idle_lock_seconds={"type": "number"},
            idle_seconds={"type": "number"},
            clients={"type": "integer"},
            under_way={"type": "integer"},
            served={"type": "integer"},
        ),
    }


def _provider_status() -> Schema:
    return _object(
        name=_TEXT,
        state={"enum": ["ready", "locked", "disconnected", "failed"]},
        hardware={"type": "boolean"},
        token={"type": ["object", "null"]},
        pin={"enum": ["ok", "count_low", "final_try", "locked", "unknown", "none"]},
        sessions={"type": "integer"},
        message=_TEXT,
    )


def _object(**properties: Schema) -> dict[str, object]:
    """Describe an object that has just these members."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _describe(method: Method) -> Iterator[str]:
    yield f"### `{method.name}`"
    yield ""
    yield method.summary
    yield ""
    if method.params:
        yield "| parameter | | |"
        yield "| --- | --- | --- |"
        for param in method.params:
            yield f"| `{param.name}` | {'' if param.required else 'optional'} | {param.summary} |"
        yield ""
    errors = [f"`{kind.code}`" for kind in method.errors]
    if errors:
        yield f"Errors: {', '.join(dict.fromkeys(errors))}."
        yield ""
    identity = {} if method.notification else {"id": 1}
    request = {"jsonrpc": "2.0", **identity, "method": method.name, "params": dict(method.example.params)}
    yield "```json"
    yield json.dumps(request, ensure_ascii=False)
    if not method.notification:
        yield json.dumps({"jsonrpc": "2.0", "id": 1, "result": method.example.result}, ensure_ascii=False)
    yield "```"
    yield ""
