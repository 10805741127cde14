"""Random bytes for a new key, from the system and from the token, so that either of the two may be bad.

Both are mixed by HKDF (RFC 5869) with SHA-512: who knows one of the two inputs learns nothing of the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cosmos_formats.wipeable import hmac_sha512
from keyring_bridge.secrets import SecretBytes

if TYPE_CHECKING:
    from keyring_bridge.device import Device

LENGTH: Final = 32
"""Of the result and of each input, in bytes."""

_SALT: Final = b"keyring-bridge key ceremony v1"
_INFO: Final = b"entropy of a mnemonic"


def gather(device: Device) -> tuple[SecretBytes, tuple[str, ...]]:
    """Return 32 fresh random bytes, and where they came from: ``system``, and ``token`` if the device makes any.

    Raises:
        ProviderError: The device has a generator, and it failed.
    """
    with SecretBytes.random(LENGTH) as system:
        token = device.random_bytes(LENGTH)
        if token is None:
            return mix(system, None), ("system",)
        with token:
            return mix(system, token), ("system", "token")


def mix(system: SecretBytes, token: SecretBytes | None) -> SecretBytes:
    """Return HKDF-SHA512 of the system's bytes followed by the token's, 32 bytes."""
    material = bytearray(len(system) + (0 if token is None else len(token)))
    with SecretBytes(material):
        material[: len(system)] = system.reveal()
        if token is not None:
            material[len(system) :] = token.reveal()
        # One round of the expansion gives 64 bytes; the first 32 are what an output of 32 bytes is.
        with (
            SecretBytes(hmac_sha512(_SALT, material)) as extracted,
            SecretBytes(hmac_sha512(extracted.reveal(), _INFO + b"\x01")) as expanded,
            memoryview(expanded.reveal()) as view,
        ):
            return SecretBytes(bytearray(view[:LENGTH]))
