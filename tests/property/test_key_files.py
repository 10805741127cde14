from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256

from hypothesis import given, settings
from hypothesis import strategies as st

from cosmos_formats.pubkeys import TOKEN_TYPES, KeyType, PublicKey
from keyring_bridge.errors import KeyFileDamaged
from keyring_bridge.model import Purpose
from keyring_bridge.providers.software import key_file
from keyring_bridge.providers.software.key_file import FileKey, Header, StoredKey
from keyring_bridge.secrets import SecretBytes
from tests.key_files import CHEAPEST, PASSPHRASE

EPOCH, END = datetime(1970, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999)


@cache
def opener() -> FileKey:
    return FileKey.create(SecretBytes(PASSPHRASE), CHEAPEST)


def public_keys(key_type: KeyType) -> st.SearchStrategy[PublicKey]:
    body = st.binary(min_size=32, max_size=32)
    if key_type in (KeyType.SECP256K1, KeyType.SECP256R1):
        body = st.builds(lambda sign, x: sign + x, st.sampled_from([b"\2", b"\3"]), body)
    return body.map(lambda data: PublicKey(key_type, data))


LABELS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=64)
KEYS = st.builds(
    StoredKey,
    id=st.binary(min_size=16, max_size=16),
    label=LABELS,
    purpose=st.sampled_from(Purpose),
    imported=st.booleans(),
    created_at=st.datetimes(EPOCH, END).map(lambda moment: moment.replace(tzinfo=UTC)),
    public_key=st.sampled_from(TOKEN_TYPES).flatmap(public_keys),
    secret=st.binary(min_size=32, max_size=32).map(SecretBytes),
)


@given(st.lists(KEYS, max_size=6))
def test_every_file_opens_to_what_was_sealed(keys: list[StoredKey]) -> None:
    content = opener().seal(keys)
    assert opener().fits(Header.decode(content))
    opened = opener().open(content)
    assert list(opened) == keys
    assert [key.secret for key in opened] == [key.secret for key in keys]


@given(st.lists(KEYS, max_size=3), st.data())
def test_no_edit_goes_unseen(keys: list[StoredKey], data: st.DataObject) -> None:
    body = opener().seal(keys)[:-32]
    at = data.draw(st.integers(0, len(body)))
    removed = data.draw(st.integers(0, 40))
    added = data.draw(st.binary(max_size=40))
    edited = body[:at] + added + body[at + removed :]
    mended = edited + sha256(edited).digest()
    try:
        assert opener().open(mended) == tuple(keys)
    except KeyFileDamaged:
        assert edited != body
    else:
        assert edited == body


@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_are_a_file_or_an_error(content: bytes, started: bool) -> None:
    if started:
        content = b"KBKEYS\0\1" + content
    with suppress(KeyFileDamaged):
        Header.decode(content + sha256(content).digest())
    with suppress(KeyFileDamaged):
        Header.decode(content)


@settings(max_examples=200)
@given(st.binary(max_size=300), st.integers(0, 3))
def test_any_sealed_bytes_are_keys_or_an_error(clear: bytes, count: int) -> None:
    # As if a release had sealed it: nothing but the decoder stands between these bytes and the provider.
    with suppress(KeyFileDamaged):
        keys = key_file._decode(bytearray(count.to_bytes(4) + clear))
        assert len(keys) == count
