"""``hsm init``: a configuration, a policy, and a token if asked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.cli.console import Result
from keyring_bridge.cli.errors import UsageError
from keyring_bridge.cli.render import Style, details, readable
from keyring_bridge.errors import ConfigExists, NotAvailable

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.model import TokenInfo

_TOKEN_OPTIONS = ("library", "preset", "slot", "slot_id", "token_label", "token_serial", "so_pin_source")


def configure_init(parser: Parser) -> None:
    """Define ``hsm init``."""
    parser.usage = "hsm init [--backend BACKEND] [--library LIBRARY] [--create-token] [--chain-id CHAIN] [options]"
    parser.add_argument(
        "--backend",
        metavar="BACKEND",
        default="pkcs11",
        help="pkcs11 (default), software, cosmos_file, or an alias such as softhsm; `hsm backends` lists all",
    )
    parser.add_argument("--provider", metavar="NAME", help="name of the provider (default: the backend's name)")
    parser.add_argument("--chain-id", metavar="CHAIN", help="the chain that new keys get a policy for")
    parser.add_argument("--prefix", metavar="PREFIX", default="ve", help="prefix of account addresses (default: ve)")
    parser.add_argument(
        "--pin-source",
        metavar="SOURCE",
        help="where the PIN or passphrase comes from: file:/PATH, env:NAME, fd:N, credential:NAME, "
        "command:/PROGRAM, prompt, or pinpad; it is never given on the command line itself. Default: prompt; "
        "generated into a file (0600) where a token or a software key file is made",
    )
    parser.add_argument(
        "--keyring-dir", metavar="DIR", help="cosmos_file: the keyring directory, or the chain's home that it is in"
    )
    parser.add_argument("--force", action="store_true", help="replace a configuration that exists (its policy stays)")
    token = parser.add_argument_group("PKCS#11 token")
    token.add_argument(
        "--library", metavar="LIBRARY", help="the PKCS#11 module (default: where the preset's vendor puts it)"
    )
    token.add_argument("--preset", metavar="VENDOR", help="softhsm, cloudhsm, luna, yubihsm or opencryptoki")
    token.add_argument("--slot", metavar="INDEX", type=int, help="the token's index in the list of slots that hold one")
    token.add_argument("--slot-id", metavar="ID", type=int, help="the module's own number of the slot")
    token.add_argument("--token-label", metavar="LABEL", help="the token's label")
    token.add_argument("--token-serial", metavar="SERIAL", help="the token's serial number")
    token.add_argument(
        "--create-token", action="store_true", help="make a token in the first empty slot (SoftHSM2 always has one)"
    )
    token.add_argument(
        "--so-pin-source",
        metavar="SOURCE",
        help="the new token's security officer's PIN (default: generated into a file)",
    )
    parser.set_defaults(handler=init)


def init(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer what was written."""
    from keyring_bridge.config.write import create
    from keyring_bridge.providers import provider_class, resolve

    path = config_path(session.config_path)
    if path.exists() and not arguments.force:
        raise ConfigExists(f"{path}: exists already", hint="--force replaces it; --config names another file")
    backend, preset = resolve(arguments.backend)
    provider_class(backend)
    name = backend if arguments.provider is None else arguments.provider
    _check(arguments, path, name, backend)
    token: TokenInfo | None = None
    if backend == "pkcs11":
        from keyring_bridge.cli.setup_pkcs11 import set_up

        options, token = set_up(arguments, preset, name, path.parent, session.console)
    elif backend == "software":
        from keyring_bridge.cli.setup_software import set_up as set_up_software

        _refuse_token_options(arguments, backend)
        options = set_up_software(arguments, name, path.parent, path.parent / "state", session.console)
    elif backend == "cosmosfile":
        from keyring_bridge.cli.setup_cosmos_file import set_up as set_up_cosmos_file

        _refuse_token_options(arguments, backend)
        options = set_up_cosmos_file(arguments, session.console)
    else:
        raise NotAvailable(f"`hsm init` does not know the options of backend {backend}", hint="write them by hand")
    config = create(
        path,
        provider=name,
        backend=backend,
        options=options,
        chain_id=arguments.chain_id,
        prefix=arguments.prefix,
        overwrite=arguments.force,
    )
    session.use(config)
    from keyring_bridge.cli.starter import write_empty_policy

    new_policy = write_empty_policy(config.policy_path, config.chain_id)
    if config.chain_id is None:
        session.console.warn("no --chain-id: policies of new keys will allow no chain, so those keys sign nothing")
    data: dict[str, object] = {
        "config": str(config.path),
        "provider": name,
        "backend": backend,
        "token": {"label": token.label, "serial": token.serial, "slot_id": token.slot_id}
        if token is not None
        else None,
        "pin_source": options.get("pin_source"),
        "chain_id": config.chain_id,
        "prefix": config.prefix,
        "policy": str(config.policy_path),
        "policy_written": new_policy,
        "audit": str(config.audit_path),
    }

    def text(style: Style) -> str:
        fields = data | {"token": f"{token.label} (serial {token.serial})" if token is not None else None}
        return details(readable(fields), style) + f"\nnext: {_next(backend)}"

    return Result(data, text)


def _next(backend: str) -> str:
    return "hsm keys sync" if backend == "cosmosfile" else "hsm keygen --label NAME"


def config_path(named: Path | None) -> Path:
    """Return where the configuration is written: ``--config``, else ``$KEYRING_BRIDGE_CONFIG``, else the default.

    Raises:
        UsageError: The name is that of VirtEngine's JSON file, which is read but not written.
    """
    from keyring_bridge.config import default_path
    from keyring_bridge.config.load import ENVIRONMENT_VARIABLE

    variable = os.environ.get(ENVIRONMENT_VARIABLE)
    path = named or (Path(variable) if variable else default_path())
    if path.suffix == ".json":
        raise UsageError("the configuration is TOML; a .json file is only read", hint="name a file ending in .toml")
    return Path(os.path.abspath(path.expanduser()))


def _check(arguments: argparse.Namespace, path: Path, name: str, backend: str) -> None:
    """Refuse what the configuration would refuse, before a token is made."""
    from keyring_bridge.config import Config, ProviderConfig

    try:
        ProviderConfig(name, backend)
        Config(
            path=path,
            state_dir=path,
            policy_path=path,
            audit_path=path,
            chain_id=arguments.chain_id,
            prefix=arguments.prefix,
        )
    except ValueError as error:
        raise UsageError(str(error)) from None
    if arguments.keyring_dir is not None and backend != "cosmosfile":
        raise UsageError(f"--keyring-dir is for cosmos_file, not for backend {backend}")
    for option, number in (("--slot", arguments.slot), ("--slot-id", arguments.slot_id)):
        if number is not None and number < 0:
            raise UsageError(f"{option} must not be negative")


def _refuse_token_options(arguments: argparse.Namespace, backend: str) -> None:
    given = [option for option in _TOKEN_OPTIONS if getattr(arguments, option) is not None]
    if arguments.create_token:
        given.append("create_token")
    if given:
        raise UsageError(f"--{given[0].replace('_', '-')} is for PKCS#11 tokens, not for backend {backend}")
