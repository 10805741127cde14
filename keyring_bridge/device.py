"""A provider as everything but the signing pipeline sees it: keys can be managed, and nothing can be signed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyring_bridge.errors import CapabilityMissing
from keyring_bridge.model import Survey
from keyring_bridge.providers.base import (
    Deletes,
    Generates,
    Imports,
    KeepsWrappingKeys,
    Randoms,
    Renames,
    ReservesIds,
    Surveys,
    Wraps,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cosmos_formats.pubkeys import PublicKey
    from keyring_bridge.model import KeyInfo, KeyRef, KeySpec, TokenInfo, WrappedKey, WrappingKey
    from keyring_bridge.providers.base import ProviderBase
    from keyring_bridge.secrets import SecretBytes


class Device:
    """Keys of one provider.

    Every method raises :class:`~keyring_bridge.errors.CapabilityMissing` if the backend cannot do it, and otherwise
    what the method of the provider raises (:mod:`keyring_bridge.providers.base`).
    """

    __slots__ = ("__provider", "name")

    def __init__(self, name: str, provider: ProviderBase) -> None:
        self.name = name
        self.__provider = provider

    @property
    def scheme(self) -> str:
        """Name of the backend."""
        return self.__provider.scheme

    def connect(self) -> None:
        """Open the device and log in."""
        self.__provider.connect()

    def list_keys(self) -> list[KeyInfo]:
        """Return every key of a type the bridge knows."""
        return self.__provider.list_keys()

    def get_key(self, ref: KeyRef) -> KeyInfo:
        """Return the key that ``ref`` points at, as the device tells about it now."""
        return self.__provider.get_key(ref)

    def discover(self) -> list[TokenInfo]:
        """Return the tokens that could be configured."""
        from keyring_bridge.providers.base import Discovers

        if not isinstance(self.__provider, Discovers):
            raise CapabilityMissing(f"backend {self.scheme} does not find tokens")
        return self.__provider.discover()

    @property
    def generates(self) -> bool:
        """Whether keys can be made in the device."""
        return isinstance(self.__provider, Generates)

    def generate_key(self, spec: KeySpec) -> KeyInfo:
        """Make a key in the device."""
        if not isinstance(self.__provider, Generates):
            raise CapabilityMissing(f"backend {self.scheme} does not generate keys")
        return self.__provider.generate_key(spec)

    @property
    def imports(self) -> bool:
        """Whether existing private keys can be taken in."""
        return isinstance(self.__provider, Imports)

    @property
    def deletes(self) -> bool:
        """Whether keys can be destroyed."""
        return isinstance(self.__provider, Deletes)

    def survey(self) -> Survey:
        """Return what the device tells about what it could hold; nothing, if it has no way to."""
        return self.__provider.survey() if isinstance(self.__provider, Surveys) else Survey()

    def random_bytes(self, count: int) -> SecretBytes | None:
        """Return random bytes that the device made; None where it makes none. The caller wipes them."""
        if not isinstance(self.__provider, Randoms):
            return None
        try:
            return self.__provider.random_bytes(count)
        except CapabilityMissing:
            return None

    def reserve_ids(self, count: int) -> list[bytes]:
        """Return identifiers for keys to come; empty ones where the device makes keys as a whole or not at all."""
        if not isinstance(self.__provider, ReservesIds):
            return [b""] * count
        return self.__provider.reserve_ids(count)

    def discard_unfinished(self, reserved: Sequence[tuple[bytes, str]]) -> int:
        """Remove what imports that were cut off left under reserved identifiers (each with its key's label)."""
        return self.__provider.discard_unfinished(reserved) if isinstance(self.__provider, ReservesIds) else 0

    def import_key(self, spec: KeySpec, secret: SecretBytes) -> KeyInfo:
        """Take an existing private key in."""
        if not isinstance(self.__provider, Imports):
            raise CapabilityMissing(f"backend {self.scheme} does not import keys")
        return self.__provider.import_key(spec, secret)

    @property
    def wraps(self) -> bool:
        """Whether keys that were made for it can leave the device wrapped."""
        return isinstance(self.__provider, Wraps)

    def wrap_key(self, ref: KeyRef, by: str | None = None) -> WrappedKey:
        """Return a key wrapped."""
        if not isinstance(self.__provider, Wraps):
            raise CapabilityMissing(f"backend {self.scheme} does not give keys out")
        return self.__provider.wrap_key(ref, by)

    def unwrap_key(self, spec: KeySpec, public_key: PublicKey, wrapped: WrappedKey) -> KeyInfo:
        """Take a wrapped key in."""
        if not isinstance(self.__provider, Wraps):
            raise CapabilityMissing(f"backend {self.scheme} does not take wrapped keys")
        return self.__provider.unwrap_key(spec, public_key, wrapped)

    def wrapping_keys(self) -> list[WrappingKey]:
        """Return the trusted wrapping keys."""
        if not isinstance(self.__provider, KeepsWrappingKeys):
            raise CapabilityMissing(f"backend {self.scheme} has no wrapping keys")
        return self.__provider.wrapping_keys()

    def add_wrapping_key(self, name: str, secret: SecretBytes, so_pin: SecretBytes, *, retry: bool) -> WrappingKey:
        """Keep a trusted wrapping key."""
        if not isinstance(self.__provider, KeepsWrappingKeys):
            raise CapabilityMissing(f"backend {self.scheme} has no wrapping keys")
        return self.__provider.add_wrapping_key(name, secret, so_pin, retry=retry)

    def delete_key(self, ref: KeyRef) -> None:
        """Destroy a key."""
        if not isinstance(self.__provider, Deletes):
            raise CapabilityMissing(f"backend {self.scheme} does not delete keys")
        self.__provider.delete_key(ref)

    @property
    def renames(self) -> bool:
        """Whether labels can be changed."""
        return isinstance(self.__provider, Renames)

    def rename_key(self, ref: KeyRef, label: str) -> KeyInfo:
        """Give a key another label."""
        if not isinstance(self.__provider, Renames):
            raise CapabilityMissing(f"backend {self.scheme} does not rename keys")
        return self.__provider.rename_key(ref, label)
