"""Whether a transaction is signed: every signature in its own mode, by the right key, over this transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import coincurve
import pytest

from cosmos_formats import address
from cosmos_formats.errors import InvalidAddress, InvalidSignDoc
from cosmos_formats.multisig import AnyPublicKey, MultisigPublicKey
from cosmos_formats.multisig_signature import (
    CompactBitArray,
    ModeInfo,
    MultiMode,
    MultiSignature,
    SingleMode,
)
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.schema import default_schema
from cosmos_formats.signing import SignMode, amino_json, direct, direct_aux, textual
from cosmos_formats.signing.transaction import SignerData, TxParts
from cosmos_formats.tx_verify import SignatureCheck, verify_transaction

PRIVATE = [coincurve.PrivateKey(hashlib.sha256(bytes([number])).digest()) for number in range(6)]
KEYS = [PublicKey(KeyType.SECP256K1, private.public_key.format()) for private in PRIVATE]
CHAIN = "chain-1"
SCHEMA = default_schema()
MODES = (SignMode.DIRECT, SignMode.DIRECT_AUX, SignMode.LEGACY_AMINO_JSON, SignMode.TEXTUAL)

SignBytes = Callable[[SignMode], bytes]


def new(name: str, **fields: object) -> Any:
    return SCHEMA.message(name)(**fields)


def packed(message: Any) -> Any:
    return new("google.protobuf.Any", type_url=f"/{message.DESCRIPTOR.full_name}", value=message.SerializeToString())


def account(key: AnyPublicKey, prefix: str = "ve") -> str:
    return address.encode(prefix, key.address)


def send(key: AnyPublicKey) -> Any:
    coin = new("cosmos.base.v1beta1.Coin", denom="uve", amount="5")
    return new("cosmos.bank.v1beta1.MsgSend", from_address=account(key), to_address=account(KEYS[5]), amount=[coin])


def data(key: AnyPublicKey, number: int = 0) -> SignerData:
    return SignerData(account(key), CHAIN, 10 + number, 20 + number, key)


def transaction(
    senders: list[Any], infos: list[tuple[AnyPublicKey | None, ModeInfo, int]], payer: str = "", **body: object
) -> TxParts:
    made = new("cosmos.tx.v1beta1.TxBody", messages=[packed(message) for message in senders], **body)
    auth = new("cosmos.tx.v1beta1.AuthInfo")
    auth.fee.gas_limit = 1
    auth.fee.payer = payer
    for key, info, sequence in infos:
        signer = auth.signer_infos.add(sequence=sequence)
        signer.mode_info.ParseFromString(info.encode())
        if key is not None:
            any_key = key.to_any()
            signer.public_key.type_url, signer.public_key.value = any_key.type_url, any_key.value
    return TxParts(made.SerializeToString(), auth.SerializeToString())


def sign_bytes_of(parts: TxParts, signer: SignerData) -> SignBytes:
    made: dict[SignMode, Callable[[], bytes]] = {
        SignMode.DIRECT: lambda: direct.sign_bytes(parts, signer, SCHEMA),
        SignMode.DIRECT_AUX: lambda: direct_aux.sign_bytes(parts, signer, SCHEMA),
        SignMode.LEGACY_AMINO_JSON: lambda: amino_json.sign_bytes(parts, signer, SCHEMA),
        SignMode.TEXTUAL: lambda: textual.sign_bytes(parts, signer, SCHEMA, metadata={}),
    }
    return lambda mode: made[mode]()


def sign(number: int, message: bytes) -> bytes:
    return PRIVATE[number].sign_recoverable(message)[:64]


def checked(parts: TxParts, signatures: list[bytes], *signers: SignerData) -> tuple[SignatureCheck, ...]:
    return verify_transaction(parts, signatures, signers, SCHEMA)


def one_signer(mode: SignMode = SignMode.DIRECT, payer: str = "", **body: object) -> tuple[TxParts, list[bytes]]:
    infos: list[tuple[AnyPublicKey | None, ModeInfo, int]] = [(KEYS[0], SingleMode(mode), 20)]
    parts = transaction([send(KEYS[0])], infos, payer, **body)
    return parts, [sign(0, sign_bytes_of(parts, data(KEYS[0]))(mode))]


def reasons(checks: tuple[SignatureCheck, ...]) -> list[str]:
    return [check.reason for check in checks]


# --- one key ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [SignMode.DIRECT, SignMode.LEGACY_AMINO_JSON, SignMode.TEXTUAL])
def test_one_signer_in_each_mode(mode: SignMode) -> None:
    parts, signatures = one_signer(mode)
    (check,) = checked(parts, signatures, data(KEYS[0]))
    assert check == SignatureCheck(account(KEYS[0]), (mode,), "")
    assert check.ok


def test_signers_have_modes_of_their_own() -> None:
    payer = account(KEYS[4])
    infos: list[tuple[AnyPublicKey | None, ModeInfo, int]] = [
        (KEYS[number], SingleMode(mode), 20 + number) for number, mode in enumerate(MODES)
    ]
    parts = transaction([send(key) for key in KEYS[:4]], [*infos, (KEYS[4], SingleMode(SignMode.DIRECT), 24)], payer)
    everyone = [data(key, number) for number, key in enumerate(KEYS[:5])]
    modes = (*MODES, SignMode.DIRECT)
    signatures = [sign(number, sign_bytes_of(parts, signer)(modes[number])) for number, signer in enumerate(everyone)]
    checks = checked(parts, signatures, *reversed(everyone))
    assert reasons(checks) == [""] * 5
    assert [check.modes for check in checks] == [(mode,) for mode in modes]
    for wrong in range(5):
        swapped = [*signatures]
        swapped[wrong] = signatures[(wrong + 1) % 5]
        assert [check.ok for check in checked(parts, swapped, *everyone)] == [number != wrong for number in range(5)]


def test_a_key_that_the_transaction_leaves_out_must_be_given() -> None:
    parts = transaction([send(KEYS[0])], [(None, SingleMode(SignMode.DIRECT), 20)])
    signatures = [sign(0, direct.sign_bytes(parts, data(KEYS[0])))]
    assert reasons(checked(parts, signatures, data(KEYS[0]))) == [""]
    without = replace(data(KEYS[0]), public_key=None)
    assert reasons(checked(parts, signatures, without)) == [
        "the transaction leaves the public key out, and it is not given"
    ]
    named, signatures = one_signer()
    assert reasons(checked(named, signatures, without)) == [""]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"chain_id": "chain-2"}, "not over this transaction"),
        ({"chain_id": ""}, "without a chain"),
        ({"account_number": 11}, "not over this transaction"),
        ({"sequence": 21}, "account sequence mismatch, expected 21, got 20"),
        ({"public_key": KEYS[1]}, "not that of the account"),
    ],
)
def test_what_the_chain_knows_counts(change: dict[str, Any], why: str) -> None:
    parts, signatures = one_signer()
    (check,) = checked(parts, signatures, replace(data(KEYS[0]), **change))
    assert why in check.reason
    assert not check.ok


def test_the_key_must_be_that_of_the_signer() -> None:
    parts = transaction([send(KEYS[0])], [(KEYS[1], SingleMode(SignMode.DIRECT), 20)])
    signatures = [sign(1, direct.sign_bytes(parts, data(KEYS[0])))]
    signer = replace(data(KEYS[0]), public_key=None)
    assert reasons(checked(parts, signatures, signer)) == ["the public key is not that of the account that has to sign"]


def test_an_account_that_nothing_is_known_about() -> None:
    parts, signatures = one_signer()
    assert reasons(checked(parts, signatures)) == ["nothing is known about this account"]
    with pytest.raises(InvalidAddress):
        checked(parts, signatures, replace(data(KEYS[0]), address="ve1"))


def test_a_validators_operator_signs_as_the_account() -> None:
    operator = account(KEYS[0], "vevaloper")
    withdraw = new("cosmos.distribution.v1beta1.MsgWithdrawValidatorCommission", validator_address=operator)
    parts = transaction([withdraw, send(KEYS[0])], [(KEYS[0], SingleMode(SignMode.DIRECT), 20)])
    signatures = [sign(0, direct.sign_bytes(parts, data(KEYS[0])))]
    (check,) = checked(parts, signatures, data(KEYS[0]))
    assert check == SignatureCheck(account(KEYS[0]), (SignMode.DIRECT,), "")


def test_an_address_in_upper_case_is_the_same_account() -> None:
    message = send(KEYS[0])
    message.from_address = message.from_address.upper()
    parts = transaction([message, send(KEYS[0])], [(KEYS[0], SingleMode(SignMode.DIRECT), 20)])
    signatures = [sign(0, direct.sign_bytes(parts, data(KEYS[0])))]
    assert reasons(checked(parts, signatures, data(KEYS[0]))) == [""]


def test_unordered_transactions_have_no_sequence() -> None:
    later = {"seconds": 1_800_000_000}
    parts, signatures = one_signer(unordered=True, timeout_timestamp=later)
    assert reasons(checked(parts, signatures, data(KEYS[0]))) == ["sequence is not allowed for unordered transactions"]
    parts = transaction(
        [send(KEYS[0])], [(KEYS[0], SingleMode(SignMode.DIRECT), 0)], unordered=True, timeout_timestamp=later
    )
    signatures = [sign(0, direct.sign_bytes(parts, data(KEYS[0])))]
    assert reasons(checked(parts, signatures, data(KEYS[0]))) == [""]


@pytest.mark.parametrize("mode", [SignMode.UNSPECIFIED, SignMode.EIP_191])
def test_modes_that_no_chain_verifies(mode: SignMode) -> None:
    parts = transaction([send(KEYS[0])], [(KEYS[0], SingleMode(mode), 20)])
    (check,) = checked(parts, [bytes(64)], data(KEYS[0]))
    assert check.modes == (mode,)
    assert "not one that a chain verifies" in check.reason


def test_what_a_mode_refuses_is_the_reason() -> None:
    parts = transaction([send(KEYS[0])], [(KEYS[0], SingleMode(SignMode.DIRECT_AUX), 20)])
    (check,) = checked(parts, [bytes(64)], data(KEYS[0]))
    assert check.reason.startswith("fee payer")
    option = packed(new("cosmos.base.v1beta1.Coin", denom="uve"))
    parts = transaction(
        [send(KEYS[0])], [(KEYS[0], SingleMode(SignMode.LEGACY_AMINO_JSON), 20)], extension_options=[option]
    )
    (check,) = checked(parts, [bytes(64)], data(KEYS[0]))
    assert "extension options" in check.reason


# --- as many signatures as signers ------------------------------------------------------------------------------------


def test_a_missing_signature_is_told() -> None:
    infos: list[tuple[AnyPublicKey | None, ModeInfo, int]] = [(KEYS[0], SingleMode(SignMode.DIRECT), 20)]
    parts = transaction([send(KEYS[0]), send(KEYS[1])], infos)
    signatures = [sign(0, direct.sign_bytes(parts, data(KEYS[0])))]
    checks = checked(parts, signatures, data(KEYS[0]), data(KEYS[1], 1))
    assert reasons(checks) == ["", "there is no signature of this account"]
    assert checks[1].address == account(KEYS[1])


def test_a_signature_too_many_is_told() -> None:
    infos: list[tuple[AnyPublicKey | None, ModeInfo, int]] = [
        (KEYS[number], SingleMode(SignMode.DIRECT), 20) for number in range(2)
    ]
    parts = transaction([send(KEYS[0])], infos)
    signatures = [sign(number, direct.sign_bytes(parts, data(KEYS[0]))) for number in range(2)]
    assert reasons(checked(parts, signatures, data(KEYS[0]))) == ["", "nobody has to sign at this place"]


def test_signatures_in_another_order_are_not_good() -> None:
    infos: list[tuple[AnyPublicKey | None, ModeInfo, int]] = [
        (KEYS[number], SingleMode(SignMode.DIRECT), 20 + number) for number in (1, 0)
    ]
    parts = transaction([send(KEYS[0]), send(KEYS[1])], infos)
    signatures = [sign(number, direct.sign_bytes(parts, data(KEYS[number], number))) for number in (1, 0)]
    assert not any(check.ok for check in checked(parts, signatures, data(KEYS[0]), data(KEYS[1], 1)))


def test_transactions_that_cannot_be_judged() -> None:
    parts, signatures = one_signer()
    with pytest.raises(InvalidSignDoc, match="0 signatures and 1 signer infos"):
        checked(parts, [], data(KEYS[0]))
    with pytest.raises(InvalidSignDoc, match="2 signatures and 1 signer infos"):
        checked(parts, signatures * 2, data(KEYS[0]))
    with pytest.raises(InvalidSignDoc, match="auth info"):
        checked(TxParts(parts.body_bytes, parts.auth_info_bytes + b"\x0a"), signatures, data(KEYS[0]))
    nobody = transaction([new("cosmos.base.v1beta1.Coin", denom="uve")], [])
    with pytest.raises(InvalidSignDoc, match="nobody knows who signs"):
        checked(nobody, [])
    wrong = transaction([new("cosmos.bank.v1beta1.MsgSend", from_address="ve1qqqqqq")], [])
    with pytest.raises(InvalidSignDoc, match="a signer of the transaction: "):
        checked(wrong, [])


def test_a_key_of_a_type_that_only_its_chain_knows() -> None:
    parts, _ = one_signer()
    auth = SCHEMA.message("cosmos.tx.v1beta1.AuthInfo").FromString(parts.auth_info_bytes)
    auth.signer_infos[0].public_key.type_url = "/some.chain.PubKey"
    strange = TxParts(parts.body_bytes, auth.SerializeToString())
    (check,) = checked(strange, [bytes(64)], data(KEYS[0]))
    assert "/some.chain.PubKey" in check.reason


# --- multisig accounts ------------------------------------------------------------------------------------------------

INNER = MultisigPublicKey(1, (KEYS[3], KEYS[4]))
GROUP = MultisigPublicKey(2, (KEYS[0], KEYS[1], INNER))


def multi(bits: str, *infos: ModeInfo) -> MultiMode:
    return MultiMode(CompactBitArray.of(bit == "x" for bit in bits), infos)


def group_signed(
    info: MultiMode, numbers: list[int | list[int]], modes: list[SignMode], payer: str = ""
) -> tuple[SignatureCheck, ...]:
    """Sign for the group by the keys of those numbers, a list standing for the inner group."""
    infos: list[tuple[AnyPublicKey | None, ModeInfo, int]] = [(GROUP, info, 20)]
    if payer:
        infos.append((KEYS[5], SingleMode(SignMode.DIRECT), 25))
    parts = transaction([send(GROUP)], infos, payer)
    message = sign_bytes_of(parts, data(GROUP))
    found = []
    for number, mode in zip(numbers, modes, strict=True):
        if isinstance(number, list):
            found.append(MultiSignature(tuple([sign(one, message(mode)) for one in number])).encode())
        else:
            found.append(sign(number, message(mode)))
    signatures = [MultiSignature(tuple(found)).encode()]
    if payer:
        signatures.append(sign(5, direct.sign_bytes(parts, data(KEYS[5], 5))))
    return checked(parts, signatures, data(GROUP), data(KEYS[5], 5))


@pytest.mark.parametrize("mode", [SignMode.DIRECT, SignMode.LEGACY_AMINO_JSON, SignMode.TEXTUAL])
def test_a_multisig_account_in_each_mode(mode: SignMode) -> None:
    (check,) = group_signed(multi("xx_", SingleMode(mode), SingleMode(mode)), [0, 1], [mode, mode])
    assert check == SignatureCheck(account(GROUP), (mode, mode), "")


def test_members_sign_what_names_the_accounts_key() -> None:
    info = multi("xx_", SingleMode(SignMode.DIRECT_AUX), SingleMode(SignMode.LEGACY_AMINO_JSON))
    checks = group_signed(info, [0, 1], [SignMode.DIRECT_AUX, SignMode.LEGACY_AMINO_JSON], payer=account(KEYS[5]))
    assert reasons(checks) == ["", ""]


def test_nested_multisig_accounts() -> None:
    amino = SingleMode(SignMode.LEGACY_AMINO_JSON)
    info = multi("_xx", amino, multi("_x", amino))
    (check,) = group_signed(info, [1, [4]], [amino.mode, amino.mode])
    assert check == SignatureCheck(account(GROUP), (amino.mode, amino.mode), "")
    (check,) = group_signed(info, [1, [3]], [amino.mode, amino.mode])
    assert "member 2: member 1: the signature is not" in check.reason


def test_a_single_signature_of_a_multisig_account() -> None:
    parts = transaction([send(GROUP)], [(GROUP, SingleMode(SignMode.DIRECT), 20)])
    (check,) = checked(parts, [sign(0, direct.sign_bytes(parts, data(GROUP)))], data(GROUP))
    assert check.reason == "one signature for a multisig key"
