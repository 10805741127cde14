"""Transactions in the parts that every sign mode signs, built with the shipped message types."""

from __future__ import annotations

from typing import Any

from cosmos_formats import address
from cosmos_formats.multisig import AnyPublicKey
from cosmos_formats.schema import default_schema
from cosmos_formats.signing import SignMode
from cosmos_formats.signing.transaction import SignerData, TxParts

Signer = tuple[AnyPublicKey | None, SignMode, int]


def new(name: str, **fields: object) -> Any:
    return default_schema().message(name)(**fields)


def packed(message: Any) -> Any:
    url = f"/{message.DESCRIPTOR.full_name}"
    return new("google.protobuf.Any", type_url=url, value=message.SerializeToString(deterministic=True))


def text_of(key: AnyPublicKey, prefix: str = "ve") -> str:
    return address.encode(prefix, key.address)


def send(sender: AnyPublicKey, amount: str = "10") -> Any:
    message = new("cosmos.bank.v1beta1.MsgSend", from_address=text_of(sender), to_address=text_of(sender))
    message.amount.add(denom="uve", amount=amount)
    return message


def transaction(messages: list[Any], signers: list[Signer], payer: str = "", memo: str = "") -> TxParts:
    body = new("cosmos.tx.v1beta1.TxBody", memo=memo)
    for message in messages:
        body.messages.append(message if message.DESCRIPTOR.name == "Any" else packed(message))
    auth = new("cosmos.tx.v1beta1.AuthInfo")
    auth.fee.gas_limit = 200_000
    auth.fee.payer = payer
    auth.fee.amount.add(denom="uve", amount="500")
    for key, mode, sequence in signers:
        info = auth.signer_infos.add(sequence=sequence)
        if key is not None:
            info.public_key.type_url, info.public_key.value = key.to_any().type_url, key.to_any().value
        info.mode_info.single.mode = mode
    return TxParts(body.SerializeToString(deterministic=True), auth.SerializeToString(deterministic=True))


def signer_data(key: AnyPublicKey, chain_id: str, sequence: int = 5) -> SignerData:
    return SignerData(text_of(key), chain_id, 7, sequence, key)


def sign_bytes(mode: SignMode, parts: TxParts, signer: SignerData) -> bytes:
    from cosmos_formats.signing import amino_json, direct, direct_aux, textual

    schema = default_schema()
    if mode is SignMode.DIRECT:
        return direct.sign_bytes(parts, signer)
    if mode is SignMode.DIRECT_AUX:
        return direct_aux.sign_bytes(parts, signer, schema)
    if mode is SignMode.TEXTUAL:
        return textual.sign_bytes(parts, signer, schema, metadata={})
    document = amino_json.sign_bytes(parts, signer, schema)
    if mode is SignMode.EIP_191:
        return b"\x19Ethereum Signed Message:\n" + str(len(document)).encode() + document
    return document
