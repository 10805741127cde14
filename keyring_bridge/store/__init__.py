"""Durable state of a bridge: the records of its keys, and the nonces their signatures used.

:mod:`~keyring_bridge.store.base` says what a store is, :mod:`~keyring_bridge.store.sqlite` is the embedded one.
"""

from keyring_bridge.store.base import NONCES_KEPT, Store, StoredRecord

__all__ = ["NONCES_KEPT", "Store", "StoredRecord"]
