"""A wrong PIN is sent once, however often a program is restarted.

Tokens lock themselves after a few wrong PINs, so every login leaves a durable trace before it is tried. The states of
one token, and what moves it::

    ok ── attempt ──> pending ── succeeded, not_sent ──> ok
                         │
                         └── failed, or the process ended ──> failed ── clear ──> ok

``ok`` is the absence of a file. ``pending`` with nobody holding the token's lock means that a process died while the
token was being asked: the PIN may have been wrong, so it counts as ``failed``. Only a person moves a token out of
``failed`` (``hsm unlock``).
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from cosmos_formats.quickclass import dataclass
from keyring_bridge.config.files import private_dir, remove_durably, write_atomic
from keyring_bridge.errors import DeadlineExceeded, PinBlocked, StoreFailed

_SUFFIX = ".login"
_LOCK_SUFFIX = ".lock"
_LONGEST_FILE = 64 * 1024
_POLL_SECONDS = 0.02


class LoginStatus(StrEnum):
    """State of a token's logins; see the module's text."""

    OK = "ok"
    PENDING = "pending"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class LoginState:
    """What is remembered about the logins of one token.

    Attributes:
        token_id: The token; empty if its file is damaged.
        status: Whether a login may be tried.
        source: The source the PIN came from, as :meth:`SecretSource.describe` tells it.
        since: When the attempt began (UTC).
    """

    token_id: str
    status: LoginStatus = LoginStatus.OK
    source: str = ""
    since: datetime | None = None


class LoginAttempt:
    """One attempt to log in. Its first outcome counts; without one, the attempt counts as failed."""

    __slots__ = ("_decided", "_guard", "_source", "_token_id")

    def __init__(self, guard: LoginGuard, token_id: str, source: str) -> None:
        self._guard = guard
        self._token_id = token_id
        self._source = source
        self._decided = False

    def succeeded(self) -> None:
        """Note that the token took the PIN.

        Raises:
            StoreFailed: It could not be noted; the next login will be refused.
        """
        self._decide(None)

    def not_sent(self) -> None:
        """Note that the PIN never reached the token (errors as :meth:`succeeded`)."""
        self._decide(None)

    def failed(self) -> None:
        """Note that the token refused the PIN; no further login is tried until :meth:`LoginGuard.clear`."""
        self._decide(LoginStatus.FAILED)

    def close(self) -> None:
        """Take no outcome any more: without the lock it could overwrite another login's."""
        self._decided = True

    def _decide(self, status: LoginStatus | None) -> None:
        if not self._decided:
            self._decided = True
            self._guard._note(self._token_id, status, self._source)


class LoginGuard:
    """Remembers, per token, whether a login may be tried. Serves any number of threads and processes.

    Args:
        directory: Where it keeps its files; made as 0700 when first needed.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @contextmanager
    def attempt(self, token_id: str, source: str, *, timeout: float = 60.0) -> Iterator[LoginAttempt]:
        """Try one login. The body sends the PIN once and tells the outcome.

        Processes and threads that log in to the same token wait for each other. Get the PIN before entering, so
        that nobody waits for a person; :meth:`check` tells beforehand whether it makes sense to ask.

        Args:
            token_id: Names the token for good, such as ``pkcs11:serial=…;manufacturer=…``.
            source: Where the PIN comes from, safe to log.
            timeout: How long to wait for another login, in seconds.

        Raises:
            PinBlocked: An earlier login failed, or ended without an outcome.
            DeadlineExceeded: Another process has been logging in all the time.
            StoreFailed: The attempt could not be written down, so the PIN must not be sent.
        """
        lock = self._lock(token_id, timeout)
        attempt = LoginAttempt(self, token_id, source)
        try:
            _refuse_unless_ok(self._read(token_id))
            self._note(token_id, LoginStatus.PENDING, source)
            yield attempt
        finally:
            attempt.close()
            os.close(lock)

    def check(self, token_id: str) -> None:
        """Raise PinBlocked if an attempt would be refused now."""
        _refuse_unless_ok(self.state(token_id), pending_is_fine=True)

    def state(self, token_id: str) -> LoginState:
        """Return what is remembered; ``pending`` only while a living process is logging in.

        Raises:
            StoreFailed: It cannot be read.
        """
        state = self._read(token_id)
        if state.status is LoginStatus.PENDING and not self._busy(token_id):
            # The login may have ended in between, so look again.
            state = self._read(token_id)
            if state.status is LoginStatus.PENDING:
                return LoginState(state.token_id, LoginStatus.FAILED, state.source, state.since)
        return state

    def all(self) -> list[LoginState]:
        """Return the tokens whose state is not ``ok``, sorted by id.

        Raises:
            StoreFailed: It cannot be read.
        """
        try:
            names = [name for name in os.listdir(self._directory) if name.endswith(_SUFFIX)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreFailed("the states of logins cannot be read", detail=str(error)) from None
        states = []
        for name in names:
            found = _parse(self._directory / name, "")
            # A damaged file does not tell whose it is, but its name shows that it is somebody's.
            states.append(self.state(found.token_id) if found.token_id else found)
        return sorted((s for s in states if s.status is not LoginStatus.OK), key=lambda s: s.token_id)

    def clear(self, token_id: str) -> None:
        """Allow logins again: the PIN source was corrected.

        Raises:
            StoreFailed: It could not be noted.
            DeadlineExceeded: A process is logging in right now.
        """
        lock = self._lock(token_id, 5.0)
        try:
            self._note(token_id, None, "")
        finally:
            os.close(lock)

    # --- files -------------------------------------------------------------------------------------------------------

    def _path(self, token_id: str, suffix: str) -> Path:
        return self._directory / (sha256(token_id.encode("utf-8", "surrogateescape")).hexdigest()[:32] + suffix)

    def _lock(self, token_id: str, timeout: float) -> int:
        """Return the descriptor that holds the token's lock; the lock ends with it, also when the process dies."""
        try:
            private_dir(self._directory)
            path = self._path(token_id, _LOCK_SUFFIX)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreFailed("the state of logins cannot be written, so no PIN is sent", detail=str(error)) from None
        end = time.monotonic() + timeout
        try:
            while not _try_lock(descriptor):
                if time.monotonic() >= end:
                    raise DeadlineExceeded("another process is logging in to this token")
                time.sleep(_POLL_SECONDS)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _busy(self, token_id: str) -> bool:
        with suppress(FileNotFoundError):
            descriptor = os.open(self._path(token_id, _LOCK_SUFFIX), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                # A shared lock, so that two who only look don't take each other for a login.
                return not _try_lock(descriptor, fcntl.LOCK_SH)
            finally:
                os.close(descriptor)
        return False

    def _read(self, token_id: str) -> LoginState:
        return _parse(self._path(token_id, _SUFFIX), token_id)

    def _note(self, token_id: str, status: LoginStatus | None, source: str) -> None:
        path = self._path(token_id, _SUFFIX)
        try:
            if status is None:
                remove_durably(path)
                return
            entry = {"token": token_id, "status": status, "source": source, "since": datetime.now(UTC).isoformat()}
            write_atomic(path, json.dumps(entry).encode() + b"\n")
        except OSError as error:
            raise StoreFailed("the state of the login cannot be written", detail=str(error)) from None


def _try_lock(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _parse(path: Path, token_id: str) -> LoginState:
    """Read a state file. One that cannot be understood counts as a failed login."""
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_FILE)
    except FileNotFoundError:
        return LoginState(token_id)
    except OSError as error:
        raise StoreFailed("the state of logins cannot be read", detail=str(error)) from None
    try:
        entry = json.loads(content)
        return LoginState(
            token_id=str(entry["token"]),
            status=LoginStatus(entry["status"]),
            source=str(entry["source"]),
            since=datetime.fromisoformat(entry["since"]),
        )
    except (ValueError, KeyError, TypeError):
        return LoginState(token_id, LoginStatus.FAILED)


def _refuse_unless_ok(state: LoginState, *, pending_is_fine: bool = False) -> None:
    if state.status is LoginStatus.OK or (pending_is_fine and state.status is LoginStatus.PENDING):
        return
    when = f" ({state.since:%Y-%m-%d %H:%M:%S} UTC)" if state.since else ""
    detail = f"PIN source {state.source}" if state.source else None
    if state.status is LoginStatus.PENDING:
        raise PinBlocked(f"an earlier login ended without an answer{when}; no PIN was sent", detail=detail)
    raise PinBlocked(f"an earlier login failed{when}; no PIN was sent", detail=detail)
