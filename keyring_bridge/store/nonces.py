"""The memory of nonces: has this key's device used a nonce twice?

Two ECDSA signatures of one key over different digests with the same ``r`` give the private key away. A device whose
random numbers repeat must not get its second signature out of the bridge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyring_bridge.store.base import NONCES_KEPT

if TYPE_CHECKING:
    from keyring_bridge.store.database import Database

TRIM_EVERY = 256
"""So many nonces more than promised are kept before the oldest are removed."""

_NOTE = """
    INSERT INTO nonces (key, n, r, digest)
    SELECT :key, 1 + coalesce(max(n), 0), :r, :digest FROM nonces WHERE key = :key
    ON CONFLICT DO NOTHING
"""
_RENEW = "UPDATE nonces SET n = 1 + (SELECT max(n) FROM nonces WHERE key = :key) WHERE key = :key AND r = :r"
_TRIM = "DELETE FROM nonces WHERE key = :key AND n <= (SELECT max(n) FROM nonces WHERE key = :key) - :kept"


class NonceMemory:
    """The last nonces of each key, in the counters file.

    Args:
        database: The counters.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: dict[str, int] = {}
        self._untrimmed: dict[int, int] = {}

    def note(self, fingerprint: str, r: bytes, digest: bytes) -> bool:
        """See :meth:`keyring_bridge.store.base.Store.note_nonce`."""
        key = self._keys.get(fingerprint)
        if key is None:
            key = self._keys[fingerprint] = self._key(fingerprint)
        if self._database.run(_NOTE, {"key": key, "r": r, "digest": digest}):
            untrimmed = self._untrimmed.get(key, 0) + 1
            if untrimmed >= TRIM_EVERY:
                self._trim(key)
                untrimmed = 0
            self._untrimmed[key] = untrimmed
            return True
        return self._repeat(key, r, digest)

    def _key(self, fingerprint: str) -> int:
        with self._database.changing() as connection:
            connection.execute("INSERT INTO keys (fingerprint) VALUES (?) ON CONFLICT DO NOTHING", (fingerprint,))
            (key,) = connection.execute("SELECT key FROM keys WHERE fingerprint = ?", (fingerprint,)).fetchone()
        return int(key)

    def _repeat(self, key: int, r: bytes, digest: bytes) -> bool:
        """Judge a nonce that is remembered already. A signer without randomness repeats it with its digest."""
        with self._database.changing() as connection:
            row = connection.execute("SELECT digest FROM nonces WHERE key = ? AND r = ?", (key, r)).fetchone()
            if row is None or row[0] != digest:
                return False
            # It is the newest again, so it must not be forgotten among the oldest.
            connection.execute(_RENEW, {"key": key, "r": r})
        return True

    def _trim(self, key: int) -> None:
        self._database.run(_TRIM, {"key": key, "kept": NONCES_KEPT})
