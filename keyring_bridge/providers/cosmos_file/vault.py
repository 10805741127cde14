"""The password of a keyring directory and what it opened, from unlocking to wiping.

Opening an item takes 8,192 rounds of PBKDF2, some milliseconds. So an item is opened when it is needed first, and once
more when its file was written since; the private half is kept only of keys that signed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from cosmos_formats import keyring_entry
from cosmos_formats.errors import FormatError, WrongPassword
from cosmos_formats.keyring_index import Fault, ItemKind, check_index, item_kind, key_item
from cosmos_formats.pubkeys import PublicKey
from keyring_bridge.errors import BridgeError, InsecureFile, KeyringDamaged, ObjectNotFound
from keyring_bridge.providers.held import Held
from keyring_bridge.secrets import SecretBytes

if TYPE_CHECKING:
    from cosmos_formats.keyring_entry import KeyringEntry
    from keyring_bridge.keyring_directory import KeyringDirectory, Stamp

_T = TypeVar("_T")

_MOST_THREADS: Final = 8

_SAID: Final = {
    Fault.NO_ADDRESS_ITEM: "is missing: chains find its key by the name only",
    Fault.LEADS_ELSEWHERE: "leads to another name of the same key",
    Fault.LIES: "leads to a key with another address",
    Fault.LEADS_NOWHERE: "leads to no key",
    Fault.MISNAMED: "holds a key with another name",
}


@dataclass(frozen=True, slots=True)
class _Read(Generic[_T]):
    """What an item holds, as its file was at one moment."""

    stamp: Stamp
    value: _T


@dataclass(frozen=True, slots=True)
class Survey:
    """All of a keyring.

    Attributes:
        keys: Names and public keys of the local ones, sorted as the SDK sorts them.
        faults: What is wrong, one sentence each.
    """

    keys: tuple[tuple[str, PublicKey], ...]
    faults: tuple[str, ...] = field(default=())


class Vault(Held):
    """An unlocked keyring directory. Address items are compared with the keys and never followed.

    Args:
        directory: Where the items are.
        password: Opens them; taken over.
    """

    def __init__(self, directory: KeyringDirectory, password: SecretBytes) -> None:
        super().__init__()
        self.directory = directory
        self._password = password
        self._entries: dict[str, _Read[KeyringEntry]] = {}
        self._targets: dict[str, _Read[str]] = {}
        self._secrets: dict[str, _Read[tuple[KeyringEntry, SecretBytes]]] = {}
        self._outdated: list[SecretBytes] = []

    def public_key(self, name: str) -> PublicKey:
        """Return the public key of a local key.

        Raises:
            ObjectNotFound: There is no such item, or its private key is not here.
            KeyringDamaged: The item cannot be read, or holds a key with another name.
        """
        item = key_item(name)
        return self._local(name, self._current(self._entries, item, self._read_entry))

    def private_key(self, name: str) -> tuple[PublicKey, SecretBytes]:
        """Return both halves of a local key. The private one belongs to the vault (errors as :meth:`public_key`)."""
        item = key_item(name)
        with self._lock:
            held = self._secrets.get(item)
        if held is not None and held.stamp == self.directory.stamp(item):
            entry, secret = held.value
        else:
            entry, secret = self._read_secret(name, item)
        return self._local(name, entry), secret

    def survey(self) -> Survey:
        """Open every item that is not known yet, in several threads, and compare the keyring's parts.

        Raises:
            TokenNotFound: The directory is gone.
        """
        items = self.directory.items()
        key_items = [item for item in items if item_kind(item) is ItemKind.KEY]
        address_items = [item for item in items if item_kind(item) is ItemKind.ADDRESS]
        faults: list[str] = []
        entries = self._all(key_items, lambda item: self._current(self._entries, item, self._read_entry), faults)
        targets = self._all(address_items, lambda item: self._current(self._targets, item, self._read_target), faults)
        index = check_index(entries, targets)
        faults += [f"{fault.item_key} {_SAID[fault.fault]}" for fault in index]
        moved = {fault.item_key for fault in index if fault.fault is Fault.MISNAMED}
        keys = [
            (entry.name, entry.public_key)
            for item, entry in entries.items()
            if entry.kind == "local" and item not in moved and isinstance(entry.public_key, PublicKey)
        ]
        return Survey(tuple(keys), tuple(faults))

    def _wipe(self) -> None:
        self._password.wipe()
        for read in self._secrets.values():
            read.value[1].wipe()
        for secret in self._outdated:
            secret.wipe()
        self._secrets.clear()
        self._outdated.clear()

    def _local(self, name: str, entry: KeyringEntry) -> PublicKey:
        if entry.name != name:
            raise KeyringDamaged("the key's item in the keyring holds a key with another name", detail=name)
        if entry.kind != "local" or not isinstance(entry.public_key, PublicKey):
            raise ObjectNotFound(f"the private key of a {entry.kind} record is not in the keyring", detail=name)
        return entry.public_key

    def _current(self, known: dict[str, _Read[_T]], item: str, read: Callable[[str], _T]) -> _T:
        """Return what an item holds now: what is known, unless its file was written since."""
        with self._lock:
            found = known.get(item)
        if found is not None and found.stamp == self.directory.stamp(item):
            return found.value
        return read(item)

    def _read_entry(self, item: str) -> KeyringEntry:
        stamp = self._stamp(item)
        entry = self._open_entry(item)
        entry.wipe()
        public = replace(entry, private_key=None)
        with self._lock:
            self._entries[item] = _Read(stamp, public)
        return public

    def _read_secret(self, name: str, item: str) -> tuple[KeyringEntry, SecretBytes]:
        stamp = self._stamp(item)
        entry = self._open_entry(item)
        public = replace(entry, private_key=None)
        if entry.private_key is None:
            self._local(name, public)
            raise KeyringDamaged("a local key of the keyring has no private half", detail=item)
        pair = public, SecretBytes(entry.private_key)
        with self._lock:
            old = self._secrets.get(item)
            if old is not None:
                # Somebody may be signing with it.
                self._outdated.append(old.value[1])
            self._secrets[item] = _Read(stamp, pair)
            self._entries[item] = _Read(stamp, public)
        return pair

    def _open_entry(self, item: str) -> KeyringEntry:
        try:
            return self.directory.entry(item, self._password.reveal())
        except WrongPassword:
            raise _unopened(item) from None

    def _read_target(self, item: str) -> str:
        stamp = self._stamp(item)
        try:
            opened = self.directory.open(item, self._password.reveal())
        except WrongPassword:
            raise _unopened(item) from None
        try:
            target = keyring_entry.decode_address_item(opened.data)
        except FormatError as error:
            raise KeyringDamaged(f"an item of the keyring holds no address: {error}", detail=item) from None
        finally:
            opened.wipe()
        with self._lock:
            self._targets[item] = _Read(stamp, target)
        return target

    def _stamp(self, item: str) -> Stamp:
        # Before reading: a file that is replaced in between will be read once more, never missed.
        stamp = self.directory.stamp(item)
        if stamp is None:
            raise ObjectNotFound("the key is not in the keyring directory", detail=item)
        return stamp

    def _all(self, items: Iterable[str], read: Callable[[str], _T], faults: list[str]) -> dict[str, _T]:
        """Return what the items hold, by item; those that cannot be read go to ``faults``."""
        from concurrent.futures import ThreadPoolExecutor

        def attempt(item: str) -> _T | BridgeError:
            try:
                return read(item)
            except (KeyringDamaged, InsecureFile, ObjectNotFound) as error:
                return error

        found: dict[str, _T] = {}
        items = list(items)
        with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1), "keyring-items") as threads:
            for item, value in zip(items, threads.map(attempt, items), strict=True):
                if not isinstance(value, BridgeError):
                    found[item] = value
                elif not isinstance(value, ObjectNotFound):
                    faults.append(f"{item} cannot be used: {value}")
        return found


def _unopened(item: str) -> KeyringDamaged:
    return KeyringDamaged(
        "an item of the keyring does not open with the keyring's password: it is damaged, or has another password",
        detail=item,
    )
