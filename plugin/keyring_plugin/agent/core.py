"""The agent itself: its connections, and when it is locked.

States, and what moves between them::

    locked by start ── unlock, or the first use of a provider whose PIN comes from a source ──> unlocked
    unlocked ── idle for too long ──> locked by idle ── as from start ──> unlocked
    any      ── lock ──> locked by lock ── unlock ──> unlocked

Locked means logged out of every device. After ``lock`` nobody gets in until somebody unlocks. After start and idling a
PIN that the configuration names (a file, a credential, a command) is read again when it is needed, and one that a
person has to type is not there.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from keyring_bridge import __version__
from keyring_bridge.errors import BridgeError, Overloaded, PinRequired
from keyring_bridge.watchdog import Watchdog
from keyring_plugin.agent.clients import Client
from keyring_plugin.agent.desk import PinDesk
from keyring_plugin.agent.gate import Gate
from keyring_plugin.dispatch import error_response
from keyring_plugin.service import Service
from keyring_plugin.sockets import credentials

if TYPE_CHECKING:
    import socket

    from keyring_bridge.config import Config
    from keyring_bridge.secrets import SecretBytes
    from keyring_plugin.service import Session

LOG_OUT_SECONDS = 5.0
"""How long logging out may take; a device that hangs is left to itself."""

Say = Callable[[str], None]


class Agent:
    """Serves any number of connections with one bridge.

    Args:
        config: The configuration.
        path: Of the socket, for :meth:`status`.
        say: Takes lines for the log; they never hold a secret.
        ask_to_end: Called when a client asks the agent to end.
    """

    def __init__(self, config: Config, path: str, say: Say, ask_to_end: Callable[[], None]) -> None:
        self._config = config
        self._path = path
        self._say = say
        self._ask_to_end = ask_to_end
        self._desk = PinDesk()
        self._service = Service(config, self._desk.prompt)
        self._gate = Gate(config.rpc.workers)
        self._watchdog = Watchdog()
        self._since = datetime.now(UTC)
        self._unlocking = threading.Lock()
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._clients: set[Client] = set()
        self._locked_by: str | None = "start"
        self._done_when_locked = 0

    def start(self) -> None:
        """Load what the first request would have to wait for, and watch for idleness."""
        threading.Thread(target=self._warm_up, name="agent-warm-up", daemon=True).start()
        if self._config.agent.idle_lock_seconds:
            threading.Thread(target=self._watch_idleness, name="agent-idle", daemon=True).start()

    def serve(self, stream: socket.socket) -> None:
        """Serve a connection that was accepted, if its user may come in."""
        who = credentials(stream)
        if who is None or who.uid not in (os.geteuid(), 0):
            self._say(f"refused a connection of uid {'unknown' if who is None else who.uid}")
            stream.close()
            return
        with self._lock:
            full = len(self._clients) >= self._config.agent.max_clients
            if not full:
                client = Client(
                    stream,
                    who,
                    service=self._service,
                    agent=self,
                    gate=self._gate,
                    limits=self._config.rpc,
                    watchdog=self._watchdog,
                    gone=self._gone,
                )
                self._clients.add(client)
        if full:
            self._say("refused a connection: too many clients")
            with stream, suppress(OSError):
                stream.setblocking(False)
                stream.send(error_response(Overloaded("the agent has too many clients"), None) + b"\n")
            return
        client.start()

    def end(self, seconds: float) -> None:
        """Answer what was taken on, refuse what comes, close every connection, log out."""
        self._ending.set()
        with self._lock:
            clients = list(self._clients)
        threads = [threading.Thread(target=client.end, args=(seconds,), daemon=True) for client in clients]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds + 1
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        _within(LOG_OUT_SECONDS, self._service.close)
        while self._clients and time.monotonic() < end:
            time.sleep(0.01)

    # --- the methods about the agent -------------------------------------------------------------------------------

    def status(self) -> dict[str, object]:
        """Return what ``agent.status`` answers."""
        locked_by = self._locked_now()
        return {
            "pid": os.getpid(),
            "version": __version__,
            "socket": self._path,
            "config": str(self._config.path),
            "since": self._since.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "state": "unlocked" if locked_by is None else "locked",
            "locked_by": locked_by,
            "idle_lock_seconds": self._config.agent.idle_lock_seconds,
            "idle_seconds": round(self._gate.idle_seconds(), 1),
            "clients": len(self._clients),
            "under_way": self._gate.under_way,
            "served": self._gate.passed,
        }

    def lock(self, session: Session) -> None:
        """Log out of every device, and let nobody log in until :meth:`unlock`."""
        # Whoever is inside might log in once more, with a PIN from a file.
        self._gate.hold(self._log_out)
        self._note_locked("lock")
        try:
            with session.service.bridge().administer("login.lock", session.caller, {}):
                self._log_out()
        except BridgeError:
            self._log_out()  # not being able to write that down is no reason to stay logged in
            raise
        self._say("locked")

    def unlock(self, session: Session, provider: str, pin: SecretBytes | None) -> dict[str, object]:
        """Log in to a provider; ``pin`` is wiped.

        Returns:
            What ``agent.unlock`` answers.

        Raises:
            AuthError: The login did not happen.
        """
        with self._desk.holding(pin), self._unlocking:
            bridge = session.service.bridge()
            state = bridge.provider_status(provider).state
            if self._gate.held or state != "ready":
                try:
                    session.keyring.unlock(provider)
                except PinRequired:
                    if self._desk.asked is None or pin is not None:
                        raise
                    return {"provider": provider, "state": "locked", "ask": self._desk.asked}
                state = bridge.provider_status(provider).state
                self._say(f"unlocked {provider!r}")
            self._note_unlocked()
        return {"provider": provider, "state": state, "ask": None}

    def stop(self) -> None:
        """Begin to end."""
        self._ask_to_end()

    # --- locking -------------------------------------------------------------------------------------------------

    def _locked_now(self) -> str | None:
        """Return what locked the agent, None if it is not: a PIN from a source unlocks it without :meth:`unlock`."""
        with self._lock:
            if self._locked_by not in (None, "lock") and self._gate.done > self._done_when_locked:
                self._locked_by = None
            return self._locked_by

    def _note_locked(self, by: str) -> None:
        with self._lock:
            self._locked_by = by
            self._done_when_locked = self._gate.done

    def _note_unlocked(self) -> None:
        with self._lock:
            self._locked_by = None
        self._gate.release()

    def _log_out(self) -> None:
        _within(LOG_OUT_SECONDS, self._service.log_out)

    def _watch_idleness(self) -> None:
        limit = self._config.agent.idle_lock_seconds
        while not self._ending.wait(max(0.01, limit - self._gate.idle_seconds())):
            if self._gate.idle_seconds() >= limit:
                if self._locked_now() is None:
                    self._note_locked("idle")
                    self._log_out()
                    self._say(f"locked after {limit:g} idle seconds")
                self._ending.wait(min(limit, 1.0))

    def _warm_up(self) -> None:
        with suppress(BridgeError):
            bridge = self._service.bridge()
            for name in bridge.provider_names:
                bridge.device(name)

    def _gone(self, client: Client) -> None:
        with self._lock:
            self._clients.discard(client)


def _within(seconds: float, step: Callable[[], object]) -> None:
    """Run a step, but go on after some time whether it is done or not."""
    thread = threading.Thread(target=step, daemon=True)
    thread.start()
    thread.join(seconds)
