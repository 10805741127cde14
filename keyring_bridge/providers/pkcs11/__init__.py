"""Keys in PKCS#11 tokens: hardware security modules, smart cards, and SoftHSM2 for trying out."""

from __future__ import annotations

from keyring_bridge.providers.pkcs11.provider import Pkcs11Provider

__all__ = ["Pkcs11Provider"]
