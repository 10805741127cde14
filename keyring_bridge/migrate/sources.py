"""Opens a source: finds out what it is, asks for what opens it, and checks that before anything else happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosmos_formats.errors import FormatError, WrongPassword
from cosmos_formats.pubkeys import ETH_TYPE_URLS, KeyType
from keyring_bridge.migrate import detect, state_files
from keyring_bridge.migrate.errors import SourcePasswordIncorrect, SourceUnknown, SourceUnreadable
from keyring_bridge.migrate.model import Source, SourceKind
from keyring_bridge.migrate.state_files import StateFile, StateFormat
from keyring_bridge.model import Purpose

if TYPE_CHECKING:
    from cosmos_formats.private_keys import PrivateKey
    from keyring_bridge.secrets import SecretBytes

Ask = Callable[[str], "SecretBytes"]
"""Returns a secret; the argument says which, for a prompt."""


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What a person may have to say about a source.

    Attributes:
        kind: What it is, if that cannot be told.
        key_type: Algorithm of a key whose file does not tell: a key type, or the type URL of an eth_secp256k1 key.
        state: File that says what a consensus key signed last, where it is not where its signer keeps it.
        hd_path: Derivation path, for a mnemonic.
        bip39_passphrase: Whether the mnemonic has a passphrase of BIP-39, which is asked for.
    """

    kind: SourceKind | None = None
    key_type: str | None = None
    state: Path | None = None
    hd_path: str = "m/44'/118'/0'/0/0"
    bip39_passphrase: bool = False

    def to_json(self) -> dict[str, object]:
        """Return it as a journal keeps it, so that the same source can be opened again."""
        return {
            "kind": None if self.kind is None else str(self.kind),
            "key_type": self.key_type,
            "state": None if self.state is None else str(self.state.resolve()),
            "hd_path": self.hd_path,
            "bip39_passphrase": self.bip39_passphrase,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SourceOptions:
        """Read what :meth:`to_json` returned; what is missing is as usual."""
        kind, state, usual = value.get("kind"), value.get("state"), cls()
        return cls(
            None if kind is None else SourceKind(kind),
            value.get("key_type"),
            None if state is None else Path(state),
            value.get("hd_path", usual.hd_path),
            value.get("bip39_passphrase", usual.bip39_passphrase),
        )


def open_path(path: Path, ask: Ask, options: SourceOptions | None = None) -> Source:
    """Open what is at a path.

    Args:
        path: A keyring directory, what holds one, or a file with one key.
        ask: Gives the password, if one is needed.
        options: What cannot be told from the content.

    Raises:
        SourceUnknown: There is nothing that is known.
        SourceAmbiguous: It could be several things.
        SourcePasswordIncorrect: The password does not open it.
        SourceUnreadable: It is damaged, or this user may not read it.
    """
    try:
        return _open_path(path, ask, options or SourceOptions())
    except OSError as error:
        raise SourceUnreadable(f"{path} cannot be read: {error.strerror or error}") from None


def _open_path(path: Path, ask: Ask, options: SourceOptions) -> Source:
    if path.is_dir():
        path = detect.of_folder(path)
    if path.is_dir():
        return _open_keyring(path, ask, options)
    kind = options.kind or _detected(path)
    if kind in (SourceKind.KEYRING_FILE, SourceKind.KEYRING_TEST):
        raise SourceUnknown(f"{path} is a file, not a keyring directory")
    return _open_file(kind, path, ask, options)


def open_secret(kind: SourceKind, secret: SecretBytes, ask: Ask, options: SourceOptions | None = None) -> Source:
    """Open a mnemonic, or digits, that came from a source of secrets; ``secret`` is taken over."""
    from keyring_bridge.migrate.single_source import SingleSource

    options = options or SourceOptions()
    phrase = ask("BIP-39 passphrase") if options.bip39_passphrase else None
    secrets = (secret,) if phrase is None else (secret, phrase)

    def read() -> PrivateKey:
        return _parse(kind, bytearray(secret.reveal()), phrase, options)

    return _checked(SingleSource(kind, None, read, partial(_purpose, kind), secrets=secrets))


def _open_keyring(path: Path, ask: Ask, options: SourceOptions) -> Source:
    from cosmos_formats.file_keyring import TEST_PASSWORD
    from keyring_bridge.keyring_directory import KeyringDirectory, KeyringKind
    from keyring_bridge.migrate.keyring_source import KeyringSource
    from keyring_bridge.secrets import SecretBytes

    wanted = {SourceKind.KEYRING_FILE: KeyringKind.FILE, SourceKind.KEYRING_TEST: KeyringKind.TEST}
    directory = KeyringDirectory.find(path, wanted.get(options.kind) if options.kind else None)
    if directory.kind is KeyringKind.TEST:
        password = SecretBytes(bytearray(TEST_PASSWORD))
    else:
        password = ask("password of the keyring")
    try:
        KeyringSource.check(directory, password)
    except BaseException:
        password.wipe()
        raise
    return KeyringSource(directory, password)


def _open_file(kind: SourceKind, path: Path, ask: Ask, options: SourceOptions) -> Source:
    from cosmos_formats import pkcs8
    from keyring_bridge.migrate.single_source import SingleSource

    password: SecretBytes | None = None
    if kind is SourceKind.ARMOR:
        password = ask("passphrase of the armor")
    elif kind is SourceKind.MNEMONIC and options.bip39_passphrase:
        password = ask("BIP-39 passphrase")
    elif kind is SourceKind.PEM:
        content = _content(path)
        try:
            password = ask("password of the PEM file") if pkcs8.is_encrypted(content) else None
        except FormatError as error:
            raise SourceUnreadable(f"{path}: {error}") from None
        finally:
            content[:] = bytes(len(content))

    def read() -> PrivateKey:
        return _parse(kind, _content(path), password, options)

    source = SingleSource(
        kind,
        path,
        read,
        partial(_purpose, kind),
        secrets=() if password is None else (password,),
        state=_state(kind, path, options),
    )
    return _checked(source)


def _checked(source: Source) -> Source:
    """Open the source once: a wrong password is found out here, and is not tried again."""
    try:
        source.keys()
    except WrongPassword:
        source.close()
        raise SourcePasswordIncorrect("the password of the source is wrong") from None
    except (FormatError, OSError) as error:
        source.close()
        raise SourceUnreadable(f"{source.path or source.kind}: {error}") from None
    except BaseException:
        source.close()
        raise
    return source


def _content(path: Path) -> bytearray:
    from keyring_bridge.config.files import read_trusted

    try:
        return read_trusted(path, what="source", limit=detect.LARGEST_FILE)
    except FileNotFoundError:
        raise SourceUnknown(f"{path}: there is no such file or directory") from None


def _detected(path: Path) -> SourceKind:
    content = _content(path)
    try:
        return detect.of_content(content)
    finally:
        content[:] = bytes(len(content))


def _parse(kind: SourceKind, content: bytearray, password: SecretBytes | None, options: SourceOptions) -> PrivateKey:
    """Read a key out of a buffer, which is wiped."""
    from cosmos_formats import pkcs8, signer_files, validator_files
    from cosmos_formats.private_keys import TYPE_OF, opened

    try:
        match kind:
            case SourceKind.VALIDATOR:
                return validator_files.read_validator_key(content)
            case SourceKind.NODE:
                return validator_files.read_node_key(content)
            case SourceKind.TMKMS:
                return signer_files.read_tmkms_key(content, _type_of(options, KeyType.ED25519)[0])
            case SourceKind.COSMOS_KMS:
                return signer_files.read_cosmos_kms_key(content, _type_of(options, KeyType.ED25519)[0])
            case SourceKind.PEM:
                key = pkcs8.read_pem(content, None if password is None else password.reveal())
                return _as_wanted(key, options)
            case SourceKind.ARMOR:
                from cosmos_formats.armor_keys import decrypt_private_key

                if password is None:
                    raise SourceUnreadable("an armor needs a passphrase")
                armored = decrypt_private_key(content.decode("ascii", "replace"), password.reveal())
                return opened(TYPE_OF[armored.url], armored.secret, url=_own_url(armored.url))
            case SourceKind.HEX:
                key_type, url = _type_of(options, KeyType.SECP256K1)
                return opened(key_type, _digits(content), url=url)
            case SourceKind.MNEMONIC:
                key_type, url = _type_of(options, KeyType.SECP256K1)
                return opened(key_type, _derived(content, password, options), url=url)
            case _:
                raise SourceUnknown(f"a {kind} is no single key")
    finally:
        content[:] = bytes(len(content))


def _as_wanted(key: PrivateKey, options: SourceOptions) -> PrivateKey:
    """Take a PEM file's secp256k1 key for an eth_secp256k1 one if that was said."""
    from cosmos_formats.private_keys import opened

    key_type, url = _type_of(options, key.key_type)
    if key_type is key.key_type:
        return key
    if key_type.curve is not key.key_type:
        key.wipe()
        raise SourceUnreadable(f"the source holds a {key.key_type} key, not {key_type}")
    return opened(key_type, key.secret, url=url)


def _own_url(url: str) -> str:
    """Return a type URL if it is not its key type's usual one."""
    return url if url in ETH_TYPE_URLS[1:] else ""


def _type_of(options: SourceOptions, usual: KeyType) -> tuple[KeyType, str]:
    if options.key_type is None:
        return usual, ""
    from keyring_bridge.key_kinds import KeyKind

    kind = KeyKind.of(options.key_type)
    return kind.key_type, _own_url(kind.url)


def _digits(content: bytearray) -> bytearray:
    from cosmos_formats.wipeable import unhex

    start, end = _trimmed(content)
    if bytes(content[start : start + 2]).lower() == b"0x":
        start += 2
    with memoryview(content) as view:
        try:
            return unhex(view[start:end])
        except ValueError:
            raise SourceUnreadable("the source holds something else than hexadecimal digits") from None


def _trimmed(content: bytearray) -> tuple[int, int]:
    start, end = 0, len(content)
    while start < end and content[start] <= 0x20:
        start += 1
    while start < end and content[end - 1] <= 0x20:
        end -= 1
    return start, end


def _derived(content: bytearray, passphrase: SecretBytes | None, options: SourceOptions) -> bytearray:
    from keyring_bridge.imported_keys import derive_secret, parse_path
    from keyring_bridge.secrets import SecretBytes

    start, end = _trimmed(content)
    with SecretBytes(content[start:end]) as words:
        return derive_secret(words, passphrase, parse_path(options.hd_path, allow_unhardened=False))


def _purpose(kind: SourceKind, key_type: KeyType) -> Purpose | None:
    """Return what a source's key is for; None where it does not tell, as of ed25519 keys that any program may have."""
    if kind in (SourceKind.VALIDATOR, SourceKind.TMKMS, SourceKind.COSMOS_KMS):
        return Purpose.CONSENSUS
    if kind in (SourceKind.NODE, SourceKind.PEM) or key_type is KeyType.ED25519:
        return None
    return Purpose.ACCOUNT


def _state(kind: SourceKind, path: Path, options: SourceOptions) -> StateFile | None:
    form = StateFormat.TMKMS if kind is SourceKind.TMKMS else StateFormat.COMETBFT
    if options.state is not None:
        return StateFile(options.state, form)
    if kind is SourceKind.VALIDATOR:
        return state_files.beside_validator_key(path)
    if kind in (SourceKind.TMKMS, SourceKind.COSMOS_KMS):
        return state_files.beside_signer_key(path, form)
    return None
