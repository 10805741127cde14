"""A wallet for VirtEngine's own Python SDK whose key stays with the bridge.

::

    with KeyringClient.spawn(["keyring-plugin"]) as client:
        wallet = BridgeWallet(client, "ops")
        signature = wallet.sign(sign_doc_bytes)

The SDK takes whatever has ``address``, ``public_key`` and ``sign``, so nothing of it is imported. Nor is cosmpy: both
bring a top-level package ``cosmos`` of generated code, and a process that loads the one cannot load the other. The
wallet for cosmpy is :mod:`keyring_plugin.cosmpy_wallet`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosmos_formats.signing import SignMode
from keyring_bridge.errors import ConfigError, InvalidKey

if TYPE_CHECKING:
    from keyring_plugin.client import KeyringClient

__all__ = ["BridgeWallet"]


class BridgeWallet:
    """A key of the bridge, as VirtEngine's SDK uses it.

    Args:
        client: The bridge; it stays the caller's.
        key: Name of the key.
        prefix: Prefix of the address; the one in the bridge's configuration if None.
        mode: What :meth:`sign` is given: the bytes of a ``SignDoc``, or of an amino JSON document. The policy of the
            key must allow it.

    Raises:
        KeyNotFound: There is no such key.
        InvalidKey: It is not secp256k1, the only curve that the SDK knows.
        ConfigError: No prefix was given and the bridge has no configuration; or the prefix is none.
    """

    def __init__(
        self, client: KeyringClient, key: str, prefix: str | None = None, *, mode: SignMode = SignMode.DIRECT
    ) -> None:
        from cosmos_formats import address
        from cosmos_formats.errors import FormatError
        from cosmos_formats.pubkeys import KeyType, PublicKey

        entry = client.key(key)
        if not isinstance(entry.public_key, PublicKey) or entry.key_type is not KeyType.SECP256K1:
            raise InvalidKey(f"{entry.key_type or entry.kind} key; VirtEngine's SDK signs with secp256k1 keys only")
        if prefix is None:
            prefix = client.handshake()["prefix"]
            if not isinstance(prefix, str):
                raise ConfigError("the bridge has no address prefix configured", hint="give the wallet a prefix")
        try:
            self._address = address.encode(prefix, entry.public_key.address)
        except FormatError as error:
            raise ConfigError(f"no address prefix: {error}") from error
        self._public_key = entry.public_key.data
        self._client = client
        self._key = key
        self._mode = mode

    @property
    def address(self) -> str:
        """The bech32 address."""
        return self._address

    @property
    def public_key(self) -> bytes:
        """The compressed public key, 33 bytes."""
        return self._public_key

    def sign(self, message: bytes) -> bytes:
        """Sign a transaction.

        Args:
            message: The sign bytes, unhashed: the policy sees the transaction that is signed.

        Returns:
            64 bytes, r‖s, low s.

        Raises:
            BridgeError: What the bridge refuses or fails with.
        """
        return self._client.sign(self._key, bytes(message), self._mode).signature

    def __repr__(self) -> str:
        return f"BridgeWallet({self._key!r}, {self._address!r})"
