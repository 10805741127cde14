"""A person's side of the agent: finding it, starting it, unlocking it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from keyring_bridge.errors import ConfigError, InsecureFile, PeerFailed
from keyring_plugin.agent import place
from keyring_plugin.agent.errors import AgentFailed, AgentNotRunning
from keyring_plugin.channel import Channel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from keyring_bridge.secrets import SecretBytes
    from keyring_plugin.sockets import SocketConnection

CALL_SECONDS = 60.0
STATUS_SECONDS = 5.0
START_SECONDS = 20.0
END_SECONDS = 20.0


def path() -> str:
    """Return the path of the agent's socket (InsecureFile if the environment names an impossible one)."""
    try:
        return place.socket_path()
    except place.UnsafePlace as unsafe:
        raise InsecureFile(str(unsafe)) from None


class Control:
    """A connection to this user's agent.

    Raises:
        AgentNotRunning: There is none.
        InsecureFile: What is at its place is somebody else's, or could be.
    """

    def __init__(self) -> None:
        from keyring_plugin.sockets import connect

        self._connection = _connected(connect)
        self._channel = Channel(self._connection)

    def __enter__(self) -> Control:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect."""
        self._channel.finish()
        self._channel.close()

    def status(self) -> dict[str, Any]:
        """Return what the agent says of itself and of its providers (None if they do not answer)."""
        told = self._channel.call("agent.status", {}, STATUS_SECONDS)
        if not isinstance(told, dict):
            raise PeerFailed("the agent sent something that is no status")
        try:
            providers = self._channel.call("bridge.status", {}, STATUS_SECONDS)
        except Exception as error:
            return {**told, "providers": None, "problem": str(error)}
        return {**told, "providers": providers["providers"] if isinstance(providers, dict) else None, "problem": None}

    def lock(self) -> None:
        """Let the agent log out of everything."""
        self._channel.call("agent.lock", {}, CALL_SECONDS)

    def unlock(self, provider: str | None, ask: Callable[[str], SecretBytes]) -> dict[str, Any]:
        """Let the agent log in.

        Args:
            provider: Name of the provider; the default one if None.
            ask: Asks a person for the PIN, if one has to be typed.
        """
        params: dict[str, object] = {} if provider is None else {"provider": provider}
        told = self._unlock(params)
        if told["ask"] is None:
            return told
        with ask(str(told["ask"])) as pin, _in_a_pipe(pin) as descriptor:
            self._connection.send_descriptor(descriptor)
            return self._unlock({**params, "pin": True})

    def stop(self) -> int:
        """Let the agent end, and wait until it has ended; return its process id."""
        process = self._channel.call("agent.stop", {}, CALL_SECONDS)
        self._channel.finish()
        end = time.monotonic() + END_SECONDS
        # Its lock is free when the process has ended.
        while time.monotonic() < end:
            if not _lock_held(path()):
                return int(process) if isinstance(process, int) else 0
            time.sleep(0.02)
        raise AgentFailed("the agent did not end in time")

    def _unlock(self, params: Mapping[str, object]) -> dict[str, Any]:
        told = self._channel.call("agent.unlock", params, CALL_SECONDS)
        if not isinstance(told, dict) or not {"provider", "state", "ask"} <= set(told):
            raise PeerFailed("the agent sent something that is no answer to unlocking")
        return told


@contextmanager
def _in_a_pipe(pin: SecretBytes) -> Iterator[int]:
    """Yield the reading end of a pipe that holds a PIN; no copy of it is left in this process."""
    reading, writing = os.pipe()
    try:
        os.write(writing, pin.reveal())
        pin.wipe()
        os.close(writing)
        writing = -1
        yield reading
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)


def _connected(connect: Callable[[str], SocketConnection]) -> SocketConnection:
    where = path()
    try:
        folder = place.open_folder(where)
        try:
            there = place.check_socket(folder, os.path.basename(where))
        finally:
            os.close(folder)
    except place.UnsafePlace as unsafe:
        raise InsecureFile(f"the agent's socket {where} is not used: {unsafe}") from None
    except OSError:
        there = False
    if not there:
        raise AgentNotRunning(f"no agent runs at {where}")
    try:
        return connect(where)
    except PeerFailed as error:
        if "belongs to" in error.message:
            raise InsecureFile(f"the agent's socket {where} is not used: {error}") from None
        raise AgentNotRunning(f"no agent runs at {where}") from None


def _lock_held(where: str) -> bool:
    import fcntl

    with suppress(OSError):
        lock = os.open(f"{where}.lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
    return False


def may_start(config_path: Path | None) -> bool:
    """Tell whether a command that needs an agent may start one."""
    if place.wanted() in ("off", "manual"):
        return False
    from keyring_bridge.config import load

    with suppress(ConfigError):
        return load(config_path).agent.start_on_demand
    return True  # what is wrong with the configuration, the agent says when it starts


def start(config_path: Path | None) -> None:
    """Start an agent in the background and return when one serves, be it another that was faster.

    Raises:
        AgentFailed: None could be started.
        BridgeError: The reason, where it is known.
    """
    import json

    command = [sys.executable, "-m", "keyring_plugin", "agent", "start", "--background", "--output", "json"]
    command += [] if config_path is None else ["--config", str(config_path)]
    try:
        done = subprocess.run(  # noqa: S603  # ourselves
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=START_SECONDS, check=False
        )
        told = json.loads(done.stdout or b"{}")
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise AgentFailed("the agent could not be started", detail=type(error).__name__) from None
    failure = told.get("error")
    if done.returncode == 0 or (failure and failure["code"] == "agent_running"):
        return
    if not failure:
        raise AgentFailed("the agent could not be started", detail=done.stderr.decode("utf-8", "replace")[-500:])
    from keyring_plugin.errors import classes

    kind = classes().get(failure["code"], AgentFailed)
    raise kind(failure["message"], hint=failure.get("hint"), detail=failure.get("detail"))


def connected(config_path: Path | None) -> Control:
    """Connect to the agent, starting one if that is allowed.

    Raises:
        AgentNotRunning: There is none, and none may be started.
        AgentFailed: None could be started.
    """
    try:
        return Control()
    except AgentNotRunning:
        if not may_start(config_path):
            raise
    start(config_path)
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            return Control()
        except AgentNotRunning:
            if time.monotonic() >= end:
                raise
        time.sleep(0.02)
