"""Which documents a key signs: in every mode its own, and nobody else's."""

from collections.abc import Iterator
from pathlib import Path

import coincurve
import pytest

from cosmos_formats.hashes import keccak256
from cosmos_formats.multisig import MultisigPublicKey
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.signing import SignMode, adr036
from cosmos_formats.signing.direct import SignDoc
from cosmos_formats.signing.transaction import TxParts
from cosmos_formats.verify import verify, verify_digest
from keyring_bridge.chains import ChainBook, ChainSettings
from keyring_bridge.errors import ChainDamaged, InvalidRequest, InvalidSignDoc, PolicyDenied
from keyring_bridge.model import Operation, SignRequest, SignResult
from tests.unit.bridge.pipeline import CALLER, CHAIN, Setup
from tests.unit.bridge.transactions import new, packed, send, sign_bytes, signer_data, text_of, transaction
from tests.unit.chains.offers import offer

ALLOW = f"""\
chains = ["{CHAIN}"]
sign_modes = ["direct", "direct-aux", "amino-json", "textual", "eip-191"]
messages = ["/cosmos.bank.v1beta1.MsgSend", "/authz.test.Unknown", "/cosmos.bank.v1beta1.MsgMultiSend"]
"""
MODES = [SignMode.DIRECT, SignMode.DIRECT_AUX, SignMode.LEGACY_AMINO_JSON, SignMode.TEXTUAL, SignMode.EIP_191]
NAMING = [SignMode.DIRECT, SignMode.TEXTUAL]
AMINO = [SignMode.LEGACY_AMINO_JSON, SignMode.EIP_191]


def stranger() -> PublicKey:
    return PublicKey(KeyType.SECP256K1, coincurve.PrivateKey().public_key.format())


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    made = Setup(tmp_path)
    made.keyring.generate("ops")
    made.allow("ops", ALLOW)
    yield made
    made.bridge.close()


def own_key(setup: Setup) -> PublicKey:
    key = setup.keyring.key("ops").record.public_key
    assert isinstance(key, PublicKey)
    return key


def ask(setup: Setup, mode: SignMode, payload: bytes, parts: TxParts | None = None) -> SignResult:
    sent = parts if mode is SignMode.TEXTUAL else None
    return setup.bridge.sign(SignRequest("ops", payload, mode, transaction=sent), CALLER)


def last_refusal(setup: Setup) -> object:
    return setup.entries()[-1]["kind"]


@pytest.mark.parametrize("mode", MODES)
def test_a_key_signs_for_its_own_account_in_every_mode(setup: Setup, mode: SignMode) -> None:
    key = own_key(setup)
    payer = text_of(stranger()) if mode is SignMode.DIRECT_AUX else ""
    declared = SignMode.LEGACY_AMINO_JSON if mode is SignMode.EIP_191 else mode
    parts = transaction([send(key)], [(key, declared, 5)], payer=payer)
    payload = sign_bytes(mode, parts, signer_data(key, CHAIN))
    result = ask(setup, mode, payload, parts)
    assert verify(key, payload, result.signature)
    intent = next(entry for entry in setup.entries() if entry["kind"] == "sign.intent")
    view = intent["view"]
    assert isinstance(view, dict)
    assert view["mode"] == mode.name
    assert view["chain_id"] == CHAIN
    assert view["account_number"] == "7"
    assert view["sequences"] == ["5"]
    assert view["messages"] == ["/cosmos.bank.v1beta1.MsgSend"]


@pytest.mark.parametrize("mode", MODES)
def test_no_key_signs_for_somebody_else(setup: Setup, mode: SignMode) -> None:
    other = stranger()
    payer = text_of(stranger()) if mode is SignMode.DIRECT_AUX else ""
    parts = transaction([send(other)], [(other, mode, 5)], payer=payer)
    payload = sign_bytes(mode, parts, signer_data(other, CHAIN))
    with pytest.raises((InvalidSignDoc, PolicyDenied)):
        ask(setup, mode, payload, parts)
    assert last_refusal(setup) == "sign.refused"


@pytest.mark.parametrize("mode", NAMING)
def test_to_be_named_is_not_enough_if_no_message_is_the_keys(setup: Setup, mode: SignMode) -> None:
    key = own_key(setup)
    parts = transaction([send(stranger())], [(key, mode, 5)])
    payload = sign_bytes(mode, parts, signer_data(key, CHAIN))
    with pytest.raises(InvalidSignDoc, match="no message of the transaction"):
        ask(setup, mode, payload, parts)


@pytest.mark.parametrize("mode", [SignMode.DIRECT, SignMode.TEXTUAL, *AMINO])
def test_who_pays_the_fee_signs(setup: Setup, mode: SignMode) -> None:
    key, other = own_key(setup), stranger()
    parts = transaction([send(other)], [(other, SignMode.DIRECT, 1), (key, mode, 5)], payer=text_of(key))
    payload = sign_bytes(mode, parts, signer_data(key, CHAIN))
    assert verify(key, payload, ask(setup, mode, payload, parts).signature)


@pytest.mark.parametrize("mode", AMINO)
def test_a_member_signs_for_a_multisig_account_that_has_a_record(setup: Setup, mode: SignMode) -> None:
    key = own_key(setup)
    group = MultisigPublicKey(1, (stranger(), key))
    parts = transaction([send(group)], [(group, SignMode.LEGACY_AMINO_JSON, 5)])
    payload = sign_bytes(mode, parts, signer_data(group, CHAIN))
    with pytest.raises(InvalidSignDoc, match="no message of the transaction"):
        ask(setup, mode, payload)
    setup.keyring.save_multisig("board", group)
    assert verify(key, payload, ask(setup, mode, payload).signature)


def test_a_member_of_another_multisig_account_does_not_sign(setup: Setup) -> None:
    own_key(setup)
    group = MultisigPublicKey(1, (stranger(), stranger()))
    setup.keyring.save_multisig("board", group)
    parts = transaction([send(group)], [(group, SignMode.LEGACY_AMINO_JSON, 5)])
    payload = sign_bytes(SignMode.LEGACY_AMINO_JSON, parts, signer_data(group, CHAIN))
    with pytest.raises(InvalidSignDoc, match="no message"):
        ask(setup, SignMode.LEGACY_AMINO_JSON, payload)


def test_unknown_messages_sign_only_with_the_key_named(setup: Setup) -> None:
    key = own_key(setup)
    unknown = new("google.protobuf.Any", type_url="/authz.test.Unknown", value=b"\x0a\x01x")
    parts = transaction([unknown], [(key, SignMode.DIRECT, 5)])
    payload = sign_bytes(SignMode.DIRECT, parts, signer_data(key, CHAIN))
    assert verify(key, payload, ask(setup, SignMode.DIRECT, payload).signature)
    document = sign_bytes(
        SignMode.LEGACY_AMINO_JSON, transaction([send(key)], [(key, SignMode.DIRECT, 5)]), signer_data(key, CHAIN)
    ).replace(b"cosmos-sdk/MsgSend", b"nobody/MsgKnows")
    with pytest.raises(InvalidSignDoc, match="unknown types"):
        ask(setup, SignMode.LEGACY_AMINO_JSON, document)


def test_textual_screens_alone_are_blind_signing(setup: Setup) -> None:
    key = own_key(setup)
    parts = transaction([send(key)], [(key, SignMode.TEXTUAL, 5)])
    payload = sign_bytes(SignMode.TEXTUAL, parts, signer_data(key, CHAIN))
    other = transaction([send(key, "11")], [(key, SignMode.TEXTUAL, 5)])
    for beside in (None, other):
        with pytest.raises(PolicyDenied, match="blind signing"):
            setup.bridge.sign(SignRequest("ops", payload, SignMode.TEXTUAL, transaction=beside), CALLER)


def test_an_empty_chain_id_is_refused_everywhere_but_in_arbitrary_data(setup: Setup) -> None:
    key = own_key(setup)
    setup.allow("ops", ALLOW + "arbitrary_data = true\n")
    document = adr036.sign_doc(text_of(key), b"Log in")
    with pytest.raises(InvalidSignDoc, match="chain"):
        ask(setup, SignMode.LEGACY_AMINO_JSON, document)
    parts = transaction([send(key)], [(key, SignMode.DIRECT, 5)])
    good = sign_bytes(SignMode.LEGACY_AMINO_JSON, parts, signer_data(key, CHAIN))
    for mode, payload in (
        (SignMode.DIRECT, SignDoc(parts.body_bytes, parts.auth_info_bytes, "", 7).encode()),
        (SignMode.LEGACY_AMINO_JSON, good.replace(f'"chain_id":"{CHAIN}"'.encode(), b'"chain_id":""')),
    ):
        with pytest.raises(InvalidSignDoc, match="chain"):
            ask(setup, mode, payload)


def test_arbitrary_data_is_an_operation_of_its_own(setup: Setup) -> None:
    key = own_key(setup)
    with pytest.raises(PolicyDenied, match="arbitrary data"):
        setup.keyring.sign_arbitrary("ops", b"Log in")
    setup.allow("ops", "chains = []\nsign_modes = []\nmessages = []\narbitrary_data = true\n")
    result = setup.keyring.sign_arbitrary("ops", b"Log in")
    assert adr036.verify(key, "ve", b"Log in", result.signature)
    entries = setup.entries()
    assert [entry["rule"] for entry in entries if entry["kind"] == "sign.intent"] == ["arbitrary_data"]
    assert entries[-1]["kind"] == "sign.outcome"


def test_arbitrary_data_names_the_key_and_is_nothing_else(setup: Setup) -> None:
    key = own_key(setup)
    setup.allow("ops", ALLOW + "arbitrary_data = true\n")
    parts = transaction([send(key)], [(key, SignMode.DIRECT, 5)])
    amino = SignMode.LEGACY_AMINO_JSON
    for payload, mode in (
        (adr036.sign_doc(text_of(stranger()), b"x"), amino),
        (sign_bytes(amino, parts, signer_data(key, CHAIN)), amino),
        (adr036.sign_doc(text_of(key), b"x"), SignMode.DIRECT),
        (adr036.sign_doc(text_of(key), b"x") + b" ", amino),
    ):
        with pytest.raises(InvalidSignDoc):
            setup.bridge.sign(SignRequest("ops", payload, mode, Operation.ARBITRARY), CALLER)
    with pytest.raises(InvalidRequest):
        setup.keyring.sign_arbitrary("ops", b"")


def test_the_declared_mode_picks_the_reader(setup: Setup) -> None:
    key = own_key(setup)
    parts = transaction([send(key)], [(key, SignMode.DIRECT, 5)], payer=text_of(stranger()))
    documents = {mode: sign_bytes(mode, parts, signer_data(key, CHAIN)) for mode in MODES}
    for declared in MODES:
        for mode, payload in documents.items():
            if mode is not declared:
                with pytest.raises((InvalidSignDoc, PolicyDenied)):
                    ask(setup, declared, payload, parts)


def test_messages_inside_messages_need_no_signature(setup: Setup) -> None:
    key, other = own_key(setup), stranger()
    execute = new("cosmos.authz.v1beta1.MsgExec", grantee=text_of(other))
    execute.msgs.append(packed(send(key)))
    parts = transaction([execute], [(key, SignMode.DIRECT, 5)])
    with pytest.raises(InvalidSignDoc, match="no message of the transaction"):
        ask(setup, SignMode.DIRECT, sign_bytes(SignMode.DIRECT, parts, signer_data(key, CHAIN)))


def test_signers_inside_a_field_count(setup: Setup) -> None:
    key = own_key(setup)
    many = new("cosmos.bank.v1beta1.MsgMultiSend")
    for giver in (stranger(), key):
        many.inputs.add(address=text_of(giver)).coins.add(denom="uve", amount="1")
    many.outputs.add(address=text_of(key)).coins.add(denom="uve", amount="2")
    document = sign_bytes(
        SignMode.LEGACY_AMINO_JSON, transaction([many], [(key, SignMode.DIRECT, 5)]), signer_data(key, CHAIN)
    )
    assert verify(key, document, ask(setup, SignMode.LEGACY_AMINO_JSON, document).signature)


@pytest.mark.parametrize("mode", [SignMode.DIRECT, SignMode.LEGACY_AMINO_JSON])
def test_keys_of_ethereum_sign_keccak(setup: Setup, mode: SignMode) -> None:
    """The token has a plain secp256k1 key; what is hashed how, and the address, says the record."""
    record = setup.keyring.import_priv_key_hex("eth", "11" * 32, "eth_secp256k1")
    key = record.record.public_key
    assert isinstance(key, PublicKey)
    assert (key.key_type, key.address) == (KeyType.ETH_SECP256K1, record.address)
    setup.allow("eth", ALLOW)
    parts = transaction([send(key)], [(key, mode, 5)])
    payload = sign_bytes(mode, parts, signer_data(key, CHAIN))
    result = setup.bridge.sign(SignRequest("eth", payload, mode), CALLER)
    assert result.public_key == key
    assert verify(key, payload, result.signature)
    assert not verify(key.plain, payload, result.signature)
    assert verify_digest(key, keccak256(payload), result.signature)


def order_of(setup: Setup) -> bytes:
    """A document with a message that only its chain's descriptors know."""
    key = own_key(setup)
    value = b"\x0a" + bytes((len(text_of(key)),)) + text_of(key).encode()
    order = new("google.protobuf.Any", type_url="/market.v1.MsgCreateOrder", value=value)
    parts = transaction([order], [(key, SignMode.DIRECT, 5)])
    return sign_bytes(SignMode.DIRECT, parts, signer_data(key, CHAIN))


def test_a_chains_own_messages_are_known_once_it_was_added(setup: Setup) -> None:
    """A wildcard covers known messages only; so it shows what is known."""
    setup.allow("ops", ALLOW.replace('"/authz.test.Unknown"', '"/market.v1.*"'))
    payload = order_of(setup)
    with pytest.raises(PolicyDenied, match="unknown type"):
        ask(setup, SignMode.DIRECT, payload)
    book = ChainBook(setup.config.state_dir)
    book.add(ChainSettings(CHAIN, "ve"), offer(), source="a test", accepted_at="2026-01-02T03:04:05Z")
    assert verify(own_key(setup), payload, ask(setup, SignMode.DIRECT, payload).signature)


def test_a_damaged_chain_signs_nothing(setup: Setup) -> None:
    """What was accepted of a chain decides how its documents are read, so it must be what was accepted."""
    book = ChainBook(setup.config.state_dir)
    book.add(ChainSettings(CHAIN, "ve"), offer(), source="a test", accepted_at="2026-01-02T03:04:05Z")
    (stored,) = (setup.config.state_dir / "chains").glob("*/descriptors.*")
    stored.write_bytes(stored.read_bytes()[:-1] + b"x")
    with pytest.raises(ChainDamaged):
        ask(setup, SignMode.DIRECT, order_of(setup))
    assert last_refusal(setup) == "sign.refused"
