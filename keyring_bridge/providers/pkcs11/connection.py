"""One login session with a token, from login to logout.

A connection never comes back to life. Everything that is only valid within one login — sessions, handles, the keys
found so far — hangs on it, so dropping the connection drops them all, and nothing old can sign with another key.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cosmos_formats.pubkeys import KeyType
from keyring_bridge.errors import BridgeError, SignatureRejected
from keyring_bridge.providers.pkcs11 import codes
from keyring_bridge.providers.pkcs11.faults import RECOVERABLE, TokenFault, binding
from keyring_bridge.providers.pkcs11.objects import check_same, locate
from keyring_bridge.providers.pkcs11.search import attribute_mapper
from keyring_bridge.providers.pkcs11.sessions import ECDSA, EDDSA, BoundKey, Session, SessionPool
from keyring_bridge.uri import Pkcs11Uri

if TYPE_CHECKING:
    import pkcs11.types

    from cosmos_formats.pubkeys import PublicKey
    from keyring_bridge.model import KeyInfo, KeyRef
    from keyring_bridge.providers.pkcs11.login import Login
    from keyring_bridge.providers.pkcs11.module import Module
    from keyring_bridge.providers.pkcs11.options import Options
    from keyring_bridge.providers.pkcs11.slots import Place

_LOGGED_IN = (codes.CKS_RO_USER_FUNCTIONS, codes.CKS_RW_USER_FUNCTIONS)


class Connection:
    """A token that is logged in to.

    The *anchor* is the session that logged in. It stays open as long as the connection lives, because closing it
    would log every session of the process out. Changes to the token are made in it, one at a time; signatures are
    made in the pool.

    Attributes:
        place: The token.
        last_used: Moment of ``time.monotonic()`` of the last operation.
        known: Keys that were found in this connection, by URI.
    """

    def __init__(self, module: Module, place: Place, anchor: pkcs11.types.Session, options: Options) -> None:
        self.module = module
        self.place = place
        self.last_used = time.monotonic()
        self.known: dict[str, BoundKey] = {}
        self._wait = options.operation_timeout
        self._shared = module.shared(place.info.slot_id)
        self._anchor = anchor
        self.pool = SessionPool(
            self._open_session,
            size=options.sessions,
            keep=not options.session_per_operation,
            wait=options.operation_timeout,
            on_end=self._end,
        )
        module.opened(self)

    @classmethod
    def open(cls, module: Module, place: Place, login: Login, options: Options) -> Connection:
        """Open the anchor and log in, unless another connection of this process to the token did so already.

        Raises:
            AuthError: The login did not happen.
            TokenFault: No session could be opened.
        """
        module.enter()
        shared = module.shared(place.info.slot_id)
        try:
            with shared.lock:
                anchor = _open(place, rw="write_protected" not in place.info.flags)
                try:
                    if shared.users == 0:
                        login.perform(module.cryptoki, _handle(anchor), place)
                    shared.users += 1
                except BaseException:
                    with contextlib.suppress(Exception):
                        anchor.close()
                    raise
        except BaseException:
            module.leave()
            raise
        return cls(module, place, anchor, options)

    def sign(self, ref: KeyRef, payload: bytes, deadline: float | None) -> bytes:
        """Sign once in a session of the pool.

        Raises:
            PoolClosed: The connection ended before anything was sent.
            TokenFault: As :meth:`.sessions.Session.sign`; the session is closed where it may be spoilt.
            BridgeError: The key is not there, or is another one.
        """
        session = self.pool.borrow(deadline)
        intact = False
        try:
            key = session.keys.get(ref.uri)
            if key is None or key.public_key != ref.public_key:
                key = self._bind(session, ref, deadline)
            signature = session.sign(key, payload)
            intact = True
            return signature
        except TokenFault as fault:
            # A failed C_Sign may leave its operation active, and the next one would answer for it.
            intact = fault.call == "C_SignInit" and fault.rv not in RECOVERABLE
            raise
        except BridgeError as error:
            intact = not isinstance(error, SignatureRejected)
            raise
        finally:
            self.last_used = time.monotonic()
            if intact:
                self.pool.give_back(session)
            else:
                self.pool.discard(session)

    @contextmanager
    def reading(self) -> Iterator[pkcs11.types.Session]:
        """Lend a session of the pool for reading.

        Raises:
            PoolClosed: The connection ended.
        """
        session = self.pool.borrow(None)
        intact = False
        try:
            with self._shared.objects.reading(self._wait):
                yield session.binding
            intact = True
        except TokenFault:
            raise
        except BridgeError:
            intact = True
            raise
        finally:
            self.last_used = time.monotonic()
            if intact:
                self.pool.give_back(session)
            else:
                self.pool.discard(session)

    @contextmanager
    def changing(self) -> Iterator[pkcs11.types.Session]:
        """Lend the anchor for a change to the token; changes are made one after the other.

        Raises:
            PoolClosed: The connection ended.
            DeadlineExceeded: Other operations stayed under way.
        """
        with self.pool.hold(), self._shared.objects.writing(self._wait):
            try:
                yield self._anchor
            finally:
                self.last_used = time.monotonic()

    def alive(self) -> bool:
        """Whether the token still holds the login of this connection."""
        if self.pool.closed:
            return False
        try:
            return self.module.cryptoki.session_state(_handle(self._anchor)) in _LOGGED_IN
        except TokenFault:
            return False

    def check(self) -> bool:
        """Give the token a sign of life in every idle session; return whether the login still stands."""
        if not self.alive():
            return False
        self.pool.check_idle(self._session_alive)
        return True

    def forget_keys(self) -> None:
        """Let every later operation look its key up again: a handle may come to mean another object."""
        self.known.clear()
        self.pool.check_idle(lambda session: False)

    def remember(self, info: KeyInfo, handle: int) -> None:
        """Take a key as found; before it signs, a session makes sure that the handle has its id there."""
        self.known[info.uri] = _bound(handle, info.key_id, info.public_key)

    def remember_all(self, listed: Sequence[tuple[KeyInfo, int]]) -> None:
        """As :meth:`remember`, of all keys of the token; where several have one URI, none of them is taken as found."""
        times = Counter(info.uri for info, _ in listed)
        for info, handle in listed:
            if times[info.uri] == 1:
                self.remember(info, handle)

    def close(self) -> None:
        """Lend no more sessions. The logout follows when operations that are under way have ended."""
        self.pool.close()

    def abandon(self) -> None:
        """Forget the token without touching it; for a process that was forked."""
        self.pool.abandon()

    def _bind(self, session: Session, ref: KeyRef, deadline: float | None) -> BoundKey:
        """Find the key in this session and make sure that it is the one that the record means."""
        known = self.known.get(ref.uri)
        if known is not None and known.public_key == ref.public_key and self._same(session, known):
            session.keys[ref.uri] = known
            return known
        uri = Pkcs11Uri.parse(ref.uri)
        wait = self._wait if deadline is None else deadline - time.monotonic()
        with self._shared.objects.reading(wait):
            key, public_key = locate(session.binding, uri, self.place.info)
        check_same(ref.public_key, public_key)
        bound = _bound(key.handle, key.key_id, public_key)
        session.keys[ref.uri] = self.known[ref.uri] = bound
        return bound

    def _same(self, session: Session, known: BoundKey) -> bool:
        """Whether a handle that another session found is the same key here, as the standard has it."""
        if not known.key_id:
            return False
        read = self.module.cryptoki.read_attribute
        try:
            kind = read(session.handle, known.handle, codes.CKA_CLASS)
            return (
                int.from_bytes(kind, sys.byteorder) == codes.CKO_PRIVATE_KEY
                and read(session.handle, known.handle, codes.CKA_ID) == known.key_id
            )
        except TokenFault:
            return False

    def _open_session(self) -> Session:
        return Session(_open(self.place, rw=False), self.module.cryptoki)

    def _session_alive(self, session: Session) -> bool:
        try:
            return self.module.cryptoki.session_state(session.handle) in _LOGGED_IN
        except TokenFault:
            return False

    def _end(self) -> None:
        """Log out, unless another connection relies on the login, and give the module back."""
        try:
            with self._shared.lock:
                self._shared.users -= 1
                if self._shared.users == 0:
                    self.module.cryptoki.logout(_handle(self._anchor))
                with contextlib.suppress(Exception):
                    self._anchor.close()
        finally:
            self.module.leave()


def _bound(handle: int, key_id: bytes, public_key: PublicKey) -> BoundKey:
    return BoundKey(handle, key_id, public_key, EDDSA if public_key.key_type is KeyType.ED25519 else ECDSA)


def _open(place: Place, *, rw: bool) -> pkcs11.types.Session:
    with binding("C_OpenSession"):
        # Without a PIN: python-pkcs11 would log out with this session, and leak it if the PIN is wrong.
        return place.token.open(rw=rw, attribute_mapper=attribute_mapper())


def _handle(session: pkcs11.types.Session) -> int:
    handle: int = session.handle  # type: ignore[attr-defined]  # its stubs leave it out
    return handle
