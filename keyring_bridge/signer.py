"""A signer bound to one key, for Python programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosmos_formats import address
from cosmos_formats.pubkeys import PublicKey
from cosmos_formats.signing import SignMode
from keyring_bridge.errors import CannotSign

if TYPE_CHECKING:
    from keyring_bridge.keyring import Keyring
    from keyring_bridge.model import SignResult


class Signer:
    """One key of a keyring, looked up once.

    Signing goes the way of every signature: policy, audit, verification. A signer stays bound to the public key that
    its name had when it was made: if the name means another key later, it signs nothing.

    Args:
        keyring: The keyring; its caller is the signer's.
        name: Name of a record with a private key behind it.

    Raises:
        KeyNotFound: There is no such record.
        CannotSign: The record has no private key behind it.

    Example::

        with Bridge.open(load()) as bridge:
            signer = Signer(Keyring(bridge, Caller("uid:1000")), "validator")
            signature = signer.sign(sign_doc_bytes)
    """

    __slots__ = ("_keyring", "_name", "_public_key")

    def __init__(self, keyring: Keyring, name: str) -> None:
        record = keyring.key(name)
        public_key = record.record.public_key
        if record.uri is None or not isinstance(public_key, PublicKey):
            raise CannotSign("cannot sign with offline keys")
        self._keyring = keyring
        self._name = record.name
        self._public_key = public_key

    @property
    def name(self) -> str:
        """Name of the record."""
        return self._name

    @property
    def public_key(self) -> PublicKey:
        """The key that signatures verify with."""
        return self._public_key

    def address(self, prefix: str) -> str:
        """Return the key's bech32 address under a human-readable prefix, such as ``ve``."""
        return address.encode(prefix, self._public_key.address)

    def sign(self, sign_bytes: bytes, mode: SignMode = SignMode.DIRECT, *, deadline: float | None = None) -> bytes:
        """Sign the sign bytes of a transaction (see :meth:`keyring_bridge.bridge.Bridge.sign`).

        Args:
            sign_bytes: The document, unhashed.
            mode: Its sign mode.
            deadline: Moment of ``time.monotonic()``.

        Returns:
            64 bytes, r‖s with low s (ECDSA) or R‖S (ed25519).

        Raises:
            BridgeError: As :meth:`keyring_bridge.bridge.Bridge.sign`.
            CannotSign: The name means another key now.
        """
        return self._checked(self._keyring.sign(self._name, sign_bytes, mode, deadline=deadline))

    def sign_digest(self, digest: bytes, *, deadline: float | None = None) -> bytes:
        """Sign 32 bytes whose message nobody sees: refused unless the policy names ``unsafe_blind_signing``."""
        return self._checked(self._keyring.sign_digest(self._name, digest, deadline=deadline))

    def _checked(self, result: SignResult) -> bytes:
        if result.public_key != self._public_key:
            raise CannotSign("the name means another key than when this signer was made")
        return result.signature

    def __repr__(self) -> str:
        return f"Signer({self._name!r}, {self._public_key.key_type}:{self._public_key.data.hex()})"
