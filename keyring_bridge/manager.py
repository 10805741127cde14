"""Opens the configured providers when they are needed, once each, and closes them all.

Only :mod:`keyring_bridge.bridge`, which makes the signatures, has one of these.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from keyring_bridge.errors import BridgeError, CapabilityMissing, ConfigError
from keyring_bridge.providers.base import ProviderContext

if TYPE_CHECKING:
    from keyring_bridge.config import Config
    from keyring_bridge.login_guard import LoginGuard
    from keyring_bridge.model import ProviderStatus
    from keyring_bridge.providers.base import ProviderBase
    from keyring_bridge.secrets import SecretBytes


class ProviderManager:
    """The providers of one configuration.

    Args:
        config: The configuration.
        login_guard: Shared by all of them.
        prompt: Asks a person for a secret, or None.
    """

    def __init__(self, config: Config, login_guard: LoginGuard, prompt: Callable[[str], SecretBytes] | None) -> None:
        self._config = config
        self._login_guard = login_guard
        self._prompt = prompt
        self._lock = threading.Lock()
        self._providers: dict[str, ProviderBase] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the configured providers, the default one first."""
        default = self._config.default_provider
        rest = sorted(name for name in self._config.providers if name != default)
        return (default, *rest) if default in self._config.providers else tuple(rest)

    def get(self, name: str) -> ProviderBase:
        """Return the provider called ``name``, constructed but perhaps not connected.

        Raises:
            ConfigError: No such provider is configured, or its options are wrong.
        """
        provider = self._providers.get(name)
        if provider is not None:
            return provider
        with self._lock:
            provider = self._providers.get(name)
            if provider is None:
                provider = self._providers[name] = self._open(name)
        return provider

    def _open(self, name: str) -> ProviderBase:
        from keyring_bridge.providers import open_provider

        settings = self._config.providers.get(name)
        if settings is None:
            known = ", ".join(self.names) or "none"
            raise ConfigError(f"no provider named {name!r} is configured (configured: {known})")
        context = ProviderContext(
            name=name,
            state_dir=self._config.state_dir,
            login_guard=self._login_guard,
            prompt=self._prompt,
        )
        return open_provider(settings, context, outside=self._config.outside_providers)

    def status(self, name: str) -> ProviderStatus:
        """Return the state of the provider called ``name``; its errors become the state ``failed``."""
        from keyring_bridge.model import ProviderStatus

        try:
            return self.get(name).status()
        except BridgeError as error:
            return ProviderStatus(state="failed", hardware=False, message=f"{error.code}: {error}")

    def unlock(self, name: str, *, forget_failure: bool) -> None:
        """Log in to the provider called ``name`` anew, once.

        Args:
            name: The provider.
            forget_failure: Also if an earlier login failed.

        Raises:
            CapabilityMissing: The backend has no login.
            AuthError: The login failed again.
        """
        from keyring_bridge.providers.base import LogsIn

        provider = self.get(name)
        if not isinstance(provider, LogsIn):
            raise CapabilityMissing(f"backend {provider.scheme} has no login")
        provider.close()
        if forget_failure:
            self._login_guard.clear(provider.login_id())
        provider.connect()

    def check_login(self, name: str) -> None:
        """Raise PinBlocked if a login of the provider called ``name`` would be refused because one failed before."""
        from keyring_bridge.providers.base import LogsIn

        provider = self.get(name)
        if isinstance(provider, LogsIn):
            self._login_guard.check(provider.login_id())

    def log_out(self) -> None:
        """Log out of every provider that was opened; whatever needs one next logs in anew. Never raises."""
        with self._lock:
            providers = list(self._providers.values())
        for provider in providers:
            provider.close()

    def close(self) -> None:
        """Close every provider that was opened. Never raises."""
        with self._lock:
            providers, self._providers = list(self._providers.values()), {}
        for provider in providers:
            provider.close()
