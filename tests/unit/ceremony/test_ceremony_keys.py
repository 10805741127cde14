"""The order of a ceremony, and what is left when one of its steps fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cosmos_formats.hd import HdPath
from cosmos_formats.pubkeys import KeyType
from keyring_bridge.ceremony import marker
from keyring_bridge.ceremony.errors import (
    AddressRequired,
    CeremonyNotConfirmed,
    CeremonyUnfinished,
    RecoveredOtherKey,
)
from keyring_bridge.ceremony.keys import CeremonyKeys
from keyring_bridge.ceremony.recipe import Recipe, words_of
from keyring_bridge.ceremony.recovery import RecoveredKeys, parse_address
from keyring_bridge.device import Device
from keyring_bridge.errors import (
    CapabilityMissing,
    InvalidAddress,
    InvalidRequest,
    KeyExists,
    PinRequired,
    ProviderError,
    StoreFailed,
    UnsupportedAlgorithm,
)
from keyring_bridge.key_kinds import KeyKind
from keyring_bridge.model import KeySpec, ProviderStatus, Purpose
from keyring_bridge.secrets import SecretBytes
from tests.integration.ceremony.desk import tells
from tests.unit.bridge.memory_provider import MemoryProvider
from tests.unit.bridge.pipeline import CALLER, Setup

if TYPE_CHECKING:
    from keyring_bridge.ceremony.hand_out import Born
    from keyring_bridge.model import KeyRef

ACCOUNT = Recipe(KeyKind(KeyType.SECP256K1), HdPath.parse("m/44'/118'/0'/0/0"))
CONSENSUS = Recipe(KeyKind(KeyType.ED25519), None)


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    made = Setup(tmp_path)
    yield made
    made.bridge.close()


@pytest.fixture
def keys(setup: Setup) -> CeremonyKeys:
    return CeremonyKeys(setup.bridge, CALLER)


class Notes:
    """A hand-out that notes what happens, and may fail."""

    def __init__(self, setup: Setup, failure: BaseException | None = None) -> None:
        self.setup = setup
        self.failure = failure
        self.words = ""
        self.events: list[str] = []

    def check(self) -> None:
        self.events.append("check")

    def plan(self) -> Mapping[str, object]:
        return {"form": "notes"}

    def hand_out(self, entropy: SecretBytes, born: Born) -> Mapping[str, object]:
        self.events.append("hand out")
        with words_of(entropy) as words:
            self.words = words.reveal().decode()
        # The key is in its token and signed already; it has no record, and the mark is on the disk.
        assert len(self.setup.provider.keys) == self.setup.provider.calls == 1
        assert self.setup.keyring.list() == []
        (mark,) = marks(self.setup).values()
        assert (mark.name, mark.fingerprint, mark.under_way) == (born.name, born.fingerprint, True)
        if self.failure is not None:
            raise self.failure
        return {"given": "to nobody"}

    def withdraw(self) -> None:
        self.events.append("withdraw")


def marks(setup: Setup) -> Mapping[str, marker.Marker]:
    return marker.unfinished(setup.config.state_dir)


def outcome(setup: Setup) -> dict[str, Any]:
    (entry,) = [one for one in setup.entries() if one["kind"] == "key.ceremony.outcome"]
    return entry


@pytest.mark.parametrize(("recipe", "purpose"), [(ACCOUNT, Purpose.ACCOUNT), (CONSENSUS, Purpose.CONSENSUS)])
def test_the_key_is_imported_proved_handed_out_and_recorded(
    setup: Setup, keys: CeremonyKeys, recipe: Recipe, purpose: Purpose
) -> None:
    notes = Notes(setup)
    held = keys.hold("ops", recipe, purpose, notes)
    assert notes.events == ["check", "hand out"]
    assert setup.keyring.list() == [held.record]
    assert not held.record.needs_floor
    assert held.transcript["entropy"] == ["system"]
    assert marks(setup) == {}
    # What was handed out makes the same key again, over the same record.
    setup.provider.keys.clear()
    again = RecoveredKeys(setup.bridge, CALLER).recover("ops", recipe, SecretBytes(notes.words.encode()))
    assert again.fingerprint == held.record.fingerprint
    assert again.needs_floor is (purpose is Purpose.CONSENSUS)
    told = outcome(setup)
    assert (told["result"], told["given"], told["fingerprint"]) == ("done", "to nobody", held.record.fingerprint)
    assert not tells(str(setup.entries()), notes.words.split())


@pytest.mark.parametrize("failure", [CeremonyNotConfirmed("no"), KeyboardInterrupt(), OSError("full"), ValueError()])
def test_what_is_not_handed_out_is_removed(setup: Setup, keys: CeremonyKeys, failure: BaseException) -> None:
    notes = Notes(setup, failure)
    with pytest.raises(type(failure)):
        keys.hold("ops", ACCOUNT, Purpose.ACCOUNT, notes)
    assert notes.events == ["check", "hand out", "withdraw"]
    assert setup.provider.keys == {}
    assert setup.keyring.list() == []
    assert marks(setup) == {}
    assert outcome(setup)["result"] in ("failed", "unknown")


def test_a_record_that_cannot_be_written_removes_the_key(
    setup: Setup, keys: CeremonyKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise StoreFailed("full")

    notes = Notes(setup)
    monkeypatch.setattr(setup.bridge.store, "add", fail)
    with pytest.raises(StoreFailed):
        keys.hold("ops", ACCOUNT, Purpose.ACCOUNT, notes)
    assert notes.events == ["check", "hand out", "withdraw"]
    assert setup.provider.keys == {}
    assert marks(setup) == {}


def test_a_key_that_cannot_be_removed_stays_marked(
    setup: Setup, keys: CeremonyKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: MemoryProvider, ref: KeyRef) -> None:
        raise ProviderError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(MemoryProvider, "delete_key", fail)
        with pytest.raises(CeremonyNotConfirmed) as caught:
            keys.hold("ops", ACCOUNT, Purpose.ACCOUNT, Notes(setup, CeremonyNotConfirmed("no")))
    assert "hsm status" in str(caught.value.hint)
    (mark,) = marks(setup).values()
    assert (mark.name, mark.provider, mark.under_way) == ("ops", "memory", False)
    (info,) = setup.provider.list_keys()
    with pytest.raises(CeremonyUnfinished):
        setup.keyring.adopt(info, "memory")
    (skipped,) = setup.keyring.sync().skipped
    assert "ceremony_unfinished" in skipped[1]
    # Another name is no reason to touch it; the same one removes it.
    setup.provider.calls = 0
    keys.hold("ops-2", ACCOUNT, Purpose.ACCOUNT, _Quiet())
    assert len(setup.provider.keys) == 2
    keys.hold("ops", ACCOUNT, Purpose.ACCOUNT, _Quiet())
    assert info.uri not in setup.provider.keys
    assert len(setup.provider.keys) == 2
    assert marks(setup) == {}
    outcomes = [one for one in setup.entries() if one["kind"] == "key.ceremony.outcome"]
    assert [one.get("left_in_token") for one in outcomes] == ["provider_failed", None, None]


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_token_that_was_logged_out_meanwhile_is_opened_again_to_remove_the_key(
    setup: Setup, keys: CeremonyKeys, monkeypatch: pytest.MonkeyPatch, comes_back: bool
) -> None:
    locked = [False]
    delete = MemoryProvider.delete_key

    class Slow(Notes):
        def hand_out(self, entropy: SecretBytes, born: Born) -> Mapping[str, object]:
            locked[0] = True
            return super().hand_out(entropy, born)

    def log_in(name: str, *, forget_failure: bool) -> None:
        assert not forget_failure
        if not comes_back:
            raise PinRequired("nothing was typed")
        locked[0] = False

    def delete_unlocked(self: MemoryProvider, ref: KeyRef) -> None:
        if locked[0]:
            raise PinRequired("logged out")
        delete(self, ref)

    monkeypatch.setattr(MemoryProvider, "_status", lambda _: ProviderStatus("locked" if locked[0] else "ready", False))
    monkeypatch.setattr(MemoryProvider, "delete_key", delete_unlocked)
    monkeypatch.setattr(setup.bridge, "log_in", log_in)
    with pytest.raises(CeremonyNotConfirmed):
        keys.hold("ops", ACCOUNT, Purpose.ACCOUNT, Slow(setup, CeremonyNotConfirmed("no")))
    assert len(setup.provider.keys) == (0 if comes_back else 1)
    assert [mark.name for mark in marks(setup).values()] == ([] if comes_back else ["ops"])


class _Quiet:
    def check(self) -> None: ...

    def plan(self) -> Mapping[str, object]:
        return {}

    def hand_out(self, entropy: SecretBytes, born: Born) -> Mapping[str, object]:
        return {}

    def withdraw(self) -> None: ...


def test_a_taken_name_and_a_provider_that_cannot(
    setup: Setup, keys: CeremonyKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup.keyring.generate("ops")
    notes = Notes(setup)
    with pytest.raises(KeyExists):
        keys.hold("ops", ACCOUNT, Purpose.ACCOUNT, notes)

    monkeypatch.setattr(Device, "deletes", False)
    with pytest.raises(CapabilityMissing):
        keys.hold("new", ACCOUNT, Purpose.ACCOUNT, notes)
    assert notes.events == []


def test_a_mark_of_a_key_that_has_its_record_is_dropped(setup: Setup, keys: CeremonyKeys) -> None:
    record = setup.keyring.generate("ops")
    folder = setup.config.state_dir / marker.FOLDER
    folder.mkdir(mode=0o700)
    (folder / str(record.fingerprint)).write_text('{"name": "ops", "provider": "memory", "key_id": ""}')
    (folder / ("ab" * 32)).write_bytes(b"{")
    (folder / "stray").write_bytes(b"")
    keys.hold("new", ACCOUNT, Purpose.ACCOUNT, _Quiet())
    assert marks(setup) == {}
    assert len(setup.provider.keys) == 2


def test_which_kinds_of_keys_are_made_of_words() -> None:
    path = HdPath.parse("m/44'/118'/0'/0/0")
    for key_type in (KeyType.SECP256R1, KeyType.X25519):
        with pytest.raises(UnsupportedAlgorithm):
            Recipe(KeyKind(key_type), path)
    for kind, its_path in ((KeyKind(KeyType.ED25519), path), (KeyKind(KeyType.SECP256K1), None)):
        with pytest.raises(InvalidRequest):
            Recipe(kind, its_path)
    words = words_of(SecretBytes(bytes(32)))
    with pytest.raises(InvalidRequest), SecretBytes(b"extra") as passphrase:
        CONSENSUS.secret(words, passphrase)


# --- recovering ------------------------------------------------------------------------------------------------------


def test_a_recovery_needs_something_to_compare_with(setup: Setup) -> None:
    keys = RecoveredKeys(setup.bridge, CALLER)
    words = words_of(SecretBytes(bytes(32)))
    with pytest.raises(AddressRequired):
        keys.recover("ops", ACCOUNT, words)
    with pytest.raises(RecoveredOtherKey):
        keys.recover("ops", ACCOUNT, words, address=bytes(20))
    assert setup.provider.keys == {}
    with ACCOUNT.secret(words) as secret:
        address = ACCOUNT.public_key(secret).address
    made = keys.recover("ops", ACCOUNT, words, address=address)
    with pytest.raises(RecoveredOtherKey):
        keys.recover("ops", ACCOUNT, words, address=bytes(20))
    with pytest.raises(InvalidRequest):
        keys.recover("ops", CONSENSUS, words)
    assert setup.keyring.list() == [made]


def test_a_recovery_takes_a_key_that_is_there(setup: Setup) -> None:
    words = words_of(SecretBytes(bytes(32)))
    with ACCOUNT.secret(words) as secret:
        info = setup.provider.import_key(KeySpec("half", KeyType.SECP256K1), secret)
        address = ACCOUNT.public_key(secret).address
    folder = setup.config.state_dir / marker.FOLDER
    folder.mkdir(mode=0o700)
    (folder / info.fingerprint).write_text('{"name": "ops", "provider": "memory", "key_id": ""}')
    made = RecoveredKeys(setup.bridge, CALLER).recover("ops", ACCOUNT, words, address=address)
    assert made.uri == info.uri
    assert marks(setup) == {}


def test_addresses_are_read_as_chains_show_them() -> None:
    raw = bytes(range(20))
    for text in (
        "ve1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnlt2w73",
        raw.hex(),
        raw.hex().upper(),
        "0x" + raw.hex(),
    ):
        assert parse_address(text) == raw
    for text in ("", "ve1", "0x12", raw.hex()[:-1], "words words"):
        with pytest.raises(InvalidAddress):
            parse_address(text)
