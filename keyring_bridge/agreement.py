"""Proof of a key that is for encryption: it agrees on a secret with a fresh key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyring_bridge.errors import CapabilityMissing, SignatureRejected
from keyring_bridge.providers import private_keys
from keyring_bridge.providers.base import Derives

if TYPE_CHECKING:
    from keyring_bridge.model import KeyRef
    from keyring_bridge.providers.base import ProviderBase


def prove_agreement(provider: ProviderBase, ref: KeyRef) -> None:
    """Let a key compute a shared secret with a new key, and compare it with what that one computes.

    Args:
        provider: The provider that holds the key.
        ref: The key.

    Raises:
        CapabilityMissing: The backend computes no shared secrets.
        SignatureRejected: The two differ, so the public key is not that of the private key.
        ProviderError: The device failed.
    """
    if not isinstance(provider, Derives):
        raise CapabilityMissing(f"backend {provider.scheme} does not compute shared secrets")
    key_type = ref.public_key.key_type
    with private_keys.generate(key_type) as ours:
        peer = private_keys.public_key_for(key_type, ours)
        with (
            private_keys.shared_secret(key_type, ours, ref.public_key) as expected,
            provider.derive(ref, peer) as shared,
        ):
            if shared != expected:
                raise SignatureRejected("the device's shared secret does not agree with the public key")
