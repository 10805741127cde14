"""Data that is no transaction: signed by the real ``hsm``, verified by it and by hand."""

import json

from cosmos_formats import address
from cosmos_formats.pubkeys import PublicKey
from cosmos_formats.signing import adr036
from tests.integration.cli.harness import Cli


def allow_data(cli: Cli, name: str) -> str:
    """Let the key sign data, and return its address."""
    key = cli.json("keygen", "--label", name)
    policy = cli.folder / "policy.toml"
    policy.write_text(policy.read_text().replace("\nsign_modes", "\narbitrary_data = true\nsign_modes", 1))
    return str(key["address"])


def test_sign_and_verify(cli: Cli) -> None:
    signer = allow_data(cli, "ops")
    data = "Log in to <example.org> 鍵".encode()
    signed = cli.json("arbitrary", "sign", "ops", stdin=data)
    assert set(signed) == {"pub_key", "signature"}
    assert json.loads(cli.ok("arbitrary", "sign", "ops", stdin=data))["pub_key"] == signed["pub_key"]
    made = adr036.StdSignature.from_json(signed)
    assert adr036.verify(made.public_key, "ve", data, made.signature)

    signature = cli.folder / "signature.json"
    signature.write_text(json.dumps(signed))
    answer = cli.json("arbitrary", "verify", signer, "--signature", str(signature), stdin=data)
    assert answer == {"address": signer, "prefix": "ve", "valid": True}
    assert cli.ok("arbitrary", "verify", signer, "--signature", str(signature), stdin=data).strip() == "good"

    bad = cli.run("-o", "json", "arbitrary", "verify", signer, "--signature", str(signature), stdin=data + b"!")
    assert (bad.code, bad.data["valid"]) == (9, False)
    other = address.encode("ve", bytes(20))
    wrong = cli.run("arbitrary", "verify", other, "--signature", str(signature), stdin=data)
    assert (wrong.code, wrong.out.strip()) == (9, "bad: it is another account's key")


def test_another_prefix_is_another_signature(cli: Cli) -> None:
    signer = allow_data(cli, "ops")
    signed = cli.json("arbitrary", "sign", "ops", "--prefix", "cosmos", stdin=b"x")
    key = PublicKey.from_proto_json(json.loads(cli.json("keys", "show", "ops")["pubkey"]))
    made = adr036.StdSignature.from_json(signed)
    assert adr036.verify(key, "cosmos", b"x", made.signature)
    assert not adr036.verify(key, "ve", b"x", made.signature)
    assert signer.startswith("ve1")


def test_what_is_refused(cli: Cli) -> None:
    signer = str(cli.json("keygen", "--label", "ops")["address"])
    assert (
        "arbitrary_data" in cli.fails("arbitrary", "sign", "ops", code=6, error="policy_denied", stdin=b"x")["message"]
    )
    cli.fails("arbitrary", "sign", "ops", code=2, error="invalid_request", stdin=b"")
    broken = cli.folder / "broken.json"
    for text in ("", "{", "[]", "{}", '{"pub_key":{},"signature":""}', "[" * 100_000):
        broken.write_text(text)
        cli.fails(
            "arbitrary", "verify", signer, "--signature", str(broken), code=2, error="invalid_request", stdin=b"x"
        )
    broken.write_text("{}")
    cli.fails("arbitrary", "verify", "ve1", "--signature", str(broken), code=2, error="invalid_request", stdin=b"x")
