"""``hsm keys rotate``: lets one key take the place of another, and says what the chain needs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from keyring_bridge.cli.chain_defaults import chain_book, chain_of_keys, prefix_of
from keyring_bridge.cli.console import Result
from keyring_bridge.cli.errors import UsageError
from keyring_bridge.cli.providers import add_provider_options, chosen_provider
from keyring_bridge.cli.render import Style, timestamp, visible
from keyring_bridge.cli.starter import DEFAULT_MESSAGES, add_policy_options, check_starter, write_starter

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.rotation import Rotation
    from keyring_bridge.rotation_steps import Step


def configure_rotate(parser: Parser) -> None:
    """Define ``hsm keys rotate``."""
    parser.usage = "hsm keys rotate NAME --successor NEW [--existing] [--keep-signing-until DATE] [options]"
    parser.add_argument("name", metavar="NAME", help="the key that is replaced")
    parser.add_argument("--successor", metavar="NEW", required=True, help="name of the key that takes its place")
    parser.add_argument(
        "--existing",
        action="store_true",
        help="the successor is there already, such as one made with --recoverable; without this, one of the same kind "
        "is made",
    )
    parser.add_argument(
        "--keep-signing-until",
        metavar="DATE",
        help="from when the old key signs nothing any more: 2027-01-31 (UTC), 2027-01-31T12:00:00Z, or now; without "
        "this, the old key goes on signing",
    )
    add_provider_options(parser)
    add_policy_options(parser)
    parser.set_defaults(handler=rotate)


def rotate(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the two records as they are linked, and the steps on the chain."""
    from keyring_bridge.rotation import RotatedKeys
    from keyring_bridge.rotation_steps import steps

    until = None if arguments.keep_signing_until is None else parse_moment(arguments.keep_signing_until)
    check_starter(session.config.policy_path, arguments.chain_id, arguments.message)
    named = arguments.provider is not None or arguments.backend is not None
    provider = chosen_provider(arguments, session.config) if named else None
    chain = chain_of_keys(session, arguments.chain_id)
    with session.bridge() as bridge:
        rotation = RotatedKeys(bridge, session.caller).rotate(
            arguments.name, arguments.successor, existing=arguments.existing, until=until, provider=provider
        )
    policy = None
    if rotation.made:
        policy = write_starter(session, rotation.new, arguments.chain_id, arguments.message)
        session.console.note(f"the policy of {rotation.old.name} was not copied: see what {rotation.new.name} may sign")
    prefix = session.config.prefix if chain is None else prefix_of(session, chain.chain_id)
    todo = steps(
        rotation.old.purpose,
        rotation.old.record.public_key,
        rotation.new.record.public_key,
        prefix,
        tuple(arguments.message) or DEFAULT_MESSAGES,
        _known_messages(session, None if chain is None else chain.chain_id),
    )
    return _result(rotation, todo, policy, prefix)


def parse_moment(text: str) -> datetime:
    """Return the moment that was meant.

    Args:
        text: ``now``, a date (its first moment, UTC), or date and time with a zone.

    Raises:
        UsageError: It is none of them.
    """
    if text == "now":
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError("a moment is written 2027-01-31, 2027-01-31T12:00:00Z or now") from None
    if len(text) == len("2027-01-31"):
        return moment.replace(tzinfo=UTC)
    if moment.tzinfo is None:
        raise UsageError("a time needs its zone, such as 2027-01-31T12:00:00Z")
    return moment.astimezone(UTC)


def _known_messages(session: Session, chain_id: str | None) -> Callable[[str], bool]:
    """Return what tells whether the chain has a message; of a chain that was not added, whether the SDK has."""
    from cosmos_formats.errors import FormatError
    from cosmos_formats.schema import default_schema

    book = chain_book(session)
    schema = default_schema() if book is None or chain_id is None else book.schema(chain_id)

    def knows(type_url: str) -> bool:
        try:
            return schema.find(type_url) is not None
        except FormatError:
            return False

    return knows


def _result(rotation: Rotation, todo: tuple[Step, ...], policy: dict[str, object] | None, prefix: str) -> Result:
    from keyring_bridge.cli.records import record_json

    old = record_json(rotation.old, prefix) | {"successor_name": rotation.new.name}
    new = record_json(rotation.new, prefix) | {"replaces": [rotation.old.name]}
    data = {
        "old": old,
        "new": new,
        "made": rotation.made,
        "policy": policy,
        "steps": [
            {"what": step.what, "signer": step.signer, "message": step.message, "query": step.query} for step in todo
        ],
    }
    until = rotation.old.verify_only_from

    def text(style: Style) -> str:
        signing = "goes on signing" if until is None else f"only verifies from {timestamp(until)} on"
        lines = [
            style.strong(f"{visible(rotation.new.name)} takes the place of {visible(rotation.old.name)}"),
            visible(f"{rotation.old.name}: {old['address']}, {signing}"),
            visible(f"{rotation.new.name}: {new['address']}, {'made now' if rotation.made else 'was there'}"),
            "",
            "what the chain needs:",
        ]
        for number, step in enumerate(todo, 1):
            by = f" (signed by {step.signer})" if step.signer else ""
            lines.append(visible(f"{number:>2}. {step.what}{by}"))
            if step.query:
                lines.append(visible(f"    query {step.query}"))
            if step.message is not None:
                lines.append(visible(f"    {json.dumps(step.message)}"))
        return "\n".join(lines)

    return Result(data, text)
