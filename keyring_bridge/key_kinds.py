"""What a caller may ask for when it names an algorithm."""

from __future__ import annotations

from cosmos_formats.pubkeys import ETH_TYPE_URLS, TYPE_URLS, KeyType, PublicKey
from cosmos_formats.quickclass import dataclass
from keyring_bridge.errors import UnsupportedAlgorithm

SIGNING_TYPES = (KeyType.SECP256K1, KeyType.ED25519, KeyType.SECP256R1, KeyType.ETH_SECP256K1)
DERIVED_TYPES = (KeyType.SECP256K1, KeyType.ETH_SECP256K1)
"""Those that mnemonics give keys of, as in the SDK."""


@dataclass(frozen=True, slots=True)
class KeyKind:
    """A kind of key as its record has it.

    Attributes:
        key_type: Curve, hash and address.
        url: Type URL of the public key, where chains differ in it; empty for the usual one.
    """

    key_type: KeyType
    url: str = ""

    @classmethod
    def of(cls, algorithm: str) -> KeyKind:
        """Return the kind of signing key that a name stands for.

        Args:
            algorithm: Such as ``secp256k1`` or ``eth_secp256k1``; or the type URL of a chain's public key, such as
                ``/injective.crypto.v1beta1.ethsecp256k1.PubKey``.

        Raises:
            UnsupportedAlgorithm: ``<algorithm>: unsupported signing algo``.
        """
        if algorithm in ETH_TYPE_URLS:
            return cls(KeyType.ETH_SECP256K1, algorithm)
        for key_type in SIGNING_TYPES:
            if algorithm in (key_type, TYPE_URLS[key_type]):
                return cls(key_type)
        raise UnsupportedAlgorithm(f"{algorithm[:64]}: unsupported signing algo")

    def key(self, plain: PublicKey) -> PublicKey:
        """Return the public key of this kind for one that a token has."""
        return PublicKey(self.key_type, plain.data, self.url)
