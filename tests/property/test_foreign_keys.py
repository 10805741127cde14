"""Readers of other programs' keys: any bytes give a key or a FormatError, and what was written is read."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from cosmos_formats import (
    bcrypt_text,
    der,
    file_keyring,
    keyring_entry,
    pkcs8,
    sign_state,
    signer_files,
    validator_files,
    wipeable,
)
from cosmos_formats.errors import FormatError
from cosmos_formats.key_unwrap import InvalidUnwrap, unwrap
from cosmos_formats.privval.model import BlockId
from cosmos_formats.pubkeys import KeyType
from cosmos_formats.sign_state import SignState
from cosmos_formats.signer_files import TmkmsState
from tests.keyring_files import PASSWORD, item, jwe, payload

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"

texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts)
def test_names_of_files_come_back(key: str) -> None:
    name = file_keyring.file_name(key)
    assert "/" not in name
    assert file_keyring.item_key(name) == key


@given(texts)
def test_names_that_are_read_are_those_that_are_written(name: str) -> None:
    with suppress(FormatError):
        assert file_keyring.file_name(file_keyring.item_key(name)) == name


@given(texts, st.binary(max_size=600))
def test_items_come_back(key: str, data: bytes) -> None:
    opened = file_keyring.open_item(item(key, data), PASSWORD)
    assert (opened.key, opened.data) == (key, data)


@given(st.binary(max_size=100))
def test_base64_and_digits_as_the_standard_library_has_them(data: bytes) -> None:
    assert wipeable.unbase64(base64.b64encode(data)) == data
    assert wipeable.unhex(data.hex().encode()) == data
    assert wipeable.hexed(data) == data.hex().encode()


@given(st.text("ABab01+/=-_ \n", max_size=12))
def test_base64_is_canonical_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert base64.b64encode(wipeable.unbase64(text.encode())) == text.encode()


@given(st.sampled_from([16, 24, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n)), st.data())
def test_wrapped_keys_as_openssl_wraps_them(wrapping: bytes, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from([16, 24, 32, 64]).flatmap(lambda n: st.binary(min_size=n, max_size=n)))
    wrapped = aes_key_wrap(wrapping, key)
    assert unwrap(wrapping, wrapped) == key
    damaged = bytearray(wrapped)
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(InvalidUnwrap):
        unwrap(wrapping, bytes(damaged))


numbers = st.builds(
    lambda height, round_, step, signed: SignState(height, round_, step, *(signed or (None, None))),
    st.integers(0, sign_state.HIGHEST),
    st.integers(0, sign_state.HIGHEST_ROUND),
    st.integers(0, 3),
    st.none() | st.tuples(st.binary(min_size=1, max_size=100), st.binary(min_size=1, max_size=200)),
)


@given(numbers)
def test_states_come_back(state: SignState) -> None:
    assert sign_state.read(sign_state.write(state)) == state


hashes = st.binary(min_size=32, max_size=32)


@given(numbers, st.integers(0, 2), st.none() | st.builds(BlockId, hashes, st.integers(0, 2**32 - 1), hashes))
def test_states_of_tmkms_come_back(state: SignState, step: int, block: BlockId | None) -> None:
    tmkms = TmkmsState(state.height, state.round, step, block)
    assert signer_files.read_tmkms_state(signer_files.write_tmkms_state(tmkms)) == tmkms


# --- any bytes -------------------------------------------------------------------------------------------------------


def k1(reader: Callable[[bytes, KeyType], object]) -> Callable[[bytes], object]:
    return lambda content: reader(content, KeyType.SECP256K1)


def in_pem(document: bytes, label: bytes) -> bytes:
    return b"-----BEGIN %b-----\n%b\n-----END %b-----" % (label, base64.b64encode(document), label)


READERS: dict[str, Callable[[bytes], object]] = {
    "item": lambda content: file_keyring.open_item(content, PASSWORD),
    "inside of an item": lambda content: file_keyring.open_item(jwe(content or b" "), PASSWORD),
    "header of an item": lambda content: file_keyring.open_item(jwe(b"{}", head=content), PASSWORD),
    "entry": lambda content: keyring_entry.decode(bytearray(content)),
    "address item": keyring_entry.decode_address_item,
    "keyhash": lambda content: bcrypt_text.check(content, PASSWORD),
    "validator": validator_files.read_validator_key,
    "node": validator_files.read_node_key,
    "state": sign_state.read,
    "tmkms": signer_files.read_tmkms_key,
    "tmkms secp256k1": k1(signer_files.read_tmkms_key),
    "cosmos kms": signer_files.read_cosmos_kms_key,
    "cosmos kms secp256k1": k1(signer_files.read_cosmos_kms_key),
    "tmkms state": signer_files.read_tmkms_state,
    "sign bytes": signer_files.block_id_of,
    "pem": lambda content: pkcs8.read_pem(content, PASSWORD),
    "encrypted": lambda content: pkcs8.read_pem(in_pem(content, b"ENCRYPTED PRIVATE KEY"), PASSWORD),
    "private key": lambda content: pkcs8.read_pem(in_pem(content, b"PRIVATE KEY")),
    "older private key": lambda content: pkcs8.read_pem(in_pem(content, b"EC PRIVATE KEY")),
    "der": der.elements,
}


FORMS = (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)


@cache
def samples() -> list[bytes]:
    """Files that some reader takes, to be changed a little."""
    state = FIXTURES / "validators" / "ed25519"
    files = [path.read_bytes() for path in sorted(state.iterdir())]
    legacy = bytes.fromhex("0dad153d0a05616c696365")
    key, seed = ec.derive_private_key(7, ec.SECP256K1()), Ed25519PrivateKey.from_private_bytes(bytes(32))
    sealing = BestAvailableEncryption(PASSWORD)
    files += [key.private_bytes(Encoding.PEM, form, sealing) for form in FORMS]
    files += [key.private_bytes(Encoding.DER, form, NoEncryption()) for form in FORMS]
    files += [one.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()) for one in (key, seed)]
    files += [seed.private_bytes(Encoding.DER, PrivateFormat.PKCS8, sealing)]
    return [*files, item("alice.info", b"data"), payload("alice.info", b"data"), bytes([len(legacy)]) + legacy]


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
def test_any_bytes_give_a_result_or_a_format_error(name: str, data: st.DataObject) -> None:
    content = data.draw(st.binary(max_size=200) | st.sampled_from(samples()))
    if content and data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(content) - 1))
        content = content[:at] + data.draw(st.binary(max_size=4)) + content[at + data.draw(st.integers(0, 8)) :]
    with suppress(FormatError):
        READERS[name](content)
