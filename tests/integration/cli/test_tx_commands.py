"""``hsm tx``: transactions as files, from the unsigned one to the one that a chain takes."""

from __future__ import annotations

import json
import stat
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cosmos_formats.schema import default_schema
from cosmos_formats.tx import Transaction
from tests.integration.cli.conftest import CHAIN, with_software
from tests.interop.test_json_vectors import load

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli

TO = "ve1d0g6ypwwcjjugk4l4st3q8rygz50x6rlw2zkrv"
OFFLINE = ("--offline", "-a", "7", "-s", "3")


def unsigned(sender: str, *, memo: str = "", payer: str = "", **fee: Any) -> dict[str, Any]:
    """What ``--generate-only`` writes."""
    coins = [{"denom": "uve", "amount": "1000"}]
    message = {"@type": "/cosmos.bank.v1beta1.MsgSend", "from_address": sender, "to_address": TO, "amount": coins}
    body = {"messages": [message], "memo": memo, "timeout_height": "0", "unordered": False, "timeout_timestamp": None}
    options = {"extension_options": [], "non_critical_extension_options": []}
    told_fee = {"amount": coins, "gas_limit": "200000", "payer": payer, "granter": "", **fee}
    auth = {"signer_infos": [], "fee": told_fee, "tip": None}
    return {"body": body | options, "auth_info": auth, "signatures": []}


def write(cli: Cli, name: str, *documents: Any) -> str:
    path = cli.home / name
    path.write_text("".join(json.dumps(document) + "\n" for document in documents), encoding="utf-8")
    return str(path)


def allow_every_mode(cli: Cli) -> None:
    policy = cli.folder / "policy.toml"
    text = policy.read_text().replace(
        'sign_modes = ["direct"]', 'sign_modes = ["direct", "amino-json", "textual", "direct-aux"]'
    )
    policy.write_text(text)


def address(cli: Cli, name: str) -> str:
    return str(cli.json("keys", "show", name)["address"])


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A user with three keys and the account of which two of them must sign."""
    cli = with_software(tmp_path_factory.mktemp("tx"))
    for name in ("ann", "bob", "eve"):
        cli.ok("keygen", "--label", name)
    allow_every_mode(cli)
    keys = [json.loads(cli.json("keys", "show", name)["pubkey"]) for name in ("ann", "bob", "eve")]
    board = {"@type": "/cosmos.crypto.multisig.LegacyAminoPubKey", "threshold": 2, "public_keys": keys}
    cli.ok("keys", "add", "board", "--pubkey", json.dumps(board))
    return cli


@pytest.mark.parametrize("mode", ["direct", "amino-json", "textual"])
def test_one_signature_in_each_mode(desk: Cli, mode: str) -> None:
    file = write(desk, "one.json", unsigned(address(desk, "ann"), memo="<a & b>"))
    text = desk.ok("tx", "sign", file, "--from", "ann", "--sign-mode", mode, *OFFLINE)
    # As the SDK prints it: one line, HTML escapes.
    assert r'"memo":"\u003ca \u0026 b\u003e"' in text
    assert text.count("\n") == 1
    signed = json.loads(text)
    assert signed["auth_info"]["signer_infos"][0]["sequence"] == "3"
    assert len(b64decode(signed["signatures"][0])) == 64
    checked = desk.json("tx", "verify", "-", *OFFLINE, stdin=text.encode())
    assert checked["ok"] is True
    shown = desk.run("tx", "verify", "-", "--offline", "-a", "8", "-s", "3", stdin=text.encode())
    assert (shown.code, "BAD" in shown.out) == (9, True)


def test_the_fee_payer_signs_last_and_another_signs_aux(desk: Cli) -> None:
    ann, bob = address(desk, "ann"), address(desk, "bob")
    file = write(desk, "two.json", unsigned(ann, payer=bob))
    aux = desk.ok("tx", "sign", file, "--from", "ann", "--sign-mode", "direct-aux", *OFFLINE)
    both = desk.ok("tx", "sign", "-", "--from", "bob", "--offline", "-a", "8", "-s", "0", stdin=aux.encode())
    accounts = ("--offline", "--signer", f"{ann}=7/3", "--signer", f"{bob}=8")
    assert desk.json("tx", "verify", "-", *accounts, stdin=both.encode())["ok"] is True
    # A signature in direct covers the signers: nobody comes after it, in whatever order they stand.
    first = desk.ok("tx", "sign", file, "--from", "bob", "--offline", "-a", "8", "-s", "0")
    desk.fails("tx", "sign", "-", "--from", "ann", *OFFLINE, code=5, error="tx_conflict", stdin=first.encode())
    # The same in amino JSON works, and the entry goes before that of the payer.
    first = desk.ok("tx", "sign", file, "--from", "bob", "--sign-mode", "amino-json", "--offline", "-a", "8", "-s", "0")
    both = desk.ok("tx", "sign", "-", "--from", "ann", "--sign-mode", "amino-json", *OFFLINE, stdin=first.encode())
    assert [info["sequence"] for info in json.loads(both)["auth_info"]["signer_infos"]] == ["3", "0"]
    assert desk.json("tx", "verify", "-", *accounts, stdin=both.encode())["ok"] is True


def test_amend_and_overwrite(desk: Cli) -> None:
    ann, bob = address(desk, "ann"), address(desk, "bob")
    file = write(desk, "amend.json", unsigned(ann, payer=bob))
    amino = ("--sign-mode", "amino-json")
    one = desk.ok("tx", "sign", file, "--from", "ann", *amino, *OFFLINE).encode()
    error = desk.fails("tx", "sign", "-", "--from", "ann", *amino, *OFFLINE, code=5, error="tx_conflict", stdin=one)
    assert "--amend" in error["hint"]
    later = ("--offline", "-a", "7", "-s", "4")
    two = desk.json("tx", "sign", "-", "--from", "bob", *amino, *later, stdin=one)
    amended = desk.json("tx", "sign", "-", "--from", "ann", "--amend", *amino, *later, stdin=json.dumps(two).encode())
    assert [info["sequence"] for info in amended["auth_info"]["signer_infos"]] == ["4", "4"]
    assert amended["signatures"][1] == two["signatures"][1]
    alone = desk.json("tx", "sign", "-", "--from", "ann", "--overwrite", *amino, *later, stdin=json.dumps(two).encode())
    assert len(alone["signatures"]) == 1


def test_multisig(desk: Cli) -> None:
    file = write(desk, "multi.json", unsigned(address(desk, "board")))
    offline = ("--offline", "-a", "9", "-s", "0")
    parts = {}
    for name in ("ann", "bob", "eve"):
        text = desk.ok("tx", "sign", file, "--multisig", "board", "--from", name, *offline)
        parts[name] = write(desk, f"{name}.json", json.loads(text))
        assert set(json.loads(text)) == {"signatures"}
        assert json.loads(text)["signatures"][0]["data"]["single"]["mode"] == "SIGN_MODE_LEGACY_AMINO_JSON"
    for chosen, bits in ((("eve", "ann"), "oA=="), (("ann", "bob", "eve"), "4A==")):
        text = desk.ok("tx", "multisign", file, "board", *[parts[name] for name in chosen], *offline)
        info = json.loads(text)["auth_info"]["signer_infos"][0]
        assert info["mode_info"]["multi"]["bitarray"] == {"extra_bits_stored": 3, "elems": bits}
        assert desk.json("tx", "verify", "-", *offline, stdin=text.encode())["ok"] is True
    alone = desk.json("tx", "multisign", file, "board", parts["ann"], parts["bob"], "--signature-only", *offline)
    assert len(alone["signatures"][0]["data"]["multi"]["signatures"]) == 2
    desk.fails("tx", "multisign", file, "board", parts["ann"], *offline, code=2, error="invalid_request")
    wrong = ("--offline", "-a", "10", "-s", "0")
    error = desk.fails(
        "tx", "multisign", file, "board", parts["ann"], parts["bob"], *wrong, code=2, error="invalid_request"
    )
    assert "signature" in error["message"]
    desk.fails("tx", "multisign", file, "ann", parts["ann"], parts["bob"], *offline, code=5, error="tx_conflict")
    direct = ("--multisig", "board", "--sign-mode", "direct")
    desk.fails("tx", "sign", file, "--from", "ann", *direct, *offline, code=2, error="invalid_request")
    desk.fails("tx", "sign", file, "--from", "board", *offline, code=5, error="cannot_sign")


def test_wrong_signer_and_wrong_chain(desk: Cli) -> None:
    file = write(desk, "wrong.json", unsigned(address(desk, "ann")))
    error = desk.fails("tx", "sign", file, "--from", "bob", *OFFLINE, code=5, error="tx_conflict")
    assert error["message"] == "tx intended signer does not match the given signer: bob"
    other = ("--chain-id", "another-1")
    desk.fails("tx", "sign", file, "--from", "ann", *other, *OFFLINE, code=6, error="policy_denied")
    desk.fails("tx", "sign", file, "--from", "nobody", *OFFLINE, code=4, error="key_not_found")
    desk.fails("tx", "sign", file, "--from", "ann", "--offline", "-a", "7", code=2, error="usage_error")
    desk.fails("tx", "sign", file, "--from", "ann", code=2, error="usage_error")
    desk.fails(
        "tx", "sign", file, "--from", "ann", "--offline", "-a", str(2**64), "-s", "0", code=2, error="invalid_request"
    )
    desk.fails("tx", "sign", file, "--from", "ann", "--offline", "-a", "-1", "-s", "0", code=2, error="invalid_request")
    signed = desk.ok("tx", "sign", file, "--from", "ann", *OFFLINE).encode()
    assert desk.run("tx", "verify", "-", *other, *OFFLINE, stdin=signed).code == 9


def test_the_output_document(desk: Cli) -> None:
    file = write(desk, "out.json", unsigned(address(desk, "ann")))
    target = desk.home / "signed.json"
    arguments = ("tx", "sign", file, "--from", "ann", "--output-document", str(target), *OFFLINE)
    assert desk.ok(*arguments) == ""
    assert json.loads(target.read_text())["signatures"]
    assert stat.S_IMODE(target.stat().st_mode) & 0o600 == 0o600
    before = target.read_text()
    desk.fails(*arguments, code=5, error="tx_conflict")
    assert target.read_text() == before
    assert desk.json(*arguments, "--force") == {"document": str(target)}
    assert sorted(path.name for path in desk.home.iterdir() if path.name.startswith((".", "signed"))) == ["signed.json"]
    missing = str(desk.home / "no" / "where.json")
    desk.fails("tx", "sign", file, "--from", "ann", "--output-document", missing, *OFFLINE, code=1, error="file_failed")


def test_encode_and_decode_need_no_configuration(nobody: Cli) -> None:
    for vector in load("tx_json")[:6]:
        encoded = nobody.ok("tx", "encode", "-", stdin=vector["json"].encode()).strip()
        assert b64decode(encoded).hex() == vector["raw"]
        printed = nobody.ok("tx", "decode", encoded).rstrip("\n")
        assert printed == vector["json"].replace('"signatures":[null', '"signatures":[""')
        assert nobody.ok("tx", "decode", "--hex", vector["raw"]).rstrip("\n") == printed
        assert nobody.ok("tx", "decode", "-", stdin=encoded.encode()).rstrip("\n") == printed
    nobody.fails("tx", "decode", "!!", code=2, error="invalid_request")
    nobody.fails("tx", "decode", "//8=", code=2, error="tx_invalid")
    nobody.fails("tx", "encode", "-", code=2, error="tx_json_invalid", stdin=b"{")
    nobody.fails("tx", "encode", "/no/file", code=2, error="usage_error")


NASTY = "a\x1b[2J\r\n\u202egpj\u2066\u200b\ufeff\u2028\U000e0041\x9b end"


def test_what_a_memo_cannot_do(desk: Cli) -> None:
    file = write(desk, "nasty.json", unsigned(address(desk, "ann"), memo=NASTY))
    shown = desk.ok("tx", "show", file)
    assert r"a\x1b[2J\x0d\x0a\u202egpj\u2066\u200b\ufeff\u2028\U000e0041\x9b end" in shown
    assert all(character == "\n" or character.isprintable() for character in shown)
    assert desk.json("tx", "show", file)["memo"] == NASTY
    # On a terminal even the JSON says it in ASCII, and means the same.
    signed = desk.on_terminal("tx", "sign", file, "--from", "ann", *OFFLINE, answers={})
    document = next(line for line in signed.out.splitlines() if line.startswith("{"))
    assert json.loads(document)["body"]["memo"] == NASTY
    assert document.strip().isascii()
    assert document.strip().isprintable()
    # In a pipe it is what the SDK prints.
    piped = desk.ok("tx", "sign", file, "--from", "ann", *OFFLINE)
    assert "\u202egpj" in piped


def test_show_tells_everything(desk: Cli) -> None:
    ann = address(desk, "ann")
    document = unsigned(ann, memo="rent")
    grantee = {"@type": "/cosmos.authz.v1beta1.MsgExec", "grantee": ann, "msgs": document["body"]["messages"]}
    document["body"]["messages"] = [grantee]
    document["body"]["timeout_height"] = "99"
    file = write(desk, "show.json", document)
    shown = desk.ok("tx", "show", file, "-a", "12")
    for line in (
        f"chain:          {CHAIN}",
        "account number: 12",
        "fee:            1000uve",
        "memo:           rent",
        "timeout height: 99",
        f"must sign:      {ann}",
        "message 1 of 1: /cosmos.authz.v1beta1.MsgExec",
        "  msgs[0]: /cosmos.bank.v1beta1.MsgSend",
        f"    to_address: {TO}",
        "    amount[0]: 1000uve",
    ):
        assert line in shown.splitlines(), shown
    told = desk.json("tx", "show", file)
    assert told["messages"][0]["fields"]["msgs"][0]["to_address"] == TO
    assert told["must_sign"] == [ann]


def test_show_marks_what_is_unknown(desk: Cli) -> None:
    schema = default_schema()
    body = schema.message("cosmos.tx.v1beta1.TxBody")()
    body.messages.add(type_url="/virtengine.market.v1.MsgBid\x1b", value=b"\x01\x02")
    auth = schema.message("cosmos.tx.v1beta1.AuthInfo")()
    auth.fee.gas_limit = 1
    raw = schema.message("cosmos.tx.v1beta1.TxRaw")(
        body_bytes=body.SerializeToString(), auth_info_bytes=auth.SerializeToString()
    )
    given = raw.SerializeToString().hex().encode()
    shown = desk.ok("tx", "show", "--encoding", "hex", "-", stdin=given)
    assert r"message 1 of 1: /virtengine.market.v1.MsgBid\x1b UNKNOWN TYPE" in shown
    assert "nobody here can tell who must sign" in shown
    assert desk.json("tx", "show", "--encoding", "hex", "-", stdin=given)["messages"][0]["known"] is False
    error = desk.fails("tx", "decode", "--hex", given.decode(), code=2, error="tx_json_invalid")
    assert "body.messages[0].@type" in error["message"]


def nested(sender: str, depth: int) -> dict[str, Any]:
    document = unsigned(sender)
    for _ in range(depth):
        inner = document["body"]["messages"]
        document["body"]["messages"] = [{"@type": "/cosmos.authz.v1beta1.MsgExec", "grantee": sender, "msgs": inner}]
    return document


def test_large_and_deep_transactions(desk: Cli) -> None:
    ann = address(desk, "ann")
    large = write(desk, "large.json", unsigned(ann, memo="x" * 1_000_000))
    assert "(996000 more characters)" in desk.ok("tx", "show", large)
    signed = desk.ok("tx", "sign", large, "--from", "ann", *OFFLINE)
    assert len(json.loads(signed)["body"]["memo"]) == 1_000_000
    many = unsigned(ann)
    many["body"]["messages"] *= 500
    file = write(desk, "many.json", many)
    assert "message 500 of 500" in desk.ok("tx", "show", file)
    text = desk.ok("tx", "sign", file, "--from", "ann", *OFFLINE)
    assert desk.json("tx", "verify", "-", *OFFLINE, stdin=text.encode())["ok"] is True
    for depth, error in ((50, "sign_doc_invalid"), (200, "tx_json_invalid")):
        deep = write(desk, "deep.json", nested(ann, depth))
        desk.fails("tx", "show", deep, code=2, error=error)
        desk.fails("tx", "sign", deep, "--from", "ann", *OFFLINE, code=2, error=error)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text[: len(text) // 2], "not JSON"),
        (lambda text: text + text.strip(), "not JSON"),
        (lambda text: text.replace('"memo"', '"memo": "", "memo"', 1), "twice"),
        (lambda text: text.replace('"memo"', '"mémo"', 1), "body.mémo"),
        (lambda text: text.replace('"1000"', "1000", 1), "body.messages[0].amount[0].amount"),
        (lambda text: text.replace('"200000"', '"18446744073709551616"', 1), "auth_info.fee.gas_limit"),
        (lambda text: text.replace("MsgSend", "MsgSent", 1), "body.messages[0].@type"),
        (lambda text: text.replace('"signatures": []', '"signatures": [1]'), "signatures[0]"),
        (lambda text: text.replace('"auth_info"', '"auth_inf"'), "auth_inf"),
        (lambda text: '{"body": {"messages": []}}', "auth_info: is missing"),
        (lambda text: "[]", "must be an object"),
        (lambda text: "[" * 5000, "nested"),
    ],
)
def test_damaged_files(desk: Cli, damage: Any, said: str) -> None:
    text = damage(json.dumps(unsigned(TO), ensure_ascii=False)).encode()
    error = desk.fails("tx", "sign", "-", "--from", "ann", *OFFLINE, code=2, error="tx_json_invalid", stdin=text)
    assert said in error["message"]


def test_reordered_members_mean_the_same(desk: Cli) -> None:
    document = unsigned(address(desk, "ann"))
    turned = dict(reversed(document.items())) | {"body": dict(reversed(document["body"].items()))}
    one, two = (
        desk.ok("tx", "encode", "-", stdin=json.dumps(each, indent=1).encode()).strip() for each in (document, turned)
    )
    assert one == two
    assert Transaction.decode(b64decode(one)).signatures == ()


def test_help_loads_no_protobuf(nobody: Cli) -> None:
    import subprocess
    import sys

    script = (
        "import sys; from keyring_bridge.cli.main import main; main(['tx', 'sign', '--help']);"
        "print([name for name in sys.modules if name.startswith('google')], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], env=nobody.env, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "--sign-mode" in done.stdout


def test_the_vectors_read_well(nobody: Cli, tmp_path: Path) -> None:
    for vector in load("tx_json")[1::12]:
        shown = nobody.ok("tx", "show", "-", stdin=vector["json"].encode())
        assert "UNKNOWN" not in shown
        assert "must sign" in shown
