"""Chains in files: what was accepted comes back, and nothing else does."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cosmos_formats.schema import default_schema
from keyring_bridge.chains import ChainBook, ChainSettings
from keyring_bridge.chains.errors import ChainExists, ChainNotFound
from keyring_bridge.errors import BridgeError, ChainDamaged, InvalidRequest
from tests.unit.chains.offers import ATOM, SETTINGS, offer

NOW = "2026-01-02T03:04:05Z"
ORDER = "/market.v1.MsgCreateOrder"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def book(state: Path) -> ChainBook:
    book = ChainBook(state)
    book.add(SETTINGS, offer(), source="file market.binpb", accepted_at=NOW)
    return book


def file_of(state: Path, role: str) -> Path:
    (path,) = (state / "chains" / "market-1").glob(f"{role}.*")
    return path


def test_a_chain_that_was_not_added_has_the_shipped_messages(state: Path) -> None:
    book = ChainBook(state)
    assert book.get("market-1") is None
    assert book.schema("market-1") is default_schema()
    assert book.coin_metadata("market-1") == {}
    assert book.exponents("market-1") == {}
    assert book.list() == book.ids() == ()
    with pytest.raises(ChainNotFound):
        book.descriptors("market-1")
    assert not (state / "chains").exists()


def test_what_was_accepted_comes_back(book: ChainBook, state: Path) -> None:
    for one in (book, ChainBook(state)):
        chain = one.get("market-1")
        assert chain is not None
        assert (chain.chain_id, chain.prefix, chain.digest) == ("market-1", "ve", offer().digest)
        assert (chain.source, chain.accepted_at, chain.coins) == ("file market.binpb", NOW, 1)
        assert one.list() == (chain,)
        assert one.schema("market-1").find(ORDER) is not None
        assert one.schema("market-1").find("/cosmos.bank.v1beta1.MsgSend") is not None
        assert one.schema("market-1") is one.schema("market-1")
        assert one.schema("market-2") is default_schema()
        assert one.coin_metadata("market-1")["uatom"]["denom_units"] == ATOM["denom_units"]
        assert one.exponents("market-1") == {"uatom": 6}
        assert one.descriptors("market-1") == offer().merged.data


def test_all_settings_come_back(state: Path) -> None:
    settings = ChainSettings(
        'mar"ket\\ ü-2',
        "evm",
        coin_type=60,
        key_algorithm="eth_secp256k1",
        pubkey_type_url="/cosmos.evm.crypto.v1.ethsecp256k1.PubKey",
        grpc="127.0.0.1:9090",
        tls=True,
    )
    stored = ChainBook(state).add(settings, offer(), source="grpc 127.0.0.1:9090", accepted_at=NOW)
    assert stored.settings == settings
    assert ChainBook(state).list() == (stored,)


def test_nobody_else_reads_it(book: ChainBook, state: Path) -> None:
    folder = state / "chains" / "market-1"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_chain_is_added_once(book: ChainBook) -> None:
    with pytest.raises(ChainExists):
        book.add(SETTINGS, offer(), source="again", accepted_at=NOW)


def test_an_update_is_seen_by_books_that_are_open(book: ChainBook, state: Path) -> None:
    other = ChainBook(state)
    assert other.schema("market-1").find("/market.v1.MsgCloseOrder") is None
    changed = offer(messages=("MsgCreateOrder", "MsgCloseOrder"), coins=())
    book.update(replace(SETTINGS, prefix="mk"), changed, source="file other.binpb", accepted_at=NOW)
    assert other.schema("market-1").find("/market.v1.MsgCloseOrder") is not None
    assert other.coin_metadata("market-1") == {}
    found = other.get("market-1")
    assert found is not None
    assert (found.prefix, found.digest) == ("mk", changed.digest)


def test_an_update_leaves_the_files_of_the_one_before_and_no_older_ones(book: ChainBook, state: Path) -> None:
    """Another process may have read ``chain.toml`` just before, and be about to open what it names."""
    for field in ("buyer", "seller", "payer"):
        before = file_of(state, "descriptors") if field == "buyer" else None
        book.update(SETTINGS, offer(field=field), source="file", accepted_at=NOW)
        assert before is None or before.exists()
    assert len(list((state / "chains" / "market-1").glob("descriptors.*"))) == 2


def test_an_update_needs_a_chain(state: Path) -> None:
    with pytest.raises(ChainNotFound):
        ChainBook(state).update(SETTINGS, offer(), source="file", accepted_at=NOW)


def test_a_removed_chain_is_gone(book: ChainBook, state: Path) -> None:
    other = ChainBook(state)
    assert other.schema("market-1").find(ORDER) is not None
    book.remove("market-1")
    assert other.schema("market-1") is default_schema()
    assert book.ids() == ()
    assert not (state / "chains" / "market-1").exists()
    with pytest.raises(ChainNotFound):
        book.remove("market-1")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("role", ["descriptors", "index", "metadata"])
@pytest.mark.parametrize("damage", [cut, flip, Path.unlink])
def test_a_file_that_is_not_what_was_accepted_fails_closed(
    book: ChainBook, state: Path, role: str, damage: Callable[[Path], None]
) -> None:
    damage(file_of(state, role))
    fresh = ChainBook(state)
    for _ in range(2):
        with pytest.raises(ChainDamaged) as caught:
            fresh.coin_metadata("market-1") if role == "metadata" else fresh.schema("market-1")
        assert caught.value.code == "chain_damaged"
    fresh.remove("market-1")
    fresh.add(SETTINGS, offer(), source="file", accepted_at=NOW)
    assert fresh.schema("market-1").find(ORDER) is not None


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: "{",
        lambda text: "\xff",
        lambda text: text.replace("version = 1", "version = 2"),
        lambda text: text.replace('prefix = "ve"', 'prefix = "VE"'),
        lambda text: text.replace("market-1", "market-2"),
        lambda text: text + "\n[other]\n",
        lambda text: text.replace("index = ", "indexes = "),
        lambda text: text.replace('descriptors = "', 'descriptors = "../'),
        lambda text: text.replace("prefer_shipped = false", ""),
        lambda text: text + "#" * 100_000,
    ],
)
def test_a_description_that_does_not_read_fails_closed(
    book: ChainBook, state: Path, change: Callable[[str], str]
) -> None:
    path = state / "chains" / "market-1" / "chain.toml"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="latin-1")
    for ask in (book.get, book.schema, book.coin_metadata, lambda _: book.list()):
        with pytest.raises(ChainDamaged):
            ask("market-1")
    assert book.ids() == ("market-1",)


def test_a_description_that_others_may_write_is_refused(book: ChainBook, state: Path) -> None:
    os.chmod(state / "chains" / "market-1" / "chain.toml", 0o622)  # noqa: S103 - what is refused
    with pytest.raises(BridgeError):
        book.schema("market-1")


def test_a_fifo_in_the_place_of_a_file_does_not_hang(book: ChainBook, state: Path) -> None:
    path = file_of(state, "descriptors")
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(BridgeError):
        ChainBook(state).schema("market-1")


def test_an_index_of_another_release_is_made_anew(book: ChainBook, state: Path) -> None:
    """The set is what was accepted; an index only says where things are in it."""
    from hashlib import sha256

    old = file_of(state, "index")
    other = old.read_bytes().replace(b'"version":2', b'"version":1')
    toml = state / "chains" / "market-1" / "chain.toml"
    before, after = sha256(old.read_bytes()).hexdigest(), sha256(other).hexdigest()
    old.rename(old.with_name(f"index.{after[:16]}.json")).write_bytes(other)
    toml.write_text(toml.read_text().replace(before, after))
    assert ChainBook(state).schema("market-1").find(ORDER) is not None


@pytest.mark.parametrize(
    "chain_id", ["", ".", "..", "../market-1", "a/b", "\x00", "\ud800", "ü" * 50, "x" * 5000, "%2E"]
)
def test_ids_from_anywhere_are_only_names(book: ChainBook, state: Path, chain_id: str) -> None:
    assert book.get(chain_id) is None
    assert book.schema(chain_id) is default_schema()
    assert book.coin_metadata(chain_id) == {}
    with pytest.raises(ChainNotFound):
        book.remove(chain_id)
    assert sorted(path.name for path in (state / "chains").iterdir() if path.is_dir()) == ["market-1"]


def test_an_id_too_long_for_a_folder(state: Path) -> None:
    with pytest.raises(InvalidRequest):
        ChainBook(state).add(replace(SETTINGS, chain_id="ü" * 50), offer(), source="file", accepted_at=NOW)


@pytest.mark.parametrize(
    "values",
    [
        {"chain_id": ""},
        {"chain_id": "a\nb"},
        {"prefix": ""},
        {"prefix": "Ve"},
        {"prefix": "v" * 21},
        {"coin_type": -1},
        {"coin_type": 1 << 31},
        {"pubkey_type_url": "/ethermint.crypto.v1.ethsecp256k1.PubKey"},
        {"key_algorithm": "eth_secp256k1", "pubkey_type_url": "/cosmos.crypto.secp256k1.PubKey"},
    ],
)
def test_settings_that_cannot_be(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        replace(SETTINGS, **values)  # type: ignore[arg-type]  # wrong on purpose


def test_a_signature_does_not_wait_for_the_whole_set(book: ChainBook, state: Path) -> None:
    """Only the files that a message needs are parsed, as of the shipped set."""
    schema = ChainBook(state).schema("market-1")
    schema.message("market.v1.MsgCreateOrder")
    assert len(schema._loaded) < 5 < len(schema._files)
