"""Sessions with a token, and the pool of them that signatures are made in.

A pool has a fixed number of places. A place holds an open session or is vacant; whoever borrows takes the place away
and gives it back, with the session, with another one, or vacant. Rules::

    borrow     takes the place with the most recently used session, else a vacant one and opens a session in it,
               else waits
    give_back  returns the place with its session; in a closed pool (or with a session per operation) it closes the
               session first
    discard    closes the session and returns the place vacant
    hold       keeps the pool from ending, for work outside its sessions
    close      closes the idle sessions; the last one that comes back, or the last hold, ends the pool

Sessions are opened without a PIN: the login belongs to the process and is held open elsewhere.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from cosmos_formats.quickclass import dataclass
from keyring_bridge.errors import DeadlineExceeded, SignatureRejected
from keyring_bridge.providers.pkcs11 import codes
from keyring_bridge.providers.pkcs11.cryptoki import mechanism
from keyring_bridge.providers.pkcs11.faults import PoolClosed, TokenFault

if TYPE_CHECKING:
    import pkcs11.types

    from cosmos_formats.pubkeys import PublicKey
    from keyring_bridge.providers.pkcs11.cryptoki import Cryptoki

_ROOM = 1024
_SIGNATURE_LENGTH = 64

# The structures are kept for the process's life, because sessions hold their addresses.
_ECDSA, ECDSA = mechanism(codes.CKM_ECDSA)
_EDDSA, EDDSA = mechanism(codes.CKM_EDDSA)


@dataclass(frozen=True, slots=True)
class BoundKey:
    """A private key that was found.

    Attributes:
        handle: Its handle.
        key_id: Its CKA_ID.
        public_key: The public key that was read from the token beside it.
        mechanism: Address of the CK_MECHANISM that it signs with.
    """

    handle: int
    key_id: bytes
    public_key: PublicKey
    mechanism: int


class Session:
    """One open session.

    Attributes:
        handle: Its number.
        binding: python-pkcs11's object for it.
        keys: Keys found in it so far, by URI. They are gone when the session is.
    """

    __slots__ = (
        "_buffer",
        "_buffer_at",
        "_length",
        "_length_at",
        "_sign",
        "_sign_init",
        "binding",
        "handle",
        "keys",
    )

    def __init__(self, binding: pkcs11.types.Session, cryptoki: Cryptoki) -> None:
        self.binding = binding
        self.handle: int = binding.handle  # type: ignore[attr-defined]  # its stubs leave it out
        self.keys: dict[str, BoundKey] = {}
        self._sign_init = cryptoki.sign_init
        self._sign = cryptoki.sign
        self._buffer = ctypes.create_string_buffer(_ROOM)
        self._buffer_at = ctypes.addressof(self._buffer)
        self._length = ctypes.c_ulong(_ROOM)
        self._length_at = ctypes.addressof(self._length)

    def sign(self, key: BoundKey, payload: bytes) -> bytes:
        """Call C_SignInit and C_Sign once each, and return 64 bytes.

        Raises:
            TokenFault: Of ``C_SignInit``: nothing was signed. Of ``C_Sign``: the token may have signed.
            SignatureRejected: The token answered with another length. The session is of no use any more.
        """
        rv = self._sign_init(self.handle, key.mechanism, key.handle)
        if rv:
            raise TokenFault(rv, "C_SignInit")
        length = self._length
        length.value = _ROOM
        rv = self._sign(self.handle, payload, len(payload), self._buffer_at, self._length_at)
        if length.value != _SIGNATURE_LENGTH and (rv == codes.OK or rv == codes.BUFFER_TOO_SMALL):
            raise SignatureRejected(
                "the token's signature has a wrong length; it was not released", detail=f"{length.value} bytes"
            )
        if rv:
            raise TokenFault(rv, "C_Sign")
        return ctypes.string_at(self._buffer_at, _SIGNATURE_LENGTH)

    def close(self) -> None:
        """Close the session; one that is gone already is fine."""
        with contextlib.suppress(Exception):
            self.binding.close()


class SessionPool:
    """Lends sessions to threads.

    Args:
        open_session: Opens one more, without a PIN.
        size: Number of places.
        keep: Whether a session stays open between operations.
        wait: Seconds to wait for a session where the borrower has no deadline.
        on_end: Called once, when the pool is closed and every session came back.
    """

    def __init__(
        self,
        open_session: Callable[[], Session],
        *,
        size: int,
        keep: bool,
        wait: float,
        on_end: Callable[[], None],
    ) -> None:
        self._open = open_session
        self._keep = keep
        self._wait = wait
        self._on_end = on_end
        # Appending and popping a deque are atomic, so the usual borrow takes no lock.
        self._places: deque[Session | None] = deque([None] * size)
        self._size = size
        self._held = 0
        self._waiting = 0
        self._freed = threading.Condition(threading.Lock())
        self._closed = False
        self._ended = False

    @property
    def closed(self) -> bool:
        """Whether the pool lends no more."""
        return self._closed

    @property
    def busy(self) -> bool:
        """Whether a session is lent or the pool is held."""
        return self.borrowed > 0 or self._held > 0

    @property
    def borrowed(self) -> int:
        """Places that are lent now."""
        return self._size - len(self._places)

    @property
    def opened(self) -> int:
        """Sessions that are open now, lent ones included."""
        return self.borrowed + sum(place is not None for place in list(self._places))

    def borrow(self, deadline: float | None) -> Session:
        """Return a session that nobody else uses.

        Args:
            deadline: Moment of ``time.monotonic()`` to give up waiting at.

        Raises:
            DeadlineExceeded: All sessions stayed in use.
            PoolClosed: The pool is closed.
            TokenFault: No session could be opened.
        """
        try:
            place = self._places.pop()
        except IndexError:
            place = self._wait_for_place(deadline)
        if self._closed:
            self._return(place)
            raise PoolClosed
        if place is not None:
            return place
        try:
            return self._open()
        except TokenFault as fault:
            if fault.rv == codes.SESSION_COUNT and self._give_up_place():
                return self.borrow(deadline)
            self._return(None)
            raise
        except BaseException:
            self._return(None)
            raise

    def give_back(self, session: Session) -> None:
        """Return a session that is as good as new."""
        if self._keep:
            self._return(session)
        else:
            self.discard(session)

    def discard(self, session: Session) -> None:
        """Close a session that must not be used again, and return its place."""
        session.close()
        self._return(None)

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Keep the pool from ending.

        Raises:
            PoolClosed: The pool is closed.
        """
        with self._freed:
            if self._closed:
                raise PoolClosed
            self._held += 1
        try:
            yield
        finally:
            with self._freed:
                self._held -= 1
            if self.closed:
                self._close_idle()

    def check_idle(self, alive: Callable[[Session], bool]) -> None:
        """Pass each idle session to ``alive`` and close those that are not."""
        taken = []
        with contextlib.suppress(IndexError):
            while True:
                taken.append(self._places.popleft())
        for place in taken:
            if place is not None and not alive(place):
                place.close()
                self._return(None)
            else:
                self._return(place)

    def close(self) -> None:
        """Close the idle sessions and lend no more. ``on_end`` follows when the lent ones are back."""
        self._closed = True
        self._close_idle()

    def abandon(self) -> None:
        """Forget every session without touching the token; for a process that was forked."""
        self._closed = self._ended = True
        self._places = deque([None] * self._size)

    def _return(self, place: Session | None) -> None:
        # Vacant places go to the far end, so that open sessions are used first.
        if place is None:
            self._places.appendleft(None)
        else:
            self._places.append(place)
        if self._waiting:
            with self._freed:
                self._freed.notify()
        if self._closed:
            self._close_idle()

    def _wait_for_place(self, deadline: float | None) -> Session | None:
        end = time.monotonic() + self._wait if deadline is None else deadline
        with self._freed:
            self._waiting += 1
            try:
                while True:
                    # Between a failed pop and this one a place may have come back without seeing us wait.
                    try:
                        return self._places.pop()
                    except IndexError:
                        left = end - time.monotonic()
                        if left <= 0:
                            raise DeadlineExceeded("every session with the token stayed in use") from None
                        self._freed.wait(left)
            finally:
                self._waiting -= 1

    def _give_up_place(self) -> bool:
        """Shrink the pool, unless this was its last place."""
        with self._freed:
            if self._size <= 1:
                return False
            self._size -= 1
            return True

    def _close_idle(self) -> None:
        with self._freed:
            # Others may take and return places meanwhile; what they return after this, they close themselves.
            for _ in range(len(self._places)):
                with contextlib.suppress(IndexError):
                    place = self._places.pop()
                    if place is not None:
                        place.close()
                    self._places.appendleft(None)
            vacant = len(self._places)
            if self._ended or self._held or vacant < self._size:
                return
            self._ended = True
        self._on_end()
