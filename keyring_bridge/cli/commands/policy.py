"""``hsm policy``: whether a policy loads, what it answers and why, and what it can name."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keyring_bridge.cli.commands.tx_options import add_chain, chain_of, decode_bytes, read_file, schema_of
from keyring_bridge.cli.console import Result, warning_line
from keyring_bridge.cli.errors import UsageError
from keyring_bridge.cli.render import Style, details, table, visible
from keyring_bridge.errors import ConfigMissing, Exit

if TYPE_CHECKING:
    import argparse

    from cosmos_formats.tx import Transaction
    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.policy import KeyPolicy, Policy, Question
    from keyring_bridge.policy.model import Limit
    from keyring_bridge.store.base import StoredRecord

_ENCODINGS = ("json", "base64", "hex")


# --- check -----------------------------------------------------------------------------------------------------------


def configure_check(parser: Parser) -> None:
    """Define ``hsm policy check``."""
    parser.usage = "hsm policy check [FILE] [options]"
    parser.description = (
        "Load a policy as the bridge would, and tell what is odd about it: types of messages that nobody knows, "
        "wildcards that cover nothing, blind signing, keys without a record.\n\n"
        "The exit code is 0 if it loads; warnings do not count."
    )
    parser.add_argument("file", metavar="FILE", nargs="?", help="a policy (default: that of the configuration)")
    parser.set_defaults(handler=check)


def check(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer what the policy says of each key, and what is odd about it."""
    from keyring_bridge.policy.review import warnings_of

    path = _path(arguments.file, session)
    policy = _load(path)
    schemas = {
        name: [schema_of(session, chain_id) for chain_id in sorted(_chains(key)) or [""]]
        for name, key in policy.keys.items()
    }
    warnings = [*warnings_of(policy, schemas), *_about_records(policy, session)]
    keys = [_key_json(name, key) for name, key in sorted(policy.keys.items())]
    data = {"path": str(path), "digest": policy.digest, "keys": keys, "warnings": warnings}

    def text(style: Style) -> str:
        blocks = [details({"policy": path, "sha256": policy.digest}, style)]
        rows = [
            (key["name"], ", ".join(map(str, key["chains"])), key["alternatives"], len(key["limits"])) for key in keys
        ]
        if rows:
            blocks.append(table(("KEY", "CHAINS", "ALTERNATIVES", "LIMITS"), rows, style))
        if warnings:
            blocks.append("\n".join(warning_line(one, style) for one in warnings))
        return "\n\n".join(blocks)

    return Result(data, text)


def _chains(key: KeyPolicy) -> set[str]:
    found = set(key.chains or ())
    for inner in (*key.all_of, *(key.any_of or ())):
        found |= set(inner.chains or ())
    return found


def _key_json(name: str, key: KeyPolicy) -> dict[str, Any]:
    return {
        "name": name,
        "fingerprint": key.fingerprint,
        "chains": sorted(_chains(key)),
        "alternatives": len(key.any_of or ()),
        "limits": [limit.name for limit in key.limits],
        "unsafe_blind_signing": key.mentions("unsafe_blind_signing"),
    }


def _about_records(policy: Policy, session: Session) -> list[str]:
    """Return what is odd about the keys that there are; nothing without a configuration."""
    try:
        with session.store() as store:
            records = {record.name: record for record in store.list()}
    except ConfigMissing:
        return []
    found = []
    for name, key in sorted(policy.keys.items()):
        record = records.get(name)
        if record is None:
            found.append(f"{name}: there is no key of this name")
        elif record.fingerprint != key.fingerprint:
            found.append(f"{name}: the policy is for another key of this name, so this one signs nothing")
    return found


# --- explain ---------------------------------------------------------------------------------------------------------


def configure_explain(parser: Parser) -> None:
    """Define ``hsm policy explain``."""
    parser.usage = "hsm policy explain TX [--key NAME] [--caller CALLER] [--sign-mode MODE] [options]"
    parser.description = (
        "Tell what the policy would answer if a transaction were to be signed now, which rule decides, and why.\n\n"
        "Nothing is signed and nothing is counted. The exit code is that of a refusal if every key refuses."
    )
    parser.add_argument("file", metavar="TX", help="a transaction made with --generate-only; - reads standard input")
    parser.add_argument(
        "--encoding", choices=_ENCODINGS, metavar="ENCODING", default="json", help="json (default), base64 or hex"
    )
    parser.add_argument("--key", metavar="NAME", help="the key that is to sign (default: each key of the policy)")
    parser.add_argument("--caller", metavar="CALLER", help="who asks, such as uid:1000 (default: you)")
    parser.add_argument(
        "--sign-mode",
        choices=("direct", "direct-aux", "amino-json", "textual", "eip-191"),
        metavar="MODE",
        default="direct",
        help="direct (default), direct-aux, amino-json, textual or eip-191",
    )
    parser.add_argument("--time", metavar="TIME", help="when, such as 2026-01-05T09:30:00Z (default: now)")
    parser.add_argument("--policy", metavar="FILE", help="a policy (default: that of the configuration)")
    add_chain(parser)
    parser.set_defaults(handler=explain)


def explain(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the decision of each key, with what every rule says."""
    policy = _load(_path(arguments.policy, session))
    chain_id = chain_of(arguments, session)
    transaction = _transaction(arguments, session, chain_id)
    names = [arguments.key] if arguments.key is not None else sorted(policy.keys)
    if not names:
        raise UsageError("the policy has no keys", hint="--key names one")
    records = _records(session)
    found = []
    for name in names:
        question = _question(arguments, session, policy, transaction, chain_id, name, records.get(name))
        found.append(_explained(policy, name, question))
    allowed = any(one["decision"] == "allow" for one in found)
    data = {"policy": policy.digest, "caller": _caller(arguments, session), "chain_id": chain_id, "keys": found}

    def text(style: Style) -> str:
        return "\n\n".join(_explanation(one, style) for one in found)

    return Result(data, text, Exit.OK if allowed else Exit.DENIED)


def _question(
    arguments: argparse.Namespace,
    session: Session,
    policy: Policy,
    transaction: Transaction,
    chain_id: str,
    name: str,
    record: StoredRecord | None,
) -> Question:
    from cosmos_formats.pubkeys import PublicKey
    from keyring_bridge.policy.trial import question

    key = policy.keys.get(name)
    public_key = record.record.public_key if record is not None else None
    fingerprint = record.fingerprint if record is not None else None
    return question(
        transaction,
        schema_of(session, chain_id),
        key=name,
        fingerprint=fingerprint or ("" if key is None else key.fingerprint),
        caller=_caller(arguments, session),
        chain_id=chain_id,
        mode=arguments.sign_mode,
        public_key=public_key if isinstance(public_key, PublicKey) else None,
        time=_time(arguments.time),
    )


def _explained(policy: Policy, name: str, question: Question) -> dict[str, object]:
    from keyring_bridge.policy.case import Case
    from keyring_bridge.policy.rules import trace

    decision = policy.decide(question)
    key = policy.keys.get(name)
    case = Case(question)
    steps = [] if key is None else list(trace(key.rule, case))
    limits = [] if key is None else [*key.limits, *key.shared]
    return {
        "key": name,
        "decision": decision.verdict,
        "rule": decision.rule,
        "reason": decision.reason,
        "rules": [step._asdict() for step in steps],
        "moves": {denom: str(amount) for denom, amount in case.effects.totals.items()},
        "recipients": list(case.effects.recipients),
        "limits": [_limit_text(limit) for limit in limits],
    }


def _explanation(found: dict[str, object], style: Style) -> str:
    paint = style.good if found["decision"] == "allow" else style.bad
    head = (
        f"{style.strong(visible(str(found['key'])))}: {paint(str(found['decision']))} by {visible(str(found['rule']))}"
    )
    lines = [head, f"  {visible(str(found['reason']))}"]
    rules = found["rules"]
    for step in rules if isinstance(rules, list) else ():
        mark = style.good("yes") if step["allows"] else style.bad("no ")
        reason = f": {visible(step['reason'])}" if step["reason"] else ""
        lines.append(f"  {'  ' * step['depth']}{mark} {visible(step['rule'])}{reason}")
    moves, limits = found["moves"], found["limits"]
    if isinstance(moves, dict) and moves:
        lines.append(visible(f"  moves {', '.join(f'{amount} {denom}' for denom, amount in moves.items())}"))
    if isinstance(limits, list):
        lines += [visible(f"  limit {limit}") for limit in limits]
    return "\n".join(lines)


def _limit_text(limit: Limit) -> str:
    counted = (
        f"{limit.signatures} signatures"
        if limit.signatures is not None
        else ", ".join(f"{amount} {denom}" for denom, amount in (limit.amount or {}).items())
    )
    whose = " for each caller" if limit.each_caller else ""
    return f"{limit.name}: {counted} in {limit.seconds} s{whose}"


def _transaction(arguments: argparse.Namespace, session: Session, chain_id: str) -> Transaction:
    from keyring_bridge.tx.documents import read_transaction

    data = read_file(arguments.file)
    if arguments.encoding == "json":
        return read_transaction(data, schema_of(session, chain_id))
    return decode_bytes(data, arguments.encoding)


def _caller(arguments: argparse.Namespace, session: Session) -> str:
    return str(arguments.caller) if arguments.caller is not None else session.caller.name


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError("--time is no time: write it as 2026-01-05T09:30:00Z") from None
    if time.tzinfo is None:
        raise UsageError("--time needs a zone: write it as 2026-01-05T09:30:00Z")
    return time


def _records(session: Session) -> dict[str, StoredRecord]:
    try:
        with session.store() as store:
            return {record.name: record for record in store.list()}
    except ConfigMissing:
        return {}


# --- messages --------------------------------------------------------------------------------------------------------


def configure_messages(parser: Parser) -> None:
    """Define ``hsm policy messages``."""
    parser.usage = "hsm policy messages [TEXT] [--chain-id ID] [options]"
    parser.description = (
        "List the types of messages that a policy can name, and how.\n\n"
        "WILDCARD says whether /MODULE.* covers it. SPENDING says whether its fields show all that it moves; where "
        "they do not, rules about amounts and recipients deny it unless unknown_spending names it."
    )
    parser.add_argument("text", metavar="TEXT", nargs="?", default="", help="only types whose name contains this")
    add_chain(parser)
    parser.set_defaults(handler=messages)


def messages(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the types that are known of a chain."""
    from keyring_bridge.policy.effects import is_understood
    from keyring_bridge.policy.patterns import needs_exact_name
    from keyring_bridge.policy.review import type_urls

    schema = schema_of(session, chain_of(arguments, session))
    wanted = arguments.text.lower()
    data = [
        {"type": one, "wildcard": not needs_exact_name(one), "spending_known": is_understood(one)}
        for one in type_urls(schema)
        if wanted in one.lower()
    ]

    def text(style: Style) -> str:
        rows = [
            (row["type"], "yes" if row["wildcard"] else "no", "known" if row["spending_known"] else "unknown")
            for row in data
        ]
        return table(("TYPE", "WILDCARD", "SPENDING"), rows, style)

    return Result(data, text)


# --- test ------------------------------------------------------------------------------------------------------------


def configure_test(parser: Parser) -> None:
    """Define ``hsm policy test``."""
    parser.usage = "hsm policy test CASES [--policy FILE] [options]"
    parser.description = (
        "Ask a policy about every case of a file (docs/policy.md describes it), and compare the answers.\n\n"
        "The exit code is 0 if every case passes."
    )
    parser.add_argument("file", metavar="CASES", help="a file of cases")
    parser.add_argument(
        "--policy", metavar="FILE", help="a policy (default: the one that the cases name, else the configuration's)"
    )
    parser.set_defaults(handler=test)


def test(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer what became of each case."""
    from keyring_bridge.policy.cases import run_cases

    named = Path(arguments.policy) if arguments.policy is not None else None
    outcomes = run_cases(
        Path(arguments.file),
        named,
        lambda chain_id: schema_of(session, chain_id),
        default=lambda: session.config.policy_path,
    )
    failed = [outcome for outcome in outcomes if not outcome.passed]
    data = {
        "passed": len(outcomes) - len(failed),
        "failed": len(failed),
        "cases": [
            {
                "name": outcome.name,
                "passed": outcome.passed,
                "expected": outcome.expected,
                "decision": outcome.decision.verdict,
                "rule": outcome.decision.rule,
                "reason": outcome.decision.reason,
            }
            for outcome in outcomes
        ],
    }

    def text(style: Style) -> str:
        lines = []
        for outcome in outcomes:
            if outcome.passed:
                lines.append(f"{style.good('ok')}   {visible(outcome.name)}")
                continue
            decision = outcome.decision
            lines.append(f"{style.bad('bad')}  {visible(outcome.name)}: expected {outcome.expected}")
            lines.append(visible(f"     got {decision.verdict} {decision.rule}: {decision.reason}"))
        lines.append(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
        return "\n".join(lines)

    return Result(data, text, Exit.CONFIG if failed else Exit.OK)


# --- policies --------------------------------------------------------------------------------------------------------


def _path(named: str | None, session: Session) -> Path:
    return Path(named).absolute() if named is not None else session.config.policy_path


def _load(path: Path) -> Policy:
    from keyring_bridge.policy import Policy

    return Policy.load(path)
