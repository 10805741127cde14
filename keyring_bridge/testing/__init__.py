"""The contract of a provider, as tests that any provider can run.

Derive a class, say what the provider promises, and give it a pytest fixture that yields a connected provider with
nothing in it that matters::

    class TestMyProvider(ProviderContract):
        key_types = frozenset({KeyType.SECP256K1})
        capabilities = frozenset({"generate", "delete"})

        @pytest.fixture
        def provider(self, tmp_path):
            provider = MyProvider({}, context_for_tests(tmp_path))
            provider.connect()
            yield provider
            provider.close()

Each test makes the keys that it needs and destroys them again. The provider must be able to log in more than once by
itself, so no secret may come from a person. pytest is not imported here; it is the subclass that needs it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.signature import low_s
from cosmos_formats.verify import verify, verify_digest
from keyring_bridge.errors import (
    BridgeError,
    DeadlineExceeded,
    InvalidKey,
    InvalidRequest,
    KeyAmbiguous,
    KeyMismatch,
    ObjectNotFound,
)
from keyring_bridge.model import KeyInfo, KeyRef, KeySpec, Purpose
from keyring_bridge.providers import private_keys
from keyring_bridge.providers.base import (
    CAPABILITIES,
    Deletes,
    Derives,
    Generates,
    Imports,
    LogsIn,
    ProviderBase,
    ProviderContext,
    Renames,
)
from keyring_bridge.secrets import SecretBytes
from keyring_bridge.testing.checks import bad_secrets, expect, in_threads, other_public_keys, payloads, refuses
from keyring_bridge.uri import scheme_of

SIGNING = frozenset({KeyType.SECP256K1, KeyType.ED25519, KeyType.SECP256R1})
STATES = frozenset({"ready", "locked", "disconnected", "failed"})
_TEMPLATE = ("connect", "close", "list_keys", "get_key", "get_public_key", "sign", "status")
_WEIRD_URIS = ("", " ", "nonsense", "other:x", ":", "{scheme}:", "{scheme}:\0;;==%", "{scheme}:" + "x" * 100_000, "é:é")


def context_for_tests(directory: Path, name: str = "test") -> ProviderContext:
    """Return what a provider needs from the bridge, kept in ``directory``; nobody can be asked for a secret."""
    from keyring_bridge.login_guard import LoginGuard

    state = directory / "state"
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    return ProviderContext(name=name, state_dir=state, login_guard=LoginGuard(state / "logins"))


class ProviderContract:
    """What holds for every provider.

    Attributes:
        key_types: Types of keys that it makes (or, without ``generate``, that :meth:`new_key` gives).
        capabilities: Names of :data:`~keyring_bridge.providers.base.CAPABILITIES`, exactly those that it has.
        deriving_types: Types whose keys compute shared secrets when they are made for encryption.
    """

    key_types: ClassVar[frozenset[KeyType]]
    capabilities: ClassVar[frozenset[str]]
    deriving_types: ClassVar[frozenset[KeyType]] = frozenset()

    # --- what a subclass may replace -----------------------------------------------------------------------------

    def new_key(self, provider: ProviderBase, spec: KeySpec) -> KeyInfo:
        """Return a key of the provider that suits ``spec``: a new one, unless the provider cannot make any."""
        expect(isinstance(provider, Generates), "a provider that does not generate keys must replace new_key()")
        made: KeyInfo = provider.generate_key(spec)  # type: ignore[attr-defined]  # checked above
        return made

    def drop_key(self, provider: ProviderBase, info: KeyInfo) -> None:
        """Take back what :meth:`new_key` gave."""
        if isinstance(provider, Deletes):
            with suppress(ObjectNotFound):
                provider.delete_key(info.ref)

    def missing_uri(self, provider: ProviderBase) -> str:
        """Return a well-formed URI of a key that is not there."""
        expect(isinstance(provider, Deletes), "a provider that does not delete keys must replace missing_uri()")
        with self.key(provider, min(self.key_types), "missing") as info:
            return info.uri

    def ambiguous_uri(self, info: KeyInfo) -> str | None:
        """Return a URI that means every key with the label of ``info``; None if the scheme has no such URIs."""
        return None

    # --- helpers -------------------------------------------------------------------------------------------------

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Run each test once for every type of key that it is about."""
        for name, types in (("key_type", self.key_types), ("signing_type", self.key_types & SIGNING)):
            if name in metafunc.fixturenames:
                metafunc.parametrize(name, sorted(types))

    @contextmanager
    def key(
        self,
        provider: ProviderBase,
        key_type: KeyType,
        label: str = "contract",
        purpose: Purpose | None = None,
    ) -> Iterator[KeyInfo]:
        """Lend a key. Without a purpose it is an account key, or one for encryption if its type cannot sign."""
        if purpose is None:
            purpose = Purpose.ACCOUNT if key_type in SIGNING else Purpose.ENCRYPTION
        info = self.new_key(provider, KeySpec(label, key_type, purpose))
        try:
            yield info
        finally:
            self.drop_key(provider, info)

    # --- the class -----------------------------------------------------------------------------------------------

    def test_leaves_the_template_alone(self, provider: ProviderBase) -> None:
        """The public methods are the base's, because they hold the checks and the contract of errors."""
        expect(isinstance(provider, ProviderBase), "a provider derives from ProviderBase")
        for name in _TEMPLATE:
            expect(
                getattr(type(provider), name) is getattr(ProviderBase, name), f"{name} is overridden; override _{name}"
            )

    def test_has_the_promised_capabilities(self, provider: ProviderBase) -> None:
        """No more and no fewer than the subclass says, on the class as on the object."""
        for name, protocol in CAPABILITIES.items():
            promised = name in self.capabilities
            expect(isinstance(provider, protocol) is promised, f"capability {name} differs from what is promised")
            expect(issubclass(type(provider), protocol) is promised, f"capability {name} is not the class's own")

    def test_its_name_is_a_scheme(self, provider: ProviderBase) -> None:
        """The backend's name is the scheme of its URIs."""
        expect(scheme_of(f"{provider.scheme}:x") == provider.scheme, "the scheme is not one of RFC 3986 in lower case")

    # --- connecting ----------------------------------------------------------------------------------------------

    def test_connects_and_closes_twice(self, provider: ProviderBase) -> None:
        """Both may be repeated, and a closed provider can be connected again."""
        for _ in range(2):
            provider.connect()
            provider.connect()
            provider.list_keys()
            provider.close()
            provider.close()

    def test_connects_by_itself(self, provider: ProviderBase) -> None:
        """The first operation after ``close`` opens the device again."""
        with self.key(provider, min(self.key_types)) as info:
            provider.close()
            expect(info.uri in _uris(provider), "the key is not listed after a close")
            provider.close()
            expect(provider.get_key(info.ref).uri == info.uri, "the key is not found after a close")

    def test_keys_outlive_the_connection(self, provider: ProviderBase) -> None:
        """A key is described in the same way after a close."""
        with self.key(provider, min(self.key_types)) as info:
            before = provider.get_key(info.ref)
            provider.close()
            provider.connect()
            expect(provider.get_key(info.ref) == before, "the key is described in another way after a close")

    def test_tells_its_state_without_logging_in(self, provider: ProviderBase) -> None:
        """``status`` is true before and after a close, and opens nothing."""
        status = provider.status()
        expect(status.state == "ready", f"a connected provider is {status.state}, not ready")
        provider.close()
        for _ in range(2):
            status = provider.status()
            expect(status.state in STATES, f"the state {status.state!r} is not one of {sorted(STATES)}")
            expect(status.sessions == 0, "sessions are open after a close")
            if isinstance(provider, LogsIn):
                expect(status.state == "locked", f"a closed provider is {status.state}, not locked")
                expect(provider.login_id() == provider.login_id() != "", "the login has no name that lasts")

    # --- keys ----------------------------------------------------------------------------------------------------

    def test_describes_a_new_key(self, provider: ProviderBase, key_type: KeyType) -> None:
        """What is told of a key is what was asked for, and is told in the same way by every method."""
        with self.key(provider, key_type) as info:
            expect(info.label == "contract", f"the label is {info.label!r}")
            expect(info.key_type is key_type, f"the key is of type {info.key_type}")
            info.public_key.require_on_curve()
            expect(scheme_of(info.uri) == provider.scheme, f"the URI {info.uri} has another scheme")
            expect(info.uri == info.uri.strip() and info.uri.isprintable(), "the URI has white space or worse in it")
            expect(info.purpose in (None, Purpose.ACCOUNT, Purpose.ENCRYPTION), f"the purpose is {info.purpose}")
            expect(info.hardware is provider.status().hardware, "key and status differ on whether this is hardware")
            expect(provider.hardware or not info.hardware, "a key of a backend without hardware counts as in hardware")
            _expect_protected(provider, info)
            if isinstance(provider, Generates):
                expect(info.local is not False, "a key that was generated counts as imported")
            if info.created_at is not None:
                age = datetime.now(UTC) - info.created_at
                expect(timedelta(minutes=-5) < age, "the key was made in the future, or in no time zone")
            expect(_uris(provider).count(info.uri) == 1, "the key is not listed exactly once")
            expect(provider.get_key(info.ref) == info, "get_key describes the key in another way")
            expect(provider.get_public_key(info.uri) == info.public_key, "get_public_key tells another key")

    def test_tells_keys_of_one_label_apart(self, provider: ProviderBase) -> None:
        """Either a label is taken only once, or every key has a place of its own."""
        key_type = min(self.key_types)
        with self.key(provider, key_type, "twin") as first:
            try:
                second = self.new_key(provider, KeySpec("twin", key_type, first.purpose or Purpose.ACCOUNT))
            except BridgeError:
                return
            try:
                expect(first.public_key != second.public_key, "two keys are the same key")
                for info in (first, second):
                    expect(provider.get_key(info.ref).public_key == info.public_key, "the other twin was found")
                vague = self.ambiguous_uri(first)
                if vague is not None:
                    for info in (first, second):
                        ref = KeyRef(vague, info.public_key)
                        refuses(KeyAmbiguous, provider.get_key, ref)
                        refuses(KeyAmbiguous, provider.sign, ref, bytes(32))
                    refuses(KeyAmbiguous, provider.get_public_key, vague)
            finally:
                self.drop_key(provider, second)

    def test_misses_a_key_that_is_not_there(self, provider: ProviderBase, signing_type: KeyType) -> None:
        """A place with nothing in it is an error of its own, and spoils nothing."""
        uri = self.missing_uri(provider)
        with self.key(provider, signing_type) as info:
            ref = KeyRef(uri, info.public_key)
            refuses(ObjectNotFound, provider.get_key, ref)
            refuses(ObjectNotFound, provider.get_public_key, uri)
            refuses(ObjectNotFound, provider.sign, ref, bytes(32))
            _expect_signs(provider, info)

    def test_checks_the_public_key(self, provider: ProviderBase, signing_type: KeyType) -> None:
        """Another key than the record's in the same place is never used."""
        with self.key(provider, signing_type) as info:
            for expected in other_public_keys(signing_type):
                ref = KeyRef(info.uri, expected)
                refuses(KeyMismatch, provider.get_key, ref)
                refuses(KeyMismatch, provider.sign, ref, bytes(32))
            _expect_signs(provider, info)

    def test_raises_nothing_but_errors_of_the_bridge(self, provider: ProviderBase, key_type: KeyType) -> None:
        """Whatever a place says, the answer is an error of the tree."""
        with self.key(provider, key_type) as info:
            for weird in (text.replace("{scheme}", provider.scheme) for text in _WEIRD_URIS):
                ref = KeyRef(weird, info.public_key)
                refuses(BridgeError, provider.get_key, ref)
                refuses(BridgeError, provider.get_public_key, weird)
                refuses(BridgeError, provider.sign, ref, bytes(32))
                if isinstance(provider, Deletes):
                    refuses(BridgeError, provider.delete_key, ref)
                if isinstance(provider, Renames):
                    refuses(BridgeError, provider.rename_key, ref, "x")
                if isinstance(provider, Derives):
                    refuses(BridgeError, provider.derive, ref, info.public_key)
            expect(provider.get_key(info.ref) == info, "the key suffered")

    # --- signing -------------------------------------------------------------------------------------------------

    def test_signs(self, provider: ProviderBase, signing_type: KeyType) -> None:
        """A signature is 64 bytes and verifies; ed25519 keys sign messages, the others digests."""
        with self.key(provider, signing_type) as info:
            for payload in payloads(signing_type):
                _expect_signs(provider, info, payload)

    def test_refuses_what_is_no_payload(self, provider: ProviderBase, signing_type: KeyType) -> None:
        """Only ``bytes`` are signed, of 32 bytes where the key signs digests; and the next signature works."""
        with self.key(provider, signing_type) as info:
            wrong: list[Any] = [bytearray(32), memoryview(bytes(32)), "x" * 32, None, 32, [0] * 32]
            if signing_type is not KeyType.ED25519:
                wrong += [b"", bytes(20), bytes(31), bytes(33), bytes(64)]
            for payload in wrong:
                refuses(InvalidRequest, provider.sign, info.ref, payload)
                _expect_signs(provider, info)

    def test_keeps_keys_to_their_trade(self, provider: ProviderBase, key_type: KeyType) -> None:
        """A key that is made for encryption does not sign."""
        if key_type in SIGNING and key_type not in self.deriving_types:
            return
        with self.key(provider, key_type, purpose=Purpose.ENCRYPTION) as info:
            refuses(BridgeError, provider.sign, info.ref, bytes(32))

    def test_heeds_the_deadline(self, provider: ProviderBase, signing_type: KeyType) -> None:
        """Nothing is begun after the deadline."""
        with self.key(provider, signing_type) as info:
            late = time.monotonic() - 1
            refuses(DeadlineExceeded, provider.sign, info.ref, bytes(32), deadline=late)
            provider.sign(info.ref, bytes(32), deadline=time.monotonic() + 60)

    def test_signs_in_many_threads(self, provider: ProviderBase, signing_type: KeyType) -> None:
        """Threads get their own key's signature over their own payload."""
        with self.key(provider, signing_type, "one") as first, self.key(provider, signing_type, "two") as second:
            in_threads(lambda number: _expect_signs(provider, (first, second)[number % 2], times=10))

    def test_survives_a_close_while_signing(self, provider: ProviderBase, signing_type: KeyType) -> None:
        """An operation that a close overtakes succeeds or ends in an error of the tree."""
        with self.key(provider, signing_type) as info:
            stop = threading.Event()

            def work(number: int) -> None:
                while not stop.is_set():
                    with suppress(BridgeError):
                        _expect_signs(provider, info)

            def disturb() -> None:
                try:
                    for _ in range(5):
                        time.sleep(0.02)
                        provider.close()
                finally:
                    stop.set()

            in_threads(work, disturb)
            _expect_signs(provider, info)

    # --- capabilities --------------------------------------------------------------------------------------------

    def test_imports(self, provider: ProviderBase, key_type: KeyType) -> None:
        """An imported key is the one that was given, as protected as a generated one."""
        if not isinstance(provider, Imports):
            return
        with _imported(provider, key_type, "imported", self.drop_key) as (info, secret):
            expect(info.public_key == private_keys.public_key_for(key_type, secret), "another key was imported")
            expect(info.label == "imported", f"the label is {info.label!r}")
            expect(info.local is not True, "an imported key counts as generated")
            _expect_protected(provider, info)
            expect(provider.get_key(info.ref) == info, "get_key describes the key in another way")
            if key_type in SIGNING:
                _expect_signs(provider, info)

    def test_refuses_to_import_what_is_no_key(self, provider: ProviderBase, key_type: KeyType) -> None:
        """Wrong lengths and scalars out of range leave nothing behind."""
        if not isinstance(provider, Imports):
            return
        before = sorted(_uris(provider))
        spec = KeySpec("bad", key_type)
        for bad in bad_secrets(key_type):
            with SecretBytes(bad) as secret:
                refuses(InvalidKey, provider.import_key, spec, secret)
        expect(sorted(_uris(provider)) == before, "a refused import left something behind")

    def test_deletes(self, provider: ProviderBase, key_type: KeyType) -> None:
        """What is deleted is gone, and nothing else is."""
        if not isinstance(provider, Deletes):
            return
        with self.key(provider, key_type, "stays") as stays, self.key(provider, key_type, "goes") as goes:
            wrong = KeyRef(goes.uri, stays.public_key)
            refuses(KeyMismatch, provider.delete_key, wrong)
            provider.delete_key(goes.ref)
            expect(goes.uri not in _uris(provider), "a deleted key is listed")
            refuses(ObjectNotFound, provider.get_key, goes.ref)
            refuses(ObjectNotFound, provider.delete_key, goes.ref)
            provider.close()
            expect(goes.uri not in _uris(provider), "a deleted key came back")
            expect(provider.get_key(stays.ref) == stays, "another key suffered")

    def test_renames(self, provider: ProviderBase, key_type: KeyType) -> None:
        """A renamed key is the same key; its old place leads to it, or to nothing."""
        if not isinstance(provider, Renames):
            return
        with self.key(provider, key_type, "before") as info:
            renamed = provider.rename_key(info.ref, "zuvor – früher")
            expect(renamed.label == "zuvor – früher", f"the label is {renamed.label!r}")
            expect(renamed.public_key == info.public_key, "renaming changed the key")
            expect((renamed.key_id, renamed.created_at) == (info.key_id, info.created_at), "renaming lost something")
            expect(provider.get_key(renamed.ref) == renamed, "get_key describes the renamed key in another way")
            expect(_uris(provider).count(renamed.uri) == 1, "the renamed key is not listed exactly once")
            with suppress(ObjectNotFound):
                expect(provider.get_key(info.ref).label == renamed.label, "the old place leads to another key")
            for label in ("", "nul\0", "\ud800", "x" * 10_000):
                refuses(BridgeError, provider.rename_key, renamed.ref, label)
            expect(provider.rename_key(renamed.ref, "before").uri == info.uri, "renaming back gives another place")

    def test_derives(self, provider: ProviderBase, key_type: KeyType) -> None:
        """Both sides compute the same secret; a key of another curve or of small order is refused."""
        if not isinstance(provider, Derives) or key_type not in self.deriving_types:
            return
        with (
            self.key(provider, key_type, purpose=Purpose.ENCRYPTION) as info,
            private_keys.generate(key_type) as ours,
            private_keys.shared_secret(key_type, ours, info.public_key) as expected,
        ):
            peer = private_keys.public_key_for(key_type, ours)
            for _ in range(2):
                with provider.derive(info.ref, peer) as shared:
                    expect(len(shared) == 32 and shared == expected, "the shared secrets differ")
            for other in KeyType:
                if other is not key_type:
                    with private_keys.generate(other) as secret:
                        foreign = private_keys.public_key_for(other, secret)
                    refuses(BridgeError, provider.derive, info.ref, foreign)
            if key_type is KeyType.X25519:
                refuses(BridgeError, provider.derive, info.ref, PublicKey(key_type, bytes(32)))
            with provider.derive(info.ref, peer) as shared:
                expect(shared == expected, "a refused peer spoilt the key")

    def test_signing_keys_do_not_derive(self, provider: ProviderBase, signing_type: KeyType) -> None:
        """A key that signs gives no shared secrets away."""
        if not isinstance(provider, Derives):
            return
        with self.key(provider, signing_type) as info, self.key(provider, signing_type, "peer") as peer:
            refuses(BridgeError, provider.derive, info.ref, peer.public_key)


def _expect_signs(provider: ProviderBase, info: KeyInfo, payload: bytes | None = None, *, times: int = 1) -> None:
    for _ in range(times):
        message = payload if payload is not None else os.urandom(32)
        signature = provider.sign(info.ref, message)
        expect(type(signature) is bytes and len(signature) == 64, "a signature is 64 bytes")
        if info.key_type is KeyType.ED25519:
            good = verify(info.public_key, message, signature)
        else:
            good = verify_digest(info.public_key, message, low_s(signature, info.key_type))
        expect(good, f"a {info.key_type} signature does not verify")


def _expect_protected(provider: ProviderBase, info: KeyInfo) -> None:
    if provider.hardware:
        expect(info.extractable is not True, "the private key can leave the hardware")
        expect(info.sensitive is not False, "the private key can be read in clear")


def _uris(provider: ProviderBase) -> list[str]:
    return [info.uri for info in provider.list_keys()]


@contextmanager
def _imported(
    provider: Imports, key_type: KeyType, label: str, drop: Callable[[Any, KeyInfo], None]
) -> Iterator[tuple[KeyInfo, SecretBytes]]:
    purpose = Purpose.ACCOUNT if key_type in SIGNING else Purpose.ENCRYPTION
    with private_keys.generate(key_type) as secret:
        info = provider.import_key(KeySpec(label, key_type, purpose), secret)
        try:
            expect(not secret.wiped, "the caller wipes the secret, not the provider")
            yield info, secret
        finally:
            drop(provider, info)
