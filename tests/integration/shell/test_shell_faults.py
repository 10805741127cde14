"""What goes wrong between the command and the block, and what is said of it. No chain is needed."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from base64 import b64decode
from hashlib import sha256
from pathlib import Path

import pytest
from coincurve import PublicKey
from coincurve.ecdsa import cdata_to_der, deserialize_compact

from tests.integration.cli.harness import Cli
from tests.integration.shell import other_chain
from tests.integration.shell.harness import PATIENCE, Operator
from tests.integration.shell.other_chain import encoded, field, unsigned, varint

DO = ("tx", "other", "do", "this", "--from", "ops", "--chain-id", "other-1")


class Other(Operator):
    """An operator of the other chain.

    Args:
        folder: For everything.
    """

    def __init__(self, folder: Path) -> None:
        cli = Cli(folder / "home")
        cli.ok("init", "--backend", "software", "--chain-id", "other-1")
        program = folder / "otherd"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {other_chain.__file__} "$@"\n')
        program.chmod(0o755)
        super().__init__(cli, program, folder / "otherhome")
        self.sent = folder / "sent"
        self.env["SENT"] = str(self.sent)
        self.address = self.key("ops")

    def signatures(self) -> int:
        """How many signatures the audit log knows of, those that prove new keys left out."""
        lines = self.cli.ok("audit", "tail", "-n", "1000").splitlines()
        return sum(" sign.outcome" in line and "result=signed" in line for line in lines)


@pytest.fixture
def other(tmp_path: Path) -> Other:
    """See the class."""
    return Other(tmp_path)


def test_messages_that_only_the_program_knows(other: Other) -> None:
    assert other.ok(*DO, "--yes", "-b", "async", "-o", "json", "--node", "tcp://n:1") == "sent\n"
    words, document = json.loads(other.sent.read_text())
    assert words[:3] == ["tx", "broadcast", "-"]
    expected = {"--broadcast-mode=async", "--output=json", "--node=tcp://n:1", "--chain-id=other-1"}
    assert expected <= set(words)
    assert document["body"] == unsigned()["body"]
    (signer,), (signature,) = document["auth_info"]["signer_infos"], document["signatures"]
    assert signer["sequence"] == "3"
    assert signer["mode_info"] == {"single": {"mode": "SIGN_MODE_DIRECT"}}
    assert verifies(signer["public_key"], signature)


def signed_parts(key: dict[str, str]) -> tuple[bytes, bytes]:
    """Return body and auth info of the transaction as they are signed, each as a field, written out by hand."""
    fee = b"\x12\x02\x10\x01"
    body = encoded(unsigned()).removesuffix(b"\x12\x04" + fee)
    packed = field(1, b"/cosmos.crypto.secp256k1.PubKey") + field(2, field(1, b64decode(key["key"])))
    signer = field(1, packed) + field(2, field(1, b"\x08\x01")) + b"\x18" + varint(3)
    return body, field(2, field(1, signer) + fee)


def verifies(key: dict[str, str], signature: str) -> bool:
    """Whether a signature is good for the transaction."""
    document = b"".join(signed_parts(key)) + field(3, b"other-1") + b"\x20" + varint(7)
    der = cdata_to_der(deserialize_compact(b64decode(signature)))
    return PublicKey(b64decode(key["key"])).verify(der, document)


def test_unknown_messages_only_as_the_policy_says(other: Other) -> None:
    policy = other.cli.folder / "policy.toml"
    policy.write_text(policy.read_text().replace("/otherchain.v1.MsgDo", "/otherchain.v1.MsgElse"))
    done = other.run(*DO, "--yes")
    assert (done.code, done.out) == (1, "")
    assert "/otherchain.v1.MsgDo" in done.err
    assert not other.sent.exists()


@pytest.mark.parametrize(
    ("arguments", "env", "text"),
    [
        ((), {"BREAK": "make"}, "Error: it is broken\n"),
        ((), {"BREAK": "encode"}, "Error: it is broken\n"),
        ((), {"BREAK": "auth"}, "Error: it is broken\n"),
        ((), {"SAY_ENCODED": "?"}, "`otherd tx encode` wrote something that is no base64"),
        ((), {"SAY_ENCODED": "AAAA"}, "TxRaw"),
        ((), {"SAY_ACCOUNT": "{}"}, "the node's answer says nothing about the account ve1"),
        ((), {"SAY_ACCOUNT": "no JSON"}, "the node's answer says nothing about the account ve1"),
        (("--from", "nobody"), {}, "nobody.info: key not found"),
        (("--sign-mode", "amino-json"), {}, "MsgDo"),
        (("--offline", "-a", "1"), {}, "account-number and sequence must be set in offline mode"),
        (("--sign-mode", "nonsense"), {}, "invalid sign mode 'nonsense'"),
        (("--sign-mode", "eip-191"), {}, "invalid sign mode 'eip-191'"),
        (("--aux",), {}, "--aux is not available"),
        (("--yes=perhaps",), {}, 'invalid argument "perhaps" for "--yes" flag'),
    ],
)
def test_what_ends_it_before_anything_is_signed(
    other: Other, arguments: tuple[str, ...], env: dict[str, str], text: str
) -> None:
    done = other.run(*DO, *([] if "--yes=perhaps" in arguments else ["--yes"]), *arguments, env=env)
    assert done.code == (9 if "BREAK" in env else 1)
    assert text in done.err
    assert "Traceback" not in done.err
    assert done.out == ""
    assert not other.sent.exists()
    assert other.signatures() == 0


def test_an_account_of_another_address_is_no_answer(other: Other) -> None:
    account = {"address": "ve1slzxvz2hu9py0zkmhdqr2qcdjp5mgfgm5h80s9", "account_number": "1", "sequence": "1"}
    done = other.run(*DO, "--yes", env={"SAY_ACCOUNT": json.dumps({"account": account})})
    assert (done.code, other.signatures()) == (1, 0)


def test_what_is_no_transaction_is_passed_on(other: Other) -> None:
    done = other.run(*DO, "--yes", env={"SAY_MADE": "a text\nof two lines"})
    assert (done.code, done.out, other.signatures()) == (0, "a text\nof two lines", 0)


FEE = json.dumps([{"denom": "uve", "amount": "10000001"}])


def test_a_fee_above_the_ceiling(other: Other) -> None:
    refused = other.run(*DO, "--yes", "--gas", "auto", "--gas-prices", "1uve", env={"SAY_FEE": FEE})
    assert (refused.code, other.signatures()) == (1, 0)
    assert "the fee of 10000001uve is above the ceiling of 10000000uve; nothing was signed" in refused.err
    # The program says another fee than the command: that is not what the person named.
    assert other.run(*DO, "--yes", "--fees", "1uve", env={"SAY_FEE": FEE}).code == 1
    assert other.run(*DO, "--yes", "--gas", "1", "--gas-prices", "1uve", env={"SAY_FEE": FEE}).code == 1
    assert not other.sent.exists()


@pytest.mark.parametrize(
    ("arguments", "env"),
    [
        (("--fees", "10000001uve"), {}),
        (("--gas", "10000001", "--gas-prices", "1uve"), {}),
        (("--gas", "auto", "--hsm-max-fee", "10000001uve"), {}),
        (("--gas", "auto"), {"KEYRING_BRIDGE_MAX_FEE": "20000000uve"}),
    ],
)
def test_a_fee_that_is_wanted(other: Other, arguments: tuple[str, ...], env: dict[str, str]) -> None:
    assert other.run(*DO, "--yes", *arguments, env={"SAY_FEE": FEE, **env}).code == 0
    words, _ = json.loads(other.sent.read_text())
    assert not any("hsm-max-fee" in word for word in words)


def test_a_ceiling_of_other_coins_allows_none_of_these(other: Other) -> None:
    done = other.run(*DO, "--yes", "--hsm-max-fee", "5uatom", env={"SAY_FEE": '[{"denom":"uve","amount":"1"}]'})
    assert (done.code, other.signatures()) == (1, 0)


def test_nothing_is_signed_unless_it_is_confirmed(other: Other) -> None:
    for answer, code, said in (
        ("", 1, "error: EOF\ncanceled transaction\nError: EOF\n"),
        ("n\n", 0, "canceled transaction\n"),
    ):
        done = other.run(*DO, "-o", "json", stdin=answer)
        assert (done.code, done.err) == (code, said)
        assert json.loads(done.out) == unsigned()
        assert "\\u003c\\u0026\\u003e" in done.out
    assert (other.signatures(), other.sent.exists()) == (0, False)
    assert other.run(*DO, stdin="YES\n").out.endswith("sent\n")
    assert other.signatures() == 1


def test_the_question_on_a_terminal(other: Other) -> None:
    master, slave = pty.openpty()
    process = subprocess.Popen(other.command(*DO), env=other.env, stdin=slave, stdout=slave, stderr=slave)
    try:
        shown = until(master, b"confirm transaction before signing and broadcasting [y/N]: ")
        assert b"auth_info" in shown
        os.write(master, b"y\n")
        until(master, b"sent")
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        os.close(slave)
        os.close(master)


def until(descriptor: int, text: bytes) -> bytes:
    shown, end = b"", time.monotonic() + PATIENCE
    while text not in shown:
        assert select.select([descriptor], [], [], end - time.monotonic())[0], shown
        shown += os.read(descriptor, 65536)
    return shown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    ("waits", "says"),
    [
        ("make", "nothing was signed and nothing was sent"),
        ("auth", "nothing was signed and nothing was sent"),
        ("broadcast", "the transaction is signed and may have been sent; `otherd query tx "),
    ],
)
def test_interrupted(other: Other, number: signal.Signals, waits: str, says: str) -> None:
    env = {**other.env, "WAIT": waits}
    with subprocess.Popen(
        other.command(*DO, "--yes"), env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        end = time.monotonic() + PATIENCE
        while not other.sent.with_name("waiting").exists():
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number
    assert f"interrupted: {says}" in err
    assert "Traceback" not in err
    assert out == ""
    assert other.signatures() == (1 if waits == "broadcast" else 0)


def test_a_broadcast_that_fails_says_what_is_signed(other: Other) -> None:
    done = other.run(*DO, "--yes", env={"BREAK": "broadcast"})
    assert done.code == 9
    assert done.err.startswith(
        "Error: it is broken\nthe transaction was signed, and nothing says that a node has taken"
    )
    assert other.signatures() == 1


def test_the_hash_that_is_named_is_that_of_the_transaction(other: Other) -> None:
    done = other.run(*DO, "--yes", env={"BREAK": "broadcast"})
    _, document = json.loads(other.sent.read_text())
    (signer,), (signature,) = document["auth_info"]["signer_infos"], document["signatures"]
    whole = b"".join(signed_parts(signer["public_key"])) + field(3, b64decode(signature))
    assert done.err.split("query tx ")[1][:64] == sha256(whole).hexdigest().upper()


def test_a_home_of_another_name(other: Other) -> None:
    """Some programs have one, such as gaiad; their help says which. There is the client.toml that names the chain."""
    home = other.cli.home / ".otherchain"
    (home / "config").mkdir(parents=True)
    (home / "config" / "client.toml").write_text('chain-id = "other-2"\n')
    env = {"SAY_HELP": f'Flags:\n      --home string   directory for config and data (default "{home}")\n'}
    command = [word for word in other.command(*DO[:-2], "--yes") if word not in ("--home", str(other.home))]

    def refused() -> str:
        done = subprocess.run(
            command, env={**other.env, **env}, cwd=other.cli.home, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 1, done
        return done.stderr

    # The policy is for other-1.
    assert "other-2" in refused()
    # A home of the usual name goes before.
    (other.cli.home / ".otherd" / "config").mkdir(parents=True)
    (other.cli.home / ".otherd" / "config" / "client.toml").write_text('chain-id = "other-3"\n')
    assert "other-3" in refused()
    assert other.signatures() == 0


def test_without_a_configuration(other: Other) -> None:
    done = other.run(*DO, "--yes", env={"KEYRING_BRIDGE_CONFIG": str(other.cli.folder / "nothing.toml")})
    assert done.code == 1
    assert done.err.startswith("Error: ")


def test_a_damaged_private_keyring_is_made_anew(other: Other) -> None:
    other.ok(*DO, "--yes")
    (item,) = other.cli.home.rglob("keyring-test/ops.info")
    item.unlink()
    other.ok(*DO, "--yes")
    assert item.exists()
