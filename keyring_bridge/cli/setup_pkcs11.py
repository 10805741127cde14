"""The part of ``hsm init`` that finds or makes a PKCS#11 token."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.cli.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.cli.console import Console
    from keyring_bridge.model import TokenInfo

DEFAULT_TOKEN_LABEL = "keyring-bridge"  # noqa: S105 - a label, not a password


def set_up(
    arguments: argparse.Namespace, preset: str | None, name: str, folder: Path, console: Console
) -> tuple[dict[str, object], TokenInfo]:
    """Return the options of a ``pkcs11`` provider, and the token that they name.

    Args:
        arguments: Those of ``hsm init``.
        preset: The vendor, from the backend's alias; ``--preset`` goes first.
        name: The provider's name, for the names of PIN files.
        folder: Where the configuration will be.
        console: For progress.

    Raises:
        ProviderError: The library or the token is missing, ambiguous or broken.
    """
    from keyring_bridge.providers.pkcs11.module import find_library
    from keyring_bridge.providers.pkcs11.options import Options

    preset = arguments.preset or preset
    if arguments.create_token and preset is None and arguments.library is None:
        preset = "softhsm"
    given = Path(arguments.library).expanduser().absolute() if arguments.library is not None else None
    library = find_library(Options(library=given, preset=preset))
    if arguments.create_token:
        token, pin_source = _create(arguments, library, name, folder, console)
    else:
        token, pin_source = _select(arguments, library), arguments.pin_source or "prompt"
    options: dict[str, object] = {
        "preset": preset,
        "library": str(given) if given is not None else None,
        "token_label": token.label or None,
        "token_serial": token.serial or None,
        # Only a token without a name of its own is named by its slot, whose number may change.
        "slot_id": None if token.label or token.serial else token.slot_id,
        "pin_source": pin_source,
    }
    return {key: value for key, value in options.items() if value is not None}, token


def _select(arguments: argparse.Namespace, library: Path) -> TokenInfo:
    from keyring_bridge.providers.pkcs11.module import load
    from keyring_bridge.providers.pkcs11.slots import Wanted, select
    from keyring_bridge.secrets import parse_source

    if arguments.pin_source not in (None, "pinpad"):
        parse_source(arguments.pin_source)
    wanted = Wanted(arguments.token_label, arguments.token_serial, arguments.slot, arguments.slot_id)
    return select(load(library), wanted).info


def _create(
    arguments: argparse.Namespace, library: Path, name: str, folder: Path, console: Console
) -> tuple[TokenInfo, str]:
    from keyring_bridge.cli.pins import obtain
    from keyring_bridge.providers.pkcs11.tokens import create_token

    for option in ("slot", "slot_id", "token_serial"):
        if getattr(arguments, option) is not None:
            flag = f"--{option.replace('_', '-')}"
            raise UsageError(f"--create-token takes the first empty slot; {flag} does not go with it")
    label = arguments.token_label or DEFAULT_TOKEN_LABEL
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as undo, ExitStack() as wiped:
        source, pin = obtain(arguments.pin_source, folder / f"{name}.pin", f"PIN for the new token {label}", undo)
        wiped.enter_context(pin)
        so_what = f"security officer's PIN for the new token {label}"
        so_source, so_pin = obtain(arguments.so_pin_source, folder / f"{name}.so-pin", so_what, undo)
        wiped.enter_context(so_pin)
        console.note(f"making a token labelled {label}")
        token = create_token(library, label, so_pin, pin, initialized=undo.pop_all)
    if arguments.so_pin_source is None:
        console.note(f"the security officer's PIN is in {so_source}: keep it apart from this machine")
    return token, source
