"""Private keys in the bundle itself: made again from words or shares, or of a source, at the time of the backup."""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cosmos_formats import hd_keys, mnemonic
from cosmos_formats.hd import HdPath
from tests.integration.backup.conftest import AgeKey, User, private
from tests.integration.backup.test_backup import check_signature
from tests.integration.ceremony.custodians import custodian
from tests.integration.ceremony.desk import Desk, tells
from tests.integration.ceremony.test_ceremony_memory import RUN, found

if TYPE_CHECKING:
    from tests.integration.cli.harness import Done

pytestmark = pytest.mark.softhsm

PATH = "m/44'/118'/0'/0/0"


def words_file(folder: Path, name: str = "words") -> tuple[Path, bytes, bytes]:
    """Fresh words in a file; the file, the words, and the private key that they make."""
    words = bytes(mnemonic.from_entropy(os.urandom(32)))
    key = bytes(hd_keys.derive(mnemonic.to_seed(words), HdPath.parse(PATH)))
    return private(folder / name, words.decode() + "\n"), words, key


def forms(secret: bytes) -> tuple[bytes, ...]:
    return (secret, secret.hex().encode(), secret.hex().upper().encode(), base64.b64encode(secret), secret[::-1])


def check_hidden(secrets: tuple[bytes, ...], places: list[Path], *told: Done, but: tuple[Path, ...] = ()) -> None:
    """Search whatever is on disk or was told for secrets, which are found in the files they came from."""
    content = {path: path.read_bytes() for place in places for path in place.rglob("*") if path.is_file()}
    for one in but:
        content.pop(one)
    outputs = "\0".join(done.out + done.err for done in told).encode()
    for secret in secrets:
        for form in forms(secret):
            assert [path for path, data in content.items() if form in data] == []
            assert form not in outputs


def take_in(user: User, words: Path) -> dict[str, Any]:
    user.cli.ok("migrate", "--mnemonic", f"file:{words}", "--name", "ops")
    shown: dict[str, Any] = user.cli.json("keys", "show", "ops")
    return shown


def keys_of(data: dict[str, Any]) -> dict[str, str]:
    return {key["name"]: key["holds"] for key in data["keys"]}


def audited(user: User, kind: str) -> list[dict[str, Any]]:
    return [entry for entry in user.cli.json("audit", "tail", "-n", "100") if entry["kind"] == kind]


def test_a_key_of_words_comes_back_on_another_token(desk: User, spare: User, age: AgeKey, tmp_path: Path) -> None:
    path, words, key = words_file(tmp_path)
    made = take_in(desk, path)
    policy = desk.cli.folder / "policy.toml"
    policy.write_text(policy.read_text().replace("\nsign_modes", "\narbitrary_data = true\nsign_modes", 1))
    bundle = desk.cli.home / "bundle"
    done = desk.cli.run(
        *("backup", "--output", str(bundle), "--recipient", age.recipient, "--recover", f"ops=file:{path}"),
    )
    assert done.code == 0, done
    assert "private key: sealed in the bundle" in done.out
    (intent,) = audited(desk, "key.seal.intent")
    assert (intent["key"], intent["fingerprint"], intent["source"]) == ("ops", made["fingerprint"], "words")
    assert audited(desk, "backup.create.outcome")[0]["sealed"] == ["ops"]
    verified = desk.cli.run("-o", "json", "backup", "verify", str(bundle), "--identity", age.identity)
    assert keys_of(verified.data) == {"ops": "sealed"}

    opening = (str(bundle), "--identity", age.identity)
    plan = spare.cli.json("restore", *opening, "--dry-run")
    assert [one["action"] for one in plan["keys"]] == ["import"]
    assert spare.cli.json("keys", "list") == []
    restored = spare.cli.run("-o", "json", "restore", *opening, "--with-policy")
    assert [(one["name"], one["proved"]) for one in restored.data["keys"]] == [("ops", True)]
    shown = spare.cli.json("keys", "show", "ops")
    assert (shown["address"], shown["extractable"]) == (made["address"], False)
    check_signature(spare, made["address"])
    assert [one["action"] for one in spare.cli.json("restore", *opening)["keys"]] == ["nothing"]
    check_hidden((words, key), [tmp_path], done, verified, restored, but=(path,))
    for user in (desk, spare):
        user.cli.ok("audit", "verify")


def test_other_words_are_refused_and_nothing_is_written(desk: User, age: AgeKey, tmp_path: Path) -> None:
    path, _, _ = words_file(tmp_path)
    other, _, _ = words_file(tmp_path, "other")
    take_in(desk, path)
    bundle = desk.cli.home / "bundle"
    to = ("backup", "--output", str(bundle), "--recipient", age.recipient)
    desk.cli.fails(*to, "--recover", f"ops=file:{other}", code=9, error="recovered_other_key")
    desk.cli.fails(*to, "--recover", f"ops=file:{path}", "--index", "1", code=9, error="recovered_other_key")
    desk.cli.fails(*to, "--recover", f"nobody=file:{path}", code=4, error="key_not_found")
    desk.cli.fails(*to, "--recover", f"ops=file:{path}", "--share", "x", code=2, error="usage_error")
    desk.cli.fails(*to, "--index", "1", code=2, error="usage_error")
    assert audited(desk, "key.seal.intent") == []
    assert [one.name for one in desk.cli.home.iterdir() if "bundle" in one.name] == []


def test_shares_make_the_key_again(desk: User, spare: User, age: AgeKey, tmp_path: Path) -> None:
    people = [custodian(tmp_path, name) for name in ("anna", "bela")]
    options = ["--shares", "2of2", "--share-dir", str(tmp_path / "shares")]
    for number, person in enumerate(people, 1):
        options += ["--custodian", f"share-{number}={person.recipient}"]
    made = desk.cli.json("keygen", "--recoverable", "--label", "val", "--purpose", "consensus", *options)
    given = [text for path in sorted((tmp_path / "shares").iterdir()) for text in ("--share", str(path))]
    given += [text for one in people for text in ("--identity", str(one.identity))]
    bundle = desk.cli.home / "bundle"
    desk.cli.ok("backup", "--output", str(bundle), "--recipient", age.recipient, "--recover", "val", *given)
    restored = spare.cli.json("restore", str(bundle), "--identity", age.identity)
    assert [(one["fingerprint"], one["action"], one["proved"]) for one in restored["keys"]] == [
        (made["fingerprint"], "import", True)
    ]
    # Nobody knows what its signer signed meanwhile.
    assert spare.cli.json("keys", "show", "val")["needs_floor"] is True


def test_a_policy_that_denies_backups_denies_it(desk: User, age: AgeKey, tmp_path: Path) -> None:
    path, _, _ = words_file(tmp_path)
    take_in(desk, path)
    policy = desk.cli.folder / "policy.toml"
    text = policy.read_text()
    table = text.index("[keys.ops]\n") + len("[keys.ops]\n")
    policy.write_text(text[:table] + 'operations = ["sign"]\n' + text[table:])
    bundle = desk.cli.home / "bundle"
    to = ("backup", "--output", str(bundle), "--recipient", age.recipient)
    desk.cli.fails(*to, "--recover", f"ops=file:{path}", code=6, error="policy_denied")
    assert not bundle.exists()


def test_a_source_is_retired_after_its_key_was_sealed_in(desk: User, spare: User, age: AgeKey, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir(0o700)
    secret = os.urandom(32)
    path = private(folder / "key.hex", secret.hex())
    desk.cli.ok("migrate", str(path), "--name", "alone")
    address = desk.cli.json("keys", "show", "alone")["address"]
    bundle = desk.cli.home / "bundle"
    to = ("backup", "--output", str(bundle), "--recipient", age.recipient)
    stranger = private(tmp_path / "stranger", os.urandom(32).hex())
    desk.cli.fails(*to, "--source", str(stranger), code=5, error="backup_source_unmatched")
    assert not bundle.exists()
    done = desk.cli.run(*to, "--source", str(path))
    assert done.code == 0, done
    desk.cli.fails("migrate", "retire", str(path), "--yes", code=5, error="migration_retirement_refused")
    assert path.exists()
    desk.cli.ok("backup", "verify", str(bundle), "--identity", age.identity)
    desk.cli.ok("migrate", "retire", str(path), "--yes")
    assert not path.exists()
    spare.cli.ok("restore", str(bundle), "--identity", age.identity)
    assert spare.cli.json("keys", "show", "alone")["address"] == address
    check_hidden((secret,), [tmp_path], done)


def test_a_validators_key_file_is_sealed_in(desk: User, spare: User, age: AgeKey, tmp_path: Path) -> None:
    from cosmos_formats.private_keys import public_half
    from cosmos_formats.pubkeys import KeyType

    seed = bytearray(os.urandom(32))
    public = public_half(KeyType.ED25519, seed)
    document = {
        "address": public.address.hex().upper(),
        "pub_key": {"type": "tendermint/PubKeyEd25519", "value": base64.b64encode(public.data).decode()},
        "priv_key": {
            "type": "tendermint/PrivKeyEd25519",
            "value": base64.b64encode(bytes(seed) + public.data).decode(),
        },
    }
    path = private(tmp_path / "priv_validator_key.json", json.dumps(document))
    desk.cli.ok("migrate", str(path), "--name", "val")
    bundle = desk.cli.home / "bundle"
    desk.cli.ok("backup", "--output", str(bundle), "--recipient", age.recipient, "--source", str(path))
    spare.cli.ok("restore", str(bundle), "--identity", age.identity)
    shown = spare.cli.json("keys", "show", "val")
    assert (shown["fingerprint"], shown["purpose"], shown["needs_floor"]) == (public.fingerprint, "consensus", True)


def test_words_are_asked_for_at_a_terminal(desk: User, age: AgeKey, tmp_path: Path) -> None:
    path, words, key = words_file(tmp_path)
    take_in(desk, path)
    bundle = desk.cli.home / "bundle"
    arguments = ("backup", "--output", str(bundle), "--recipient", age.recipient, "--recover", "ops")
    with Desk(desk.cli, *arguments) as terminal:
        terminal.wait("mnemonic of ops: ")
        terminal.type(words.decode())
        assert terminal.end().code == 0, terminal.shown
        assert "sealed in the bundle" in terminal.shown
        assert tells(terminal.shown, words.decode().split()) == []
    assert keys_of(desk.cli.json("backup", "verify", str(bundle), "--identity", age.identity)) == {"ops": "sealed"}
    check_hidden((words, key), [tmp_path], but=(path,))


def test_nothing_is_left_in_memory(desk: User, spare: User, age: AgeKey, tmp_path: Path) -> None:
    path, words, key = words_file(tmp_path)
    take_in(desk, path)
    core, bundle = tmp_path / "core", desk.cli.home / "bundle"
    making = ("backup", "--output", str(bundle), "--recipient", age.recipient, "--recover", f"ops=file:{path}")
    for user, arguments in (
        (desk, making),
        (desk, ("backup", "verify", str(bundle), "--identity", age.identity)),
        (spare, ("restore", str(bundle), "--identity", age.identity)),
    ):
        done = user.cli.run(*arguments, command=[sys.executable, "-c", RUN, str(core)])
        assert done.code == 0, done
        memory = core.read_bytes()
        assert b"kept-4b1d" in memory
        assert found(memory, {"words": words, "key": key}) == [], arguments[:2]
