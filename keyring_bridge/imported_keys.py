"""Private keys that come from outside: mnemonics, armor, hexadecimal digits. Each ends in a token, non-extractable.

On the way a key is in this process's memory, in buffers that are wiped as soon as the token has it; SECURITY.md says
what Python cannot wipe. A key that should never have been outside is made by :meth:`TokenKeys.generate`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosmos_formats.errors import FormatError
from keyring_bridge.errors import (
    InvalidArmor,
    InvalidKey,
    InvalidMnemonic,
    InvalidPath,
    InvalidRequest,
    PassphraseIncorrect,
    UnsupportedAlgorithm,
)
from keyring_bridge.key_kinds import DERIVED_TYPES, KeyKind
from keyring_bridge.names import check_name
from keyring_bridge.token_keys import TokenKeys

if TYPE_CHECKING:
    from cosmos_formats.armor_keys import ArmoredPrivateKey
    from cosmos_formats.hd import HdPath
    from keyring_bridge.secrets import SecretBytes
    from keyring_bridge.store.base import StoredRecord

_DIGITS = frozenset(b"0123456789abcdefABCDEF")

ENTROPY_BYTES = 32
"""Of a new mnemonic, which then has 24 words."""


class ImportedKeys(TokenKeys):
    """One caller's ways to bring private keys into tokens."""

    def new_mnemonic(
        self,
        uid: str,
        language: str,
        hd_path: str,
        passphrase: SecretBytes | None,
        algorithm: str,
        *,
        provider: str | None = None,
        allow_unhardened: bool = False,
    ) -> tuple[StoredRecord, SecretBytes]:
        """Make a mnemonic of 24 words and import the key that it gives.

        Args:
            uid: Name of the record.
            language: ``english``.
            hd_path: See :meth:`new_account`.
            passphrase: See :meth:`new_account`.
            algorithm: See :meth:`new_account`.
            provider: See :meth:`new_account`.
            allow_unhardened: See :meth:`new_account`.

        Returns:
            The record and the mnemonic. Nothing else keeps the mnemonic; the caller shows it once and wipes it.

        Raises:
            InvalidRequest: ``unsupported language: only english is supported``.
            BridgeError: As :meth:`new_account`.
        """
        from cosmos_formats.mnemonic import from_entropy
        from keyring_bridge.secrets import SecretBytes

        if language != "english":
            raise InvalidRequest("unsupported language: only english is supported")
        with SecretBytes.random(ENTROPY_BYTES) as entropy:
            mnemonic = SecretBytes(from_entropy(entropy.reveal()))
        try:
            record = self.new_account(
                uid, mnemonic, passphrase, hd_path, algorithm, provider=provider, allow_unhardened=allow_unhardened
            )
        except BaseException:
            mnemonic.wipe()
            raise
        return record, mnemonic

    def new_account(
        self,
        uid: str,
        mnemonic: SecretBytes,
        passphrase: SecretBytes | None,
        hd_path: str,
        algorithm: str,
        *,
        provider: str | None = None,
        allow_unhardened: bool = False,
    ) -> StoredRecord:
        """Derive a key from a mnemonic and import it.

        Args:
            uid: Name of the record.
            mnemonic: English words of BIP-39 in UTF-8, one space between them.
            passphrase: The one of BIP-39 (the "25th word"), as typed; None for none.
            hd_path: Such as ``m/44'/118'/0'/0/0``.
            algorithm: ``secp256k1``, ``eth_secp256k1``, or the type URL of a chain's eth_secp256k1 key.
            provider: Name of the configured provider; the default one if None.
            allow_unhardened: Take a path whose purpose, coin type or account is missing or not hardened; an empty one
                is the master key.

        Raises:
            KeyExists: The name is taken (the SDK would overwrite the record).
            InvalidMnemonic: The words are none, with the SDK's text.
            InvalidPath: The path is none, or needs ``allow_unhardened``.
            DuplicateAddress: ``duplicated address created``.
            UnsupportedAlgorithm: ``unsupported signing algo``.
        """
        from keyring_bridge.secrets import SecretBytes

        self._check_free(check_name(uid))
        if KeyKind.of(algorithm).key_type not in DERIVED_TYPES:
            raise UnsupportedAlgorithm(hint="a mnemonic gives secp256k1 or eth_secp256k1 keys")
        path = parse_path(hd_path, allow_unhardened)
        with SecretBytes(derive_secret(mnemonic, passphrase, path)) as secret:
            source = {"source": "mnemonic", "path": str(path)}
            return self.import_secret(uid, secret, algorithm, provider=provider, source=source)

    def import_priv_key(
        self, uid: str, armor: str, passphrase: SecretBytes, *, provider: str | None = None
    ) -> StoredRecord:
        """Import an armored private key, of every version that the SDK wrote.

        Args:
            uid: Name of the record.
            armor: ``-----BEGIN TENDERMINT PRIVATE KEY-----`` and so on.
            passphrase: Opens it; UTF-8.
            provider: Name of the configured provider; the default one if None.

        Raises:
            KeyExists: ``<uid>: cannot overwrite key``.
            PassphraseIncorrect: ``failed to decrypt private key: invalid account password``.
            InvalidArmor: ``failed to decrypt private key: …``.
            InvalidKey: What is inside is not a known private key.
            DuplicateAddress: Another record has the key's address.
        """
        from keyring_bridge.secrets import SecretBytes

        self._check_not_overwritten(check_name(uid))
        opened = _decrypt(armor, passphrase)
        with SecretBytes(opened.secret) as secret:
            return self.import_secret(uid, secret, opened.url, provider=provider, source={"source": "armor"})

    def import_priv_key_hex(
        self, uid: str, private_key: str | SecretBytes, algorithm: str, *, provider: str | None = None
    ) -> StoredRecord:
        """Import an unencrypted private key into a token, non-extractable there.

        Args:
            uid: Name of the record.
            private_key: 64 hexadecimal digits, with or without ``0x``; better as SecretBytes, which can be wiped.
            algorithm: See :meth:`keyring_bridge.key_kinds.KeyKind.of`; an ed25519 key is given as its 32-byte seed.
            provider: Name of the configured provider; the default one if None.

        Raises:
            KeyExists: ``<uid>: cannot overwrite key``.
            InvalidKey: Not 32 bytes of hexadecimal digits, or not a valid scalar.
            DuplicateAddress: Another record has the key's address.
            UnsupportedAlgorithm: ``<algorithm>: unsupported signing algo``.
        """
        with _secret_from_hex(private_key) as secret:
            return self.import_secret(uid, secret, algorithm, provider=provider)


def parse_path(text: str, allow_unhardened: bool) -> HdPath:
    """Return a derivation path (errors: InvalidPath)."""
    from cosmos_formats.hd import HdPath

    try:
        return HdPath.parse(text, allow_unhardened=allow_unhardened)
    except FormatError as error:
        raise InvalidPath(str(error)) from error


def derive_secret(mnemonic: SecretBytes, passphrase: SecretBytes | None, path: HdPath) -> bytearray:
    """Return the private key that a mnemonic gives along a path, in a buffer that the caller wipes.

    Raises:
        InvalidMnemonic: The words are none.
        InvalidPath: There is no key at the path.
    """
    from cosmos_formats.hd_keys import derive
    from cosmos_formats.mnemonic import InvalidMnemonic as NotMnemonic
    from cosmos_formats.mnemonic import to_seed
    from keyring_bridge.secrets import SecretBytes

    try:
        seed = to_seed(mnemonic.reveal(), b"" if passphrase is None else passphrase.reveal())
    except NotMnemonic as error:
        raise InvalidMnemonic(str(error), hint=error.advice) from None
    with SecretBytes(seed):
        try:
            return derive(seed, path)
        except FormatError as error:
            raise InvalidPath(str(error)) from error


def _decrypt(armor: str, passphrase: SecretBytes) -> ArmoredPrivateKey:
    from cosmos_formats.armor import InvalidArmor as NotArmor
    from cosmos_formats.armor_keys import WrongPassphrase, decrypt_private_key

    try:
        return decrypt_private_key(armor, passphrase.reveal())
    except WrongPassphrase as error:
        raise PassphraseIncorrect(f"failed to decrypt private key: {error}") from None
    except NotArmor as error:
        raise InvalidArmor(f"failed to decrypt private key: {error}") from None
    except FormatError as error:
        raise InvalidKey(f"failed to decrypt private key: {error}") from None


def _secret_from_hex(text: str | SecretBytes) -> SecretBytes:
    """Decode hexadecimal digits without leaving them in an exception."""
    from keyring_bridge.secrets import SecretBytes

    digits = bytearray(text.encode("ascii", "replace")) if isinstance(text, str) else bytearray(text.reveal())
    try:
        start = 2 if digits.startswith((b"0x", b"0X")) else 0
        if len(digits) - start != 64:
            raise InvalidKey(f"private key of {len(digits) - start} hexadecimal digits, expected 64")
        if not _DIGITS.issuperset(memoryview(digits)[start:]):
            raise InvalidKey("private key has characters that are not hexadecimal digits")
        secret = bytearray(32)
        for position in range(len(secret)):
            at = start + 2 * position
            secret[position] = int(digits[at : at + 2], 16)
        return SecretBytes(secret)
    finally:
        digits[:] = bytes(len(digits))
