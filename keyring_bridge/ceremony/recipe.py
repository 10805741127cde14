"""How a key is made from words, as chains' own programs make it.

Account keys are derived along a path (BIP-39, BIP-32), as ``keys add --recover`` does. An ed25519 key is the SHA-256 of
the words' text, as ``init --recover`` makes a validator's consensus key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cosmos_formats.errors import FormatError
from cosmos_formats.pubkeys import KeyType, PublicKey
from keyring_bridge.errors import InvalidMnemonic, InvalidRequest, UnsupportedAlgorithm
from keyring_bridge.imported_keys import derive_secret
from keyring_bridge.key_kinds import DERIVED_TYPES
from keyring_bridge.secrets import SecretBytes

if TYPE_CHECKING:
    from cosmos_formats.hd import HdPath
    from keyring_bridge.key_kinds import KeyKind


@dataclass(frozen=True, slots=True)
class Recipe:
    """A kind of key and the path to it.

    Attributes:
        kind: What the key is.
        path: Where it is derived; None for ed25519 keys, which have none.
    """

    kind: KeyKind
    path: HdPath | None

    def __post_init__(self) -> None:
        if self.kind.key_type not in (*DERIVED_TYPES, KeyType.ED25519):
            raise UnsupportedAlgorithm(
                f"no chain's own program makes {self.kind.key_type} keys from words",
                hint="secp256k1, eth_secp256k1 and ed25519 keys can be recoverable",
            )
        if (self.path is None) != (self.kind.key_type is KeyType.ED25519):
            raise InvalidRequest("a path goes with secp256k1 keys, and only with them")

    def secret(self, mnemonic: SecretBytes, passphrase: SecretBytes | None = None) -> SecretBytes:
        """Return the private key, 32 bytes.

        Args:
            mnemonic: Words of BIP-39, one space between them.
            passphrase: The one of BIP-39; None for none.

        Raises:
            InvalidMnemonic: The words are none.
            InvalidPath: There is no key at the path.
            InvalidRequest: A passphrase was given, and the key does not depend on one.
        """
        if self.path is not None:
            return SecretBytes(derive_secret(mnemonic, passphrase, self.path))
        from cosmos_formats import mnemonic as words

        if passphrase is not None:
            raise InvalidRequest("an ed25519 key is made of the words alone, without a passphrase of BIP-39")
        try:
            return SecretBytes(words.to_ed25519_seed(mnemonic.reveal()))
        except words.InvalidMnemonic as error:
            raise InvalidMnemonic(str(error), hint=error.advice) from None
        except FormatError as error:
            raise InvalidMnemonic(str(error)) from None

    def public_key(self, secret: SecretBytes) -> PublicKey:
        """Return the public key as a record has it (InvalidKey: the secret is none)."""
        from keyring_bridge.providers.private_keys import public_key_for

        return self.kind.key(public_key_for(self.kind.key_type.curve, secret))

    def describe(self) -> dict[str, str]:
        """Return the kind and the path for the audit log."""
        return {"type": str(self.kind.key_type), **({} if self.path is None else {"path": str(self.path)})}


def words_of(entropy: SecretBytes) -> SecretBytes:
    """Return the 24 words of 32 bytes (BIP-39)."""
    from cosmos_formats.mnemonic import from_entropy

    return SecretBytes(from_entropy(entropy.reveal()))
