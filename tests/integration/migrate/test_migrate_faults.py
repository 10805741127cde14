"""Sources that are damaged, hostile or odd, and tokens that fail: a clear code, nothing half done, and a second run."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cosmos_formats.file_keyring import open_item
from cosmos_formats.pubkeys import KeyType, PublicKey
from keyring_bridge.errors import InsecureFile
from keyring_bridge.keyring_directory import KeyringDirectory, KeyringKind
from tests.integration.migrate.harness import objects, records, unchanged, whole
from tests.integration.plugin.test_plugin_process import through_shim
from tests.keyring_directories import (
    item_path,
    make_keyring,
    new_secret,
    write,
    write_item,
    write_key,
    write_offline,
)
from tests.keyring_files import header, item, jwe, payload
from tests.processes import DROP_RIGHTS, output, public_folder
from tests.shim.shim import DEVICE_ERROR, DEVICE_MEMORY, Shim

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli, Done

pytestmark = pytest.mark.softhsm

Copy = Callable[[str, str], Path]
NOBODY = 65534


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A ``test`` keyring without keys."""
    return Path(str(make_keyring(tmp_path, "test")["directory"]))


def add(folder: Path, *names: str) -> dict[str, PublicKey]:
    """Write keys into a keyring."""
    return {name: write_key(folder, name, KeyType.SECP256K1, new_secret(KeyType.SECP256K1)) for name in names}


def plan(user: Cli, source: Path, *options: str) -> tuple[Any, dict[str, Any]]:
    """The plan, and its rows by item or name in the source."""
    done = user.run("-o", "json", "migrate", str(source), "--dry-run", *options)
    assert done.code in (0, 5), done
    assert done.data["ready"] is (done.code == 0)
    return done.data, {row["source_name"]: row for row in done.data["keys"]}


def moved(user: Cli, source: Path, *options: str) -> dict[str, str]:
    """Migrate; return what was done with each key, all of which are there afterwards."""
    rows = user.json("migrate", str(source), *options)["keys"]
    return {row["name"]: row["action"] for row in rows}


def refused(user: Cli, source: Path, *options: str) -> dict[str, Any]:
    """Migrate what has to be refused as a whole, with nothing touched."""
    before = objects(user), records(user)
    with unchanged(source):
        error = user.fails("migrate", str(source), *options, code=5, error="migration_refused")
    assert (objects(user), records(user)) == before
    assert user.run("audit", "verify").code == 0
    return error


# --- passwords -------------------------------------------------------------------------------------------------------


def test_a_password_that_opens_the_keyring_but_not_one_item(token: Cli, tmp_path: Path) -> None:
    folder = Path(str(make_keyring(tmp_path, "file")["directory"]))
    password = ("--password", f"file:{tmp_path / 'keyring.password'}")
    add(folder, "a", "b")
    right = item_path(folder, "b").read_bytes()
    # Somebody copied it from another keyring.
    write_item(folder, "b.info", b"whatever", password=b"another password")
    _, rows = plan(token, folder, *password)
    assert rows["a"]["problems"] == []
    assert "another one, or damaged" in rows["b"]["problems"][0]
    refused(token, folder, *password)
    write(item_path(folder, "b"), right)
    assert moved(token, folder, *password) == {"a": "import", "b": "import"}
    assert objects(token) == whole("a", "b")


@pytest.mark.parametrize("secret", ["", "wrong password"])
def test_a_wrong_password_then_the_right_one(token: Cli, tmp_path: Path, secret: str) -> None:
    folder = Path(str(make_keyring(tmp_path, "file")["directory"]))
    add(folder, "a")
    wrong = tmp_path / "wrong"
    write(wrong, secret.encode() + b"\n")
    code = "source_password_incorrect" if secret else "pin_required"
    with unchanged(folder):
        token.fails("migrate", str(folder), "--password", f"file:{wrong}", code=7, error=code)
    assert objects(token) == Counter()
    assert not (token.folder / "state" / "migrations").exists()
    assert moved(token, folder, "--password", f"file:{tmp_path / 'keyring.password'}") == {"a": "import"}


@pytest.mark.parametrize("cost", [b"$2a$31$", b"$2a$04$"])
def test_a_keyhash_that_cannot_be_checked(token: Cli, tmp_path: Path, cost: bytes) -> None:
    # A cost of 31 is 2 million times the SDK's: it would not come to an end today.
    folder = Path(str(make_keyring(tmp_path, "file")["directory"]))
    add(folder, "a")
    write(folder / "keyhash", cost + b"." * (53 if cost == b"$2a$31$" else 20))
    password = ("--password", f"file:{tmp_path / 'keyring.password'}")
    with unchanged(folder):
        token.fails("migrate", str(folder), *password, code=9, error="keyring_damaged")
    assert objects(token) == Counter()


# --- items -----------------------------------------------------------------------------------------------------------


def damaged(content: bytes, name: str) -> bytes:
    parts = content.split(b".")
    secret = b"x"
    return {
        "empty": b"",
        "half a header": content[: len(parts[0]) // 2],
        "no content": b".".join(parts[:2]),
        "half the content": content[: -len(parts[4]) - len(parts[3]) // 2],
        "no tag": content[: -len(parts[4])],
        "short tag": content[:-4],
        "flipped bit": content[:-30] + bytes([content[-30] ^ 1]) + content[-29:],
        "more": content + b"A",
        # More work than this machine does until the test's time is over.
        "ten million rounds": jwe(payload(f"{name}.info", secret), b"test", head=header(p2c=10_000_000)),
        "all the rounds": jwe(payload(f"{name}.info", secret), b"test", head=header(p2c=1 << 60)),
        "other algorithm": jwe(payload(f"{name}.info", secret), b"test", head=header(alg="PBES2-HS512+A256KW")),
        "other name": item("other.info", secret, b"test"),
        "no record": item(f"{name}.info", secret, b"test"),
        "large": b"A" * (1 << 20),
    }[name]


DAMAGES = (
    *("empty", "half a header", "no content", "half the content", "no tag", "short tag", "flipped bit", "more"),
    *("ten million rounds", "all the rounds", "other algorithm", "other name", "no record", "large"),
)


def test_damaged_and_hostile_items_are_all_told_and_stop_everything(token: Cli, source: Path) -> None:
    add(source, *DAMAGES, "sound")
    right = {name: item_path(source, name).read_bytes() for name in DAMAGES}
    for name, content in right.items():
        write(item_path(source, name), damaged(content, name))
    with unchanged(source):
        _, rows = plan(token, source)
    assert {name for name, row in rows.items() if row["problems"]} == set(DAMAGES)
    assert all(row["problems"][0].startswith("cannot be read: ") for name, row in rows.items() if name != "sound")
    for name in ("ten million rounds", "all the rounds"):
        assert "at most 600000 are allowed" in rows[name]["problems"][0]
    assert "another item's name" in rows["other name"]["problems"][0]
    refused(token, source)
    # Leaving all of them out is possible; the rest comes in when they are repaired.
    skipped = [word for name in DAMAGES for word in ("--skip", name)]
    assert moved(token, source, *skipped) == {"sound": "import"}
    for name, content in right.items():
        write(item_path(source, name), content)
    assert moved(token, source) == {"sound": "nothing", **dict.fromkeys(DAMAGES, "import")}
    assert objects(token) == whole("sound", *DAMAGES)


# --- names and addresses ---------------------------------------------------------------------------------------------


def test_names_that_are_escaped_in_file_names(token: Cli, source: Path) -> None:
    names = ("a/b", "a%2Fb", "a%252Fb", "100%", "%41", "../up", "/", "%", "鍵 🔑", "-dash")
    keys = add(source, *names)
    assert len(list(source.iterdir())) == 2 * len(names)
    # Nobody who keeps a keyring gives files such names: the SDK does not find what is in them.
    stray = source / "al%69ce.info"
    write(stray, item("alice.info", b"x", b"test"))
    with unchanged(source):
        told = token.json("migrate", str(source))
    assert {row["name"] for row in told["keys"]} == set(names)
    assert any("al%69ce.info" in warning for warning in told["warnings"])
    for row in told["keys"]:
        assert row["fingerprint"] == keys[row["name"]].fingerprint
    assert objects(token) == whole(*names)
    assert records(token) == set(names)
    # Names are no paths.
    assert [path.name for path in token.home.parent.rglob("up*")] == []


def test_names_that_no_record_may_have(token: Cli, source: Path) -> None:
    names = (" lead", "trail ", "x.info", "zero\u200bwidth", "nul\ttab", "e\u0301", "right\u202eleft")
    add(source, *names)
    _, rows = plan(token, source)
    assert rows.keys() == set(names)
    assert all("rename it with --rename" in row["problems"][0] for row in rows.values())
    refused(token, source)
    renames = [word for number, name in enumerate(names) for word in ("--rename", f"{name}=k{number}")]
    assert set(moved(token, source, *renames)) == {f"k{number}" for number in range(len(names))}


def test_address_items_that_lie_are_told_and_not_followed(token: Cli, source: Path) -> None:
    keys = add(source, "a", "b", "c", "d")
    write_item(source, f"{keys['a'].address.hex()}.address", b"b.info")
    write_item(source, f"{'00' * 20}.address", b"nobody.info")
    (source / f"{keys['c'].address.hex()}.address").unlink()
    write(source / f"{keys['d'].address.hex()}.address", b"not an item")
    told = token.json("migrate", str(source))
    assert {row["name"]: row["fingerprint"] for row in told["keys"]} == {
        name: key.fingerprint for name, key in keys.items()
    }
    warnings = " | ".join(told["warnings"])
    for expected in (
        f"an address item lies: {keys['a'].address.hex()} leads to b",
        f"of {'00' * 20} leads to nobody, which is not there",
        f"no address item leads to the address {keys['c'].address.hex()}",
        f"no address item leads to the address {keys['d'].address.hex()}",
        f"{keys['d'].address.hex()}.address:",
    ):
        assert expected in warnings, expected


def test_a_name_that_was_overwritten_and_an_address_that_was_repointed(token: Cli, source: Path) -> None:
    """What the SDK leaves behind: the old key's address item, and one address with two names."""
    old, new = add(source, "ops")["ops"], add(source, "ops")["ops"]
    watched = add(source, "mine")["mine"]
    write_offline(source, "watch", watched)
    told, rows = plan(token, source)
    assert rows["ops"]["fingerprint"] == new.fingerprint
    assert any(f"lies: {old.address.hex()} leads to ops" in warning for warning in told["warnings"])
    assert any(f"{watched.address.hex()} belongs to several names" in warning for warning in told["warnings"])
    # The one with the private key is the one that comes along, whichever way the address item leads.
    assert rows["mine"]["problems"] == []
    assert "it has the address of mine" in rows["watch"]["problems"][0]
    refused(token, source)
    assert moved(token, source, "--skip", "watch") == {"mine": "import", "ops": "import"}
    assert objects(token) == whole("mine", "ops")


def test_a_record_under_another_items_name(token: Cli, source: Path) -> None:
    keys = add(source, "alice")
    # As `mv` and an editor of items would leave it: bob's item holds a record that calls itself alice.
    folder = source.parent / "elsewhere" / "keyring-test"
    folder.mkdir(mode=0o700, parents=True)
    twin = add(folder, "alice")["alice"]
    record = open_item(item_path(folder, "alice").read_bytes(), b"test").data
    write_item(source, "bob.info", bytes(record))
    done = token.run("-o", "json", "migrate", str(source), "--dry-run")
    assert done.code == 5
    assert any("somebody moved the file" in warning for warning in done.data["warnings"])
    assert "two keys would be called alice" in done.data["keys"][1]["problems"]
    refused(token, source)
    assert moved(token, source, "--rename", "bob.info=carol") == {"alice": "import", "carol": "import"}
    again = token.json("migrate", str(source), "--rename", "bob.info=carol")["keys"]
    stored = {row["name"]: row["fingerprint"] for row in again}
    assert stored == {"alice": keys["alice"].fingerprint, "carol": twin.fingerprint}


def test_names_and_addresses_that_the_bridge_has_already(token: Cli, source: Path) -> None:
    token.ok("keygen", "--label", "ops")
    keys = add(source, "ops", "spare", "fine")
    pubkey = json.dumps(keys["spare"].to_proto_json())
    token.ok("keys", "add", "watched", "--pubkey", pubkey)
    _, rows = plan(token, source)
    assert rows["fine"]["problems"] == []
    assert "another key has this name" in rows["ops"]["problems"][0]
    assert "the record watched has its address already" in rows["spare"]["problems"][0]
    refused(token, source)
    token.ok("keys", "delete", "watched", "--yes")
    assert moved(token, source, "--rename", "ops=old ops") == dict.fromkeys(("fine", "old ops", "spare"), "import")
    assert objects(token) == whole("ops", "fine", "old ops", "spare")
    refused(token, source, "--rename", "spare=fine")


# --- tokens ----------------------------------------------------------------------------------------------------------

NAMES = ("a", "b", "c")


@pytest.fixture
def failing(token: Cli, shim_library: Path) -> tuple[Cli, Shim]:
    """A user whose token can be told to fail."""
    return token, through_shim(token, shim_library)


def fails(user: Cli, source: Path, code: int, error: str) -> Done:
    with unchanged(source):
        done = user.run("-o", "json", "migrate", str(source))
    assert (done.code, done.error["code"]) == (code, error), done
    assert "Traceback" not in done.err
    assert user.run("audit", "verify").code == 0
    return done


# Of each key first the private object is made, then the public one, then the note.
@pytest.mark.parametrize("call", [1, 4, 5])
def test_a_token_that_is_full(failing: tuple[Cli, Shim], source: Path, call: int) -> None:
    user, shim = failing
    keys = add(source, *NAMES)
    shim.control(f"fail C_CreateObject {call}+ {DEVICE_MEMORY:x}")
    done = fails(user, source, 8, "token_full")
    there = NAMES[: call // 3]
    assert objects(user) == whole(*there)
    assert records(user) == set(there)
    assert "token is full" in done.error["message"]
    shim.control()
    assert moved(user, source) == {name: "nothing" if name in there else "import" for name in NAMES}
    assert objects(user) == whole(*NAMES)
    assert {record["name"] for record in user.json("keys", "list")} == keys.keys()


def test_a_key_without_room_for_its_note_is_whole(failing: tuple[Cli, Shim], source: Path) -> None:
    user, shim = failing
    add(source, *NAMES)
    shim.control(f"fail C_CreateObject 6+ {DEVICE_MEMORY:x}")
    fails(user, source, 8, "token_full")
    assert objects(user) == whole("a", "b") - Counter({("DATA", "b"): 1})
    assert records(user) == {"a", "b"}
    shim.control()
    assert moved(user, source) == {"a": "nothing", "b": "nothing", "c": "import"}


def test_a_full_token_that_does_not_even_clean_up(failing: tuple[Cli, Shim], source: Path) -> None:
    user, shim = failing
    add(source, *NAMES)
    shim.control(f"fail C_CreateObject 5+ {DEVICE_MEMORY:x}", f"fail C_DestroyObject * {DEVICE_ERROR:x}")
    fails(user, source, 8, "token_full")
    assert objects(user) == whole("a") + Counter({("PRIVATE_KEY", "b"): 1})
    assert records(user) == {"a"}
    shim.control()
    # The second run finds the rest by the id that the journal has.
    assert moved(user, source) == {"a": "nothing", "b": "import", "c": "import"}
    assert objects(user) == whole(*NAMES)


def test_a_token_that_makes_keys_extractable(failing: tuple[Cli, Shim], source: Path) -> None:
    user, shim = failing
    add(source, *NAMES)
    shim.control("quirk ignore_extractable")
    done = fails(user, source, 9, "attribute_not_honoured")
    assert "removed" in done.error["message"]
    assert (objects(user), records(user)) == (Counter(), set())
    shim.control()
    assert moved(user, source) == dict.fromkeys(NAMES, "import")
    assert objects(user) == whole(*NAMES)


@pytest.mark.parametrize("answer", ["garbage", "half", "long"])
def test_a_token_whose_key_does_not_prove_itself(failing: tuple[Cli, Shim], source: Path, answer: str) -> None:
    user, shim = failing
    add(source, *NAMES)
    shim.control(f"signature {answer}")
    fails(user, source, 9, "signature_rejected")
    assert (objects(user), records(user)) == (Counter(), set())
    shim.control()
    assert moved(user, source) == dict.fromkeys(NAMES, "import")


@pytest.mark.parametrize("call", ["C_CreateObject 4", "C_Sign 2", "C_FindObjects 2", "C_GetAttributeValue 40"])
def test_a_token_that_breaks_down_in_the_middle(failing: tuple[Cli, Shim], source: Path, call: str) -> None:
    user, shim = failing
    add(source, *NAMES)
    shim.control(f"fail {call}+ {DEVICE_ERROR:x}")
    with unchanged(source):
        done = user.run("-o", "json", "migrate", str(source))
    assert done.code in (8, 9, 10), done
    assert "Traceback" not in done.err
    shim.control()
    known = records(user)
    assert moved(user, source).keys() == set(NAMES)
    assert known <= set(NAMES)
    # A key that could not be cleaned up nor read was whole but for its note: it was taken up as it is.
    assert whole(*NAMES) - objects(user) <= Counter({("DATA", name): 1 for name in NAMES})
    assert objects(user) <= whole(*NAMES)


def test_a_token_is_not_searched_for_every_key(failing: tuple[Cli, Shim], source: Path, tmp_path: Path) -> None:
    """Each search costs SoftHSM2 a look at every object, so a thousand keys would take minutes."""
    user, shim = failing
    searches = []
    for count in (1, 8):
        folder = tmp_path / str(count)
        folder.mkdir()
        keyring = Path(str(make_keyring(folder, "test")["directory"]))
        add(keyring, *(f"{count}-{number}" for number in range(count)))
        for action in ("import", "nothing"):
            shim.clear_trace()
            assert set(moved(user, keyring).values()) == {action}
            searches.append(shim.calls()["C_FindObjectsInit"])
        for command in ("verify", "report"):
            shim.clear_trace()
            user.json("migrate", command, str(keyring))
            searches.append(shim.calls()["C_FindObjectsInit"])
    assert searches[:4] == searches[4:]


# --- files and folders -----------------------------------------------------------------------------------------------


def test_a_source_that_is_a_link(token: Cli, source: Path, tmp_path: Path) -> None:
    add(source, "a", "b")
    link = tmp_path / "link"
    link.symlink_to(source)
    real = source / "b.info.real"
    item_path(source, "b").rename(real)
    item_path(source, "b").symlink_to(real)
    with unchanged(source):
        assert moved(token, link, "--kind", "keyring-test") == {"a": "import", "b": "import"}
        # It is the same source under both names.
        assert moved(token, source) == {"a": "nothing", "b": "nothing"}
    assert len(list((token.folder / "state" / "migrations").glob("*.jsonl"))) == 1


def test_a_source_that_cannot_be_written(token: Cli, source: Path) -> None:
    add(source, "a")
    for path in source.iterdir():
        path.chmod(0o400)
    source.chmod(0o500)
    with unchanged(source):
        assert moved(token, source) == {"a": "import"}
    source.chmod(0o700)


def test_files_that_others_can_read_or_that_are_none(token: Cli, source: Path) -> None:
    add(source, "sound", "open", "folder", "pipe", "dangling")
    item_path(source, "open").chmod(0o644)
    for name, make in (
        ("folder", os.mkdir),
        ("pipe", os.mkfifo),
        ("dangling", lambda path: os.symlink(source / "nothing", path)),
    ):
        item_path(source, name).unlink()
        make(item_path(source, name))
    _, rows = plan(token, source)
    assert {name for name, row in rows.items() if row["problems"]} == {"open", "folder", "pipe", "dangling"}
    assert "others can read" in rows["open"]["problems"][0]
    refused(token, source)


READ = (
    """
import json, sys
from pathlib import Path
from keyring_bridge.errors import BridgeError
from keyring_bridge.migrate.sources import open_path

def told():
    folder = Path(sys.argv[1])
    for path in (folder / "keyring-test", folder / "hex", folder / "closed", folder / "closed" / "hex"):
        try:
            yield path.name + " " + json.dumps({key.name: key.trouble for key in open_path(path, None).keys()})
        except BridgeError as error:
            yield path.name + " " + error.code

# Once for the imports: the interpreter's own folder may be closed to a user without rights.
list(told())
"""
    + DROP_RIGHTS
    + "print(*told(), sep='\\n')"
)


def test_sources_that_this_user_may_not_read() -> None:
    with public_folder() as folder:
        keyring = Path(str(make_keyring(folder, "test")["directory"]))
        add(keyring, "a", "b")
        write(folder / "hex", b"11" * 32)
        (folder / "closed").mkdir()
        # In a run as root the files are given to the user that the child becomes.
        if os.geteuid() == 0:
            for path in (keyring, *keyring.iterdir()):
                os.chown(path, NOBODY, NOBODY)
        for path in (item_path(keyring, "b"), folder / "hex", folder / "closed"):
            path.chmod(0)
        told = output(READ, str(folder)).splitlines()
        (folder / "closed").chmod(0o700)
    assert told == [
        'keyring-test {"a": "", "b": "a file of the keyring cannot be read"}',
        *("hex source_unreadable", "closed source_unreadable", "hex source_unreadable"),
    ]


def test_a_source_of_another_user(token: Cli, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(source, "a", "b")
    if os.geteuid() == 0:
        os.chown(item_path(source, "b"), NOBODY, NOBODY)
        _, rows = plan(token, source)
        assert rows["a"]["problems"] == []
        assert f"belongs to uid {NOBODY}" in rows["b"]["problems"][0]
        refused(token, source)
        os.chown(item_path(source, "b"), 0, 0)
        os.chown(source, NOBODY, NOBODY)
        error = token.fails("migrate", str(source), code=3, error="insecure_file")
        assert f"uid {NOBODY} can replace" in error["message"]
        os.chown(source, 0, 0)
        assert moved(token, source) == {"a": "import", "b": "import"}
    else:
        monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
        with pytest.raises(InsecureFile, match="neither to this user nor to root"):
            KeyringDirectory(source, KeyringKind.TEST).read("b.info")
