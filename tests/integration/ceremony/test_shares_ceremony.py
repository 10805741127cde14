"""``hsm keygen --recoverable --shares`` and ``hsm keys recover``, with a real SoftHSM2 token."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest

from cosmos_formats import mnemonic
from cosmos_formats.errors import FormatError
from tests.integration.ceremony.custodians import Custodian, custodian
from tests.integration.ceremony.desk import Desk, held, marks, strangers, tells

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli.harness import Cli

pytestmark = pytest.mark.softhsm


@pytest.fixture
def people(tmp_path: Path) -> dict[str, Custodian]:
    return {name: custodian(tmp_path, name) for name in ("anna", "bela", "cleo")}


def keygen(people: dict[str, Custodian], folder: Path, label: str = "ops", *more: str) -> list[str]:
    options = ["keygen", "--recoverable", "--label", label, "--shares", "2of3", "--share-dir", str(folder), *more]
    for number, person in enumerate(people.values(), 1):
        options += ["--custodian", f"share-{number}={person.recipient}"]
    return options


def identities(*people: Custodian) -> list[str]:
    return [text for person in people for text in ("--identity", str(person.identity))]


def lose(cli: Cli) -> None:
    """Let every token lose its keys, while the records stay."""
    for folder in (cli.home.parent / "softhsm" / "tokens").iterdir():
        for path in folder.glob("*-*.object"):
            path.unlink()
        for path in folder.glob("*-*.lock"):
            path.unlink()


def test_two_of_three_make_the_key_again(token: Cli, people: dict[str, Custodian], tmp_path: Path) -> None:
    folder = tmp_path / "shares"
    made = token.json(*keygen(people, folder))
    files = sorted(folder.iterdir())
    assert [path.name for path in files] == [f"ops-{made['fingerprint'][:8]}-share-{n}.share" for n in (1, 2, 3)]
    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600] * 3
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert made["ceremony"]["custodians"]["share-2"] == people["bela"].recipient
    assert marks(token) == []
    lose(token)
    assert token.json("status")["providers"][0]["keys"]["only_in_store"] != []
    given = ["--share", str(files[2]), "--share", str(files[0])]
    done = token.json("keys", "recover", "ops", *given, *identities(people["anna"], people["cleo"]))
    for member in ("address", "fingerprint", "created_at", "pubkey"):
        assert done[member] == made[member]
    assert (done["extractable"], done["origin"]) == (False, "imported")
    assert token.json("status")["providers"][0]["keys"]["in_both"] == ["ops"]
    token.ok("audit", "verify")


def test_the_audit_log_says_who_got_what(token: Cli, people: dict[str, Custodian], tmp_path: Path) -> None:
    from hashlib import sha256

    folder = tmp_path / "shares"
    made = token.json(*keygen(people, folder))
    entries = {one["kind"]: one for one in token.json("audit", "tail", "-n", "50")}
    intent, outcome = entries["key.ceremony.intent"], entries["key.ceremony.outcome"]
    assert intent["scheme"] == "1: share=2of3"
    assert intent["entropy"] == ["system", "token"]
    assert intent["custodians"] == {f"share-{n}": one.recipient for n, one in enumerate(people.values(), 1)}
    assert intent["caller"].startswith("uid:")
    digests = {f"share-{path.name[-7]}": sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    assert {share: told["sha256"] for share, told in outcome["shares"].items()} == digests
    assert outcome["fingerprint"] == made["fingerprint"]


def test_what_can_be_wrong_with_shares(token: Cli, people: dict[str, Custodian], tmp_path: Path) -> None:
    anna, bela, cleo = people.values()
    token.json(*keygen(people, tmp_path / "a"))
    token.json(*keygen(people, tmp_path / "b", "other"))
    first, second, third = sorted((tmp_path / "a").iterdir())
    stranger = sorted((tmp_path / "b").iterdir())[1]
    lose(token)
    all_of_them = identities(anna, bela, cleo)

    def recover(*more: str, code: int, error: str) -> dict[str, Any]:
        return token.fails("keys", "recover", "ops", *more, code=code, error=error)

    recover("--share", str(first), *all_of_them, code=2, error="shares_too_few")
    recover("--share", str(first), "--share", str(first), *all_of_them, code=2, error="shares_too_few")
    mixed = recover("--share", str(first), "--share", str(stranger), *all_of_them, code=9, error="shares_mixed")
    assert "2 different sets" in mixed["message"]
    wrong = recover(
        "--share", str(first), "--share", str(second), *identities(anna), code=7, error="sealed_identity_wrong"
    )
    assert wrong["message"].startswith("share 2:")
    recover("--share", str(first), code=9, error="shares_invalid")
    recover("--share", str(people["anna"].identity), *all_of_them, code=9, error="sealed_unknown")
    recover("--share", str(tmp_path / "none"), code=1, error="file_failed")
    content = bytearray(second.read_bytes())
    content[-1] ^= 1
    second.write_bytes(content)
    recover("--share", str(first), "--share", str(second), *all_of_them, code=9, error="sealed_damaged")
    words = tmp_path / "words"
    words.touch(mode=0o600)
    words.write_text("academic acid zebras")
    said = recover(
        "--share-words", f"file:{words}", "--share", str(first), *all_of_them, code=2, error="share_mistyped"
    )
    assert "share 2: word 3 is not in the word list" in said["message"]
    recover("--share", str(first), "--mnemonic", f"file:{words}", code=2, error="usage_error")
    # Enough shares of another key.
    others = [text for path in sorted((tmp_path / "b").iterdir()) for text in ("--share", str(path))]
    recover(*others, *all_of_them, code=9, error="recovered_other_key")
    assert token.json("status")["providers"][0]["keys"]["only_in_token"] == []
    token.ok("keys", "recover", "ops", "--share", str(first), "--share", str(third), *all_of_them)


def test_without_a_record_an_address_is_needed(token: Cli, people: dict[str, Custodian], tmp_path: Path) -> None:
    made = token.json(*keygen(people, tmp_path / "a", "ops", "--purpose", "consensus"))
    shares = [text for path in sorted((tmp_path / "a").iterdir()) for text in ("--share", str(path))]
    shares += identities(*people.values())
    token.ok("keys", "delete", "ops", "--destroy", "--yes")
    kind = ("--purpose", "consensus")
    token.fails("keys", "recover", "new", *shares, *kind, code=2, error="address_required")
    wrong = made["address"].replace("valcons", "")
    token.fails("keys", "recover", "new", *shares, *kind, "--address", wrong, code=2, error="invalid_address")
    token.fails("keys", "recover", "new", *shares, "--address", made["address"], code=9, error="recovered_other_key")
    done = token.json("keys", "recover", "new", *shares, *kind, "--address", made["address"])
    assert (done["fingerprint"], done["needs_floor"]) == (made["fingerprint"], True)


def test_a_wrong_slip39_passphrase_is_found(token: Cli, people: dict[str, Custodian], tmp_path: Path) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    for path in (right, wrong):
        path.touch(mode=0o600)
        path.write_text(f"the {path.name} one\n")
    token.json(*keygen(people, tmp_path / "a", "ops", "--slip39-passphrase", f"file:{right}"))
    shares = [text for path in sorted((tmp_path / "a").iterdir()) for text in ("--share", str(path))]
    shares += identities(*people.values())
    lose(token)
    for options in ((), ("--slip39-passphrase", f"file:{wrong}")):
        token.fails("keys", "recover", "ops", *shares, *options, code=9, error="recovered_other_key")
    token.ok("keys", "recover", "ops", *shares, "--slip39-passphrase", f"file:{right}")


def test_screens_passphrases_and_files_together(token: Cli, people: dict[str, Custodian], tmp_path: Path) -> None:
    folder = tmp_path / "shares"
    command = ["keygen", "--recoverable", "--label", "ops", "-o", "json", "--share-dir", str(folder)]
    command += ["--shares", "2: ops=2of2 board=1of1 far=1of1", "--custodian", "ops-1=passphrase"]
    command += ["--custodian", "ops-2=screen", "--custodian", f"board-1={people['anna'].recipient}"]
    with Desk(token, *command, "--custodian", "far-1=screen") as desk:
        for again in ("", " again"):
            desk.wait(f"custodian of ops-1{again}: ")
            desk.type("correct horse")
        first = desk.words()
        assert len(first) == 33
        assert "share ops-2" in desk.shown
        desk.confirm(first)
        second = desk.words()
        desk.confirm(second)
        made = held(desk)
    assert len(list(folder.iterdir())) == 2
    lose(token)
    sealed = next(folder.glob("*-ops-1.share"))
    with Desk(
        token,
        "keys",
        "recover",
        "ops",
        "--share",
        str(sealed),
        "--share-words",
        "prompt",
        "--share-words",
        "prompt",
        "-o",
        "json",
    ) as desk:
        desk.wait("passphrase of ")
        desk.type("correct horse")
        desk.wait("words of share 2: ")
        desk.type(" ".join(second))
        desk.wait("words of share 3: ")
        desk.type(" ".join(first))
        assert held(desk)["fingerprint"] == made["fingerprint"]
        assert not tells(desk.shown, first + second)


def test_an_unconfirmed_screen_leaves_no_files(token: Cli, people: dict[str, Custodian], tmp_path: Path) -> None:
    folder = tmp_path / "shares"
    command = keygen(people, folder)
    command[-1] = "share-3=screen"
    with Desk(token, *command) as desk:
        desk.words()
        desk.wait("Word ")
        desk.interrupt()
        assert desk.end().code == 2
    assert list(folder.iterdir()) == []
    assert strangers(token) == []
    assert marks(token) == []


def test_a_folder_that_cannot_be_written_removes_the_key(
    token: Cli, people: dict[str, Custodian], tmp_path: Path
) -> None:
    made = token.json(*keygen(people, tmp_path / "a"))
    folder = tmp_path / "a"
    folder.chmod(0o755)
    token.fails(*keygen(people, folder, "more"), code=3, error="insecure_file")
    assert strangers(token) == []
    assert made["recoverable"]


def test_schemes_and_custodians_must_fit(token: Cli, people: dict[str, Custodian], tmp_path: Path) -> None:
    anna = people["anna"].recipient
    base = ("keygen", "--recoverable", "--label", "ops", "--share-dir", str(tmp_path / "a"))
    for more, error in (
        (("--shares", "1of2"), "share_scheme_invalid"),
        (("--shares", "2of2", "--custodian", f"share-1={anna}"), "custodians_invalid"),
        (("--shares", "1of1", "--custodian", f"ops-1={anna}"), "custodians_invalid"),
        (("--shares", "1of1", "--custodian", "share-1"), "custodians_invalid"),
        (("--shares", "1of1", "--custodian", "share-1=age1x"), "sealed_recipient_invalid"),
        (("--shares", "1of1", *("--custodian", f"share-1={anna}") * 2), "custodians_invalid"),
        (("--custodian", f"share-1={anna}"), "usage_error"),
    ):
        token.fails(*base, *more, code=2, error=error)
    token.fails(*base[:4], "--shares", "1of1", "--custodian", f"share-1={anna}", code=2, error="usage_error")
    assert strangers(token) == []
    assert not (tmp_path / "a").exists()


def fits(words: list[str]) -> bool:
    try:
        mnemonic.check(" ".join(words).encode())
    except FormatError:
        return False
    return True


def test_words_make_a_lost_key_again(token: Cli, tmp_path: Path) -> None:
    with Desk(token, "keygen", "--recoverable", "--label", "ops", "-o", "json") as desk:
        words = desk.words()
        desk.confirm(words)
        made = held(desk)
    lose(token)
    path = tmp_path / "words"
    path.touch(mode=0o600)
    unfit = next(word for word in ("zoo", "abandon", "ability") if not fits([*words[:23], word]))
    for wrong, error, code in (
        (" ".join(words[:23]), "invalid_mnemonic", 2),
        (" ".join([*words[:23], unfit]), "invalid_mnemonic", 2),
        (" ".join([*words[:22], "zebras", words[23]]), "invalid_mnemonic", 2),
        ("abandon " * 23 + "art", "recovered_other_key", 9),
    ):
        path.write_text(wrong)
        told = token.fails("keys", "recover", "ops", "--mnemonic", f"file:{path}", code=code, error=error)
        assert not tells(json.dumps(told), wrong.split())
        assert "zebras" not in json.dumps(told)
    path.write_text(" ".join(words))
    right = ("keys", "recover", "ops", "--mnemonic", f"file:{path}")
    token.fails(*right, "--account", "1", code=9, error="recovered_other_key")
    assert token.json(*right)["fingerprint"] == made["fingerprint"]


def test_the_words_end_a_ceremony_that_was_cut_off(token: Cli, tmp_path: Path) -> None:
    with Desk(token, "keygen", "--recoverable", "--label", "ops") as desk:
        words = desk.words()
        head = desk.shown
        desk.wait("Word ")
        desk.kill()
    import re

    found = re.search(r"address: (\S+)", head)
    assert found is not None
    path = tmp_path / "words"
    path.touch(mode=0o600)
    path.write_text(" ".join(words))
    done = token.json("keys", "recover", "ops", "--mnemonic", f"file:{path}", "--address", found[1])
    assert done["address"] == found[1]
    assert strangers(token) == []
    assert marks(token) == []
