"""What a backend is.

A backend is one class. It derives from :class:`ProviderBase`, implements seven small hooks and, for each
capability it has, the method of that capability's Protocol. Adding one to the project means one file, one row
in :mod:`keyring_bridge.providers`, and a ten-line subclass of :class:`keyring_bridge.testing.ProviderContract`.

The public methods of :class:`ProviderBase` are final. They call the hook of the same name with an underscore and
turn every stray exception into :class:`~keyring_bridge.errors.ProviderError`, so that callers handle one tree.
Capability methods get the same from the decorator :func:`guarded`.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, ParamSpec, Protocol, TypeVar, final, runtime_checkable

from cosmos_formats.pubkeys import KeyType
from cosmos_formats.quickclass import dataclass
from keyring_bridge.errors import BridgeError, DeadlineExceeded, InvalidRequest, ProviderError

if TYPE_CHECKING:
    from cosmos_formats.pubkeys import PublicKey
    from keyring_bridge.login_guard import LoginGuard
    from keyring_bridge.model import (
        KeyInfo,
        KeyRef,
        KeySpec,
        ProviderStatus,
        Survey,
        TokenInfo,
        WrappedKey,
        WrappingKey,
    )
    from keyring_bridge.secrets import SecretBytes


_P = ParamSpec("_P")
_R = TypeVar("_R")


def guarded(method: Callable[_P, _R]) -> Callable[_P, _R]:
    """Give a capability method the same error contract as the template methods."""

    @wraps(method)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return method(*args, **kwargs)
        except BridgeError:
            raise
        except Exception as error:
            raise ProviderError(
                f"provider failed in {method.__name__}", detail=f"{type(error).__name__}: {error}"
            ) from error

    return wrapper


def _check_payload(key_type: KeyType, payload: object) -> None:
    # Tokens take a digest of any length, and some spoil the session over a bytearray, so none gets to see them.
    if type(payload) is not bytes:
        raise InvalidRequest("the payload to sign must be bytes")
    if key_type is KeyType.ED25519:
        return
    if key_type is KeyType.X25519:
        raise InvalidRequest("an x25519 key does not sign")
    if len(payload) != 32:
        raise InvalidRequest(f"a digest to sign has 32 bytes, not {len(payload)}")


@dataclass(frozen=True, slots=True)
class ProviderContext:
    """What the bridge lends to a provider.

    Attributes:
        name: The provider's name in the configuration.
        state_dir: A directory (0700) that the provider may keep files in.
        login_guard: Remembers failed logins durably; every login goes through it.
        prompt: Asks a person for a secret, shown as the text given; None where nobody can be asked.
    """

    name: str
    state_dir: Path
    login_guard: LoginGuard
    prompt: Callable[[str], SecretBytes] | None = None


class ProviderBase(ABC):
    """Template of every backend.

    A provider is used from several threads at once. ``connect`` may be called again after ``close``.

    Attributes:
        scheme: The backend's name, which is the scheme of its URIs.
        hardware: Whether the private keys are outside this computer's memory and files.
    """

    scheme: ClassVar[str]
    hardware: ClassVar[bool] = True

    def __init__(self, options: Mapping[str, object], context: ProviderContext) -> None:
        """Validate the options (:func:`keyring_bridge.config.build`); touch no device yet."""
        self.context = context

    @final
    def connect(self) -> None:
        """Open the device and log in. Does nothing if it is open already.

        Raises:
            AuthError: The PIN is missing, wrong, locked, or blocked by an earlier failure.
            ProviderError: The library or the token is missing, ambiguous or broken.
        """
        with self._errors("connect"):
            self._connect()

    @final
    def close(self) -> None:
        """Log out and give everything back. Never raises; may be called at any time, and twice."""
        with suppress(Exception):
            self._close()

    @final
    def list_keys(self) -> list[KeyInfo]:
        """Return every key of a type the bridge knows, connecting if needed."""
        with self._errors("list_keys"):
            return self._list_keys()

    @final
    def get_key(self, ref: KeyRef) -> KeyInfo:
        """Return the key that ``ref`` points at.

        Raises:
            ObjectNotFound: Nothing is there.
            KeyAmbiguous: More than one object matches.
            KeyMismatch: What is there has another public key.
        """
        with self._errors("get_key"):
            return self._get_key(ref)

    @final
    def get_public_key(self, uri: str) -> PublicKey:
        """Return the public key of the object at ``uri`` as the device tells it now (errors as :meth:`get_key`)."""
        with self._errors("get_public_key"):
            return self._get_public_key(uri)

    @final
    def sign(self, ref: KeyRef, payload: bytes, *, deadline: float | None = None) -> bytes:
        """Sign once. Only :class:`keyring_bridge.bridge.Bridge` calls this.

        Args:
            ref: The key. The provider makes sure that the object it signs with has ``ref.public_key``.
            payload: ECDSA keys: the digest, exactly 32 bytes. ed25519: the message.
            deadline: Moment of ``time.monotonic()`` after which waiting for a session is given up.

        Returns:
            64 bytes, r‖s or R‖S. High s is allowed here; the bridge normalises and verifies.

        Raises:
            InvalidRequest: The payload is not ``bytes``, not of the right length, or the key does not sign.
            DeadlineExceeded: The deadline passed before the device was asked.
            ProviderError: Nothing usable came back. The operation is not repeated by the provider, except where
                it is certain that the token had not begun it.
        """
        # Without the context manager of the other methods, which takes as long as all the rest here.
        try:
            _check_payload(ref.public_key.key_type, payload)
            if deadline is not None and time.monotonic() >= deadline:
                raise DeadlineExceeded("the deadline passed before the key was asked")
            return self._sign(ref, payload, deadline)
        except BridgeError:
            raise
        except Exception as error:
            raise self._stray("sign", error) from error

    @final
    def status(self) -> ProviderStatus:
        """Return the provider's state, without logging in."""
        with self._errors("status"):
            return self._status()

    @contextmanager
    def _errors(self, operation: str) -> Iterator[None]:
        """Let errors of the tree through; turn any other exception into ProviderError without its text."""
        try:
            yield
        except BridgeError:
            raise
        except Exception as error:
            raise self._stray(operation, error) from error

    def _stray(self, operation: str, error: Exception) -> ProviderError:
        return ProviderError(f"{self.scheme} provider failed in {operation}", detail=f"{type(error).__name__}: {error}")

    @abstractmethod
    def _connect(self) -> None: ...

    @abstractmethod
    def _close(self) -> None: ...

    @abstractmethod
    def _list_keys(self) -> list[KeyInfo]: ...

    @abstractmethod
    def _get_key(self, ref: KeyRef) -> KeyInfo: ...

    @abstractmethod
    def _get_public_key(self, uri: str) -> PublicKey: ...

    @abstractmethod
    def _sign(self, ref: KeyRef, payload: bytes, deadline: float | None) -> bytes: ...

    @abstractmethod
    def _status(self) -> ProviderStatus: ...


# --- capabilities: a provider has one by having its method ----------------------------------------------------


@runtime_checkable
class Generates(Protocol):
    """Makes keys inside the device."""

    def generate_key(self, spec: KeySpec) -> KeyInfo:
        """Generate non-extractably, read the attributes back, fail and remove the key if they were not honoured."""
        ...


@runtime_checkable
class Imports(Protocol):
    """Takes existing private keys in."""

    def import_key(self, spec: KeySpec, secret: SecretBytes) -> KeyInfo:
        """Import 32 bytes: a scalar (big-endian, 1 … n-1) or a seed (ed25519). The caller wipes ``secret``."""
        ...


@runtime_checkable
class Deletes(Protocol):
    """Destroys keys."""

    def delete_key(self, ref: KeyRef) -> None:
        """Destroy the private key and everything that was kept beside it."""
        ...


@runtime_checkable
class Renames(Protocol):
    """Changes labels."""

    def rename_key(self, ref: KeyRef, label: str) -> KeyInfo:
        """Give the key another label; its ``uri`` in the answer replaces the old one."""
        ...


@runtime_checkable
class Derives(Protocol):
    """Computes shared secrets (ECDH)."""

    def derive(self, ref: KeyRef, peer: PublicKey) -> SecretBytes:
        """Return the 32 raw bytes shared between the key and ``peer`` (same curve)."""
        ...


@runtime_checkable
class Discovers(Protocol):
    """Finds devices."""

    def discover(self) -> list[TokenInfo]:
        """Return the tokens that could be configured, without logging in."""
        ...


@runtime_checkable
class Surveys(Protocol):
    """Tells what it could hold."""

    def survey(self) -> Survey:
        """Return what the device tells about itself."""
        ...


@runtime_checkable
class Randoms(Protocol):
    """Makes random numbers in the device."""

    def random_bytes(self, count: int) -> SecretBytes:
        """Return random bytes of the device's own generator (CapabilityMissing if it turns out to have none)."""
        ...


@runtime_checkable
class ReservesIds(Protocol):
    """Lets the caller know a key's identifier before the key is there, so that a half-made one is found again."""

    def reserve_ids(self, count: int) -> list[bytes]:
        """Return identifiers that nothing in the device has, for :attr:`keyring_bridge.model.KeySpec.key_id`."""
        ...

    def discard_unfinished(self, reserved: Sequence[tuple[bytes, str]]) -> int:
        """Remove what imports that were cut off left; whole keys are left alone.

        Args:
            reserved: The identifier and the label of each key that may have been cut off.

        Returns:
            How many objects were removed.
        """
        ...


@runtime_checkable
class Wraps(Protocol):
    """Gives keys out in a form that only such a device can use, if they were made for that."""

    def wrap_key(self, ref: KeyRef, by: str | None = None) -> WrappedKey:
        """Return the key, wrapped.

        Args:
            ref: The key.
            by: Name of the wrapping key; the only one there is if None.

        Raises:
            KeyNotWrappable: The key was made to stay, or the device wraps no keys of its kind.
            WrappingKeyMissing: There is no such wrapping key.
        """
        ...

    def unwrap_key(self, spec: KeySpec, public_key: PublicKey, wrapped: WrappedKey) -> KeyInfo:
        """Take a wrapped key in, as :meth:`Generates.generate_key` makes one that is wrappable.

        Args:
            spec: What the key is to be.
            public_key: Its public half.
            wrapped: The key.

        Raises:
            WrappingKeyMissing: The key that it was wrapped with is not here.
        """
        ...


@runtime_checkable
class KeepsWrappingKeys(Protocol):
    """Keeps wrapping keys that its security officer trusts."""

    def wrapping_keys(self) -> list[WrappingKey]:
        """Return the trusted wrapping keys."""
        ...

    def add_wrapping_key(self, name: str, secret: SecretBytes, so_pin: SecretBytes, *, retry: bool) -> WrappingKey:
        """Keep an AES-256 key as a trusted wrapping key that cannot leave; one that is there already is left.

        Args:
            name: Its name.
            secret: 32 bytes, which the caller wipes.
            so_pin: PIN of the security officer, sent once.
            retry: Send it although an earlier one was refused.

        Raises:
            WrappingKeyExists: Another key has the name.
            AuthError: The PIN was refused, or an earlier one was.
        """
        ...


@runtime_checkable
class LogsIn(Protocol):
    """Has a login that can fail and is remembered."""

    def login_id(self) -> str:
        """Return the name under which the login guard remembers this device, without logging in."""
        ...


CAPABILITIES: Mapping[str, type] = {
    "generate": Generates,
    "import": Imports,
    "delete": Deletes,
    "rename": Renames,
    "derive": Derives,
    "wrap": Wraps,
    "discover": Discovers,
}
"""Capability name to Protocol; ``hsm backends`` and the docs print the matrix from this."""
