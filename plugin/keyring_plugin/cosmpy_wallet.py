"""A cosmpy wallet whose key stays with the bridge.

::

    with KeyringClient.spawn(["keyring-plugin"]) as client:
        wallet = BridgeWallet(client, "ops")
        tx.seal(SigningCfg.direct(wallet.public_key(), sequence), fee=TxFee(amount="5000uve", gas_limit=200_000))
        tx.sign(wallet.signer(), chain_id, account_number)

cosmpy is an optional dependency. It is loaded when :class:`BridgeWallet` or :class:`BridgeSigner` is first asked for
(``from keyring_plugin.cosmpy_wallet import BridgeWallet`` does); without it that raises
:class:`~keyring_bridge.errors.ExtraMissing`, whose hint is the line to install it.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from keyring_bridge.errors import ConfigError, ExtraMissing, InvalidKey

if TYPE_CHECKING:
    from keyring_plugin.client import KeyringClient

__all__ = ["BridgeSigner", "BridgeWallet"]


class _Signing:
    """What a cosmpy ``Signer`` does.

    Args:
        client: The bridge.
        uid: Name of the key.
    """

    def __init__(self, client: KeyringClient, uid: str) -> None:
        self._client = client
        self._uid = uid

    def sign(self, message: bytes, deterministic: bool = False, canonicalise: bool = True) -> bytes:
        """Sign a transaction.

        Args:
            message: The bytes of a ``SignDoc`` (sign mode DIRECT): the policy sees the transaction that is signed.
            deterministic: Not promised: the token chooses its nonces.
            canonicalise: The signature is canonical (low s) either way.

        Returns:
            64 bytes, r‖s.

        Raises:
            BridgeError: What the bridge refuses or fails with.
        """
        return self._client.sign(self._uid, bytes(message)).signature

    def sign_digest(self, digest: bytes, deterministic: bool = False, canonicalise: bool = True) -> bytes:
        """Sign a digest: blind signing, which the bridge refuses unless the policy of the key allows it by name.

        Args:
            digest: 32 bytes.
            deterministic: As for :meth:`sign`.
            canonicalise: As for :meth:`sign`.

        Returns:
            64 bytes, r‖s.

        Raises:
            PolicyDenied: Blind signing is not allowed for the key.
        """
        return self._client.sign_digest(self._uid, bytes(digest)).signature


class _Holding:
    """What a cosmpy ``Wallet`` does.

    Args:
        client: The bridge.
        key: Name of the key.
        prefix: Prefix of the address; the one in the bridge's configuration if None.

    Raises:
        KeyNotFound: There is no such key.
        InvalidKey: It is not secp256k1, the only curve that cosmpy knows.
        ConfigError: No prefix was given and the bridge has no configuration.
    """

    def __init__(self, client: KeyringClient, key: str, prefix: str | None = None) -> None:
        from cosmos_formats.pubkeys import KeyType

        entry = client.key(key)
        if entry.key_type is not KeyType.SECP256K1:
            raise InvalidKey(f"{entry.key_type or entry.kind} key; cosmpy signs with secp256k1 keys only")
        if prefix is None:
            prefix = client.handshake()["prefix"]
            if not isinstance(prefix, str):
                raise ConfigError("the bridge has no address prefix configured", hint="give the wallet a prefix")
        parts = _cosmpy()
        self._public_key = parts.public_key(entry.public_key.data)  # type: ignore[union-attr]  # secp256k1, see above
        self._address = parts.address(self._public_key, prefix)
        self._signer: _Signing = parts.signer_class(client, key)

    def address(self) -> Any:
        """Return the address (``cosmpy.crypto.address.Address``)."""
        return self._address

    def public_key(self) -> Any:
        """Return the public key (``cosmpy.crypto.keypairs.PublicKey``)."""
        return self._public_key

    def signer(self) -> _Signing:
        """Return the signer."""
        return self._signer


class _Cosmpy:
    """The parts of cosmpy that are used, and our classes made with them."""

    def __init__(self) -> None:
        try:
            from cosmpy.aerial.wallet import Wallet
            from cosmpy.crypto.address import Address
            from cosmpy.crypto.interface import Signer
            from cosmpy.crypto.keypairs import PublicKey
        except ModuleNotFoundError as error:
            raise ExtraMissing.for_extra("cosmpy", "BridgeWallet") from error
        self.address = Address
        self.public_key = PublicKey
        self.signer_class = _derive("BridgeSigner", _Signing, Signer)
        self.wallet_class = _derive("BridgeWallet", _Holding, Wallet)


def _derive(name: str, ours: type, theirs: type) -> Any:
    return type(name, (ours, theirs), {"__module__": __name__, "__doc__": ours.__doc__})


_cosmpy = cache(_Cosmpy)

if TYPE_CHECKING:
    BridgeSigner = _Signing
    BridgeWallet = _Holding
else:

    def __getattr__(name: str) -> object:
        if name == "BridgeSigner":
            return _cosmpy().signer_class
        if name == "BridgeWallet":
            return _cosmpy().wallet_class
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
