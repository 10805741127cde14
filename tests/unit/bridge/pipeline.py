"""A bridge over a memory provider, for tests of the pipeline and the keyring."""

from __future__ import annotations

import json
from pathlib import Path

from keyring_bridge.bridge import Bridge
from keyring_bridge.config import Config, load
from keyring_bridge.keyring import Keyring
from keyring_bridge.login_guard import LoginGuard
from keyring_bridge.manager import ProviderManager
from keyring_bridge.model import Caller
from keyring_bridge.providers.base import ProviderBase, ProviderContext
from tests.unit.bridge.memory_provider import MemoryProvider

CALLER = Caller("uid:1000", (("pid", "77"),))
CHAIN = "bridge-test-1"


class OneProvider(ProviderManager):
    """A manager that has the test's provider under every name."""

    def __init__(self, config: Config, guard: LoginGuard, provider: MemoryProvider) -> None:
        super().__init__(config, guard, None)
        self.provider = provider

    def _open(self, name: str) -> ProviderBase:
        return self.provider


class Setup:
    """A bridge over a memory provider, and what tests look at."""

    def __init__(self, directory: Path) -> None:
        config_file = directory / "config.toml"
        config_file.write_text(
            'version = 1\nstate_dir = "state"\ndefault_provider = "memory"\n'
            '[providers.memory]\nbackend = "software"\npath = "unused"\n'
        )
        config_file.chmod(0o600)
        self.config = load(config_file)
        guard = LoginGuard(self.config.state_dir / "logins")
        self.provider = MemoryProvider(ProviderContext("memory", self.config.state_dir, guard))
        opened = Bridge.open(self.config)
        self.bridge = Bridge(self.config, opened.store, opened.audit, OneProvider(self.config, guard, self.provider))
        self.keyring = Keyring(self.bridge, CALLER)

    def allow(self, key: str, text: str = "") -> None:
        rules = text or f'chains = ["{CHAIN}"]\nsign_modes = ["direct"]\nmessages = ["/cosmos.bank.v1beta1.MsgSend"]\n'
        bound = f'fingerprint = "{self.keyring.key(key).fingerprint}"\n'
        self.config.policy_path.write_text(f'version = 1\n[keys."{key}"]\n{bound}{rules}')
        self.config.policy_path.chmod(0o600)

    def entries(self) -> list[dict[str, object]]:
        self.bridge.audit.close()
        return [json.loads(line) for line in self.config.audit_path.read_text().splitlines()]
