"""``hsm tx sign`` and ``hsm tx combine`` for files with a transaction on every line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.cli.conftest import with_software
from tests.integration.cli.test_tx_commands import allow_every_mode, unsigned, write

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli

OFFLINE = ("--offline", "-a", "7", "-s", "3")


@pytest.fixture(scope="module")
def clerk(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A user with two keys and an account of both."""
    cli = with_software(tmp_path_factory.mktemp("batch"))
    for name in ("ann", "bob"):
        cli.ok("keygen", "--label", name)
    allow_every_mode(cli)
    keys = [json.loads(cli.json("keys", "show", name)["pubkey"]) for name in ("ann", "bob")]
    both = {"@type": "/cosmos.crypto.multisig.LegacyAminoPubKey", "threshold": 2, "public_keys": keys}
    cli.ok("keys", "add", "both", "--pubkey", json.dumps(both))
    return cli


def documents(cli: Cli, count: int, name: str = "ann") -> list[dict[str, Any]]:
    sender = cli.json("keys", "show", name)["address"]
    return [unsigned(sender, memo=f"payment {number}") for number in range(count)]


def sequences(text: str) -> list[str]:
    return [json.loads(line)["auth_info"]["signer_infos"][0]["sequence"] for line in text.splitlines()]


def test_sequences_rise_and_the_order_stays(clerk: Cli) -> None:
    file = write(clerk, "forty.jsonl", *documents(clerk, 40))
    done = clerk.run("tx", "sign", file, "--from", "ann", *OFFLINE)
    assert done.code == 0, done
    assert sequences(done.out) == [str(number) for number in range(3, 43)]
    memos = [json.loads(line)["body"]["memo"] for line in done.out.splitlines()]
    assert memos == [f"payment {number}" for number in range(40)]
    for number in (0, 39):
        line = done.out.splitlines()[number].encode()
        accounts = ("--offline", "-a", "7", "-s", str(3 + number))
        assert clerk.json("tx", "verify", "-", *accounts, stdin=line)["ok"] is True
    only = clerk.ok("tx", "sign", file, "--from", "ann", "--signature-only", *OFFLINE)
    assert [json.loads(line)["signatures"][0]["sequence"] for line in only.splitlines()] == sequences(done.out)


def test_a_failure_names_its_line_and_keeps_what_was_signed(clerk: Cli) -> None:
    batch = documents(clerk, 10)
    batch[6]["auth_info"]["fee"]["gas_limit"] = "many"
    file = write(clerk, "bad.jsonl", *batch)
    failed = clerk.run("tx", "sign", file, "--from", "ann", *OFFLINE)
    assert failed.code == 2
    assert "line 7 (sequence 9): auth_info.fee.gas_limit" in failed.err
    assert "--sequence 9" in failed.err
    assert sequences(failed.out) == [str(number) for number in range(3, 9)]
    # With a document, the run goes on where it stopped.
    target = clerk.home / "signed.jsonl"
    arguments = ("tx", "sign", "--from", "ann", *OFFLINE, "--output-document", str(target))
    error = clerk.fails(*arguments, file, code=2, error="tx_json_invalid")
    assert "--resume" in error["hint"]
    part = clerk.home / "signed.jsonl.part"
    before = part.read_text()
    assert len(before.splitlines()) == 6
    assert not target.exists()
    clerk.fails(*arguments, file, code=5, error="tx_conflict")
    part.write_text(before + '{"body": torn')
    good = write(clerk, "good.jsonl", *documents(clerk, 10))
    assert clerk.json(*arguments, "--resume", good) == {"signed": 4, "document": str(target)}
    assert target.read_text().startswith(before)
    assert sequences(target.read_text()) == [str(number) for number in range(3, 13)]
    assert not part.exists()


def test_another_file_is_not_resumed(clerk: Cli) -> None:
    target = clerk.home / "other.jsonl"
    target.with_name("other.jsonl.part").write_text(json.dumps(unsigned("ve1other")) + "\n")
    file = write(clerk, "three.jsonl", *documents(clerk, 3))
    arguments = ("tx", "sign", file, "--from", "ann", *OFFLINE, "--output-document", str(target))
    clerk.fails(*arguments, "--resume", code=5, error="tx_conflict")
    assert not target.exists()
    clerk.ok(*arguments, "--force")
    assert sequences(target.read_text()) == ["3", "4", "5"]


def test_what_does_not_go_together(clerk: Cli) -> None:
    file = write(clerk, "two.jsonl", *documents(clerk, 2))
    clerk.fails("tx", "sign", file, "--from", "ann", *OFFLINE, code=2, error="usage_error")  # JSON is one document
    assert clerk.run("tx", "sign", file, "--from", "ann", *OFFLINE, "--resume").code == 2
    one = write(clerk, "one.jsonl", *documents(clerk, 1))
    assert clerk.run("tx", "sign", one, "--from", "ann", *OFFLINE, "--resume").code == 2
    pretty = json.dumps(documents(clerk, 1)[0], indent=2).encode()
    assert len(clerk.ok("tx", "sign", "-", "--from", "ann", *OFFLINE, stdin=pretty).splitlines()) == 1


def test_members_of_a_multisig_account(clerk: Cli) -> None:
    file = write(clerk, "multi.jsonl", *documents(clerk, 5, "both"))
    columns = []
    for name in ("bob", "ann"):
        columns.append(str(clerk.home / f"{name}.jsonl"))
        clerk.ok("tx", "sign", file, "--multisig", "both", "--from", name, *OFFLINE, "--output-document", columns[-1])
    text = clerk.ok("tx", "combine", file, "both", *columns, *OFFLINE)
    assert sequences(text) == ["3", "4", "5", "6", "7"]
    for line in text.splitlines():
        assert clerk.json("tx", "verify", "-", "--offline", "-a", "7", stdin=line.encode())["ok"] is True
    target = str(clerk.home / "combined.jsonl")
    clerk.ok("tx", "combine", file, "both", *columns, *OFFLINE, "--output-document", target)
    of_bob = [json.loads(line) for line in Path(columns[0]).read_text().splitlines()]
    swapped = write(clerk, "swapped.jsonl", *reversed(of_bob))
    failed = clerk.run("tx", "combine", file, "both", swapped, columns[1], *OFFLINE)
    assert failed.code == 2
    assert "line 1 (sequence 3)" in failed.err
    short = write(clerk, "short.jsonl", of_bob[0])
    failed = clerk.run("tx", "combine", file, "both", short, columns[1], *OFFLINE)
    assert "1 signatures, and there are 5 transactions" in failed.err


def test_progress_is_for_a_terminal(clerk: Cli) -> None:
    file = write(clerk, "progress.jsonl", *documents(clerk, 8))
    target = clerk.home / "progress.out"
    shown = clerk.on_terminal(
        "tx", "sign", file, "--from", "ann", *OFFLINE, "--output-document", str(target), answers={}
    )
    assert "signed 8 of 8" in shown.out
    assert sequences(target.read_text())[-1] == "10"
