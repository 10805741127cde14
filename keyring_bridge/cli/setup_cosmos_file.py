"""The part of ``hsm init`` that finds a keyring directory of the SDK."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.cli.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.cli.console import Console


def set_up(arguments: argparse.Namespace, console: Console) -> dict[str, object]:
    """Return the options of a ``cosmosfile`` provider; nothing is written to the directory.

    Args:
        arguments: Those of ``hsm init``.
        console: For notes.

    Raises:
        UsageError: No directory was named, or a password's source for a keyring without one.
        TokenNotFound: There is no keyring.
        ConfigError: It could be of the ``file`` backend or of the ``test`` backend.
    """
    from keyring_bridge.keyring_directory import KeyringDirectory, KeyringKind

    if arguments.keyring_dir is None:
        raise UsageError("--keyring-dir is needed: the keyring directory, or the chain's home that it is in")
    found = KeyringDirectory.find(Path(os.path.abspath(os.path.expanduser(arguments.keyring_dir))))
    console.warn("a keyring directory is NOT HARDWARE: whoever has its files and its password has the keys")
    options: dict[str, object] = {"directory": str(found.path), "kind": str(found.kind)}
    if found.kind is KeyringKind.FILE:
        return options | {"pin_source": arguments.pin_source or "prompt"}
    if arguments.pin_source is not None:
        raise UsageError("--pin-source is not for a `test` keyring: everybody knows its password")
    return options
