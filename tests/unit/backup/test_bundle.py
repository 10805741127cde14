"""What is inside a bundle: written and read back, and nothing else is taken for one."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.record import Local, Offline, Record
from keyring_bridge.backup.bundle import MAX_LINE, BundleKey, BundleReader, line, secret_line
from keyring_bridge.backup.errors import BundleInvalid, BundleNewer
from keyring_bridge.backup.register import Holds
from keyring_bridge.model import Purpose, WrappedKey
from keyring_bridge.secrets import SecretBytes
from keyring_bridge.store.base import LastSigned, StoredRecord

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def stored(name: str, public_key: PublicKey, **changes: Any) -> StoredRecord:
    item = Local(None) if changes.get("provider", "hsm") is not None else Offline()
    values: dict[str, Any] = {
        "name": name,
        "record": Record(name, public_key, item),
        "address": public_key.address,
        "provider": "hsm",
        "uri": "pkcs11:id=%01;type=private",
        "key_type": public_key.key_type,
        "purpose": Purpose.ACCOUNT,
        "fingerprint": public_key.fingerprint,
        "created_at": NOON,
        "hardware": True,
        "extractable": True,
    }
    return StoredRecord(**values | changes)


POINT = bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
EDWARDS = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
ACCOUNT = BundleKey(
    stored("ops", PublicKey(KeyType.SECP256K1, POINT), successor="a" * 64, verify_only_from=NOON + timedelta(days=1)),
    wrapped=WrappedKey("aes-key-wrap-pad", "wrap", b"\1\2\3", bytes(72)),
)
VALIDATOR = BundleKey(
    stored(
        "val",
        PublicKey(KeyType.ED25519, EDWARDS),
        purpose=Purpose.CONSENSUS,
        needs_floor=True,
    ),
    {"": LastSigned(10, 0, 3), "chain-1": LastSigned(2**62, 7, 1)},
    why="it was made not to leave its token",
)
WATCHED = BundleKey(
    stored(
        "watched",
        PublicKey(KeyType.ETH_SECP256K1, POINT),
        provider=None,
        uri=None,
        hardware=None,
        extractable=None,
    )
)
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")  # of EDWARDS, RFC 8032
SEALED = BundleKey(
    stored("sealed", PublicKey(KeyType.ED25519, EDWARDS), purpose=Purpose.CONSENSUS, needs_floor=True),
    {"": LastSigned(10, 0, 3)},
    secret=SecretBytes(SEED),
)
KEYS = (ACCOUNT, VALIDATOR, WATCHED)


def written(*keys: BundleKey, **changes: object) -> list[bytes]:
    begin = {"version": 1, "created_at": NOON.isoformat(), "bridge": "desk"} | changes
    return [
        line("bundle", begin),
        line("config", {"prefix": "ve"}),
        line("policy", 'version = 1\n# "ü"\n'),
        *(line("key", key.to_json()) for key in keys),
        line("audit", {"seq": 7, "hash": "c" * 64}),
        line("end", {"keys": len(keys)}),
    ]


def read(data: bytes, size: int = 1 << 20) -> tuple[Any, list[BundleKey]]:
    keys: list[BundleKey] = []
    reader = BundleReader(keys.append)
    for at in range(0, len(data), size):
        reader.feed(data[at : at + size])
    return reader.finish(), keys


@pytest.mark.parametrize("size", [1, 7, 100, 1 << 20])
def test_it_is_read_as_it_was_written(size: int) -> None:
    bundle, keys = read(b"".join(written(*KEYS)), size)
    assert tuple(keys) == KEYS
    assert [key.holds for key in keys] == [Holds.WRAPPED, Holds.RECORD, Holds.RECORD]
    assert (bundle.created_at, bundle.bridge, bundle.keys) == (NOON, "desk", 3)
    assert (bundle.config, bundle.policy, bundle.audit) == ({"prefix": "ve"}, 'version = 1\n# "ü"\n', (7, "c" * 64))


@given(st.data())
def test_a_bundle_without_its_end_is_none(data: st.DataObject) -> None:
    whole = b"".join(written(*KEYS))
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(BundleInvalid):
        read(cut)


@given(st.data())
def test_lines_in_another_order_or_number_are_none(data: st.DataObject) -> None:
    lines = written(*KEYS)
    at = data.draw(st.integers(0, len(lines) - 1))
    # The order of what stands between is of no matter.
    missing = lines[:at] + lines[at + 1 :]
    if json.loads(lines[at]).keys() & {"bundle", "key", "end"}:
        with pytest.raises(BundleInvalid):
            read(b"".join(missing))
    with pytest.raises(BundleInvalid):
        read(b"".join([*lines, lines[at]]))


def test_a_newer_one_says_so() -> None:
    with pytest.raises(BundleNewer, match="version 2"):
        read(b"".join(written(version=2)))
    lines = written()
    with pytest.raises(BundleNewer, match="does not know"):
        read(b"".join([lines[0], line("limits", {}), *lines[1:]]))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"fingerprint": "0" * 64},
        {"fingerprint": None},
        {"record": "AAAA"},
        {"record": "not base64!"},
        {"provider": 7},
        {"uri": None},
        {"purpose": "fun"},
        {"created_at": "2026-03-01T12:00:00"},
        {"needs_floor": 1},
        {"needs_floor": True},
        {"last_signed": {"": [1, 2]}},
        {"last_signed": {"": [1, 2, True]}},
        {"last_signed": {"": [-1, 0, 0]}},
        {"wrapped": {"form": "x", "by": "", "check": "", "data": ""}},
        {"wrapped": {"form": "x", "by": "", "check": "zz", "data": "AAAA"}},
        {"wrapped": {}},
        {"why": None},
    ],
)
def test_a_key_that_contradicts_itself_is_refused(changes: dict[str, object]) -> None:
    values = ACCOUNT.to_json() | changes
    with pytest.raises(BundleInvalid):
        read(b"".join([written()[0], line("key", values)]))


@pytest.mark.parametrize("missing", sorted(ACCOUNT.to_json()))
def test_a_key_with_something_missing_is_refused(missing: str) -> None:
    values = {name: value for name, value in ACCOUNT.to_json().items() if name != missing}
    with pytest.raises(BundleInvalid):
        read(b"".join([written()[0], line("key", values)]))


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(BundleInvalid):
        read(data)
    with pytest.raises((BundleInvalid, BundleNewer)):
        read(written()[0] + data + b"\n")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(ACCOUNT.to_json())), _JSON)
def test_no_value_does_harm(name: str, value: object) -> None:
    with contextlib.suppress(BundleInvalid):
        read(b"".join([written()[0], line("key", ACCOUNT.to_json() | {name: value}), line("end", {"keys": 1})]))


def test_a_line_has_an_end() -> None:
    reader = BundleReader(lambda _: None)
    reader.feed(b"x" * MAX_LINE)
    with pytest.raises(BundleInvalid, match="too long"):
        reader.feed(b"x")


def secret(value: bytes = SEED) -> bytes:
    with secret_line(SecretBytes(value)) as text:
        return bytes(text.reveal())


def sealed(*lines: bytes, key: BundleKey = SEALED) -> bytes:
    whole = written(key)
    return b"".join([*whole[:3], *lines, *whole[3:]])


@pytest.mark.parametrize("size", [1, 7, 100, 1 << 20])
def test_a_private_key_comes_with_its_record(size: int) -> None:
    assert json.loads(secret()) == {"secret": SEED.hex()}
    _, (key,) = read(sealed(secret()), size)
    assert (key, key.holds, key.record) == (SEALED, Holds.SEALED, SEALED.record)
    assert SEED.hex() not in json.dumps(key.to_json())
    assert SEED.hex() not in repr(key)


def test_a_private_key_makes_its_records_public_key() -> None:
    other = bytes([SEED[0] ^ 1]) + SEED[1:]
    for lines, key in (((secret(other),), SEALED), ((secret(),), ACCOUNT), ((secret(bytes(32)),), ACCOUNT)):
        with pytest.raises(BundleInvalid, match="another private key") as raised:
            read(sealed(*lines, key=key))
        assert SEED.hex() not in str(raised.value)
    # One is the private key of the generator.
    _, (key,) = read(sealed(secret((1).to_bytes(32)), key=ACCOUNT))
    assert key.holds is Holds.SEALED


def test_a_private_key_stands_before_its_record() -> None:
    whole = written(SEALED)
    for at in [*range(3), *range(4, len(whole) + 1)]:
        with pytest.raises(BundleInvalid):
            read(b"".join([*whole[:at], secret(), *whole[at:]]))
    with pytest.raises(BundleInvalid, match="wrong place"):
        read(sealed(secret(), secret()))


@pytest.mark.parametrize(
    "text",
    [
        secret()[:-4] + b'"}\n',
        secret()[:-2] + b" \n",
        secret()[:-3] + b'0"}\n',
        secret().replace(b'":"9', b'":"g'),
        b'{"secret":""}\n',
        b'{"secret":"\n',
        b'{"secret": "' + SEED.hex().encode() + b'"}\n',
        b'{"secret":7}\n',
    ],
)
def test_a_private_key_has_one_spelling(text: bytes) -> None:
    with pytest.raises((BundleInvalid, BundleNewer)) as raised:
        read(sealed(text))
    shown: BaseException | None = raised.value
    while shown is not None:
        assert SEED.hex()[:16] not in f"{shown} {getattr(shown, 'detail', '')}"
        shown = shown.__cause__


def test_what_was_read_is_wiped() -> None:
    reader = BundleReader(lambda _: None)
    whole = written(SEALED)
    reader.feed(b"".join(whole[:3]))
    reader.feed(secret())
    kept = reader._secret
    assert kept == SecretBytes(SEED)
    reader.wipe()
    assert kept is not None
    assert kept.wiped
