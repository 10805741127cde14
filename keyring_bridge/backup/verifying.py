"""Reading a bundle whole: opening it, checking everything in it, and remembering that it is good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from keyring_bridge.backup.bundle import KIND, Bundle, BundleKey, BundleReader
from keyring_bridge.backup.errors import BundleInvalid
from keyring_bridge.backup.register import Holds, Register
from keyring_bridge.sealing import unseal

if TYPE_CHECKING:
    from keyring_bridge.bridge import Bridge
    from keyring_bridge.model import Caller
    from keyring_bridge.sealing import Identities, Passphrase


@dataclass(frozen=True, slots=True)
class Opened:
    """A bundle that was read whole.

    Attributes:
        bundle: What it says.
        keys: Its keys.
        digest: SHA-256 of the sealed file.
    """

    bundle: Bundle
    keys: tuple[BundleKey, ...]
    digest: str

    def wipe(self) -> None:
        """Overwrite the private keys that the bundle has."""
        for key in self.keys:
            if key.secret is not None:
                key.secret.wipe()

    def holds(self) -> dict[str, Holds]:
        """Return what it has of each key, by fingerprint."""
        return {key.record.fingerprint: key.holds for key in self.keys if key.record.fingerprint is not None}


def open_bundle(read: Callable[[int], bytes], key: Identities | Passphrase) -> Opened:
    """Read a bundle to its end. The caller wipes the private keys that it may have (:meth:`Opened.wipe`).

    Args:
        read: Gives up to as many bytes of the sealed file as it is asked for.
        key: What opens it.

    Raises:
        SealedError: The file is damaged, cut off, newer or of another kind.
        AuthError: It is for another identity or passphrase.
        BundleInvalid: What is in it is not a bundle.
        BundleNewer: It is of a newer version.
    """
    keys: list[BundleKey] = []
    names: set[str] = set()
    addresses: set[bytes] = set()

    def take(one: BundleKey) -> None:
        keys.append(one)
        if one.record.name in names or one.record.address in addresses:
            raise BundleInvalid("the bundle has a name or an address twice")
        names.add(one.record.name)
        addresses.add(one.record.address)

    reader = BundleReader(take)
    try:
        digest = unseal(KIND, read, reader.feed, key)
        return Opened(reader.finish(), tuple(keys), digest)
    except BaseException:
        reader.wipe()
        for one in keys:
            if one.secret is not None:
                one.secret.wipe()
        raise


def note_verified(bridge: Bridge, caller: Caller, opened: Opened) -> None:
    """Remember that a bundle was read whole and is good: in the audit log, and for whoever retires other copies."""
    fields = {"bundle": opened.digest, "keys": len(opened.keys)}
    with bridge.administer("backup.verify", caller, fields):
        Register(bridge.config.state_dir).note_verified(opened.digest, datetime.now(UTC), opened.holds())
