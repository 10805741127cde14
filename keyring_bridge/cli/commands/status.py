"""``hsm status``: everything at one glance, and an exit code for monitoring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyring_bridge.cli.console import Result, error_fields, warning_line
from keyring_bridge.cli.providers import add_provider_options, chosen_provider
from keyring_bridge.cli.render import Style, details, timestamp, visible
from keyring_bridge.errors import BridgeError, Exit

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.cli.health import Findings, ProviderHealth
    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.login_guard import LoginState
    from keyring_bridge.store.base import StoredRecord


def configure_status(parser: Parser) -> None:
    """Define ``hsm status``."""
    parser.usage = "hsm status [--provider NAME | --backend BACKEND] [--login | --no-login] [options]"
    parser.description = (
        "Show providers, tokens, keys, policy and audit log as they are now.\n\n"
        "The exit code is that of the first problem, 0 without one; warnings do not count."
    )
    add_provider_options(parser)
    login = parser.add_mutually_exclusive_group()
    login.add_argument("--login", action="store_true", help="ask for PINs at the terminal where that is configured")
    login.add_argument("--no-login", action="store_true", help="log in nowhere; keys in tokens are not compared then")
    parser.set_defaults(handler=status)


def status(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the state of every part."""
    from keyring_bridge.cli import health

    config = session.config
    found = health.Findings(warnings=list(config.warnings))
    named = arguments.provider is not None or arguments.backend is not None
    only = chosen_provider(arguments, config) if named else None
    records = _records(session, found)
    providers = _providers(session, found, only, log_in=not arguments.no_login, ask=arguments.login)
    logins = health.look_at_logins(config, found)
    policy = health.look_at_policy(config, records, found)
    audit = health.look_at_audit(config, found)
    data = {
        "config": config.path,
        "chain_id": config.chain_id,
        "prefix": config.prefix,
        "state_dir": config.state_dir,
        "providers": [provider.to_json() for provider in providers],
        "records": len(records),
        "blocked_logins": [health.login_json(state) for state in logins],
        "policy": policy.to_json(),
        "audit": audit.to_json(),
        "warnings": found.warnings,
        "problems": [{"where": where, **error_fields(error)} for where, error in found.problems],
    }
    head = f"entry {audit.last.seq}, {audit.last.head.hash}" if audit.last is not None else "no entries"
    general = {
        "configuration": config.path,
        "chain": config.chain_id or "none",
        "records": len(records),
        "policy": f"{policy.path} (sha256 {policy.digest})" if policy.exists else f"{policy.path} (none)",
        "audit log": audit.path,
        "audit head": head,
    }

    def text(style: Style) -> str:
        blocks = [details(general, style), *(_provider_text(provider, style) for provider in providers)]
        if logins:
            blocks.append(_logins_text(logins, style))
        if found.warnings:
            blocks.append("\n".join(warning_line(one, style) for one in found.warnings))
        blocks += [_problem_text(where, error, style) for where, error in found.problems]
        if not found.problems:
            blocks.append(style.good("no problems"))
        return "\n\n".join(blocks)

    return Result(data, text, found.problems[0][1].exit_code if found.problems else Exit.OK)


def _records(session: Session, found: Findings) -> list[StoredRecord]:
    try:
        with session.store() as store:
            return store.list()
    except BridgeError as error:
        found.problems.append(("store", error))
        return []


def _providers(session: Session, found: Findings, only: str | None, *, log_in: bool, ask: bool) -> list[ProviderHealth]:
    from keyring_bridge.cli.health import look_at_provider
    from keyring_bridge.keyring import Keyring

    if found.problems:
        return []
    try:
        with session.bridge(ask=ask) as bridge:
            keyring = Keyring(bridge, session.caller)
            names = [name for name in bridge.provider_names if only in (None, name)]
            return [look_at_provider(bridge, keyring, name, found, log_in=log_in) for name in names]
    except BridgeError as error:
        found.problems.append(("bridge", error))
        return []


def _provider_text(provider: ProviderHealth, style: Style) -> str:
    from keyring_bridge.cli.records import hardware_text

    status, token, comparison = provider.status, provider.status.token, provider.comparison
    fields: dict[str, object] = {
        "backend": provider.backend,
        "state": status.state,
        "message": status.message or None,
        "hardware": hardware_text(provider.hardware) if provider.hardware is not None else None,
        "token": f"{token.label} (serial {token.serial}, {token.manufacturer} {token.model})" if token else None,
        "slot": f"{token.slot_index} (id {token.slot_id})" if token else None,
        "pin": status.pin,
        "sessions": status.sessions,
    }
    if comparison is not None:
        counts = (len(comparison.in_both), len(comparison.only_in_store), len(comparison.only_in_token))
        fields["keys"] = "{} with a record, {} records without a key, {} keys without a record".format(*counts)
    heading = style.strong(f"provider {visible(provider.name)}{' (default)' if provider.default else ''}")
    return f"{heading}\n{details(fields, style, indent=2)}"


def _logins_text(logins: list[LoginState], style: Style) -> str:
    lines = [style.bad("blocked logins (`hsm unlock` allows one more try)")]
    for state in logins:
        since = f" since {timestamp(state.since)}" if state.since is not None else ""
        lines.append(visible(f"  {state.token_id or 'unknown token'}{since}, PIN from {state.source or 'unknown'}"))
    return "\n".join(lines)


def _problem_text(where: str, error: BridgeError, style: Style) -> str:
    lines = [f"{style.bad('problem:')} {visible(where)}: {visible(error.message)} [{error.code}]"]
    if error.detail:
        lines.append(f"  detail: {visible(error.detail)}")
    if error.hint:
        lines.append(f"  hint: {visible(error.hint)}")
    return "\n".join(lines)
