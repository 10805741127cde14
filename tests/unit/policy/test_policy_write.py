import os
import threading
from pathlib import Path

import pytest

from cosmos_formats.signing import SignMode
from keyring_bridge.errors import InsecureFile, PolicyInvalid
from keyring_bridge.policy import Policy
from keyring_bridge.policy.write import add_starter, add_starters, remove_key, rename_key

FINGERPRINT = "0a" * 32
SEND = "/cosmos.bank.v1beta1.MsgSend"
NAMES = ["ops", "my key", "a.b", 'quo"te', "schlüssel", "日本", "a/b\\c", "-", "keys"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "policy.toml"


def test_starter_allows_what_it_says_and_nothing_else(path: Path) -> None:
    assert add_starter(path, "ops", FINGERPRINT, "ve-1", [SEND, "/cosmos.staking.v1beta1.*"])
    policy = Policy.load(path).keys["ops"]
    assert policy.fingerprint == FINGERPRINT
    assert policy.chains == {"ve-1"}
    assert policy.sign_modes == {SignMode.DIRECT}
    assert list(policy.messages) == [SEND, "/cosmos.staking.v1beta1.*"]
    assert policy.callers is None
    assert not policy.unsafe_blind_signing
    assert path.stat().st_mode & 0o777 == 0o600


def test_starter_makes_the_folder_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "policy.toml"
    add_starter(path, "ops", FINGERPRINT, "ve-1", [SEND])
    assert list(Policy.load(path).keys) == ["ops"]
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_starter_explains_itself(path: Path) -> None:
    add_starter(path, "ops", FINGERPRINT, "ve-1", [SEND])
    text = path.read_text()
    assert text.startswith("# What each key may sign.")
    assert "docs/policy.md" in text
    assert 'callers = ["uid:1000"]' in text


def test_starter_without_a_chain_says_so(path: Path) -> None:
    add_starter(path, "ops", FINGERPRINT, None, [SEND])
    assert Policy.load(path).keys["ops"].chains == frozenset()
    assert "chains = [] # no chain yet" in path.read_text()


def test_many_starters_are_what_each_would_be(path: Path, tmp_path: Path) -> None:
    one_by_one = tmp_path / "one by one.toml"
    fingerprints = {name: f"{number:064x}" for number, name in enumerate(NAMES)}
    for chain in (None, "ve-1"):
        for name, fingerprint in fingerprints.items():
            assert add_starter(one_by_one, name, fingerprint, chain, [SEND])
        assert add_starters(path, fingerprints, chain, [SEND]) == tuple(NAMES)
        assert Policy.load(path).keys == Policy.load(one_by_one).keys
        assert path.stat().st_mode & 0o777 == 0o600
        assert add_starters(path, {"ops": "0b" * 32, "new": "0c" * 32}, "ve-2", [SEND]) == ("new",)
        assert Policy.load(path).keys["ops"].fingerprint == fingerprints["ops"]
        assert path.read_text().count("# Who may ask") == len(NAMES) + 1
        path.unlink()
        one_by_one.unlink()


RULES = (f'fingerprint = "{FINGERPRINT}"', 'chains = ["ve-1"]', 'sign_modes = ["direct"]', f'messages = ["{SEND}"]')
TABLES = ("[keys]\n", '[keys."a"]\n' + "\n".join(RULES), "[keys]\nb = {" + ", ".join(RULES) + "}")


@pytest.mark.parametrize("keys", ["", "# end", *TABLES])
def test_many_starters_beside_what_a_person_wrote(path: Path, keys: str) -> None:
    path.write_text(f"version = 1\n{keys}")
    path.chmod(0o600)
    known = set(Policy.load(path).keys)
    assert add_starters(path, {"a": FINGERPRINT, "b": FINGERPRINT, "c": FINGERPRINT}, "ve-1", [SEND])
    assert Policy.load(path).keys.keys() == {"a", "b", "c"} | known
    assert path.read_text().startswith(f"version = 1\n{keys}")
    path.write_text("version = 1\nkeys = 7")
    with pytest.raises(PolicyInvalid):
        add_starters(path, {"a": FINGERPRINT, "b": FINGERPRINT}, "ve-1", [SEND])


def test_starter_leaves_an_existing_policy_alone(path: Path) -> None:
    add_starter(path, "ops", FINGERPRINT, "ve-1", [SEND])
    before = path.read_bytes()
    assert not add_starter(path, "ops", "0b" * 32, "ve-2", [])
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", NAMES)
def test_any_name(path: Path, name: str) -> None:
    assert add_starter(path, name, FINGERPRINT, "ve-1", [SEND])
    assert list(Policy.load(path).keys) == [name]
    assert rename_key(path, name, "other")
    assert list(Policy.load(path).keys) == ["other"]
    assert rename_key(path, "other", name)
    assert remove_key(path, name)
    assert Policy.load(path).keys == {}
    assert add_starter(path, name, FINGERPRINT, "ve-1", [SEND])


def test_what_a_person_wrote_is_kept(path: Path) -> None:
    path.write_text(
        f"# ours\nversion = 1\n\n[keys.ops] # the hot one\nfingerprint = '{FINGERPRINT}'\n"
        "chains = ['ve-1']\nsign_modes = []\nmessages = []\n# end\n"
    )
    path.chmod(0o600)
    add_starter(path, "new", FINGERPRINT, None, [SEND])
    rename_key(path, "new", "newer")
    remove_key(path, "newer")
    text = path.read_text()
    for line in ("# ours", "[keys.ops] # the hot one", "chains = ['ve-1']", "# end"):
        assert line in text


def test_rename(path: Path) -> None:
    assert not rename_key(path, "ops", "other")
    assert not path.exists()
    add_starter(path, "ops", FINGERPRINT, "ve-1", [SEND])
    add_starter(path, "two", FINGERPRINT, "ve-1", [SEND])
    before = Policy.load(path).keys["ops"]
    with pytest.raises(PolicyInvalid, match="'two' has a policy already"):
        rename_key(path, "ops", "two")
    assert not rename_key(path, "none", "two")
    assert not rename_key(path, "ops", "ops")
    assert rename_key(path, "ops", "three")
    assert Policy.load(path).keys["three"] == before
    assert sorted(Policy.load(path).keys) == ["three", "two"]


def test_remove(path: Path) -> None:
    assert not remove_key(path, "ops")
    assert not path.exists()
    add_starter(path, "ops", FINGERPRINT, "ve-1", [SEND])
    assert not remove_key(path, "other")
    assert remove_key(path, "ops")
    assert Policy.load(path).keys == {}


def test_nothing_is_written_that_would_not_load(path: Path) -> None:
    for fingerprint, chain, messages, name in (
        ("x", "ve-1", [SEND], "ops"),
        (FINGERPRINT, "ve-1 ", [SEND], "ops"),
        (FINGERPRINT, "ve-1", ["MsgSend"], "ops"),
        (FINGERPRINT, "ve-1", [SEND], " ops"),
    ):
        with pytest.raises(PolicyInvalid):
            add_starter(path, name, fingerprint, chain, messages)
        assert not path.exists()


@pytest.mark.parametrize("content", ["version = = 1", "version = 2", "version = 1\n[key.x]", "keys = 1\nversion = 1"])
def test_a_file_that_does_not_load_is_not_changed(path: Path, content: str) -> None:
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(PolicyInvalid):
        add_starter(path, "ops", FINGERPRINT, "ve-1", [SEND])
    assert path.read_text() == content


def test_a_file_that_others_can_write_is_not_changed(path: Path) -> None:
    path.write_text("version = 1")
    path.chmod(0o666)
    with pytest.raises(InsecureFile):
        add_starter(path, "ops", FINGERPRINT, "ve-1", [SEND])


def test_keys_made_at_the_same_time_all_get_their_policy(path: Path) -> None:
    names = [f"key{number}" for number in range(8)]
    threads = [threading.Thread(target=add_starter, args=(path, name, FINGERPRINT, "ve-1", [SEND])) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(Policy.load(path).keys) == names
    assert sorted(os.listdir(path.parent)) == [".policy.toml.lock", "policy.toml"]


def test_a_link_is_followed(path: Path, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    path.symlink_to(real / "policy.toml")
    add_starter(path, "ops", FINGERPRINT, "ve-1", [SEND])
    assert path.is_symlink()
    assert list(Policy.load(real / "policy.toml").keys) == ["ops"]


@pytest.mark.parametrize(
    "keys",
    ["keys = {}", f"keys = {{a = {{fingerprint = '{FINGERPRINT}', chains = [], sign_modes = [], messages = []}}}}"],
)
def test_a_form_that_cannot_be_extended_is_left_alone(path: Path, keys: str) -> None:
    content = f"version = 1\n{keys}\n"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(PolicyInvalid, match="cannot be changed as it is written now"):
        add_starter(path, "ops", FINGERPRINT, "ve-1", [SEND])
    assert path.read_text() == content


def test_alternatives_and_limits_follow_a_key_to_its_new_name(path: Path) -> None:
    treasury = Path(__file__).resolve().parents[3] / "docs" / "policies" / "treasury.toml"
    path.write_text(treasury.read_text())
    path.chmod(0o600)
    before = Policy.load(path).keys["treasury"]
    assert add_starter(path, "ops", FINGERPRINT, "ve-1", [SEND])
    assert rename_key(path, "treasury", "vault")
    after = Policy.load(path)
    assert after.keys["vault"] == before
    assert after.manage == Policy.load(treasury).manage
    assert remove_key(path, "vault")
    assert list(Policy.load(path).keys) == ["ops"]
