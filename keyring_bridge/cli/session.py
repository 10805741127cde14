"""What a command works with: the console, the configuration, and the keyring behind it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keyring_bridge.bridge import Bridge
    from keyring_bridge.cli.console import Console
    from keyring_bridge.config import Config
    from keyring_bridge.keyring import Keyring
    from keyring_bridge.model import Caller
    from keyring_bridge.store.base import Store


class Session:
    """One run of one command.

    Args:
        console: Where output goes.
        config_path: What ``--config`` named, or None.
    """

    def __init__(self, console: Console, config_path: Path | None) -> None:
        self.console = console
        self.config_path = config_path
        self._config: Config | None = None

    @property
    def config(self) -> Config:
        """The configuration; its warnings are told once.

        Raises:
            ConfigError: There is none, or it is wrong.
        """
        if self._config is None:
            from keyring_bridge.config import load

            self.use(load(self.config_path))
        assert self._config is not None  # noqa: S101 - set by use()
        return self._config

    def use(self, config: Config) -> None:
        """Work with this configuration from now on."""
        self._config = config
        for warning in config.warnings:
            self.console.warn(warning)

    @property
    def caller(self) -> Caller:
        """Who runs the command, for policy and audit."""
        from keyring_bridge.model import Caller

        hints = (("pid", str(os.getpid())), ("exe", sys.argv[0] or sys.executable))
        return Caller(f"uid:{os.getuid()}", hints)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Open the records alone: no token is touched and nothing is audited."""
        from keyring_bridge.config import private_dir
        from keyring_bridge.store.sqlite import SqliteStore

        private_dir(self.config.state_dir)
        store = SqliteStore(self.config.state_dir / "store.sqlite")
        try:
            yield store
        finally:
            store.close()

    @contextmanager
    def bridge(self, *, ask: bool = True) -> Iterator[Bridge]:
        """Open the whole bridge.

        Args:
            ask: Whether a person may be asked for a PIN, on the controlling terminal.
        """
        from keyring_bridge.bridge import Bridge
        from keyring_bridge.secrets import harden_process, tty_prompt

        harden_process()
        with Bridge.open(self.config, prompt=tty_prompt if ask else None) as bridge:
            yield bridge

    @contextmanager
    def keyring(self, *, ask: bool = True) -> Iterator[Keyring]:
        """Open the whole bridge and yield the caller's keyring (``ask`` as for :meth:`bridge`).

        Neither what it does with one key nor closing it waits for a device that hangs.
        """
        from keyring_bridge.patience import patient

        with patient(self._opened(ask=ask), self.config.rpc.deadline_seconds) as keyring:
            yield keyring

    @contextmanager
    def _opened(self, *, ask: bool) -> Iterator[Keyring]:
        from keyring_bridge.keyring import Keyring

        with self.bridge(ask=ask) as bridge:
            yield Keyring(bridge, self.caller)
