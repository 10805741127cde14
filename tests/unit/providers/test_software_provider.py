"""What the software provider does beyond the contract: its passphrase, its file, and what it keeps in memory."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cosmos_formats.pubkeys import TOKEN_TYPES, KeyType
from keyring_bridge.config import ProviderConfig
from keyring_bridge.errors import (
    CapabilityMissing,
    ConfigError,
    InsecureFile,
    InvalidKey,
    InvalidRequest,
    KeyExists,
    KeyFileDamaged,
    ObjectNotFound,
    PinBlocked,
    PinIncorrect,
    PinRequired,
    SessionLost,
    TokenNotFound,
)
from keyring_bridge.model import KeySpec, Purpose
from keyring_bridge.providers import open_provider
from keyring_bridge.providers.base import LogsIn, ProviderContext
from keyring_bridge.providers.software import SoftwareProvider, create_key_file
from keyring_bridge.secrets import SecretBytes
from keyring_bridge.testing import context_for_tests
from tests.key_files import CHEAPEST, PASSPHRASE, make_key_file

SPEC = KeySpec("alice", KeyType.SECP256K1)
Make = Callable[..., SoftwareProvider]


@pytest.fixture
def options(tmp_path: Path) -> dict[str, object]:
    return make_key_file(tmp_path)


@pytest.fixture
def context(tmp_path: Path) -> ProviderContext:
    return context_for_tests(tmp_path)


@pytest.fixture
def make(options: dict[str, object], context: ProviderContext) -> Iterator[Make]:
    made: list[SoftwareProvider] = []

    def make_provider(context: ProviderContext = context, **changes: object) -> SoftwareProvider:
        changed = {name: value for name, value in {**options, **changes}.items() if value is not None}
        made.append(SoftwareProvider(changed, context))
        return made[-1]

    yield make_provider
    for provider in made:
        provider.close()


@pytest.fixture
def file(options: dict[str, object]) -> Path:
    return Path(str(options["file"]))


@pytest.fixture
def passphrase_file(options: dict[str, object]) -> Path:
    return Path(str(options["passphrase_source"]).removeprefix("file:"))


def asked(context: ProviderContext, answers: list[bytes]) -> ProviderContext:
    """Return a context with somebody at a terminal who gives these answers, one each time."""
    return ProviderContext(
        context.name, context.state_dir, context.login_guard, lambda text: SecretBytes(answers.pop(0))
    )


# --- keys ------------------------------------------------------------------------------------------------------------


def test_every_key_counts_as_no_hardware(make: Make) -> None:
    provider = make()
    info = provider.generate_key(SPEC)
    assert not provider.hardware
    assert not provider.status().hardware
    for told in (info, provider.get_key(info.ref), *provider.list_keys()):
        assert (told.hardware, told.extractable, told.sensitive) == (False, True, False)


def test_purpose_and_origin_are_kept(make: Make) -> None:
    provider = make()
    with SecretBytes(b"\1" * 32) as secret:
        imported = provider.import_key(KeySpec("node", KeyType.ED25519, Purpose.CONSENSUS), secret)
    generated = provider.generate_key(KeySpec("log", KeyType.ED25519, Purpose.AUDIT))
    provider.close()
    assert provider.list_keys() == [imported, generated]
    assert (imported.purpose, imported.local) == (Purpose.CONSENSUS, False)
    assert (generated.purpose, generated.local) == (Purpose.AUDIT, True)


def test_a_key_is_not_imported_twice(make: Make) -> None:
    provider = make()
    with SecretBytes(b"\1" * 32) as secret:
        provider.import_key(SPEC, secret)
        with pytest.raises(KeyExists):
            provider.import_key(KeySpec("again", KeyType.SECP256K1), secret)
    assert len(provider.list_keys()) == 1


def test_no_key_is_wrappable(make: Make) -> None:
    provider = make()
    with pytest.raises(CapabilityMissing):
        provider.generate_key(KeySpec("a", KeyType.SECP256K1, wrappable=True))
    assert provider.list_keys() == []


def test_a_key_of_another_file_is_not_there(make: Make, tmp_path: Path) -> None:
    info = make().generate_key(SPEC)
    with pytest.raises(ObjectNotFound, match="another key file"):
        make(**make_key_file(tmp_path, "other")).get_key(info.ref)


def test_the_place_of_a_key_survives_a_move_of_the_file(make: Make, file: Path, tmp_path: Path) -> None:
    first = make()
    info = first.generate_key(SPEC)
    first.close()
    moved = tmp_path / "moved.keys"
    file.rename(moved)
    assert make(file=str(moved)).get_key(info.ref) == info


# --- the passphrase --------------------------------------------------------------------------------------------------


def test_a_wrong_passphrase_is_tried_once_and_remembered(make: Make, passphrase_file: Path) -> None:
    provider = make()
    passphrase_file.write_bytes(b"something else")
    with pytest.raises(PinIncorrect) as caught:
        provider.connect()
    assert "something else" not in f"{caught.value} {caught.value.detail}"
    passphrase_file.write_bytes(PASSPHRASE)
    for again in (provider, make()):
        with pytest.raises(PinBlocked):
            again.connect()
        status = again.status()
        assert status.state == "locked"
        assert "failed" in status.message
    assert isinstance(provider, LogsIn)
    provider.context.login_guard.clear(provider.login_id())
    provider.connect()
    assert provider.status().state == "ready"


def test_a_blocked_file_asks_nobody(make: Make, context: ProviderContext) -> None:
    answers = [b"wrong one", PASSPHRASE]
    provider = make(asked(context, answers), passphrase_source="prompt")
    with pytest.raises(PinIncorrect):
        provider.connect()
    with pytest.raises(PinBlocked):
        provider.connect()
    assert answers == [PASSPHRASE]


def test_without_a_passphrase_nothing_is_tried(make: Make) -> None:
    provider = make(passphrase_source="prompt")
    for _ in range(2):
        with pytest.raises(PinRequired):
            provider.connect()


def test_a_source_that_others_can_read_is_refused(make: Make, passphrase_file: Path) -> None:
    passphrase_file.chmod(0o640)
    with pytest.raises(InsecureFile):
        make().connect()


def test_a_damaged_file_costs_no_try(make: Make, file: Path) -> None:
    whole = file.read_bytes()
    provider = make()
    for damaged in (whole[:-1], b"", whole[:50] + b"x" + whole[51:], b"\0" * (17 << 20)):
        file.write_bytes(damaged)
        with pytest.raises(KeyFileDamaged):
            provider.connect()
        assert provider.status().state == "failed"
    file.write_bytes(whole)
    provider.connect()


# --- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"passphrase_source": "prompt", "pin_source": "prompt"},
        {"passphrase_source": "hunter2"},
        {"pin_source": ""},
        {"idle_timeout": -1},
        {"idle_timeout": True},
        {"passphrase": "hunter2"},
        {"file": 1},
    ],
)
def test_wrong_options_are_refused(context: ProviderContext, wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        SoftwareProvider(wrong, context)
    assert "hunter2" not in str(caught.value)


def test_the_file_has_a_place_of_its_own(context: ProviderContext) -> None:
    provider = open_provider(ProviderConfig("test", "software"), context)
    assert isinstance(provider, SoftwareProvider)
    assert provider.file == context.state_dir / "test.keys"


def test_pin_source_is_another_name(make: Make, options: dict[str, object]) -> None:
    make(passphrase_source=None, pin_source=options["passphrase_source"]).connect()


# --- the file --------------------------------------------------------------------------------------------------------


def test_a_missing_file_is_told_and_not_made(make: Make, file: Path) -> None:
    file.unlink()
    provider = make()
    assert provider.status().state == "disconnected"
    with pytest.raises(TokenNotFound) as caught:
        provider.connect()
    assert "hsm init" in str(caught.value.hint)
    assert not file.exists()


def test_a_file_that_others_can_read_is_refused(make: Make, file: Path) -> None:
    file.chmod(0o644)
    provider = make()
    with pytest.raises(InsecureFile):
        provider.connect()
    assert provider.status().state == "failed"


def test_every_writing_is_private(make: Make, file: Path) -> None:
    old = os.umask(0)
    try:
        make().generate_key(SPEC)
    finally:
        os.umask(old)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir() if ".tmp" in path.name] == []


def test_an_existing_file_is_never_overwritten(file: Path) -> None:
    before = file.read_bytes()
    with SecretBytes(PASSPHRASE) as passphrase, pytest.raises(ConfigError, match="already"):
        create_key_file(file, passphrase, kdf=CHEAPEST)
    assert file.read_bytes() == before


def test_a_short_passphrase_makes_no_file(tmp_path: Path) -> None:
    with SecretBytes(b"1234567") as passphrase, pytest.raises(InvalidRequest):
        create_key_file(tmp_path / "new.keys", passphrase, kdf=CHEAPEST)
    assert not (tmp_path / "new.keys").exists()


def test_a_new_folder_is_private(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "down" / "new.keys"
    with SecretBytes(PASSPHRASE) as passphrase:
        create_key_file(file, passphrase, kdf=CHEAPEST)
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_what_another_provider_writes_is_seen(make: Make) -> None:
    one, other = make(), make()
    first = one.generate_key(SPEC)
    assert other.get_key(first.ref) == first
    other.rename_key(first.ref, "bob")
    assert one.get_key(first.ref).label == "bob"
    second = one.generate_key(KeySpec("carol", KeyType.ED25519))
    other.delete_key(first.ref)
    with pytest.raises(ObjectNotFound):
        one.sign(first.ref, bytes(32))
    assert one.list_keys() == other.list_keys() == [second]


def test_no_writing_is_lost(make: Make) -> None:
    providers = [make() for _ in range(3)]
    for provider in providers:
        provider.connect()

    def work(provider: SoftwareProvider, number: int) -> None:
        for i in range(5):
            provider.generate_key(KeySpec(f"{number}-{i}", KeyType.ED25519))

    threads = [threading.Thread(target=work, args=(each, number)) for number, each in enumerate(providers * 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(info.label for info in providers[0].list_keys()) == sorted(
        f"{n}-{i}" for n in range(6) for i in range(5)
    )


def test_a_symbolic_link_stays_one(make: Make, file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.keys"
    link.symlink_to(file)
    linked, direct = make(file=str(link)), make()
    info = linked.generate_key(SPEC)
    assert link.is_symlink()
    assert direct.list_keys() == [info]


def test_a_file_that_goes_away_takes_its_keys_along(make: Make, file: Path) -> None:
    provider = make()
    info = provider.generate_key(SPEC)
    away = file.with_suffix(".away")
    file.rename(away)
    with pytest.raises(TokenNotFound):
        provider.sign(info.ref, bytes(32))
    assert provider.status().state == "disconnected"
    away.rename(file)
    provider.sign(info.ref, bytes(32))


def test_a_file_of_another_passphrase_is_not_opened_with_this_one(make: Make, file: Path, tmp_path: Path) -> None:
    provider = make()
    info = provider.generate_key(SPEC)
    make_key_file(tmp_path, "other")
    (tmp_path / "other.keys").replace(file)
    with pytest.raises(SessionLost):
        provider.sign(info.ref, bytes(32))
    with pytest.raises(ObjectNotFound):
        provider.sign(info.ref, bytes(32))


def test_a_file_that_is_damaged_while_it_is_open_is_not_trusted(make: Make, file: Path) -> None:
    provider = make()
    info = provider.generate_key(SPEC)
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    with pytest.raises(KeyFileDamaged):
        provider.sign(info.ref, bytes(32))
    with pytest.raises(KeyFileDamaged):
        provider.generate_key(SPEC)
    assert file.read_bytes() == whole[:-1]
    file.write_bytes(whole)
    provider.sign(info.ref, bytes(32))


# --- locking ---------------------------------------------------------------------------------------------------------


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_idle_keys_are_wiped_and_come_back_by_themselves(make: Make) -> None:
    provider = make(idle_timeout=0.2)
    info = provider.generate_key(SPEC)
    vault = provider._vault
    assert vault is not None
    secrets = [key.secret for key in vault.keys.values()]
    wait_for(lambda: provider.status().state == "locked")
    assert all(secret.wiped for secret in secrets)
    provider.sign(info.ref, bytes(32))
    assert provider.status().state == "ready"


def test_use_keeps_the_keys(make: Make) -> None:
    provider = make(idle_timeout=0.4)
    info = provider.generate_key(SPEC)
    vault = provider._vault
    for _ in range(20):
        provider.sign(info.ref, bytes(32))
        time.sleep(0.04)
    assert provider._vault is vault


def test_a_typed_passphrase_is_not_kept(make: Make, context: ProviderContext) -> None:
    answers = [PASSPHRASE, PASSPHRASE]
    provider = make(asked(context, answers), passphrase_source="prompt", idle_timeout=0.2)
    info = provider.generate_key(SPEC)
    wait_for(lambda: provider.status().state == "locked")
    assert "idle" in provider.status().message
    with pytest.raises(PinRequired):
        provider.sign(info.ref, bytes(32))
    assert len(answers) == 1
    provider.connect()
    provider.sign(info.ref, bytes(32))
    assert answers == []


def test_closing_wipes_every_key(make: Make) -> None:
    provider = make()
    for key_type in TOKEN_TYPES:
        provider.generate_key(KeySpec("k", key_type))
    vault = provider._vault
    assert vault is not None
    buffers = [key.secret.reveal() for key in vault.keys.values()]
    assert all(any(buffer) for buffer in buffers)
    provider.close()
    assert not any(any(buffer) for buffer in buffers)
    with pytest.raises(ValueError, match="wiped"):
        vault.file_key.seal(())


def test_a_key_in_use_is_wiped_when_the_use_ends(make: Make) -> None:
    provider = make()
    provider.generate_key(SPEC)
    vault = provider._vault
    assert vault is not None
    (key,) = vault.keys.values()
    assert vault.enter()
    provider.close()
    assert not key.secret.wiped
    assert not vault.enter()
    vault.leave()
    assert key.secret.wiped


def test_a_close_overtakes_somebody_at_the_prompt(make: Make, context: ProviderContext) -> None:
    at_prompt, answered = threading.Event(), threading.Event()

    def prompt(text: str) -> SecretBytes:
        at_prompt.set()
        assert answered.wait(10)
        return SecretBytes(PASSPHRASE)

    waiting = ProviderContext(context.name, context.state_dir, context.login_guard, prompt)
    provider = make(waiting, passphrase_source="prompt")
    errors: list[BaseException] = []

    def connect() -> None:
        try:
            provider.connect()
        except SessionLost as error:
            errors.append(error)

    thread = threading.Thread(target=connect)
    thread.start()
    assert at_prompt.wait(10)
    provider.close()
    answered.set()
    thread.join(10)
    assert len(errors) == 1
    assert provider.status().state == "locked"


def test_a_refused_change_leaves_the_file_alone(make: Make, file: Path) -> None:
    provider = make()
    info = provider.generate_key(SPEC)
    before = file.read_bytes()
    with SecretBytes(bytes(32)) as zero, pytest.raises(InvalidKey):
        provider.import_key(SPEC, zero)
    with pytest.raises(InvalidRequest):
        provider.rename_key(info.ref, "")
    assert file.read_bytes() == before
