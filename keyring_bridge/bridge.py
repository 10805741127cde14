"""The signing pipeline: the one way a signature is made.

Every signature of the project, whoever asks for it, passes these steps in this order::

    1 resolve    name -> record -> provider
    2 read       payload -> what it says, and whether it is this key's to sign
    3 decide     the policy's decision, and what its limits reserve
    4 intend     one durable audit entry, before the device is touched
    5 sign       the provider, once
    6 check      64 bytes, low s, verified with the record's key, nonce not seen before
    7 conclude   the outcome, also of denials and failures

:class:`Bridge` is the only caller of a provider's ``sign`` (a test holds this). An intent without an outcome counts
as signed. Everything here is synchronous and may be called from several threads.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, NoReturn

from cosmos_formats.errors import FormatError
from cosmos_formats.pubkeys import PublicKey
from cosmos_formats.signature import low_s
from cosmos_formats.verify import verify, verify_digest
from keyring_bridge.errors import (
    BridgeError,
    CannotSign,
    DeadlineExceeded,
    InvalidRequest,
    KeyNotFound,
    NonceReuse,
    SignatureRejected,
)
from keyring_bridge.guard import PolicyGuard, action_of
from keyring_bridge.limits import NOT_SIGNED, NOTHING, Limits, Reserved
from keyring_bridge.model import Action, Caller, KeyRef, Proof, Purpose, SignRequest, SignResult
from keyring_bridge.names import ITEM_SUFFIX, lookup_name
from keyring_bridge.reading import RequestReader
from keyring_bridge.signing_key import SigningKey
from keyring_bridge.watchdog import Watchdog

if TYPE_CHECKING:
    from keyring_bridge.audit import AuditLog, AuditToken
    from keyring_bridge.config import Config
    from keyring_bridge.device import Device
    from keyring_bridge.manager import ProviderManager
    from keyring_bridge.model import ProviderStatus
    from keyring_bridge.policy import Policy
    from keyring_bridge.secrets import SecretBytes
    from keyring_bridge.store.base import Store, StoredRecord

CHALLENGE_PREFIX = b"\xffkeyring-bridge challenge v1\x00"
"""First bytes of every challenge. No sign document starts so: protobuf documents start with a field tag (0xff is none
that exists), amino JSON with ``{``, TEXTUAL with a CBOR map (0xa1), and a consensus sign message of the length that
``ff 6b`` would announce has 0x08 as its third byte."""

CHALLENGE_BYTES = 32


class Bridge:
    """Keys in devices, and everything that guards them.

    Build one with :meth:`open`; it is a context manager.

    Attributes:
        config: The configuration it was opened with.
        store: Records and counters.
        audit: The audit log.
    """

    def __init__(self, config: Config, store: Store, audit: AuditLog, providers: ProviderManager) -> None:
        self.config = config
        self.store = store
        self.audit = audit
        self._providers = providers
        self._guard = PolicyGuard(config.policy_path, config.state_dir, store, audit)
        self._limits = Limits(store, config.audit_path)
        self._watchdog = Watchdog()
        self._reader = RequestReader(store, config.state_dir)
        self._resolved: dict[str, tuple[StoredRecord, SigningKey]] = {}

    @classmethod
    def open(cls, config: Config, *, prompt: Callable[[str], SecretBytes] | None = None) -> Bridge:
        """Open the store and the audit log of a configuration; devices are opened when they are needed.

        Args:
            config: See :func:`keyring_bridge.config.load`.
            prompt: Asks a person for a PIN. None: a PIN comes from its configured source or not at all.

        Raises:
            StoreFailed: The store is damaged or of a newer version.
            AuditFailed: The audit log cannot be continued.
        """
        from keyring_bridge.audit import AuditLog
        from keyring_bridge.bridge_id import bridge_id
        from keyring_bridge.config import private_dir
        from keyring_bridge.login_guard import LoginGuard
        from keyring_bridge.manager import ProviderManager
        from keyring_bridge.store.sqlite import SqliteStore

        private_dir(config.state_dir)
        store = SqliteStore(config.state_dir / "store.sqlite")
        try:
            audit = AuditLog(config.audit_path, bridge_id=bridge_id(config.state_dir))
        except BaseException:
            store.close()
            raise
        guard = LoginGuard(config.state_dir / "logins")
        return cls(config, store, audit, ProviderManager(config, guard, prompt))

    def close(self) -> None:
        """Log out of every device, write what is left of the audit log, close the store. May be called twice."""
        self._watchdog.close()
        self._providers.close()
        self.audit.close()
        self.store.close()

    def __enter__(self) -> Bridge:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- the pipeline --------------------------------------------------------------------------------------------

    def sign(self, request: SignRequest, caller: Caller) -> SignResult:
        """Sign, if the policy allows it.

        Args:
            request: What to sign and with which key.
            caller: Who asks.

        Returns:
            The verified signature.

        Raises:
            KeyNotFound: No record of that name.
            CannotSign: The record has no private key behind it, or its purpose is another.
            InvalidSignDoc: The payload is not a complete document of the declared mode, or not one for this key.
            PolicyDenied: No rule allows it; nothing reached the device.
            LimitReached: A limit allows it later; nothing reached the device.
            AuditFailed: The intent could not be written; nothing reached the device.
            ProviderError: The device failed.
            SignatureRejected: What the device answered is not a good signature; it was discarded.
            DeadlineExceeded: The deadline passed. If the device had been asked, the audit log says ``unknown``.
        """
        started = time.perf_counter_ns()
        correlation = os.urandom(8).hex()
        try:
            key = self._resolve(request.key)
            key.require_current()
            message_digest, view = self._reader.read(key.public_key, key.purpose, request)
            decision, policy = self._guard.decide(key, request, view, caller)
            reserved = self._limits.reserve(policy.keys[key.name], view, caller)
        except Exception as error:
            self._refused(correlation, request, caller, error)
        intent = {
            "op": request.operation,
            "key": key.name,
            "fingerprint": key.fingerprint,
            "caller": caller.name,
            "mode": request.mode.name,
            "sha256": message_digest.hex(),
            "size": len(request.payload),
            "view": view.summary(),
            "rule": decision.rule,
            "policy": policy.digest,
        }
        if reserved.spend is not None:
            intent["spend"] = reserved.spend
        if request.request_id:
            intent["request"] = request.request_id
        if caller.hints:
            intent["hints"] = dict(caller.hints)
        token = self._intend("sign.intent", correlation, intent, reserved)
        payload = message_digest if key.hashes else request.payload
        deadline = request.deadline
        if deadline is None:
            deadline = time.monotonic() + self.config.rpc.deadline_seconds
        signature = self._execute(key, payload, message_digest, token, correlation, deadline, started, reserved)
        return SignResult(signature, key.public_key, correlation)

    def prove(self, provider_name: str, ref: KeyRef, purpose: Purpose, statement: bytes | None = None) -> Proof:
        """Let a key show that it is there: it signs a challenge, which is verified with its public key.

        Keys that are for encryption compute a shared secret with a fresh key instead.

        Args:
            provider_name: The provider that holds it.
            ref: The key; need not have a record yet.
            purpose: What it is for.
            statement: 32 bytes for the challenge to end with, such as the hash of a report that the key is to vouch
                for; random ones if None.

        Returns:
            The challenge and its signature.

        Raises:
            InvalidRequest: The statement is not of 32 bytes.
            SignatureRejected: The proof failed.
            ProviderError: The device failed, or cannot do what the key is for.
        """
        started = time.perf_counter_ns()
        correlation = os.urandom(8).hex()
        key = SigningKey.of("", ref, self._providers.get(provider_name), purpose)
        if statement is not None and len(statement) != CHALLENGE_BYTES:
            raise InvalidRequest(f"statement of {len(statement)} bytes, expected {CHALLENGE_BYTES}")
        message = CHALLENGE_PREFIX + (os.urandom(CHALLENGE_BYTES) if statement is None else statement)
        digest = sha256(message).digest()
        token = self._intend(
            "challenge.intent",
            correlation,
            {"fingerprint": key.fingerprint, "provider": provider_name, "sha256": digest.hex()},
        )
        deadline = time.monotonic() + self.config.rpc.deadline_seconds
        if purpose is Purpose.ENCRYPTION:
            self._prove_by_agreement(key, token, correlation)
            return Proof(b"", b"", correlation)
        payload = digest if key.hashes else message
        signature = self._execute(key, payload, digest, token, correlation, deadline, started)
        return Proof(message, signature, correlation)

    def _resolve(self, name: str) -> SigningKey:
        record = self.store.get(lookup_name(name))
        if record is None:
            raise KeyNotFound(f"{lookup_name(name)[:256]}{ITEM_SUFFIX}: key not found")
        # The store answers with the same object as long as the record is the same.
        resolved = self._resolved.get(name)
        if resolved is None or resolved[0] is not record:
            resolved = self._resolved[name] = (record, self._signing_key(record))
        return resolved[1]

    def _signing_key(self, record: StoredRecord) -> SigningKey:
        public_key = record.record.public_key
        if record.provider is None or record.uri is None or not isinstance(public_key, PublicKey):
            # The SDK's text; it says "offline" for multisig records too.
            raise CannotSign("cannot sign with offline keys")
        ref = KeyRef(record.uri, public_key.plain)
        provider = self._providers.get(record.provider)
        return SigningKey.of(record.name, ref, provider, record.purpose, public_key, record.verify_only_from)

    def _execute(
        self,
        key: SigningKey,
        payload: bytes,
        digest: bytes,
        token: AuditToken,
        correlation: str,
        deadline: float,
        started: int,
        reserved: Reserved = NOTHING,
    ) -> bytes:
        """Steps 5 to 7. The only place that calls a provider's ``sign``."""
        asked = 0
        if time.monotonic() >= deadline:
            self.audit.conclude(token, {"result": "failed", "code": DeadlineExceeded.code})
            self._limits.give_back(reserved)
            raise _tag(DeadlineExceeded("the deadline passed before the device was asked"), correlation)
        watch = self._watchdog.begin(
            deadline, lambda: self.audit.conclude(token, {"result": "unknown", "code": DeadlineExceeded.code})
        )
        try:
            asked = time.perf_counter_ns()
            raw = key.provider.sign(key.ref, payload, deadline=deadline)
            answered = time.perf_counter_ns()
        except BridgeError as error:
            if self._watchdog.end(watch):
                result = "unknown" if isinstance(error, DeadlineExceeded) else "failed"
                self.audit.conclude(token, {"result": result, **_error_fields(error)})
                if result in NOT_SIGNED:
                    self._limits.give_back(reserved)
            _tag(error, correlation)
            raise
        except BaseException:
            if self._watchdog.end(watch):
                self.audit.conclude(token, {"result": "unknown"})
            raise
        if not self._watchdog.end(watch):
            raise _tag(
                DeadlineExceeded("the device answered after the deadline; the signature was discarded"),
                correlation,
            )
        try:
            signature = self._check(key, payload, digest, raw)
        except BridgeError as error:
            self.audit.conclude(token, {"result": "rejected", **_error_fields(error)})
            self._limits.give_back(reserved)
            _tag(error, correlation)
            raise
        self.audit.conclude(
            token,
            {
                "result": "signed",
                "device_us": (answered - asked) // 1000,
                "total_us": (time.perf_counter_ns() - started) // 1000,
            },
        )
        return signature

    def _check(self, key: SigningKey, payload: bytes, digest: bytes, raw: bytes) -> bytes:
        """Return the normalised signature if it is one of this key over this payload, made with a fresh nonce."""
        if len(raw) != 64:
            raise SignatureRejected("the device answered something that is not a signature", detail=f"{len(raw)} bytes")
        try:
            signature = low_s(raw, key.public_key.key_type) if key.hashes else raw
            good = (verify_digest if key.hashes else verify)(key.public_key, payload, signature)
        except FormatError as error:
            raise SignatureRejected(
                "the device answered something that is not a signature", detail=str(error)
            ) from error
        if not good:
            raise SignatureRejected("the device's signature does not verify with the key; it was discarded")
        if not self.store.note_nonce(key.fingerprint, signature[:32], digest):
            raise NonceReuse("the device used a nonce twice over different messages; the signature was discarded")
        return signature

    def _prove_by_agreement(self, key: SigningKey, token: AuditToken, correlation: str) -> None:
        from keyring_bridge.agreement import prove_agreement

        try:
            prove_agreement(key.provider, key.ref)
        except BridgeError as error:
            self.audit.conclude(token, {"result": "failed", **_error_fields(error)})
            _tag(error, correlation)
            raise
        self.audit.conclude(token, {"result": "signed"})

    # --- what else is done to keys -------------------------------------------------------------------------------

    @contextmanager
    def administer(self, kind: str, caller: Caller, fields: Mapping[str, object]) -> Iterator[dict[str, object]]:
        """Audit an operation on keys that the policy allows: a durable intent before the body, its outcome after it.

        Args:
            kind: Such as ``key.generate``; decides what the policy is asked (:data:`keyring_bridge.guard.ACTIONS`).
            caller: Who asks.
            fields: What the intent says besides; no secrets.

        Yields:
            A dictionary that the body may fill for the outcome.

        Raises:
            PolicyDenied: The policy does not let the caller do this.
        """
        correlation = os.urandom(8).hex()
        action = action_of(kind)
        if action is not None:
            self._require(action, str(fields.get("key", "")), caller, correlation, f"{kind}.refused")
        token = self._intend(f"{kind}.intent", correlation, {"caller": caller.name, **fields})
        outcome: dict[str, object] = {}
        try:
            yield outcome
        except BridgeError as error:
            self.audit.conclude(token, {"result": "failed", **outcome, **_error_fields(error)})
            _tag(error, correlation)
            raise
        except BaseException:
            self.audit.conclude(token, {"result": "unknown", **outcome})
            raise
        self.audit.conclude(token, {"result": "done", **outcome})

    # --- devices, without a way to sign ---------------------------------------------------------------------------

    @property
    def provider_names(self) -> tuple[str, ...]:
        """Names of the configured providers, the default one first."""
        return self._providers.names

    def provider_status(self, name: str) -> ProviderStatus:
        """Return the state of a provider, without logging in; its errors become the state ``failed``."""
        return self._providers.status(name)

    def device(self, name: str) -> Device:
        """Return what manages the keys of the provider called ``name`` (ConfigError if there is none)."""
        from keyring_bridge.device import Device

        return Device(name, self._providers.get(name))

    def log_in(self, name: str, *, forget_failure: bool) -> None:
        """Log in anew (see :meth:`keyring_bridge.token_keys.TokenKeys.unlock`, which audits it)."""
        self._providers.unlock(name, forget_failure=forget_failure)

    def log_out(self) -> None:
        """Log out of every device; whatever needs one next logs in anew. Operations under way are let finish."""
        self._providers.log_out()

    def check_login(self, name: str) -> None:
        """Raise PinBlocked if the provider called ``name`` would not log in because an earlier login failed."""
        self._providers.check_login(name)

    @property
    def policy(self) -> Policy:
        """The policy as it stands in its file now.

        Raises:
            PolicyInvalid: It does not parse; nothing is signed until it does.
        """
        return self._guard.current()

    def require(self, action: Action, key: str, caller: Caller) -> None:
        """Check that the policy lets a caller do something with a key that :meth:`administer` does not audit.

        Raises:
            PolicyDenied: It does not; the audit log says so.
        """
        self._require(action, key, caller, os.urandom(8).hex(), f"key.{action}.refused")

    def _require(self, action: Action, key: str, caller: Caller, correlation: str, kind: str) -> None:
        try:
            self._guard.require(action, key, caller)
        except BridgeError as error:
            fields = {"key": key[:256], "caller": caller.name, **_error_fields(error)}
            self.audit.note(kind, correlation, fields, durable=False)
            raise _tag(error, correlation) from error.__cause__

    def _intend(
        self, kind: str, correlation: str, fields: Mapping[str, object], reserved: Reserved = NOTHING
    ) -> AuditToken:
        try:
            return self.audit.intend(kind, correlation, fields)
        except BridgeError as error:
            self._limits.give_back(reserved)
            _tag(error, correlation)
            raise

    def _refused(self, correlation: str, request: SignRequest, caller: Caller, error: Exception) -> NoReturn:
        """Write down a request that never reached a device, and raise its error."""
        known = error if isinstance(error, BridgeError) else _internal(error)
        self.audit.note(
            "sign.refused",
            correlation,
            {
                "op": request.operation,
                "key": request.key[:256],
                "caller": caller.name,
                "mode": request.mode.name,
                "sha256": sha256(request.payload).hexdigest(),
                "size": len(request.payload),
                **_error_fields(known),
            },
            durable=False,
        )
        raise _tag(known, correlation) from (error if known is not error else error.__cause__)


def _internal(error: Exception) -> BridgeError:
    """Return what a client may know of a fault in the bridge itself."""
    return BridgeError("an internal error; nothing was signed", detail=f"{type(error).__name__}: {error}")


def _tag(error: BridgeError, correlation: str) -> BridgeError:
    """Give an error the id of its audit entries, unless an inner operation gave it one."""
    if error.correlation_id is None:
        error.correlation_id = correlation
    return error


def _error_fields(error: BridgeError) -> dict[str, object]:
    fields: dict[str, object] = {"code": error.code, "message": error.message[:500]}
    if error.detail:
        fields["detail"] = error.detail[:500]
    return fields
