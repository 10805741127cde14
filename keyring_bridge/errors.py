"""The one tree of errors.

Every class carries what the rims need, so that no rim keeps a table of its own:

* ``code``: a stable string; clients and scripts match on it.
* ``rpc_code``: the JSON-RPC error number.
* ``exit_code``: what the command line ends with (see :class:`Exit`).
* ``retryable``: whether the same request may succeed later without anybody changing anything.
* ``hint``: what the reader can do about it, or None.

The message of an error (``str(error)``) may be shown to a client. What must stay inside (labels, slots, paths,
return codes of a token) goes into ``detail``, which only the audit log and the operator's terminal see.
Only the command line turns errors into an exit status.
"""

from __future__ import annotations

from typing import ClassVar

from keyring_bridge.exit_codes import Exit as Exit


class BridgeError(Exception):
    """Base of every error the bridge raises on purpose.

    Args:
        message: One sentence for the reader; must not contain a secret or the token's inner state.
        hint: What to do about it; overrides the class's own.
        detail: For the audit log and the operator only.
    """

    code: ClassVar[str] = "internal_error"
    rpc_code: ClassVar[int] = -32603
    exit_code: ClassVar[Exit] = Exit.INTERNAL
    retryable: ClassVar[bool] = False
    default_hint: ClassVar[str | None] = None

    def __init__(self, message: str, *, hint: str | None = None, detail: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint if hint is not None else self.default_hint
        self.detail = detail
        self.correlation_id: str | None = None
        """Names the entries of the audit log that tell more; set where an operation was audited."""


# --- what the caller asked for -------------------------------------------------------------------------------


class InvalidRequest(BridgeError):
    """A request whose arguments have a wrong type, length or value."""

    code = "invalid_request"
    rpc_code = -32602
    exit_code = Exit.USAGE


class InvalidName(InvalidRequest):
    """A key name that is empty, too long, or has characters that cannot be shown."""

    code = "invalid_name"


class InvalidAddress(InvalidRequest):
    """Not a bech32 address, or one of another prefix."""

    code = "invalid_address"


class InvalidUri(InvalidRequest):
    """Not a URI of a key, or one that says more than where the key is."""

    code = "invalid_uri"


class InvalidKey(InvalidRequest):
    """Key material of a wrong length, off its curve, or out of range."""

    code = "invalid_key"


class InvalidMnemonic(InvalidRequest):
    """Words that are not a mnemonic. No message or hint ever holds a word."""

    code = "invalid_mnemonic"


class InvalidPath(InvalidRequest):
    """A derivation path that cannot be read, or that needs a flag."""

    code = "invalid_path"


class InvalidArmor(InvalidRequest):
    """Text that is not an armored key of a known kind and version."""

    code = "invalid_armor"


class InvalidSignDoc(InvalidRequest):
    """Sign bytes that are not a complete, unambiguous document of the declared mode."""

    code = "sign_doc_invalid"
    rpc_code = -32010


class UnsupportedAlgorithm(InvalidRequest):
    """A signing algorithm that the keyring or the provider does not have."""

    code = "unsupported_algorithm"

    def __init__(self, message: str = "unsupported signing algo", **kwargs: str | None) -> None:
        super().__init__(message, **kwargs)


class NotAvailable(BridgeError):
    """A part of the keyring interface that this key or this release cannot serve; the message names what is missing."""

    code = "not_available"
    rpc_code = -32011
    exit_code = Exit.USAGE


# --- configuration -------------------------------------------------------------------------------------------


class ConfigError(BridgeError):
    """A configuration that cannot be used; the message names file, path and nearest valid key."""

    code = "config_invalid"
    rpc_code = -32020
    exit_code = Exit.CONFIG


class ConfigMissing(ConfigError):
    """There is no configuration file."""

    code = "config_missing"
    default_hint = "run `hsm init` first"


class ConfigExists(ConfigError):
    """A configuration that would have been overwritten."""

    code = "config_exists"
    exit_code = Exit.CONFLICT


class InsecureFile(ConfigError):
    """A secret, library or plugin that others can read or write."""

    code = "insecure_file"


class PolicyInvalid(ConfigError):
    """A policy file that does not parse; nothing is signed until it does."""

    code = "policy_invalid"


class BackendUnknown(ConfigError):
    """A backend name that no row of the table has."""

    code = "backend_unknown"


class ExtraMissing(ConfigError):
    """A backend or wallet whose optional dependency is not installed; the hint is the ``pip install`` line."""

    code = "extra_missing"
    exit_code = Exit.MISSING_EXTRA

    @classmethod
    def for_extra(cls, extra: str, what: str) -> ExtraMissing:
        """Build the error for ``what``, which needs the extra named ``extra``."""
        return cls(f"{what} needs an optional dependency", hint=f"pip install 'keyring-bridge[{extra}]'")


# --- keyring -------------------------------------------------------------------------------------------------


class KeyringError(BridgeError):
    """A keyring operation that its semantics refuse."""

    code = "keyring_error"
    rpc_code = -32030
    exit_code = Exit.CONFLICT


class KeyNotFound(KeyringError):
    """No record of that name or address. The text is the SDK's, because chain tools match on it."""

    code = "key_not_found"
    rpc_code = -32031
    exit_code = Exit.NOT_FOUND


class KeyExists(KeyringError):
    """The name is taken."""

    code = "key_exists"
    rpc_code = -32032


class DuplicateAddress(KeyringError):
    """Another record has the same address."""

    code = "duplicate_address"
    rpc_code = -32033


class CannotSign(KeyringError):
    """A record without a private key behind it (offline, multisig), or a key whose purpose forbids this signature."""

    code = "cannot_sign"
    rpc_code = -32034


class ExportRefused(KeyringError):
    """Private key material that must not or cannot leave its place."""

    code = "export_refused"
    rpc_code = -32035
    default_hint = "keys in a token are not extractable; see docs/keyring-semantics.md"


# --- the guard -----------------------------------------------------------------------------------------------


class PolicyDenied(BridgeError):
    """The policy does not allow this signature; the message names the rule and its reason."""

    code = "policy_denied"
    rpc_code = -32040
    exit_code = Exit.DENIED


class NoPolicy(PolicyDenied):
    """The key has no policy, so it signs nothing."""

    code = "no_policy"


class LimitReached(BridgeError):
    """A limit of the policy is reached; the message says when the next signature is possible."""

    code = "limit_reached"
    rpc_code = -32044
    exit_code = Exit.DENIED
    retryable = True


class SignatureRejected(BridgeError):
    """The token answered something that is not a signature of this key over this payload; nothing was released."""

    code = "signature_rejected"
    rpc_code = -32041
    exit_code = Exit.INTEGRITY


class NonceReuse(SignatureRejected):
    """The token reused a nonce over another digest. Releasing the signature would give the private key away."""

    code = "nonce_reuse"
    default_hint = "take this token out of service: its random numbers repeat"


class ChainDamaged(BridgeError):
    """The stored description of a chain is not the one that was accepted. Nothing of that chain is signed."""

    code = "chain_damaged"
    rpc_code = -32082
    exit_code = Exit.INTEGRITY
    default_hint = "find out who changed it, then `hsm chain remove` and `hsm chain add` it again"


class AuditFailed(BridgeError):
    """The audit log could not be written or synced. Nothing is signed until a restart with a log that can be."""

    code = "audit_failed"
    rpc_code = -32042
    exit_code = Exit.INTEGRITY


class AuditCorrupt(AuditFailed):
    """The audit log does not verify."""

    code = "audit_corrupt"


class StoreFailed(BridgeError):
    """The store of records could not be read or written."""

    code = "store_failed"
    rpc_code = -32043
    exit_code = Exit.INTEGRITY


# --- secrets and login ---------------------------------------------------------------------------------------


class AuthError(BridgeError):
    """A login that did not happen."""

    code = "auth_failed"
    rpc_code = -32050
    exit_code = Exit.AUTH


class PinRequired(AuthError):
    """No source gave a PIN, and nobody can be asked."""

    code = "pin_required"
    default_hint = "name a pin_source in the configuration, or run from a terminal"


class PinIncorrect(AuthError):
    """The token refused the PIN. It was sent once and will not be sent again by itself."""

    code = "pin_incorrect"
    default_hint = "correct the PIN source, then run `hsm unlock`; until then no login is attempted"


class PinBlocked(AuthError):
    """An earlier login failed and nobody cleared it; nothing was sent to the token."""

    code = "pin_blocked"
    default_hint = "correct the PIN source, then run `hsm unlock`"


class PinLocked(AuthError):
    """The token has locked the PIN."""

    code = "pin_locked"
    default_hint = "the token's security officer must set a new PIN"


class PassphraseIncorrect(AuthError):
    """A passphrase that does not open what it is said to open."""

    code = "passphrase_incorrect"


# --- providers -----------------------------------------------------------------------------------------------


class ProviderError(BridgeError):
    """A hardware module or its library failed."""

    code = "provider_failed"
    rpc_code = -32060
    exit_code = Exit.PROVIDER


class LibraryMissing(ProviderError):
    """The configured PKCS#11 library does not exist."""

    code = "library_missing"
    exit_code = Exit.CONFIG
    default_hint = "name the vendor's PKCS#11 module: `library` in the configuration, --library of `hsm init`"


class LibraryInvalid(ProviderError):
    """The configured file is not a PKCS#11 library, or it cannot be initialised."""

    code = "library_invalid"
    exit_code = Exit.CONFIG
    default_hint = LibraryMissing.default_hint


class TokenNotFound(ProviderError):
    """No token matches the configuration."""

    code = "token_not_found"
    exit_code = Exit.NOT_FOUND


class TokenAmbiguous(ProviderError):
    """Several tokens match; the bridge never guesses."""

    code = "token_ambiguous"
    exit_code = Exit.CONFIG


class TokenFull(ProviderError):
    """The token has no room for another key."""

    code = "token_full"
    default_hint = "make room with `hsm keys delete NAME --destroy`, or use another token"


class KeyFileDamaged(ProviderError):
    """The software provider's key file is cut off, was edited, or is of a later version."""

    code = "key_file_damaged"
    exit_code = Exit.INTEGRITY
    default_hint = "restore the key file from a backup"


class KeyringDamaged(ProviderError):
    """A file of an SDK keyring directory is cut off, was edited or moved, or is of a form that no SDK writes."""

    code = "keyring_damaged"
    exit_code = Exit.INTEGRITY
    default_hint = "restore the file from a backup of the keyring"


class TokenRemoved(ProviderError):
    """The token went away, or came back and has to be opened again."""

    code = "token_removed"
    exit_code = Exit.UNAVAILABLE
    retryable = True
    default_hint = "plug the token in, then repeat the request"


class SessionLost(ProviderError):
    """The session ended under the operation. It was not repeated; a next request opens a new one."""

    code = "session_lost"
    exit_code = Exit.UNAVAILABLE
    retryable = True
    default_hint = "repeat the request: it gets a new session"


class ObjectNotFound(ProviderError):
    """The key that a record points at is not in its token."""

    code = "object_not_found"
    exit_code = Exit.NOT_FOUND


class KeyAmbiguous(ProviderError):
    """Several objects in the token match one key; the bridge never guesses."""

    code = "key_ambiguous"


class KeyMismatch(ProviderError):
    """The object in the token has another public key than the record."""

    code = "key_mismatch"
    exit_code = Exit.INTEGRITY


class AttributeNotHonoured(ProviderError):
    """The token did not keep an attribute that was asked for (such as EXTRACTABLE=false); the key was removed again."""

    code = "attribute_not_honoured"
    exit_code = Exit.INTEGRITY


class MechanismUnsupported(ProviderError):
    """The token has no mechanism for this key type or operation."""

    code = "mechanism_unsupported"


class CapabilityMissing(ProviderError):
    """The backend cannot do this at all (see ``hsm backends``)."""

    code = "capability_missing"


# --- time and load -------------------------------------------------------------------------------------------


class DeadlineExceeded(BridgeError):
    """The deadline passed. If the token had been asked already, the audit log has the outcome as unknown."""

    code = "deadline_exceeded"
    rpc_code = -32070
    exit_code = Exit.UNAVAILABLE
    retryable = True


class Cancelled(BridgeError):
    """The caller withdrew the request."""

    code = "cancelled"
    rpc_code = -32071
    exit_code = Exit.UNAVAILABLE


class Overloaded(BridgeError):
    """Too many requests are under way."""

    code = "overloaded"
    rpc_code = -32072
    exit_code = Exit.UNAVAILABLE
    retryable = True


class PeerFailed(BridgeError):
    """The plugin process or the agent on the other side failed, or broke the protocol."""

    code = "peer_failed"
    rpc_code = -32073
    exit_code = Exit.UNAVAILABLE
    retryable = True
