"""``hsm config``: what is in force, whether it works, and the way out of VirtEngine's ``hsm.json``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.cli.console import Result
from keyring_bridge.cli.errors import UsageError
from keyring_bridge.cli.render import Style, details, readable, visible
from keyring_bridge.errors import ConfigExists, ConfigMissing, Exit

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.config import Config


def configure_show(parser: Parser) -> None:
    """Define ``hsm config show``."""
    parser.usage = "hsm config show [options]"
    parser.set_defaults(handler=show)


def show(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the configuration in force; it never holds a secret."""
    data = config_json(session.config)

    def text(style: Style) -> str:
        top = {name: value for name, value in data.items() if not isinstance(value, dict)}
        blocks = [details(top, style)]
        for provider in session.config.providers.values():
            options = {"backend": provider.backend, **provider.options}
            blocks.append(f"{style.strong(f'provider {visible(provider.name)}')}\n{details(options, style, indent=2)}")
        rpc = data["rpc"]
        if isinstance(rpc, dict):
            blocks.append(f"{style.strong('rpc')}\n{details(rpc, style, indent=2)}")
        return "\n\n".join(blocks)

    return Result(data, text)


def config_json(config: Config) -> dict[str, object]:
    """Return a configuration ready for JSON."""
    rpc = config.rpc
    return {
        "path": str(config.path),
        "chain_id": config.chain_id,
        "prefix": config.prefix,
        "state_dir": str(config.state_dir),
        "policy": str(config.policy_path),
        "audit": str(config.audit_path),
        "default_provider": config.default_provider,
        "outside_providers": list(config.outside_providers),
        "warnings": list(config.warnings),
        "providers": {
            name: {"backend": provider.backend, "options": dict(provider.options)}
            for name, provider in config.providers.items()
        },
        "rpc": {name: getattr(rpc, name) for name in rpc.__slots__},
    }


def configure_check(parser: Parser) -> None:
    """Define ``hsm config check``."""
    parser.usage = "hsm config check [options]"
    parser.set_defaults(handler=check)


def check(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer every finding; the exit code is that of the first bad one."""
    from keyring_bridge.cli.checks import check_config

    findings = check_config(session.config)
    bad = [finding for finding in findings if finding.error is not None]
    data = {
        "path": str(session.config.path),
        "ok": not bad,
        "warnings": list(session.config.warnings),
        "findings": [finding.to_json() for finding in findings],
    }

    def text(style: Style) -> str:
        lines = []
        for finding in findings:
            if finding.error is None:
                lines.append(f"{style.good('ok')}   {visible(finding.what)}")
                continue
            lines.append(f"{style.bad('bad')}  {visible(finding.what)}: {visible(str(finding.error))}")
            if finding.error.hint:
                lines.append(f"     hint: {visible(finding.error.hint)}")
        return "\n".join(lines)

    first = bad[0].error if bad else None
    return Result(data, text, first.exit_code if first is not None else Exit.OK)


def configure_migrate(parser: Parser) -> None:
    """Define ``hsm config migrate``."""
    parser.usage = "hsm config migrate [--from FILE] [--to FILE] [--pin-file FILE] [options]"
    parser.add_argument("--from", dest="source", metavar="FILE", help="the old file (default: ~/.virtengine/hsm.json)")
    parser.add_argument(
        "--to", dest="target", metavar="FILE", help="the new file (default: ~/.config/keyring-bridge/config.toml)"
    )
    parser.add_argument(
        "--pin-file", metavar="FILE", help="where a PIN goes (default: the file `pin` beside the new one)"
    )
    parser.set_defaults(handler=migrate)


def migrate(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer where the configuration and the PIN are now."""
    from keyring_bridge.cli.starter import write_empty_policy
    from keyring_bridge.config import default_path
    from keyring_bridge.config.load import virtengine_path
    from keyring_bridge.config.write import migrate_json

    named = session.config_path
    if named is not None and arguments.source is not None:
        raise UsageError("--config and --from name the same thing; give one of them")
    source = Path(arguments.source) if arguments.source is not None else named or virtengine_path()
    target = Path(arguments.target) if arguments.target is not None else default_path()
    pin_file = Path(arguments.pin_file) if arguments.pin_file is not None else None
    try:
        migration = migrate_json(source, target, pin_file=pin_file)
    except ConfigMissing as error:
        raise ConfigMissing(error.message, hint="--from names the old file") from None
    except ConfigExists as error:
        raise ConfigExists(error.message, hint="--to names another file") from None
    for warning in migration.warnings:
        session.console.warn(warning)
    config = migration.config
    new_policy = write_empty_policy(config.policy_path, config.chain_id)
    data = {
        "from": str(source),
        "config": str(config.path),
        "pin_file": str(migration.pin_file) if migration.pin_file is not None else None,
        "policy": str(config.policy_path),
        "policy_written": new_policy,
        "warnings": list(migration.warnings),
    }
    return Result(data, lambda style: details(readable(data), style))
