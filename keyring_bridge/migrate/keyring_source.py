"""Keyring directories of the SDK as a source: the ``file`` and ``test`` backends."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cosmos_formats import keyring_entry
from cosmos_formats.errors import FormatError, WrongPassword
from cosmos_formats.keyring_index import Fault, ItemKind, address_item, check_index, item_kind
from cosmos_formats.pubkeys import KeyType, PublicKey
from keyring_bridge.errors import BridgeError, PinIncorrect
from keyring_bridge.keyring_directory import KeyringDirectory, KeyringKind
from keyring_bridge.migrate.errors import SourceChanged, SourcePasswordIncorrect
from keyring_bridge.migrate.model import SourceKey, SourceKind
from keyring_bridge.migrate.pool import ahead
from keyring_bridge.model import Purpose

if TYPE_CHECKING:
    from cosmos_formats.keyring_entry import KeyringEntry
    from cosmos_formats.private_keys import PrivateKey
    from keyring_bridge.migrate.state_files import StateFile
    from keyring_bridge.secrets import SecretBytes

_KINDS = {KeyringKind.FILE: SourceKind.KEYRING_FILE, KeyringKind.TEST: SourceKind.KEYRING_TEST}
_FAULTS = {
    Fault.NO_ADDRESS_ITEM: "no address item leads to the address {address}: the SDK finds that key by name only",
    Fault.LEADS_ELSEWHERE: "the address {address} belongs to several names; its address item leads to {target}",
    Fault.LIES: "an address item lies: {address} leads to {target}, whose address is another one",
    Fault.LEADS_NOWHERE: "the address item of {address} leads to {target}, which is not there",
    Fault.MISNAMED: "the item {item} holds a record with the name {target}: somebody moved the file",
}


class _Opened(NamedTuple):
    """What one item turned out to be; ``trouble`` says why it is neither."""

    entry: KeyringEntry | None = None
    leads_to: str = ""
    trouble: str = ""
    wrong_password: bool = False


class KeyringSource:
    """A keyring directory. Whoever opened it has checked that the password is its own.

    Args:
        directory: Where it is.
        password: Opens it; taken over, and wiped by :meth:`close`.
    """

    def __init__(self, directory: KeyringDirectory, password: SecretBytes) -> None:
        self.kind = _KINDS[directory.kind]
        self.path: Path | None = directory.path
        self.state: StateFile | None = None
        self._directory = directory
        self._password = password
        self._warnings: tuple[str, ...] = ()

    @classmethod
    def check(cls, directory: KeyringDirectory, password: SecretBytes) -> None:
        """Make sure that a password is the directory's, before anything else is done.

        Raises:
            SourcePasswordIncorrect: It is not.
        """
        try:
            directory.check_password(password)
        except PinIncorrect:
            raise SourcePasswordIncorrect("the password of the keyring is wrong") from None

    @property
    def identity(self) -> str:
        """See :class:`~keyring_bridge.migrate.model.Source`."""
        return f"{self.kind}:{self._directory.path.resolve()}"

    @property
    def warnings(self) -> tuple[str, ...]:
        """See :class:`~keyring_bridge.migrate.model.Source`."""
        return self._warnings

    def keys(self) -> tuple[SourceKey, ...]:
        """See :class:`~keyring_bridge.migrate.model.Source`. Every item is opened once, the address items too."""
        entries: dict[str, KeyringEntry] = {}
        addresses: dict[str, str] = {}
        troubles: dict[str, str] = {}
        for item, opened in ahead(self._look, self._directory.items()):
            if opened.trouble:
                troubles[item] = opened.trouble
            elif opened.entry is not None:
                entries[item] = opened.entry
            else:
                addresses[item] = opened.leads_to
        self._warnings = tuple(self._told(entries, addresses, troubles))
        broken = [item for item in troubles if item_kind(item) is ItemKind.KEY]
        return tuple(
            self._source_key(item, entries[item], addresses)
            if item in entries
            else SourceKey(item, item.removesuffix(".info"), None, trouble=troubles[item])
            for item in sorted([*entries, *broken], key=str.encode)
        )

    def open(self, key: SourceKey) -> PrivateKey:
        """See :class:`~keyring_bridge.migrate.model.Source`."""
        from cosmos_formats.private_keys import PrivateKey

        try:
            entry = self._directory.entry(key.item, self._password.reveal())
        except WrongPassword:
            raise SourceChanged(f"{key.name}: the item does not open any more") from None
        public_key, secret = entry.record.public_key, entry.private_key
        if key.record is None or public_key != key.record.public_key or not isinstance(public_key, PublicKey):
            entry.wipe()
            raise SourceChanged(f"{key.name}: the source has another key now")
        if secret is None:
            raise SourceChanged(f"{key.name}: the source has no private key any more")
        return PrivateKey(public_key, secret)

    def close(self) -> None:
        """See :class:`~keyring_bridge.migrate.model.Source`."""
        self._password.wipe()

    def _look(self, item: str) -> _Opened:
        """Open an item, in another thread; no private key leaves it."""
        try:
            if item_kind(item) is ItemKind.KEY:
                entry = self._directory.entry(item, self._password.reveal())
                entry.wipe()
                return _Opened(entry)
            opened = self._directory.open(item, self._password.reveal())
            try:
                return _Opened(leads_to=keyring_entry.decode_address_item(opened.data))
            finally:
                opened.wipe()
        except WrongPassword:
            return _Opened(trouble="it does not open with the keyring's password: another one, or damaged")
        except (BridgeError, FormatError) as error:
            return _Opened(trouble=str(error))

    def _source_key(self, item: str, entry: KeyringEntry, addresses: Mapping[str, str]) -> SourceKey:
        leading = address_item(entry.address)
        items = [item, *([leading] if addresses.get(leading) == item else [])]
        # An ed25519 key in a keyring may be a validator's, kept there by hand.
        known = entry.kind != "local" or entry.key_type != KeyType.ED25519
        return SourceKey(
            item,
            entry.name,
            entry.record,
            Purpose.ACCOUNT if known else None,
            legacy=entry.legacy,
            files=tuple(self._directory.file_of(one) for one in items),
        )

    def _told(
        self, entries: Mapping[str, KeyringEntry], addresses: Mapping[str, str], troubles: Mapping[str, str]
    ) -> list[str]:
        strays = self._directory.strays()
        told = [
            _FAULTS[fault.fault].format(
                address=fault.address.hex() or fault.item_key,
                target=fault.leads_to.removesuffix(".info"),
                item=fault.item_key,
            )
            for fault in check_index(entries, addresses)
        ]
        told += [f"{name!r} is no name that a keyring gives an item: the SDK does not open it" for name in strays]
        told += [f"{item}: {trouble}" for item, trouble in troubles.items() if item_kind(item) is ItemKind.ADDRESS]
        return told
