"""The part of ``hsm init`` that makes a software key file."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.cli.console import Console


def set_up(
    arguments: argparse.Namespace, name: str, folder: Path, state_dir: Path, console: Console
) -> dict[str, object]:
    """Return the options of a ``software`` provider whose key file exists.

    A key file that is there already is kept as it is: nothing that holds keys is ever overwritten.

    Args:
        arguments: Those of ``hsm init``.
        name: The provider's name, and with it the key file's.
        folder: Where the configuration will be; a generated passphrase goes there.
        state_dir: Where the key file goes.
        console: For notes.

    Raises:
        ConfigError: The file cannot be written.
        PinRequired: The source gives no passphrase.
    """
    from keyring_bridge.cli.pins import obtain
    from keyring_bridge.providers.software import create_key_file

    passphrase_file = folder / f"{name}.passphrase"
    key_file = state_dir / f"{name}.keys"
    console.warn("the software backend is NOT HARDWARE: whoever has the key file and its passphrase has the keys")
    if key_file.exists():
        console.note(f"{key_file}: this key file exists and is kept")
        kept = f"file:{passphrase_file}" if passphrase_file.exists() else "prompt"
        return {"pin_source": arguments.pin_source or kept}
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as undo:
        source, passphrase = obtain(arguments.pin_source, passphrase_file, f"passphrase for {key_file}", undo)
        with passphrase:
            create_key_file(key_file, passphrase)
        undo.pop_all()
    return {"pin_source": source}
