"""Every command, as text and as JSON, with a token and with a key file."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from ecdsa import SECP256k1, VerifyingKey
from ecdsa.util import sigdecode_string

from cosmos_formats import address
from cosmos_formats.pubkeys import PublicKey
from tests.integration.cli.conftest import CHAIN
from tests.softhsm import find_library
from tests.unit.bridge.sign_docs import send_doc

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli

OFFLINE = {
    "@type": "/cosmos.crypto.secp256k1.PubKey",
    # The point G itself: anybody's key, nobody's money.
    "key": base64.b64encode(
        bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
    ).decode(),
}


def public_key(cli: Cli, name: str) -> PublicKey:
    return PublicKey.from_proto_json(json.loads(cli.json("keys", "show", name)["pubkey"]))


def test_init_writes_private_files_and_says_where(cli: Cli) -> None:
    files = {path.name: path for path in cli.folder.rglob("*") if path.is_file()}
    assert {"config.toml", "policy.toml"} <= files.keys()
    assert [path for path in files.values() if stat.S_IMODE(path.stat().st_mode) != 0o600] == []
    assert stat.S_IMODE(cli.folder.stat().st_mode) == 0o700
    assert f'chain_id = "{CHAIN}"' in files["config.toml"].read_text()
    assert CHAIN in files["policy.toml"].read_text()
    assert cli.json("config", "show")["path"] == str(cli.config)


def test_init_records_the_token_by_its_serial(token: Cli) -> None:
    status = token.json("status")["providers"][0]
    assert f'token_serial = "{status["token"]["serial"]}"' in token.config.read_text()
    assert "slot" not in token.config.read_text()


def test_generated_pins_are_in_files_and_nowhere_else(nobody: Cli, tmp_path_factory: pytest.TempPathFactory) -> None:
    done = nobody.run("init", "--backend", "software", "--output", "json", "-vv")
    secret = (nobody.folder / "software.passphrase").read_text().strip()
    assert len(secret) >= 16
    assert secret not in done.out + done.err
    others = [path for path in nobody.folder.rglob("*") if path.is_file() and path.name != "software.passphrase"]
    assert [path for path in others if secret.encode() in path.read_bytes()] == []


def test_init_refuses_to_overwrite_and_force_keeps_policy_and_keys(cli: Cli) -> None:
    cli.ok("keygen", "--label", "ops")
    backend = cli.json("config", "show")["default_provider"]
    policy = (cli.folder / "policy.toml").read_text()
    before = cli.config.read_text()
    cli.fails("init", "--backend", backend, code=5, error="config_exists")
    assert cli.config.read_text() == before
    source = re.search(r'pin_source = "(.*)"', before)
    assert source is not None
    choice = ["--token-label", "desk", "--preset", "softhsm"] if backend == "pkcs11" else []
    answer = cli.json("init", "--backend", backend, "--force", "--pin-source", source[1], *choice)
    assert answer["policy_written"] is False
    assert (cli.folder / "policy.toml").read_text() == policy
    assert cli.json("keys", "list", "--list-names") == ["ops"]
    assert cli.json("status")["problems"] == []


def test_init_without_a_chain_warns_and_keys_sign_nothing(nobody: Cli) -> None:
    assert "no --chain-id" in nobody.run("init", "--backend", "software").err
    done = nobody.run("keygen", "--label", "ops")
    assert done.code == 0
    assert "allows no chain" in done.err
    doc = send_doc(public_key(nobody, "ops"), CHAIN)
    assert nobody.fails("sign", "ops", code=6, error="policy_denied", stdin=doc)["correlation_id"]


def test_keygen_shows_address_attributes_proof_and_policy(cli: Cli) -> None:
    key = cli.json("keygen", "--label", "ops", "--message", "/cosmos.staking.v1beta1.MsgDelegate")
    assert (key["name"], key["type"], key["key_type"], key["purpose"]) == ("ops", "local", "secp256k1", "account")
    assert key["address"] == address.encode("ve", PublicKey.from_proto_json(json.loads(key["pubkey"])).address)
    # A key file holds keys that can be taken out of it, and says so.
    assert key["extractable"] is (key["provider"] == "software")
    assert key["origin"] == "generated"
    assert key["proof"] == "signed_challenge"
    assert key["hardware"] is False
    assert key["policy"]["chains"] == [CHAIN]
    assert key["policy"]["messages"] == ["/cosmos.staking.v1beta1.MsgDelegate"]
    assert "MsgDelegate" in (cli.folder / "policy.toml").read_text()
    kinds = [entry["kind"] for entry in cli.json("audit", "tail")]
    # The first decision notes which policy it was made by.
    assert kinds == [
        "policy.changed",
        "key.generate.intent",
        "challenge.intent",
        "challenge.outcome",
        "key.generate.outcome",
    ]
    text = cli.ok("keygen", "--label", "second")
    assert re.search(r"^extractable: +(yes: EXTRACTABLE, .*|no)$", text, re.MULTILINE)
    assert "NOT HARDWARE" in text


def test_a_wrappable_key_is_marked_in_every_listing(token: Cli) -> None:
    token.ok("keygen", "--label", "ops")
    assert "\nextractable: yes: EXTRACTABLE" in token.ok("keygen", "--label", "spare", "--wrappable")
    assert {key["name"]: key["extractable"] for key in token.json("keys", "list")} == {"ops": False, "spare": True}
    ops, spare = token.ok("keys", "list").splitlines()[1:]
    assert "EXTRACTABLE" not in ops
    assert spare.endswith("(NOT HARDWARE, EXTRACTABLE)")
    assert "\nextractable: yes: EXTRACTABLE" in token.ok("keys", "show", "spare")
    assert "\nextractable: no\n" in token.ok("keys", "show", "ops")
    found = token.json("status")
    assert found["providers"][0]["keys"]["extractable"] == ["spare"]
    assert [warning for warning in found["warnings"] if "EXTRACTABLE" in warning] == [
        "pkcs11: EXTRACTABLE: keys that may leave the token: spare"
    ]
    # Whoever finds it in the token later marks it too, and a rename keeps the mark.
    token.ok("keys", "delete", "spare", "--yes")
    assert found["providers"][0]["keys"]["in_both"] == ["ops", "spare"]
    token.ok("keys", "sync")
    assert token.json("keys", "rename", "spare", "other")["extractable"] is True


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (["--purpose", "consensus"], ("ed25519", "consensus")),
        (["--key-type", "ed25519", "--purpose", "account"], ("ed25519", "account")),
        (["--key-type", "x25519"], ("x25519", "encryption")),
        (["--purpose", "encryption"], ("x25519", "encryption")),
        (["--key-type", "secp256r1"], ("secp256r1", "account")),
        (["--purpose", "audit"], ("ed25519", "audit")),
    ],
)
def test_keygen_knows_what_goes_with_what(cli: Cli, options: list[str], kind: tuple[str, str]) -> None:
    key = cli.json("keygen", "--label", "k", *options)
    assert (key["key_type"], key["purpose"]) == kind
    assert (key["policy"] is None) == (kind[1] != "account")
    assert (key["address"] is None) == (kind[1] == "encryption")
    assert cli.json("keys", "list")[0]["address"] == key["address"]


@pytest.mark.parametrize(
    "options",
    [
        ["--key-type", "ed25519"],
        ["--key-type", "x25519", "--purpose", "account"],
        ["--key-type", "x25519", "--purpose", "consensus"],
        ["--purpose", "consensus", "--chain-id", "x"],
        ["--purpose", "nothing"],
        ["--key-type", "rsa"],
    ],
)
def test_keygen_refuses_what_does_not_go_together(settled: Cli, options: list[str]) -> None:
    settled.fails("keygen", "--label", "k", *options, code=2, error="usage_error")


def test_keygen_takes_a_name_once(settled: Cli) -> None:
    assert "already exists" in settled.fails("keygen", "--label", "ops", code=5, error="key_exists")["message"]


def test_keys_list_is_what_a_chain_prints(settled: Cli) -> None:
    ops, val = settled.json("keys", "list")
    assert (ops["name"], ops["type"]) == ("ops", "local")
    assert ops["address"].startswith("ve1")
    assert val["address"].startswith("vevalcons1")
    assert json.loads(ops["pubkey"])["@type"] == "/cosmos.crypto.secp256k1.PubKey"
    text = settled.ok("keys", "list")
    assert text.splitlines()[0].split() == ["NAME", "TYPE", "ALGORITHM", "PURPOSE", "ADDRESS", "PLACE"]
    assert text.count("NOT HARDWARE") == 2
    assert settled.ok("keys", "list", "--list-names") == "ops\nval\n"


def test_keys_show_finds_by_name_and_address_and_shows_single_fields(settled: Cli) -> None:
    ops = settled.json("keys", "show", "ops")
    assert settled.json("keys", "show", ops["address"]) == ops
    assert settled.json("keys", "show", "ops.info") == ops
    assert settled.ok("keys", "show", "ops", "-a") == ops["address"] + "\n"
    assert json.loads(settled.ok("keys", "show", "ops", "-p")) == json.loads(ops["pubkey"])
    raw = address.decode(ops["address"])[1]
    for bech, prefix in (("acc", "ve"), ("val", "vevaloper"), ("cons", "vevalcons")):
        assert settled.ok("keys", "show", "ops", "-a", "--bech", bech) == address.encode(prefix, raw) + "\n"
    assert ops["address"] in settled.ok("keys", "show", "ops")


def test_sign_gives_a_signature_that_another_library_verifies(settled: Cli) -> None:
    key = public_key(settled, "ops")
    doc = send_doc(key, CHAIN)
    result = settled.json("sign", "ops", stdin=doc)
    signature = base64.b64decode(result["signature"])
    verifier = VerifyingKey.from_string(key.data, curve=SECP256k1, hashfunc=hashlib.sha256)
    assert verifier.verify(signature, doc, sigdecode=sigdecode_string)
    assert result["sign_mode"] == "SIGN_MODE_DIRECT"
    file = settled.home / "doc.hex"
    file.write_text(doc.hex() + "\n")
    line = settled.ok("sign", settled.ok("keys", "show", "ops", "-a").strip(), str(file), "--encoding", "hex")
    assert verifier.verify(base64.b64decode(line, validate=False), doc, sigdecode=sigdecode_string)
    entries = settled.json("audit", "tail", "-n", "2")
    assert [entry["kind"] for entry in entries] == ["sign.intent", "sign.outcome"]
    assert entries[0]["caller"].startswith("uid:")
    assert {"pid", "exe"} <= entries[0]["hints"].keys()


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "error"),
    [
        (["ops", "--digest"], bytes(32), 6, "policy_denied"),
        (["ops"], b"not a document", 2, "sign_doc_invalid"),
        (["ops"], b"", 2, "sign_doc_invalid"),
        (["ops", "--encoding", "hex"], b"zz", 2, "invalid_request"),
        (["ops", "--encoding", "base64"], b"*", 2, "invalid_request"),
        (["ops"], bytes((1 << 20) + 1), 2, "invalid_request"),
        (["val"], b"x", 5, "cannot_sign"),
        (["nobody"], b"x", 4, "key_not_found"),
        (["ops", "no-such-file"], b"", 2, "usage_error"),
        (["ops", "."], b"", 2, "usage_error"),
        (["ops", "--sign-mode", "amino-json"], b"{}", 2, "sign_doc_invalid"),
        (["ops", "--sign-mode", "something"], b"", 2, "usage_error"),
    ],
)
def test_sign_refuses(settled: Cli, arguments: list[str], stdin: bytes, code: int, error: str) -> None:
    settled.fails("sign", *arguments, code=code, error=error, stdin=stdin)


def test_sign_for_another_chain_is_denied(settled: Cli) -> None:
    doc = send_doc(public_key(settled, "ops"), "elsewhere-1")
    assert "elsewhere-1" in settled.fails("sign", "ops", code=6, error="policy_denied", stdin=doc)["message"]


def test_status_tells_the_truth(settled: Cli) -> None:
    status = settled.json("status")
    (provider,) = status["providers"]
    assert (provider["state"], provider["hardware"], provider["pin"]) == ("ready", False, "ok")
    assert sorted(provider["keys"]["in_both"]) == ["ops", "val"]
    assert provider["keys"]["only_in_store"] == provider["keys"]["only_in_token"] == []
    assert status["problems"] == []
    assert any("NOT HARDWARE" in warning for warning in status["warnings"])
    assert status["policy"]["keys"] == ["ops"]
    assert status["policy"]["keys_without_policy"] == []
    assert re.fullmatch("[0-9a-f]{64}", status["policy"]["digest"])
    head = settled.json("audit", "verify")["head"]
    assert {name: status["audit"]["head"][name] for name in ("seq", "hash")} == head
    assert "no problems" in settled.ok("status", "--no-login")
    (locked,) = settled.json("status", "--no-login")["providers"]
    assert (locked["state"], locked["keys"]) == ("locked", None)


def test_status_names_unsafe_settings_and_keys_without_policy(cli: Cli) -> None:
    cli.ok("keygen", "--label", "ops")
    cli.ok("keygen", "--label", "bare")
    policy = cli.folder / "policy.toml"
    text = policy.read_text()
    policy.write_text(
        text[: text.index("[keys.bare]")].replace("\nsign_modes", "\nunsafe_blind_signing = true\nsign_modes")
    )
    found = cli.json("status")
    assert found["policy"]["unsafe_blind_signing"] == ["ops"]
    assert found["policy"]["keys_without_policy"] == ["bare"]
    assert any("UNSAFE" in warning for warning in found["warnings"])
    blind = cli.json("sign", "ops", "--digest", stdin=hashlib.sha256(b"x").digest())
    assert blind["sign_mode"] == "digest"


def test_differences_are_shown_and_mended(cli: Cli) -> None:
    cli.ok("keygen", "--label", "ops")
    assert cli.ok("keys", "sync", "--dry-run") == "store and token agree\n"
    cli.ok("keys", "delete", "ops", "--yes")
    assert cli.json("keys", "list") == []
    found = cli.json("status")
    (lost,) = found["providers"][0]["keys"]["only_in_token"]
    assert lost["label"] == "ops"
    assert any("without a record" in warning for warning in found["warnings"])
    assert "ops" in cli.ok("keys", "sync", "--dry-run")
    assert cli.json("keys", "sync")["added"] == ["ops"]
    assert cli.json("keys", "list", "--list-names") == ["ops"]
    # Its policy stayed, so it signs again.
    cli.ok("sign", "ops", stdin=send_doc(public_key(cli, "ops"), CHAIN))


def test_a_key_in_the_token_is_added_by_uri_and_by_label(cli: Cli) -> None:
    uri = cli.json("keygen", "--label", "ops")["uri"]
    cli.fails("keys", "add", "other", "--uri", uri, code=5, error="key_exists")
    cli.ok("keys", "delete", "ops", "--yes")
    assert cli.json("keys", "add", "again", "--uri", uri)["name"] == "again"
    cli.ok("keys", "delete", "again", "--yes")
    assert cli.json("keys", "add", "third", "--label", "ops")["policy"]["written"] is True
    for bad in ("ops", "pkcs11:object=third?pin-value=1234", "pkcs11:objet=third", "software:id=7"):
        assert "1234" not in str(cli.fails("keys", "add", "x", "--uri", bad, code=2, error="invalid_uri"))
    cli.fails("keys", "add", "fourth", "--label", "nothing", code=4, error="object_not_found")


def test_a_uri_that_says_less_means_the_keys_that_it_matches(token: Cli) -> None:
    for name in ("ops", "val"):
        token.ok("keygen", "--label", name)
        token.ok("keys", "delete", name, "--yes")
    token.fails("keys", "add", "x", "--uri", "pkcs11:token=desk", code=8, error="key_ambiguous")
    token.fails("keys", "add", "x", "--uri", "pkcs11:token=other;object=ops", code=4, error="object_not_found")
    assert token.json("keys", "add", "ops", "--uri", "pkcs11:object=ops;token=desk")["name"] == "ops"
    token.fails("keys", "add", "x", "--uri", "pkcs11:object=ops", code=5, error="key_exists")


def test_offline_keys_are_kept_and_sign_nothing(cli: Cli) -> None:
    record = cli.json("keys", "add", "cold", "--pubkey", json.dumps(OFFLINE))
    assert (record["type"], record["provider"], record["hardware"]) == ("offline", None, None)
    assert json.loads(record["pubkey"]) == OFFLINE
    cli.fails("sign", "cold", code=5, error="cannot_sign", stdin=b"x")
    cli.fails("keys", "add", "twin", "--pubkey", json.dumps(OFFLINE), code=5, error="duplicate_address")
    cli.fails("keys", "delete", "cold", "--destroy", "--yes", code=5, error="cannot_sign")
    assert cli.json("keys", "delete", "cold", "--yes") == {"name": "cold", "deleted": "record"}


@pytest.mark.parametrize(
    "pubkey",
    ["", "{", "[]", "{}", '{"@type":"/x","key":""}', json.dumps(OFFLINE | {"key": "AAAA"}), "[" * 100_000],
)
def test_broken_public_keys_are_refused(settled: Cli, pubkey: str) -> None:
    done = settled.run("keys", "add", "cold", "--pubkey", pubkey, "-o", "json")
    assert done.code == 2
    assert done.error["code"] in ("usage_error", "invalid_request")


def test_rename_takes_token_and_policy_along(cli: Cli) -> None:
    cli.ok("keygen", "--label", "ops")
    record = cli.json("keys", "rename", "ops", "treasury")
    assert record["name"] == "treasury"
    assert cli.json("status")["policy"]["keys"] == ["treasury"]
    cli.ok("sign", "treasury", stdin=send_doc(public_key(cli, "treasury"), CHAIN))
    cli.fails("keys", "show", "ops", code=4, error="key_not_found")
    cli.ok("keygen", "--label", "ops")
    message = cli.fails("keys", "rename", "ops", "treasury", code=5, error="key_exists")["message"]
    assert message == "rename failed, treasury: key already exists"


def test_rename_is_refused_whole_if_the_policy_cannot_follow(cli: Cli) -> None:
    cli.ok("keygen", "--label", "ops")
    with (cli.folder / "policy.toml").open("a") as policy:
        policy.write('\n[keys."new"]\nchains = ["other"]\n')
    cli.fails("keys", "rename", "ops", "new", code=3, error="policy_invalid")
    assert cli.json("keys", "list", "--list-names") == ["ops"]


def test_destroy_ends_key_record_and_policy(cli: Cli) -> None:
    cli.ok("keygen", "--label", "ops")
    assert cli.json("keys", "delete", "ops", "--destroy", "--yes")["deleted"] == "record_and_key"
    found = cli.json("status")
    assert found["providers"][0]["keys"] == {
        "provider": found["providers"][0]["name"],
        "in_both": [],
        "only_in_store": [],
        "only_in_token": [],
        "extractable": [],
    }
    assert found["policy"]["keys"] == []


def test_backends_come_from_the_code(nobody: Cli) -> None:
    rows = {row["name"]: row for row in nobody.json("backends")}
    assert rows["pkcs11"]["available"]
    assert {"generate", "delete", "rename"} <= set(rows["software"]["capabilities"])
    assert rows["software"]["hardware"] is False
    assert not rows["ledger"]["available"]
    assert rows["ledger"]["problem"]
    assert "pkcs11" in nobody.ok("backends")


def test_audit_verify_finds_an_edit_and_a_cut(cli: Cli) -> None:
    cli.ok("keygen", "--label", "ops")
    report = cli.json("audit", "verify")
    assert report["ok"]
    assert report["entries"] == 5  # the policy's, and two each of key and challenge
    assert "the log is whole" in cli.ok("audit", "verify")
    log = cli.folder / "state" / "audit.jsonl"
    whole = log.read_bytes()
    head = f"{report['head']['seq']}:{report['head']['hash']}"
    log.write_bytes(whole[: whole.rindex(b"\n", 0, -1) + 1])
    assert cli.run("audit", "verify").code == 0
    cut = cli.run("audit", "verify", "--head", head, "-o", "json")
    assert (cut.code, cut.data["ok"], cut.data["problems"][0]["code"]) == (9, False, "head-missing")
    log.write_bytes(whole.replace(b'"ops"', b'"oops"', 1))
    edited = cli.run("audit", "verify")
    assert edited.code == 9
    assert "DOES NOT VERIFY" in edited.out
    # A log can be checked elsewhere, without a configuration.
    copy = cli.home / "copy.jsonl"
    copy.write_bytes(whole)
    assert cli.json("--config", "missing.toml", "audit", "verify", str(copy), "--head", head)["ok"]
    assert len(cli.json("audit", "tail", str(copy), "-n", "3")) == 3
    cli.fails("audit", "verify", str(cli.home / "none"), code=9, error="audit_failed")
    cli.fails("audit", "verify", "--head", "x", code=2, error="usage_error")
    cli.fails("audit", "tail", "-n", "0", code=2, error="usage_error")


def test_config_check_looks_at_everything(cli: Cli) -> None:
    report = cli.json("config", "check")
    assert report["ok"]
    assert any("PIN source" in finding["what"] for finding in report["findings"])
    assert cli.ok("config", "check").count("ok ") == len(report["findings"])
    (cli.folder / "policy.toml").write_text("version = 1\n[keys.x]\nchain = []\n")
    broken = cli.run("config", "check", "-o", "json")
    assert broken.code == 3
    (bad,) = [finding for finding in broken.data["findings"] if not finding["ok"]]
    assert bad["error"]["code"] == "policy_invalid"
    assert "chains" in bad["error"]["message"]


def test_config_migrate_moves_the_pin_out_of_hsm_json(token: Cli) -> None:
    pin = (token.folder / "pkcs11.pin").read_text()
    old = token.home / ".virtengine" / "hsm.json"
    old.parent.mkdir(mode=0o700)
    old.write_text(
        json.dumps(
            {
                "backend": "softhsm",
                "pkcs11": {"library": str(find_library()), "slot": 0, "pin": pin, "token_label": "desk"},
            }
        )
    )
    old.chmod(0o600)
    status = token.run("status", "--config", str(old), "-o", "json")
    assert status.code == 0, status
    assert status.err.startswith("WARNING: ")
    assert ("warning: WARNING" in token.run("status", "--config", str(old)).out) is False
    assert status.data["providers"][0]["state"] == "ready"
    new = token.home / "new" / "config.toml"
    done = token.run("config", "migrate", "--from", str(old), "--to", str(new), "-o", "json")
    assert done.code == 0, done
    assert pin not in done.out + done.err + old.read_text() + new.read_text()
    assert stat.S_IMODE((new.parent / "pin").stat().st_mode) == 0o600
    assert token.json("--config", str(new), "status")["providers"][0]["state"] == "ready"
    again = token.fails("config", "migrate", "--from", str(old), "--to", str(new), code=5, error="config_exists")
    assert "--to" in again["hint"]
    nowhere = str(token.home / "none.json")
    assert "--from" in token.fails("config", "migrate", "--from", nowhere, code=3, error="config_missing")["hint"]


def test_completion_scripts_are_good_shell(nobody: Cli) -> None:
    for shell in ("bash", "zsh"):
        script = nobody.ok("completion", shell)
        assert "keygen" in script
        assert nobody.json("completion", shell)["script"] + "\n" == script
    bash = nobody.home / "hsm.bash"
    bash.write_text(nobody.ok("completion", "bash"))
    # What bash offers after `hsm keys de`.
    probe = (
        f'. {bash}; COMP_WORDS=(hsm keys de); COMP_CWORD=2; COMP_LINE="hsm keys de"; COMP_POINT=11; '
        '_shtab_hsm; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["delete"]
    assert done.stderr == ""
