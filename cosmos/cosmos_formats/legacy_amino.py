"""Records of SDK 0.45 and earlier: amino, behind its length (``crypto/keyring/legacy.go``).

==================  ==========  ===================================================================
type                begins with fields
==================  ==========  ===================================================================
localInfo           0dad153d    1 name, 2 public key, 3 private key, 4 algorithm
ledgerInfo          a08cb0fb    1 name, 2 public key, 3 path, 4 algorithm
offlineInfo         1f4d3ed6    1 name, 2 public key, 3 algorithm
multiInfo           34878fb8    1 name, 2 public key (threshold and members are in it)
==================  ==========  ===================================================================

Keys are amino bytes themselves; the private key is in the open.
"""

from __future__ import annotations

from typing import Final

from cosmos_formats import private_keys, wire
from cosmos_formats.errors import FormatError, InvalidKey, InvalidRecord
from cosmos_formats.hd import Bip44Path
from cosmos_formats.keyring_entry import KeyringEntry, entry_of
from cosmos_formats.multisig import MultisigPublicKey, pubkey_from_amino
from cosmos_formats.record import Item, Ledger, Local, Multi, Offline, Record

_LOCAL: Final = bytes.fromhex("0dad153d")
_LEDGER: Final = bytes.fromhex("a08cb0fb")
_OFFLINE: Final = bytes.fromhex("1f4d3ed6")
_MULTI: Final = bytes.fromhex("34878fb8")

_FIELDS: Final = {_LOCAL: {1, 2, 3, 4}, _LEDGER: {1, 2, 3, 4}, _OFFLINE: {1, 2, 3}, _MULTI: {1, 2}}


def decode(data: bytearray) -> KeyringEntry:
    """Read an amino record.

    Args:
        data: An item's data. It stays as it is; the caller wipes it.

    Raises:
        InvalidRecord: Not an amino record, or one that the SDK does not write.
        InvalidKey: A key of an unknown type, or not a key.
    """
    try:
        size, at = wire.read_varint(data, 0)
        if size != len(data) - at or size < 4:
            raise InvalidRecord("neither a record nor an amino record of a key")
        kind = bytes(data[at : at + 4])
        known = _FIELDS.get(kind)
        if known is None:
            raise InvalidRecord("neither a record nor an amino record of a key")
        fields = wire.locate(data, at + 4)
        if not {2} <= set(fields) <= known:
            raise InvalidRecord("amino record with missing or unknown fields")
        name = bytes(data[slice(*fields.get(1, (0, 0)))]).decode("utf-8")
        public_key = pubkey_from_amino(bytes(data[slice(*fields[2])]))
        if (kind == _MULTI) != isinstance(public_key, MultisigPublicKey) and kind != _OFFLINE:
            raise InvalidRecord("amino record with a public key of another kind")
        record = Record(name, public_key, _item(kind, data, fields))
        if kind != _LOCAL:
            return KeyringEntry(record, None, legacy=True)
        with memoryview(data)[slice(*fields.get(3, (0, 0)))] as view:
            private = private_keys.from_amino(view)
    except (InvalidRecord, InvalidKey):
        raise
    except (FormatError, UnicodeDecodeError):
        raise InvalidRecord("amino record that is cut off or malformed") from None
    return entry_of(record, private, legacy=True)


def _item(kind: bytes, data: bytearray, fields: dict[int, tuple[int, int]]) -> Item:
    if kind == _LEDGER:
        return Ledger(Bip44Path.decode(bytes(data[slice(*fields.get(3, (0, 0)))])))
    if kind == _LOCAL:
        return Local()
    return Multi() if kind == _MULTI else Offline()
