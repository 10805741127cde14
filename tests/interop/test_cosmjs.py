"""What this project signs, judged by @cosmjs and by Keplr's own code; and what cosmjs signs, judged by this project.

cosmjs makes the sign bytes itself, from the transaction. It knows the modes DIRECT and LEGACY_AMINO_JSON; of amino
messages only those that its converters know are here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coincurve
import pytest

from cosmos_formats import address, hd, hd_keys, mnemonic, wire
from cosmos_formats.multisig import AnyPublicKey, MultisigPublicKey
from cosmos_formats.multisig_signature import MultiMode, SingleMode, combine
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.schema import default_schema
from cosmos_formats.signing import SignMode, adr036, amino_json, direct
from cosmos_formats.signing.transaction import SignerData, TxParts
from cosmos_formats.tx_verify import SignatureCheck, verify_transaction
from tests.interop.cosmjs.judge import FOLDER, CosmjsError, Judge
from tests.unit.bridge.pipeline import CHAIN, Setup

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

PREFIX = "ve"
MODES = {"direct": SignMode.DIRECT, "amino-json": SignMode.LEGACY_AMINO_JSON}
SCHEMA = default_schema()
# From BIP-39's own vectors.
WORDS = (
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about",
    "legal winner thank year wave sausage worth useful legal winner thank yellow",
    "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic avoid "
    "letter advice cage absurd amount doctor acoustic bless",
)
PATH = "m/44'/118'/0'/0/0"


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    made = Judge()
    yield made
    made.close()


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    made = Setup(tmp_path)
    yield made
    made.bridge.close()


def test_a_missing_node_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(pytest.fail.Exception, match="node is not installed"):
        Judge()


def test_the_lock_file_pins_contents_and_names_no_registry() -> None:
    packages = json.loads((FOLDER / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert len(packages) > 100
    for path, package in packages.items():
        if path:  # "" is this project itself
            assert package["integrity"].startswith("sha512-"), path
            assert package.get("resolved", "https://registry.npmjs.org/").startswith("https://registry.npmjs.org/")


# --- transactions ----------------------------------------------------------------------------------------------------


def new(name: str, **fields: object) -> Any:
    return SCHEMA.message(name)(**fields)


def packed(message: Any) -> Any:
    return new("google.protobuf.Any", type_url=f"/{message.DESCRIPTOR.full_name}", value=message.SerializeToString())


def coin(amount: int = 5, denom: str = "uve") -> Any:
    return new("cosmos.base.v1beta1.Coin", denom=denom, amount=str(amount))


def messages(own: str) -> dict[str, list[Any]]:
    """Messages that cosmjs can write in amino JSON, by a name for the test."""
    other = address.encode(PREFIX, bytes(range(20)))
    validator = address.encode("vevaloper", bytes(20))
    bank, staking, gov = "cosmos.bank.v1beta1.", "cosmos.staking.v1beta1.", "cosmos.gov.v1beta1."
    distribution = "cosmos.distribution.v1beta1."
    send = new(bank + "MsgSend", from_address=own, to_address=other, amount=[coin(), coin(2**255, "zzz")])
    transfer = {"source_port": "transfer", "source_channel": "channel-0", "sender": own, "receiver": "osmo1<&>"}
    return {
        "send": [send],
        "several": [send, send],
        "multi-send": [
            new(
                bank + "MsgMultiSend",
                inputs=[new(bank + "Input", address=own, coins=[coin()])],
                outputs=[new(bank + "Output", address=other, coins=[coin()])],
            )
        ],
        "delegate": [new(staking + "MsgDelegate", delegator_address=own, validator_address=validator, amount=coin())],
        "undelegate": [
            new(staking + "MsgUndelegate", delegator_address=own, validator_address=validator, amount=coin())
        ],
        "redelegate": [
            new(
                staking + "MsgBeginRedelegate",
                delegator_address=own,
                validator_src_address=validator,
                validator_dst_address=validator,
                amount=coin(),
            )
        ],
        "withdraw": [
            new(distribution + "MsgWithdrawDelegatorReward", delegator_address=own, validator_address=validator)
        ],
        "withdraw address": [
            new(distribution + "MsgSetWithdrawAddress", delegator_address=own, withdraw_address=other)
        ],
        "vote": [new(gov + "MsgVote", proposal_id=2**63, voter=own, option=1)],
        "weighted vote": [
            new(
                gov + "MsgVoteWeighted",
                proposal_id=7,
                voter=own,
                options=[
                    new(gov + "WeightedVoteOption", option=1, weight="700000000000000000"),
                    new(gov + "WeightedVoteOption", option=3, weight="300000000000000000"),
                ],
            )
        ],
        "deposit": [new(gov + "MsgDeposit", proposal_id=7, depositor=own, amount=[coin()])],
        "proposal": [
            new(
                gov + "MsgSubmitProposal",
                content=packed(new(gov + "TextProposal", title="<T>", description="& d")),
                initial_deposit=[coin()],
                proposer=own,
            )
        ],
        "transfer": [
            new(
                "ibc.applications.transfer.v1.MsgTransfer",
                **transfer,
                token=coin(),
                timeout_height=new("ibc.core.client.v1.Height", revision_number=1, revision_height=99),
                timeout_timestamp=1_800_000_000_000_000_000,
                memo="é",
            )
        ],
        "vesting account": [
            new(
                "cosmos.vesting.v1beta1.MsgCreateVestingAccount",
                from_address=own,
                to_address=other,
                amount=[coin()],
                end_time=1_900_000_000,
                delayed=True,
            )
        ],
    }


NAMES = tuple(messages(address.encode(PREFIX, bytes(20))))


def signer_info(key: AnyPublicKey, info: SingleMode | MultiMode, sequence: int) -> bytes:
    return (
        wire.message_field(1, key.to_any().encode())
        + wire.message_field(2, info.encode())
        + wire.varint_field(3, sequence)
    )


def fee(**fields: object) -> bytes:
    made: bytes = new("cosmos.tx.v1beta1.Fee", amount=[coin(500)], gas_limit=200_000, **fields).SerializeToString()
    return wire.message_field(2, made)


def body(contents: list[Any], **fields: object) -> bytes:
    made = new("cosmos.tx.v1beta1.TxBody", messages=[packed(message) for message in contents], **fields)
    return bytes(made.SerializeToString())


def tx_raw(parts: TxParts, *signatures: bytes) -> str:
    signed = b"".join(wire.message_field(3, signature) for signature in signatures)
    return (wire.bytes_field(1, parts.body_bytes) + wire.bytes_field(2, parts.auth_info_bytes) + signed).hex()


def read_tx(text: str) -> tuple[TxParts, list[bytes]]:
    fields = wire.read(bytes.fromhex(text), {1: wire.Kind.BYTES, 2: wire.Kind.BYTES, 3: wire.Kind.REPEATED})
    return TxParts(fields.binary(1), fields.binary(2)), list(fields.repeated(3))


def sign_bytes(mode: str, parts: TxParts, signer: SignerData) -> bytes:
    if mode == "direct":
        return direct.sign_bytes(parts, signer, SCHEMA)
    return amino_json.sign_bytes(parts, signer, SCHEMA)


def allow(setup: Setup, key: str, *types: str) -> None:
    named = ", ".join(f'"{one}"' for one in types)
    setup.allow(
        key,
        f'chains = ["{CHAIN}"]\nsign_modes = ["direct", "amino-json"]\nmessages = [{named}]\narbitrary_data = true\n',
    )


def types_of(contents: list[Any]) -> set[str]:
    found = {f"/{message.DESCRIPTOR.full_name}" for message in contents}
    if "/cosmos.gov.v1beta1.MsgSubmitProposal" in found:
        found.add("/cosmos.gov.v1beta1.TextProposal")
    return found


def known(signer: SignerData) -> dict[str, str]:
    return {
        "chain_id": signer.chain_id,
        "account_number": str(signer.account_number),
        "sequence": str(signer.sequence),
    }


def signed_by_bridge(setup: Setup, mode: str, name: str, **fields: object) -> tuple[TxParts, bytes, SignerData, bytes]:
    """Let the bridge sign one of the transactions: returns it, the signature, the signer and the sign bytes."""
    record = setup.keyring.generate("alice")
    key = record.record.public_key
    assert isinstance(key, PublicKey)
    own = address.encode(PREFIX, key.address)
    signer = SignerData(own, CHAIN, 42, 7, key)
    contents = messages(own)[name]
    fee_fields = {one: fields.pop(one) for one in ("payer", "granter") if one in fields}
    auth_info = wire.message_field(1, signer_info(key, SingleMode(MODES[mode]), 7)) + fee(**fee_fields)
    parts = TxParts(body(contents, **fields), auth_info)
    message = sign_bytes(mode, parts, signer)
    allow(setup, "alice", *types_of(contents))
    return parts, setup.keyring.sign("alice", message, MODES[mode]).signature, signer, message


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", MODES)
def test_cosmjs_accepts_what_the_bridge_signs(judge: Judge, setup: Setup, mode: str, name: str) -> None:
    parts, signature, signer, message = signed_by_bridge(setup, mode, name, memo="<memo> & é")
    answer = judge.ask("verifyTx", mode=mode, tx=tx_raw(parts, signature), index=0, prefix=PREFIX, **known(signer))
    assert bytes.fromhex(answer["sign_bytes"]) == message
    assert answer == {"valid": True, "address": signer.address, "sign_bytes": message.hex()}


@pytest.mark.parametrize("mode", MODES)
def test_fee_and_timeout_are_signed_too(judge: Judge, setup: Setup, mode: str) -> None:
    granter = address.encode(PREFIX, bytes(20))
    parts, signature, signer, message = signed_by_bridge(setup, mode, "send", granter=granter, timeout_height=2**40)
    answer = judge.ask("verifyTx", mode=mode, tx=tx_raw(parts, signature), index=0, prefix=PREFIX, **known(signer))
    assert bytes.fromhex(answer["sign_bytes"]) == message
    assert answer["valid"]


@pytest.mark.parametrize("mode", MODES)
def test_cosmjs_refuses_what_was_changed(judge: Judge, setup: Setup, mode: str) -> None:
    parts, signature, signer, _ = signed_by_bridge(setup, mode, "send")
    data = {"mode": mode, "index": 0, "prefix": PREFIX, **known(signer)}
    changed = TxParts(body(messages(signer.address)["several"]), parts.auth_info_bytes)
    assert not judge.ask("verifyTx", tx=tx_raw(changed, signature), **data)["valid"]
    assert not judge.ask("verifyTx", tx=tx_raw(parts, signature), **{**data, "chain_id": "other-1"})["valid"]
    assert not judge.ask("verifyTx", tx=tx_raw(parts, signature), **{**data, "account_number": "43"})["valid"]


# --- multisig accounts -----------------------------------------------------------------------------------------------


def group(size: int, threshold: int) -> tuple[list[coincurve.PrivateKey], MultisigPublicKey]:
    private = [coincurve.PrivateKey(hashlib.sha256(bytes([number])).digest()) for number in range(size)]
    keys = tuple([PublicKey(KeyType.SECP256K1, one.public_key.format()) for one in private])
    return private, MultisigPublicKey(threshold, keys)


def key_arguments(key: MultisigPublicKey) -> dict[str, object]:
    keys = [member.data.hex() for member in key.keys if isinstance(member, PublicKey)]
    return {"public_keys": keys, "threshold": key.threshold}


@pytest.mark.parametrize(("size", "threshold"), [(1, 1), (3, 2), (8, 8), (9, 5), (17, 3)])
def test_multisig_keys(judge: Judge, size: int, threshold: int) -> None:
    _, key = group(size, threshold)
    assert judge.ask("multisigKey", prefix=PREFIX, **key_arguments(key)) == {
        "address": address.encode(PREFIX, key.address),
        "amino": key.to_amino().hex(),
        "value": key.to_any().value.hex(),
    }


@pytest.mark.parametrize(
    ("size", "threshold", "signing"),
    [(3, 2, (0, 2)), (3, 2, (2, 1, 0)), (8, 1, (7,)), (9, 2, (8, 0)), (17, 3, (16, 3, 9))],
)
def test_combined_transactions_are_those_of_cosmjs(
    judge: Judge, size: int, threshold: int, signing: tuple[int, ...]
) -> None:
    private, key = group(size, threshold)
    signer = SignerData(address.encode(PREFIX, key.address), CHAIN, 42, 7, key)
    contents = body(messages(signer.address)["send"], memo="<together>")
    without_signers = TxParts(contents, fee())
    message = amino_json.sign_bytes(without_signers, signer, SCHEMA)
    made = {number: private[number].sign_recoverable(message)[:64] for number in signing}
    info, signature = combine(
        key,
        {key.keys[number]: (made[number], SignMode.LEGACY_AMINO_JSON) for number in signing},
        lambda mode: message,
    )
    parts = TxParts(contents, wire.message_field(1, signer_info(key, info, signer.sequence)) + fee())
    theirs = judge.ask(
        "combine",
        body=contents.hex(),
        sequence=signer.sequence,
        fee={"amount": [{"denom": "uve", "amount": "500"}], "gas": "200000"},
        signatures={address.encode(PREFIX, key.keys[number].address): signed.hex() for number, signed in made.items()},
        **key_arguments(key),
    )
    assert tx_raw(parts, signature) == theirs
    (check,) = verify_transaction(*read_tx(theirs), [signer], SCHEMA)
    assert check == SignatureCheck(signer.address, (SignMode.LEGACY_AMINO_JSON,) * len(signing), "")


def test_a_members_signature_by_the_bridge(judge: Judge, setup: Setup) -> None:
    alice = setup.keyring.generate("alice").record.public_key
    assert isinstance(alice, PublicKey)
    _, others = group(2, 1)
    key = MultisigPublicKey(2, (others.keys[0], alice, others.keys[1]))
    setup.keyring.save_multisig("group", key)
    signer = SignerData(address.encode(PREFIX, key.address), CHAIN, 42, 7, key)
    contents = messages(signer.address)["send"]
    allow(setup, "alice", *types_of(contents))
    parts = TxParts(body(contents), fee())
    message = amino_json.sign_bytes(parts, signer, SCHEMA)
    signature = setup.keyring.sign("alice", message, SignMode.LEGACY_AMINO_JSON).signature
    member = {"public_key": alice.data.hex(), "signature": signature.hex(), **known(signer)}
    assert judge.ask("verifyMember", body=parts.body_bytes.hex(), fee_bytes=fee().hex(), **member)
    other = body(messages(signer.address)["vote"])
    assert not judge.ask("verifyMember", body=other.hex(), fee_bytes=fee().hex(), **member)


# --- ADR-036 ---------------------------------------------------------------------------------------------------------

DATA = [b"text", "<é> & \u2028".encode(), bytes(range(256))]


@pytest.mark.parametrize("data", DATA, ids=["text", "unicode", "bytes"])
def test_keplr_accepts_arbitrary_data_that_the_bridge_signs(judge: Judge, setup: Setup, data: bytes) -> None:
    key = setup.keyring.generate("alice").record.public_key
    assert isinstance(key, PublicKey)
    allow(setup, "alice")
    signature = setup.keyring.sign_arbitrary("alice", data, prefix=PREFIX).signature
    judged(judge, key, data, signature)


@pytest.mark.parametrize("data", DATA, ids=["text", "unicode", "bytes"])
def test_keplr_accepts_arbitrary_data_signed_by_an_ethereum_key(judge: Judge, data: bytes) -> None:
    private = coincurve.PrivateKey(hashlib.sha256(b"eth").digest())
    key = PublicKey(KeyType.ETH_SECP256K1, private.public_key.format())
    message = adr036.sign_doc(address.encode(PREFIX, key.address), data)
    judged(judge, key, data, private.sign_recoverable(key.hash(message), hasher=None)[:64])


def judged(judge: Judge, key: PublicKey, data: bytes, signature: bytes) -> None:
    signer = address.encode(PREFIX, key.address)
    request = {
        "prefix": PREFIX,
        "signer": signer,
        "data": data.hex(),
        "public_key": key.data.hex(),
        "signature": signature.hex(),
        "algorithm": "ethsecp256k1" if key.key_type is KeyType.ETH_SECP256K1 else "secp256k1",
    }
    assert judge.ask("adr036", **request) == {
        "valid": True,
        "document": adr036.sign_doc(signer, data).hex(),
        "json": adr036.StdSignature(key, signature).to_json(),
    }
    assert not judge.ask("adr036", **{**request, "data": (data + b" ").hex()})["valid"]
    with pytest.raises(CosmjsError, match="Unmatched signer"):
        judge.ask("adr036", **{**request, "signer": address.encode(PREFIX, bytes(20))})


def test_arbitrary_data_that_cosmjs_signs(judge: Judge) -> None:
    answer = judge.ask("signArbitrary", mnemonic=WORDS[0], passphrase="", path=PATH, prefix=PREFIX, data=DATA[1].hex())
    signed = adr036.StdSignature.from_json(answer["signature"])
    assert address.encode(PREFIX, signed.public_key.address) == answer["address"]
    assert adr036.verify(signed.public_key, PREFIX, DATA[1], signed.signature)
    assert not adr036.verify(signed.public_key, PREFIX, DATA[0], signed.signature)


# --- what cosmjs signs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_transactions_that_cosmjs_signs(judge: Judge, mode: str) -> None:
    account = {"mnemonic": WORDS[1], "passphrase": "", "path": PATH, "prefix": PREFIX}
    own = judge.ask("wallet", **account)["address"]
    text = judge.ask(
        "signTx",
        mode=mode,
        messages=[
            {
                "type": "cosmos-sdk/MsgSend",
                "value": {"from_address": own, "to_address": own, "amount": [{"denom": "uve", "amount": "1"}]},
            },
            {"type": "cosmos-sdk/MsgVote", "value": {"proposal_id": "7", "voter": own, "option": 1}},
        ],
        fee={"amount": [{"denom": "uve", "amount": "500"}], "gas": "200000"},
        memo="<memo>",
        chain_id=CHAIN,
        account_number="42",
        sequence="7",
        **account,
    )
    parts, signatures = read_tx(text)
    signer = SignerData(own, CHAIN, 42, 7)
    assert verify_transaction(parts, signatures, [signer], SCHEMA) == (SignatureCheck(own, (MODES[mode],), ""),)
    (wrong,) = verify_transaction(parts, signatures, [SignerData(own, CHAIN, 43, 7)], SCHEMA)
    assert not wrong.ok


# --- mnemonics and paths ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", WORDS, ids=["zeros", "twelve", "twenty-four"])
# In decomposed form, since the SDK leaves out BIP-39's normalisation (NFKD) of passphrases, and so does this project.
@pytest.mark.parametrize("passphrase", ["", "TREZOR", "pass e\u0301"], ids=["none", "ascii", "unicode"])
@pytest.mark.parametrize("path", [PATH, "m/44'/118'/1'/0/2", "m/44'/60'/0'/0/0", "m/44'/118'/2147483647'/0/2147483647"])
def test_accounts_of_mnemonics(judge: Judge, words: str, passphrase: str, path: str) -> None:
    seed = mnemonic.to_seed(words.encode(), passphrase.encode())
    private = bytes(hd_keys.derive(seed, hd.HdPath.parse(path)))
    key = PublicKey(KeyType.SECP256K1, coincurve.PrivateKey(private).public_key.format())
    eth = PublicKey(KeyType.ETH_SECP256K1, key.data)
    arguments = {"mnemonic": words, "passphrase": passphrase, "path": path, "prefix": PREFIX}
    assert judge.ask("wallet", **arguments) == {
        "address": address.encode(PREFIX, key.address),
        "public_key": key.data.hex(),
    }
    assert judge.ask("derive", **arguments) == {
        "private_key": private.hex(),
        "public_key": key.data.hex(),
        "address": address.encode(PREFIX, key.address),
        "eth_address": address.encode(PREFIX, eth.address),
    }
