"""``hsm keygen --recoverable`` with words, on a real terminal, into a real SoftHSM2 token."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cosmos_formats import address, hd_keys, mnemonic
from cosmos_formats.hd import HdPath
from cosmos_formats.private_keys import public_half
from cosmos_formats.pubkeys import KeyType
from tests.integration.ceremony.desk import Desk, held, marks, strangers, tells
from tests.integration.cli.conftest import with_software

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli.harness import Cli

pytestmark = pytest.mark.softhsm

KEYGEN = ("keygen", "--recoverable", "--label", "ops", "-o", "json")


def audited(cli: Cli, kind: str) -> list[dict[str, Any]]:
    entries = cli.json("audit", "tail", "-n", "100")
    return [entry for entry in entries if entry["kind"] == kind]


def test_the_words_make_the_same_key_again(token: Cli) -> None:
    with Desk(token, *KEYGEN, "--account", "3") as desk:
        words = desk.words()
        assert len(words) == 24
        desk.confirm(words)
        made = held(desk)
        assert "\x1b[?1049l" in desk.shown
    text = " ".join(words).encode()
    key = hd_keys.derive(mnemonic.to_seed(text), HdPath.parse("m/44'/118'/3'/0/0"))
    public_key = public_half(KeyType.SECP256K1, key)
    assert made["fingerprint"] == public_key.fingerprint
    assert address.decode(made["address"])[1] == public_key.address
    assert (made["recoverable"], made["extractable"], made["origin"]) == (True, False, "imported")
    assert made["ceremony"]["entropy"] == ["system", "token"]
    assert strangers(token) == []
    assert marks(token) == []
    assert token.json("keys", "list", "-n") == ["ops"]
    told = json.dumps(token.json("audit", "tail", "-n", "100"))
    assert '"entropy"' in told
    assert not tells(told, words)
    token.ok("audit", "verify")


def test_a_consensus_key_is_the_one_that_init_recover_makes(token: Cli) -> None:
    with Desk(token, *KEYGEN, "--purpose", "consensus") as desk:
        words = desk.words()
        desk.confirm(words)
        made = held(desk)
    seed = mnemonic.to_ed25519_seed(" ".join(words).encode())
    assert made["fingerprint"] == public_half(KeyType.ED25519, seed).fingerprint
    assert "needs_floor" not in made


def test_wrong_words_three_times_remove_the_key(token: Cli) -> None:
    with Desk(token, *KEYGEN) as desk:
        for _ in range(3):
            words = desk.words()
            desk.confirm(words, wrongly=True)
            page = desk.wait("Not what was shown: words")
            if _ < 2:
                desk.wait("Press Enter to see them: ")
                desk.type("")
        done = desk.end()
        assert done.code == 2
        assert "ceremony_not_confirmed" in done.out
        assert not tells(page + done.out, words)
    assert strangers(token) == []
    assert marks(token) == []
    assert token.json("keys", "list") == []


def test_one_wrong_word_shows_them_again(token: Cli) -> None:
    with Desk(token, *KEYGEN) as desk:
        first = desk.words()
        desk.confirm(first, wrongly=True)
        desk.wait("Press Enter to see them: ")
        desk.type("")
        again = desk.words()
        assert again == first
        desk.confirm(again)
        assert held(desk)["recoverable"]


@pytest.mark.parametrize("when", ["while the words are shown", "while words are asked for"])
def test_ctrl_c_removes_the_key(token: Cli, when: str) -> None:
    with Desk(token, *KEYGEN) as desk:
        if when == "while the words are shown":
            desk.wait("compared them: ")
        else:
            desk.words()
            desk.wait("Word ")
        desk.interrupt()
        done = desk.end()
        assert done.code == 2
        assert "ceremony_not_confirmed" in done.out
        assert desk.shown.count("\x1b[?1049h") == desk.shown.count("\x1b[?1049l") == 1
    assert strangers(token) == []
    assert marks(token) == []
    (outcome,) = audited(token, "key.ceremony.outcome")
    assert outcome["code"] == "ceremony_not_confirmed"


def test_a_ceremony_that_was_killed_is_shown_and_never_adopted(token: Cli) -> None:
    with Desk(token, *KEYGEN) as desk:
        desk.wait("compared them: ")
        running = " ".join(token.json("status")["warnings"])
        assert "ops (under way)" in running
        desk.kill()
    assert strangers(token) == ["ops"]
    assert len(marks(token)) == 1
    warned = " ".join(token.json("status")["warnings"])
    assert "UNFINISHED CEREMONY of ops:" in warned
    assert "keys without a record" not in warned
    (skipped,) = token.json("keys", "sync")["skipped"]
    assert "ceremony_unfinished" in skipped["reason"]
    token.fails("keys", "add", "mine", "--label", "ops", code=5, error="ceremony_unfinished")
    with Desk(token, *KEYGEN) as desk:
        desk.confirm(desk.words())
        made = held(desk)
    assert made["fingerprint"] != skipped["fingerprint"]
    assert strangers(token) == []
    assert marks(token) == []
    assert "UNFINISHED" not in " ".join(token.json("status")["warnings"])


def test_two_ceremonies_for_one_name_do_not_meet(token: Cli) -> None:
    with Desk(token, *KEYGEN) as first:
        words = first.words()
        with Desk(token, *KEYGEN) as second:
            done = second.end()
            assert done.code == 5
            assert "ceremony_unfinished" in done.out
        first.confirm(words)
        held(first)
    assert strangers(token) == []


def test_without_a_terminal_nothing_is_made(token: Cli) -> None:
    token.fails("keygen", "--recoverable", "--label", "ops", code=2, error="terminal_required")
    assert strangers(token) == []
    assert marks(token) == []


def test_what_does_not_go_together(token: Cli) -> None:
    for more in (("--wrappable",), ("--purpose", "consensus", "--account", "1")):
        token.fails("keygen", "--recoverable", "--label", "ops", *more, code=2, error="usage_error")
    token.fails("keygen", "--label", "ops", "--index", "1", code=2, error="usage_error")
    for kind in ("x25519", "secp256r1"):
        token.fails(
            "keygen", "--recoverable", "--label", "a", "--key-type", kind, code=2, error="unsupported_algorithm"
        )


def test_a_key_that_cannot_be_recovered_is_called_so(token: Cli) -> None:
    done = token.run("keygen", "--label", "ops", "-o", "json")
    assert done.data["recoverable"] is False
    assert "cannot leave it" in done.err


def test_a_key_file_has_no_random_numbers_of_its_own(tmp_path: Path) -> None:
    cli = with_software(tmp_path)
    with Desk(cli, *KEYGEN, "--key-type", "eth_secp256k1") as desk:
        words = desk.words()
        desk.confirm(words)
        made = held(desk)
    assert made["ceremony"]["entropy"] == ["system"]
    key = hd_keys.derive(mnemonic.to_seed(" ".join(words).encode()), HdPath.parse("m/44'/60'/0'/0/0"))
    assert made["fingerprint"] == public_half(KeyType.SECP256K1, key).fingerprint
    assert made["eth_address"].startswith("0x")
