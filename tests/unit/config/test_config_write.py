import json
import os
import threading
import tomllib
from pathlib import Path

import pytest

from keyring_bridge.config import load, write
from keyring_bridge.errors import ConfigError, ConfigExists, ConfigMissing, InsecureFile

OPTIONS = {
    "library": Path("/usr/lib/module.so"),
    "token_label": 'demo "x"',
    "slot": None,
    "sessions": 4,
    "pin_source": "file:/etc/pin",
}


def create(path: Path, **settings: object) -> None:
    write.create(path, provider="main", backend="pkcs11", options=OPTIONS, **settings)  # type: ignore[arg-type]  # as given


def test_create_writes_what_loads(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "config.toml"
    config = write.create(
        path,
        provider="main",
        backend="pkcs11",
        options=OPTIONS,
        chain_id="ve-1",
        prefix="cosmos",
        state_dir=tmp_path / "state",
        policy=tmp_path / "policy.toml",
        audit=tmp_path / "audit.jsonl",
    )
    assert config == load(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert (config.chain_id, config.prefix, config.default_provider) == ("ve-1", "cosmos", "main")
    assert config.state_dir == tmp_path / "state"
    assert config.policy_path == tmp_path / "policy.toml"
    assert config.audit_path == tmp_path / "audit.jsonl"
    assert config.providers["main"].options == {
        "library": "/usr/lib/module.so",
        "token_label": 'demo "x"',
        "sessions": 4,
        "pin_source": "file:/etc/pin",
    }


def test_create_does_not_overwrite_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    create(path, chain_id="one")
    with pytest.raises(ConfigError, match="exists already"):
        create(path, chain_id="two")
    assert load(path).chain_id == "one"
    create(path, chain_id="two", overwrite=True)
    assert load(path).chain_id == "two"


def test_nothing_is_written_that_would_not_load(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    with pytest.raises(ConfigError, match="chain id"):
        create(path, chain_id="x" * 51)
    with pytest.raises(ConfigError, match="secrets do not belong"):
        write.create(path, provider="main", backend="pkcs11", options={"pin": "1234"})
    assert not path.exists()


def test_set_value_keeps_comments_and_order(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("# mine\nversion = 1 # one\n\nchain_id = 'old' # the chain\n\n[rpc]\n# few\nworkers = 2\n")
    path.chmod(0o600)
    assert write.set_value(path, "chain_id", "new").chain_id == "new"
    assert write.set_value(path, "rpc.workers", 3).rpc.workers == 3
    assert (
        path.read_text() == '# mine\nversion = 1 # one\n\nchain_id = "new" # the chain\n\n[rpc]\n# few\nworkers = 3\n'
    )
    assert write.set_value(path, "rpc.deadline_seconds", 2.5).rpc.deadline_seconds == 2.5
    assert write.set_value(path, "prefix", "cosmos").prefix == "cosmos"
    assert write.set_value(path, "state_dir", tmp_path / "s").state_dir == tmp_path / "s"
    assert write.set_value(path, "outside_providers", ("a", "b")).outside_providers == ("a", "b")
    assert write.set_value(path, "chain_id", None).chain_id is None
    assert write.set_value(path, "chain_id", None).chain_id is None
    assert "# mine" in path.read_text()


def test_set_value_makes_tables_and_takes_names_with_dots(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    create(path)
    assert write.set_value(path, ["providers", "main", "sessions"], 9).providers["main"].options["sessions"] == 9
    assert write.set_value(path, "rpc.workers", 5).rpc.workers == 5
    with pytest.raises(ConfigError, match="there is no table 'nope'"):
        write.set_value(path, "nope.x", None)
    with pytest.raises(ConfigError, match="there is no table 'prefix'"):
        write.set_value(path, "prefix.x", "y")


@pytest.mark.parametrize(("key", "value"), [("chainid", "x"), ("version", 2), ("rpc.workers", "x"), ("rpc.x", 1)])
def test_set_value_leaves_the_file_alone_if_it_would_not_load(tmp_path: Path, key: str, value: object) -> None:
    path = tmp_path / "config.toml"
    create(path)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=str(path)):
        write.set_value(path, key, value)
    assert path.read_bytes() == before


def test_add_provider(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    create(path)
    config = write.add_provider(path, "soft", "software", {"file": Path("keys")})
    assert sorted(config.providers) == ["main", "soft"]
    assert config.default_provider == "main"
    config = write.add_provider(path, "soft", "software", {"file": "other"}, make_default=True)
    assert config.default_provider == "soft"
    assert config.providers["soft"].options == {"file": "other"}


def test_changing_what_is_not_there_or_not_toml(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    with pytest.raises(ConfigMissing):
        write.set_value(path, "chain_id", "x")
    path.write_text("version = = 1")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="line 1"):
        write.set_value(path, "chain_id", "x")
    path.write_text("version = 1")
    path.chmod(0o666)
    with pytest.raises(InsecureFile):
        write.set_value(path, "chain_id", "x")


def test_a_link_is_followed_when_changing(tmp_path: Path) -> None:
    real = tmp_path / "real" / "config.toml"
    create(real)
    link = tmp_path / "config.toml"
    link.symlink_to(real)
    write.set_value(link, "chain_id", "x")
    assert link.is_symlink()
    assert load(real).chain_id == "x"


def test_changes_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    create(path)
    names = [f"p{number}" for number in range(6)]
    threads = [threading.Thread(target=write.add_provider, args=(path, name, "software", {})) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(load(path).providers) == ["main", *names]


def test_a_form_that_cannot_be_extended_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("version = 1\nproviders = {}\n")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="cannot be changed as it is written now"):
        write.add_provider(path, "soft", "software", {})
    assert path.read_text() == "version = 1\nproviders = {}\n"


# --- hsm.json --------------------------------------------------------------------------------------------------------

PIN = 'hunter2 "4711" \\'


def put_json(tmp_path: Path, **pkcs11: object) -> Path:
    path = tmp_path / "ve" / "hsm.json"
    path.parent.mkdir()
    section = {"library": "lib/module.so", "slot": 0, "token_label": "demo", **pkcs11}
    path.write_text(
        json.dumps({"backend": "softhsm", "pkcs11": section, "operation_timeout": 10000000000, "max_retries": 3})
    )
    path.chmod(0o600)
    return path


def test_migration_moves_the_pin_to_a_file_of_its_own(tmp_path: Path) -> None:
    old_path, new_path = put_json(tmp_path, pin=PIN), tmp_path / "new" / "config.toml"
    old = load(old_path)
    done = write.migrate_json(old_path, new_path)
    assert done.pin_file == tmp_path / "new" / "pin"
    assert done.pin_file.read_text() == PIN
    assert done.pin_file.stat().st_mode & 0o777 == 0o600
    assert done.config == load(new_path)
    assert done.config.warnings == ()
    assert len(done.warnings) == 1
    assert "change the PIN" in done.warnings[0]
    options = done.config.providers["softhsm"].options
    assert options == {
        "library": str(tmp_path / "ve" / "lib" / "module.so"),
        "token_label": "demo",
        "operation_timeout": 10.0,
        "pin_source": f"file:{done.pin_file}",
    }
    for name in ("state_dir", "policy_path", "audit_path", "prefix"):
        assert getattr(done.config, name) == getattr(old, name)
    assert PIN not in new_path.read_text()
    assert PIN not in repr(done)


def test_migration_leaves_the_old_file_usable_without_the_pin(tmp_path: Path) -> None:
    path = put_json(tmp_path, pin=PIN)
    before = json.loads(path.read_text())
    write.migrate_json(path, tmp_path / "new" / "config.toml")
    after = json.loads(path.read_text())
    del before["pkcs11"]["pin"]
    assert after == before
    assert load(path).warnings == ()
    assert path.stat().st_mode & 0o777 == 0o600


def test_migration_without_a_pin(tmp_path: Path) -> None:
    path = put_json(tmp_path)
    before = path.read_bytes()
    done = write.migrate_json(path, tmp_path / "config.toml")
    assert done.pin_file is None
    assert done.warnings == ()
    assert "pin_source" not in done.config.providers["softhsm"].options
    assert path.read_bytes() == before
    assert not (tmp_path / "pin").exists()


def test_migration_overwrites_nothing(tmp_path: Path) -> None:
    path, new_path = put_json(tmp_path, pin=PIN), tmp_path / "new" / "config.toml"
    new_path.parent.mkdir()
    (new_path.parent / "pin").write_text("another")
    (new_path.parent / "pin").chmod(0o600)
    with pytest.raises(ConfigError, match="with another content"):
        write.migrate_json(path, new_path)
    create(new_path)
    with pytest.raises(ConfigError, match="exists already"):
        write.migrate_json(path, new_path, pin_file=tmp_path / "elsewhere")
    assert "hunter2" in path.read_text()


def test_interrupted_migration_can_be_run_again(tmp_path: Path) -> None:
    path, new_path = put_json(tmp_path, pin=PIN), tmp_path / "new" / "config.toml"
    new_path.parent.mkdir()
    # What a crash right after the first step leaves.
    (new_path.parent / "pin").write_text(PIN)
    (new_path.parent / "pin").chmod(0o600)
    done = write.migrate_json(path, new_path)
    assert done.pin_file is not None
    assert done.pin_file.read_text() == PIN


def test_migration_that_was_interrupted_before_its_last_step_can_be_run_again(tmp_path: Path) -> None:
    path, new_path = put_json(tmp_path, pin=PIN), tmp_path / "new" / "config.toml"
    before = path.read_bytes()
    first = write.migrate_json(path, new_path)
    path.write_bytes(before)
    again = write.migrate_json(path, new_path)
    assert again == first
    assert "pin" not in json.loads(path.read_text())["pkcs11"]
    with pytest.raises(ConfigExists, match="exists already"):
        write.migrate_json(path, new_path)


def test_the_file_is_ordinary_toml(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    create(path)
    assert tomllib.loads(path.read_text())["providers"]["main"]["backend"] == "pkcs11"
    assert sorted(os.listdir(tmp_path)) == [".config.toml.lock", "config.toml"]
