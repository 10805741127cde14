"""A plugin as a child process: how it is started, and how it ends."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from keyring_bridge.errors import PeerFailed
from keyring_plugin.connection import Connection

END_SECONDS = 15.0
"""How long a child may take to end by itself: it may be serving a request, and logs out of its devices."""

KILL_SECONDS = 3.0


class Child:
    """A running plugin, connected by two pipes. Its standard error is ours.

    Args:
        argv: The program and its arguments.
        env: Its environment; ours if None.
        cwd: Its directory; ours if None.

    Raises:
        PeerFailed: It could not be started.
    """

    def __init__(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: str | Path | None = None
    ) -> None:
        their_input, our_output = os.pipe()
        our_input, their_output = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603  # the caller names the program
                list(argv), stdin=their_input, stdout=their_output, env=None if env is None else dict(env), cwd=cwd
            )
        except OSError as error:
            os.close(our_input)
            os.close(our_output)
            raise PeerFailed(
                f"{argv[0]} could not be started: {error.strerror}", hint="is keyring-bridge installed?"
            ) from None
        finally:
            os.close(their_input)
            os.close(their_output)
        self.connection = Connection(our_input, our_output)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def why(self) -> str:
        """Say how the process ended; called when its output ended."""
        try:
            status = self._process.wait(KILL_SECONDS)
        except subprocess.TimeoutExpired:
            return "the plugin closed its output"
        how = f"was killed by signal {-status}" if status < 0 else f"ended with exit status {status}"
        return f"the plugin {how}; if it was signing, the audit log has what became of it"

    def end(self) -> None:
        """Wait for the process to end after its input was closed; stop it if it does not."""
        for seconds, then in ((END_SECONDS, self._process.terminate), (KILL_SECONDS, self._process.kill)):
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                then()
            else:
                return
        self._process.wait()
