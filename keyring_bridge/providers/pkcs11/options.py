"""Options of a ``pkcs11`` provider."""

from __future__ import annotations

from pathlib import Path

from cosmos_formats.quickclass import dataclass
from keyring_bridge.errors import ConfigError
from keyring_bridge.providers.pkcs11.presets import GENERIC, PRESETS, Preset


@dataclass(frozen=True, slots=True)
class Options:
    """What ``[providers.NAME]`` of a ``pkcs11`` backend may say.

    Attributes:
        library: The module's file. Needed unless a preset finds it.
        preset: A name of :data:`~keyring_bridge.providers.pkcs11.presets.PRESETS`.
        token_label: The token's label.
        token_serial: The token's serial number.
        slot: Index into the list of slots that hold a token.
        slot_id: The module's own number of the slot.
        pin_source: A source of :mod:`keyring_bridge.secrets`, or ``pinpad`` where the token asks for itself.
        sessions: Signatures that may be under way at once, 1 to 1024.
        session_per_operation: Open and close a session around each operation.
        idle_timeout: Seconds without an operation after which the token is logged out; 0 for never.
        keepalive: Seconds between two signs of life to the token; 0 for none.
        operation_timeout: Seconds to wait for a free session where the caller gave no deadline.
    """

    library: Path | None = None
    preset: str | None = None
    token_label: str | None = None
    token_serial: str | None = None
    slot: int | None = None
    slot_id: int | None = None
    pin_source: str = "prompt"
    sessions: int = 8
    session_per_operation: bool = False
    idle_timeout: float = 900.0
    keepalive: float = 0.0
    operation_timeout: float = 10.0

    def __post_init__(self) -> None:
        if self.preset is not None and self.preset not in PRESETS:
            raise ConfigError(f"unknown preset {self.preset!r}; there are: {', '.join(sorted(PRESETS))}")
        if self.library is None and self.preset is None:
            raise ConfigError("a pkcs11 provider needs `library` (the path of the PKCS#11 module) or `preset`")
        if not 1 <= self.sessions <= 1024:
            raise ConfigError("`sessions` must be between 1 and 1024")
        for name in ("idle_timeout", "keepalive", "operation_timeout"):
            if not 0 <= getattr(self, name) <= 31_536_000:
                raise ConfigError(f"`{name}` must be between 0 and 31536000 seconds")
        if self.operation_timeout == 0:
            raise ConfigError("`operation_timeout` must be more than 0 seconds")
        for number in ("slot", "slot_id"):
            value = getattr(self, number)
            if value is not None and value < 0:
                raise ConfigError(f"`{number}` must not be negative")

    @property
    def vendor(self) -> Preset:
        """The preset's facts, or those that suit any module."""
        return PRESETS[self.preset] if self.preset is not None else GENERIC
