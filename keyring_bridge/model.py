"""The values that travel through the bridge."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from cosmos_formats.quickclass import dataclass
from cosmos_formats.signing import SignMode
from keyring_bridge.errors import InvalidRequest

if TYPE_CHECKING:
    from cosmos_formats.pubkeys import KeyType, PublicKey
    from cosmos_formats.signing.textual import MetadataFor
    from cosmos_formats.signing.transaction import TxParts

MAX_REQUEST_ID = 128


class Purpose(StrEnum):
    """What a key is for. A key has one purpose, fixed when it is made, and signs nothing outside it."""

    ACCOUNT = "account"
    CONSENSUS = "consensus"
    ENCRYPTION = "encryption"
    AUDIT = "audit"


class Operation(StrEnum):
    """What a signature is asked for. Policy treats each on its own."""

    SIGN = "sign"
    """A transaction's sign bytes."""
    DIGEST = "digest"
    """32 bytes whose message nobody sees: blind signing."""
    ARBITRARY = "arbitrary"
    """Data that is no transaction, in the envelope of ADR-036."""


class Action(StrEnum):
    """What is done with a key besides signing, as policies name it."""

    GENERATE = "generate"
    IMPORT = "import"
    EXPORT_PUBLIC = "export_public"
    DELETE = "delete"
    RENAME = "rename"
    BACKUP = "backup"


@dataclass(frozen=True, slots=True)
class KeyRef:
    """Where a key is, and which key must be found there.

    Attributes:
        uri: The key's place, in its backend's URI scheme (RFC 7512 for ``pkcs11:``).
        public_key: The public key that the object there must have; a provider checks it before it signs.
    """

    uri: str
    public_key: PublicKey


@dataclass(frozen=True, slots=True)
class KeySpec:
    """A key to be generated or imported.

    Attributes:
        label: Human name in the token (its CKA_LABEL), the keyring name of the record.
        key_type: Curve.
        purpose: Fixed for the key's life.
        wrappable: Ask for the one exception to non-extractable keys (EXTRACTABLE with WRAP_WITH_TRUSTED).
        key_id: Identifier in the token that was reserved for it (:class:`keyring_bridge.providers.base.ReservesIds`);
            empty for any.
    """

    label: str
    key_type: KeyType
    purpose: Purpose = Purpose.ACCOUNT
    wrappable: bool = False
    key_id: bytes = b""


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A private key as its device gave it out: nothing but such a device can make a key of it again.

    Attributes:
        form: How it is wrapped: a name that the provider chose, such as ``aes-key-wrap-pad``.
        by: Name of the wrapping key; empty where the device has none that could be named.
        check: Tells the wrapping key from others of its name (CKA_CHECK_VALUE); empty if the device does not tell.
        data: The wrapped key.
    """

    form: str
    by: str
    check: bytes
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class WrappingKey:
    """A key that wraps others.

    Attributes:
        name: Its label.
        check: See :attr:`WrappedKey.check`.
    """

    name: str
    check: bytes


@dataclass(frozen=True, slots=True)
class Survey:
    """What a device tells about itself before keys are moved into it; None where it does not tell.

    Attributes:
        key_types: Curves that it signs with.
        free_bytes: Room for private objects.
    """

    key_types: frozenset[KeyType] | None = None
    free_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """One key as its provider sees it now. Attributes a backend cannot know are None.

    Attributes:
        label: Name in the token; several keys may share one.
        key_id: Identifier in the token (CKA_ID), raw bytes.
        public_key: Its public half.
        uri: Its place; never contains a secret.
        extractable: Whether the private half can leave the token in any form.
        sensitive: Whether the private half can be read in clear.
        local: True if it was generated in the token, False if imported.
        created_at: When it was made (UTC).
        purpose: What it is for, None if nobody recorded it.
        hardware: False for keys that a program holds in its own memory or in a file.
        algorithm: Type URL of what it is used as, where its place tells more than the curve (eth_secp256k1 keys).
    """

    label: str
    key_id: bytes
    public_key: PublicKey
    uri: str
    extractable: bool | None = None
    sensitive: bool | None = None
    local: bool | None = None
    created_at: datetime | None = None
    purpose: Purpose | None = None
    hardware: bool = True
    algorithm: str | None = None

    @property
    def key_type(self) -> KeyType:
        """Curve of the key."""
        return self.public_key.key_type

    @property
    def size(self) -> int:
        """Size of the key in bits."""
        return 256

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the public key's bytes, 64 lower-case hexadecimal digits."""
        return self.public_key.fingerprint

    @property
    def ref(self) -> KeyRef:
        """The reference that signs with this key."""
        return KeyRef(self.uri, self.public_key)


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A token in a slot, as PKCS#11 describes it (the same fields serve other hardware).

    Attributes:
        slot_index: Place in the list of slots that hold a token; -1 where there is no such list.
        slot_id: The module's own number for the slot; -1 where there is none.
        flags: Names of the flags that are set, such as ``user_pin_count_low``, lower case.
    """

    label: str
    serial: str
    manufacturer: str
    model: str
    slot_index: int = -1
    slot_id: int = -1
    firmware: str = ""
    hardware_version: str = ""
    flags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """What ``hsm status`` shows of one provider.

    Attributes:
        state: ``ready``, ``locked`` (no login), ``disconnected`` or ``failed``.
        pin: ``ok``, ``count_low``, ``final_try``, ``locked``, ``unknown`` or ``none``.
        sessions: Sessions open now.
        message: Why the state is not ready, or an empty text.
    """

    state: str
    hardware: bool
    token: TokenInfo | None = None
    pin: str = "unknown"
    sessions: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        name: Namespaced identity, ``uid:1000`` or ``spiffe://…``. Policy may use it.
        hints: What the audit log notes besides (pid, executable, client name). Never policy.
    """

    name: str
    hints: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SignRequest:
    """One request for a signature.

    Attributes:
        key: Name of the record.
        payload: The sign bytes, unhashed; for ``Operation.DIGEST`` 32 bytes, already hashed.
        mode: The declared sign mode; it picks the parser.
        operation: What kind of payload it is.
        transaction: Body and auth info of the transaction, which TEXTUAL sign bytes cannot be read without.
        metadata: Gives the bank's metadata of a denomination, in which TEXTUAL shows amounts. A wrong one cannot harm:
            the screens end with the hash of the transaction, and are rendered again from it.
        request_id: The caller's own id for the audit log, at most 128 characters.
        deadline: Moment of ``time.monotonic()`` after which the answer is of no use; None for the provider's own limit.
    """

    key: str
    payload: bytes = field(repr=False)
    mode: SignMode
    operation: Operation = Operation.SIGN
    transaction: TxParts | None = field(default=None, repr=False)
    metadata: MetadataFor | None = field(default=None, repr=False)
    request_id: str = ""
    deadline: float | None = None

    def __post_init__(self) -> None:
        if type(self.payload) is not bytes:
            raise InvalidRequest("the payload to sign must be bytes")
        if not isinstance(self.mode, SignMode):
            raise InvalidRequest("the sign mode must be a SignMode")
        if not isinstance(self.operation, Operation):
            raise InvalidRequest("the operation must be an Operation")
        if len(self.request_id) > MAX_REQUEST_ID:
            raise InvalidRequest(
                f"request id of {len(self.request_id)} characters; at most {MAX_REQUEST_ID} are allowed"
            )


@dataclass(frozen=True, slots=True)
class Proof:
    """What a key answered to a challenge, verified.

    Attributes:
        message: What it signed: the challenge's prefix and 32 bytes. Empty for encryption keys, which agree on a secret
            instead.
        signature: 64 bytes over it, r‖s with low s (of its SHA-256, or Keccak-256) or R‖S; empty likewise.
        correlation_id: Names the entries of the audit log.
    """

    message: bytes
    signature: bytes
    correlation_id: str


@dataclass(frozen=True, slots=True)
class SignResult:
    """A signature that was verified before it left.

    Attributes:
        signature: 64 bytes: r‖s with low s for ECDSA, R‖S for ed25519.
        public_key: The key it verifies with.
        correlation_id: Names the entries of the audit log.
    """

    signature: bytes
    public_key: PublicKey
    correlation_id: str
