"""Transactions in files: `tx sign`, `sign-batch` and `multisign` with the SDK's flags, beside the program's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.shell.harness import Operator, funded

if TYPE_CHECKING:
    from tests.chain.node import Chain

OFFLINE = ("--offline", "-a", "1", "-s", "2")


@pytest.fixture
def unsigned(chain: Chain, operator: Operator, tmp_path: Path) -> Path:
    """A transaction of the key ``ops``, which has coins, to the key ``other``."""
    funded(operator, chain, "ops")
    path = tmp_path / "unsigned.json"
    path.write_text(operator.ok("tx", "bank", "send", "ops", operator.key("other"), "21uve", "--generate-only"))
    return path


def balance(chain: Chain, operator: Operator) -> int:
    return chain.balance(operator.ok("keys", "show", "other", "-a").strip())


@pytest.mark.parametrize("mode", ["direct", "amino-json", "textual"])
def test_sign_and_broadcast(chain: Chain, operator: Operator, unsigned: Path, tmp_path: Path, mode: str) -> None:
    if mode == "textual":
        operator.cli.ok("chain", "add", chain.chain_id, "--prefix", "ve", "--grpc", chain.grpc, "--yes")
    signed = tmp_path / "signed.json"
    signed.write_text(operator.ok("tx", "sign", str(unsigned), "--from", "ops", "--sign-mode", mode))
    chain.broadcast(signed)
    assert balance(chain, operator) == 21


def test_sign_offline_to_a_document(chain: Chain, operator: Operator, unsigned: Path, tmp_path: Path) -> None:
    number, sequence = chain.account(operator.ok("keys", "show", "ops", "-a").strip())
    signed = tmp_path / "signed.json"
    signed.write_text("what was there before")
    offline = ("--offline", "-a", str(number), "-s", str(sequence), "--node", "tcp://127.0.0.1:1")
    shown = operator.ok("tx", "sign", str(unsigned), "--from", "ops", *offline, "--output-document", str(signed))
    assert shown == ""
    chain.broadcast(signed)
    assert balance(chain, operator) == 21


def test_what_is_signed_has_the_program_s_form(operator: Operator, unsigned: Path) -> None:
    key = operator.ok("keys", "show", "ops", "-p").strip()
    operator.plain("keys", "add", "theirs")
    arguments = ("tx", "sign", str(unsigned), "--offline", "-a", "1", "-s", "2")
    ours = json.loads(operator.ok(*arguments, "--from", "ops"))
    # Another key signs for the same sender only as text; the shape is what is compared.
    theirs = json.loads(operator.plain(*arguments, "--from", "theirs", "--overwrite").out or "null")
    (signer,) = ours["auth_info"]["signer_infos"]
    assert signer["public_key"] == json.loads(key)
    if theirs is not None:
        assert shape(ours) == shape(theirs)


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return [shape(inner) for inner in value] if isinstance(value, list) else type(value)


def test_sign_batch(chain: Chain, operator: Operator, unsigned: Path, tmp_path: Path) -> None:
    line = unsigned.read_text().strip()
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    first.write_text(f"{line}\n{line}\n")
    second.write_text(f"{line}\n")
    signed = operator.ok("tx", "sign-batch", str(first), str(second), "--from", "ops").splitlines()
    assert len(signed) == 3
    for number, text in enumerate(signed):
        path = tmp_path / f"{number}.json"
        path.write_text(text)
        chain.broadcast(path)
    assert balance(chain, operator) == 63


def test_signatures_alone(operator: Operator, unsigned: Path) -> None:
    only = json.loads(operator.ok("tx", "sign", str(unsigned), "--from", "ops", "--signature-only"))
    whole = json.loads(operator.ok("tx", "sign", str(unsigned), "--from", "ops"))
    (signature,) = only["signatures"]
    assert signature["data"]["single"]["mode"] == "SIGN_MODE_DIRECT"
    assert signature["public_key"] == whole["auth_info"]["signer_infos"][0]["public_key"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--from", "nobody"), "nobody.info: key not found"),
        ((), "no key name or address provided; have you forgotten the --from flag?"),
        (("--from", "ops", "--offline"), "account-number and sequence must be set in offline mode"),
        (
            ("--from", "other", "--offline", "-a", "1", "-s", "2"),
            "tx intended signer does not match the given signer: other",
        ),
        (("--from", "ops", "--sign-mode", "strange"), "strange"),
        (("--from", "ops", *OFFLINE, "-s", "-2"), '"-2"'),
    ],
)
def test_what_cannot_be_signed(operator: Operator, unsigned: Path, arguments: tuple[str, ...], text: str) -> None:
    done = operator.run("tx", "sign", str(unsigned), *arguments)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("Error: ")
    assert text in done.err
    assert "Traceback" not in done.err


def test_the_program_validates_and_decodes_what_we_signed(operator: Operator, unsigned: Path, tmp_path: Path) -> None:
    signed = tmp_path / "signed.json"
    signed.write_text(operator.ok("tx", "sign", str(unsigned), "--from", "ops"))
    assert operator.run("tx", "validate-signatures", str(signed)).code == 0
    encoded = operator.ok("tx", "encode", str(signed)).strip()
    assert json.loads(operator.ok("tx", "decode", encoded, "--output", "json")) == json.loads(signed.read_text())
