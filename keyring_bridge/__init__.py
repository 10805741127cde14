"""Cosmos keyring semantics over keys that live in hardware.

The two names most programs need are :class:`keyring_bridge.bridge.Bridge` (the signing pipeline) and
:class:`keyring_bridge.keyring.Keyring` (the SDK's keyring interface over it). Both load on first use, so that
``import keyring_bridge`` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keyring_bridge.bridge import Bridge
    from keyring_bridge.keyring import Keyring

__all__ = ["Bridge", "Keyring", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name == "Bridge":
        from keyring_bridge.bridge import Bridge

        return Bridge
    if name == "Keyring":
        from keyring_bridge.keyring import Keyring

        return Keyring
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
