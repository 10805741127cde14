"""What a transaction says, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cosmos_formats.signing.facts import is_denom
from keyring_bridge.cli.render import PLAIN, Style
from keyring_bridge.cli.safe_text import safe

if TYPE_CHECKING:
    from cosmos_formats.signing.messages import MessageView
    from cosmos_formats.signing.tx_view import SignerView, TxView

_INDENT: Final = "  "
_LONGEST_VALUE: Final = 2000
_UNKNOWN: Final = "UNKNOWN TYPE: nobody here can tell what it does"
_BUILT_IN: Final = frozenset({"@type"})


def tx_json(view: TxView, signatures: Sequence[bytes], account_number: int | None = None) -> dict[str, object]:
    """Return what a transaction says, ready for JSON.

    Args:
        view: The transaction.
        signatures: Those that it has.
        account_number: Of the account that signs, if somebody said it.
    """
    from cosmos_formats.signing.signers import required_signers

    required = required_signers(view)
    return {
        "chain_id": view.chain_id or None,
        "account_number": None if account_number is None else str(account_number),
        "fee": [str(coin) for coin in view.fee],
        "gas_limit": str(view.gas_limit),
        "payer": view.payer or None,
        "granter": view.granter or None,
        "tip": [str(coin) for coin in view.tip],
        "tipper": view.tipper or None,
        "memo": view.memo,
        "timeout_height": str(view.timeout_height) if view.timeout_height else None,
        "timeout_timestamp": view.timeout_timestamp,
        "unordered": view.unordered,
        "must_sign": list(required.addresses),
        "must_sign_complete": required.complete,
        "signers": [_signer_json(signer, place, signatures) for place, signer in enumerate(view.signers)],
        "messages": [message_json(message) for message in view.messages],
        "extensions": [message_json(message) for message in view.extensions],
        "unknown_non_critical_fields": view.unknown_non_critical,
    }


def message_json(message: MessageView) -> dict[str, object]:
    """Return what a message says, ready for JSON."""
    facts = message.facts
    told: dict[str, object] = {"type": message.type_url, "known": message.known}
    if facts is not None:
        told["signers"] = list(facts.signers)
        told["recipients"] = list(facts.recipients)
        told["amounts"] = [str(coin) for coin in facts.amounts]
        if facts.unreadable_amounts:
            told["unreadable_amounts"] = True
    told["fields"] = message.fields()
    return told


def tx_text(view: TxView, signatures: Sequence[bytes], account_number: int | None = None, style: Style = PLAIN) -> str:
    """Return what a transaction says, for people. Everything in it is shown; long texts and bytes are cut.

    Args:
        view: The transaction.
        signatures: Those that it has.
        account_number: Of the account that signs, if somebody said it.
        style: Colours.
    """
    return "\n".join(_lines(view, signatures, account_number, style))


def _lines(view: TxView, signatures: Sequence[bytes], account_number: int | None, style: Style) -> Iterator[str]:
    from cosmos_formats.signing.signers import required_signers

    required = required_signers(view)
    facts: list[tuple[str, object]] = [
        ("chain", view.chain_id or None),
        ("account number", account_number),
        ("fee", ", ".join(map(str, view.fee)) or "none"),
        ("gas limit", view.gas_limit),
        ("fee payer", view.payer or None),
        ("fee granter", view.granter or None),
        ("tip", ", ".join(map(str, view.tip)) or None),
        ("tipper", view.tipper or None),
        ("memo", view.memo or None),
        ("timeout height", view.timeout_height or None),
        ("timeout", view.timeout_timestamp),
        ("unordered", "yes: no sequence protects it against being sent again" if view.unordered else None),
        ("must sign", ", ".join(required.addresses) or "nobody"),
    ]
    width = max(len(name) for name, value in facts if value is not None) + 1
    for name, value in facts:
        if value is not None:
            yield f"{style.strong((name + ':').ljust(width))} {safe(value)}"
    if not required.complete:
        yield style.bad("There are messages of which nobody here can tell who must sign them.")
    if view.unknown_non_critical:
        yield style.warning("There are fields that are not known here and that a chain may ignore.")
    for place, signer in enumerate(view.signers):
        yield f"{style.strong(f'signer {place + 1}:'.ljust(width))} {safe(_signer_text(signer, place, signatures))}"
    for title, messages in (("message", view.messages), ("extension", view.extensions)):
        for place, message in enumerate(messages):
            yield ""
            heading = f"{title} {place + 1} of {len(messages)}: {safe(message.type_url, 512)}"
            yield style.strong(heading) if message.known else f"{style.strong(heading)} {style.bad(_UNKNOWN)}"
            yield from _message_lines(message, style)


def _message_lines(message: MessageView, style: Style) -> Iterator[str]:
    facts = message.facts
    if facts is not None:
        told = (("signed by", facts.signers), ("to", facts.recipients), ("amounts", facts.amounts))
        for name, values in told:
            if values:
                yield f"{_INDENT}{style.strong(f'{name}:')} {safe(', '.join(map(str, values)))}"
        if facts.unreadable_amounts:
            yield f"{_INDENT}{style.bad('an amount in it is not a number')}"
    yield from _fields(message.fields(), _INDENT, style, known=message.known)


def _fields(fields: Mapping[str, Any], indent: str, style: Style, *, known: bool = True) -> Iterator[str]:
    for name, value in fields.items():
        if name not in _BUILT_IN and value not in (None, "", []):
            yield from _field(name, value, indent, style)


def _field(name: str, value: object, indent: str, style: Style) -> Iterator[str]:
    label = f"{indent}{safe(name, 200)}:"
    if isinstance(value, dict):
        if set(value) == {"denom", "amount"} and is_denom(value["denom"]) and _is_number(value["amount"]):
            yield f"{label} {safe(value['amount'])}{safe(value['denom'])}"
        elif "@type" in value:
            heading = f"{label} {safe(value['@type'], 512)}"
            # What no type is known for is shown in its two members alone.
            yield f"{heading} {style.bad(_UNKNOWN)}" if _is_unknown(value) else heading
            yield from _fields(value, indent + _INDENT, style)
        else:
            yield label
            yield from _fields(value, indent + _INDENT, style)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _field(f"{name}[{place}]", item, indent, style)
    elif value is True or value is False:
        yield f"{label} {'yes' if value else 'no'}"
    else:
        yield f"{label} {safe(value, _LONGEST_VALUE)}"


def _is_number(text: str) -> bool:
    """Tell whether an amount is a number; anything else is shown apart from the denomination behind it."""
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit()


def _is_unknown(value: Mapping[str, Any]) -> bool:
    return set(value) == {"@type", "value"} and not str(value["@type"]).startswith("/google.protobuf.")


def _signer_json(signer: SignerView, place: int, signatures: Sequence[bytes]) -> dict[str, object]:
    key = signer.public_key
    return {
        "public_key": None if key is None else key.to_proto_json(),
        "key_type": signer.key_type_url or None,
        "mode": None if signer.mode is None else signer.mode.name,
        "sequence": str(signer.sequence),
        "signed": place < len(signatures) and bool(signatures[place]),
    }


def _signer_text(signer: SignerView, place: int, signatures: Sequence[bytes]) -> str:
    key = signer.public_key
    if key is None:
        shown = signer.key_type_url or "a key that the chain knows"
    else:
        from cosmos_formats.multisig import MultisigPublicKey

        if isinstance(key, MultisigPublicKey):
            shown = f"multisig {key.threshold} of {len(key.keys)}"
        else:
            shown = f"{key.key_type} {key.data.hex()}"
    mode = "of its members" if signer.mode is None else signer.mode.name
    signed = "signed" if place < len(signatures) and signatures[place] else "not signed yet"
    return f"{shown}, mode {mode}, sequence {signer.sequence}, {signed}"
