"""The bridge behind the methods, opened when the first of them needs it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from cosmos_formats.quickclass import dataclass
from keyring_bridge.errors import BridgeError, NotAvailable
from keyring_bridge.model import Caller

if TYPE_CHECKING:
    from keyring_bridge.bridge import Bridge
    from keyring_bridge.config import Config
    from keyring_bridge.keyring import Keyring
    from keyring_bridge.secrets import SecretBytes


class Service:
    """One configuration's bridge, shared by every connection of the process.

    Args:
        config: The configuration, or the error that reading it ended in; then whatever needs it raises that error.
        prompt: Asks a person for a PIN, or None.
    """

    def __init__(self, config: Config | BridgeError, prompt: Callable[[str], SecretBytes] | None = None) -> None:
        self._config = config
        self._prompt = prompt
        self._lock = threading.Lock()
        self._bridge: Bridge | None = None
        self._closed = False

    @property
    def problem(self) -> BridgeError | None:
        """Why the bridge cannot be used, as far as that is known without opening it."""
        return self._config if isinstance(self._config, BridgeError) else None

    @property
    def config(self) -> Config:
        """The configuration.

        Raises:
            ConfigError: It could not be read.
        """
        if isinstance(self._config, BridgeError):
            # A fresh object each time: an exception collects the traceback and the correlation of its last use.
            raise type(self._config)(self._config.message, hint=self._config.hint, detail=self._config.detail)
        return self._config

    def bridge(self) -> Bridge:
        """Return the bridge, opened once.

        Raises:
            ConfigError: There is no usable configuration.
            StoreFailed: See :meth:`keyring_bridge.bridge.Bridge.open`.
            AuditFailed: Likewise.
        """
        bridge = self._bridge
        if bridge is not None:
            return bridge
        config = self.config
        with self._lock:
            if self._closed:
                from keyring_plugin.errors import ShuttingDown

                raise ShuttingDown("the server is ending")
            if self._bridge is None:
                from keyring_bridge.bridge import Bridge

                self._bridge = Bridge.open(config, prompt=self._prompt)
            return self._bridge

    def log_out(self) -> None:
        """Log out of every device, if the bridge was opened."""
        bridge = self._bridge
        if bridge is not None:
            bridge.log_out()

    def close(self) -> None:
        """Close the bridge if it was opened. May be called twice."""
        with self._lock:
            self._closed = True
            bridge, self._bridge = self._bridge, None
        if bridge is not None:
            bridge.close()


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection.

    Attributes:
        name: Namespaced identity, for policy: ``uid:1000``.
        hints: What the audit log notes besides; never policy.
    """

    name: str
    hints: tuple[tuple[str, str], ...] = ()


class Control(Protocol):
    """What the methods of an agent about itself need of it."""

    def status(self) -> dict[str, object]:
        """Return what ``agent.status`` answers."""
        ...

    def lock(self, session: Session) -> None:
        """Log out of every device, and let nobody log in until :meth:`unlock`."""
        ...

    def unlock(self, session: Session, provider: str, pin: SecretBytes | None) -> dict[str, object]:
        """Log in; ``pin`` is wiped. Returns what ``agent.unlock`` answers."""
        ...

    def stop(self) -> None:
        """Begin to end."""
        ...


class Session:
    """One connection's view of the service.

    Args:
        service: The bridge.
        peer: The other end.
        agent: The agent that serves it, if one does.
        secret: Takes the secret that came beside a request, for a caller that wipes it; None if none came.
    """

    def __init__(
        self,
        service: Service,
        peer: Peer,
        agent: Control | None = None,
        secret: Callable[[], SecretBytes | None] = lambda: None,
    ) -> None:
        self.service = service
        self.take_secret = secret
        self._peer = peer
        self._agent = agent
        self._client: tuple[tuple[str, str], ...] = ()
        self._keyring: Keyring | None = None

    @property
    def agent(self) -> Control:
        """The agent.

        Raises:
            NotAvailable: This server is none.
        """
        if self._agent is None:
            raise NotAvailable("this server is not an agent", hint="`keyring-plugin agent start` starts one")
        return self._agent

    def introduce(self, name: str, version: str) -> None:
        """Note what the client calls itself."""
        self._client = (("client", f"{name} {version}".strip()),)
        self._keyring = None

    @property
    def caller(self) -> Caller:
        """Who asks, for policy and audit."""
        return Caller(self._peer.name, (*self._peer.hints, *self._client))

    @property
    def keyring(self) -> Keyring:
        """The keyring as this caller sees it; opens the bridge."""
        keyring = self._keyring
        if keyring is None:
            from keyring_bridge.keyring import Keyring

            keyring = self._keyring = Keyring(self.service.bridge(), self.caller)
        return keyring

    @property
    def prefix(self) -> str:
        """Prefix of account addresses."""
        return self.service.config.prefix
