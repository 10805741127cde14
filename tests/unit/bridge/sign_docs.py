"""Small DIRECT sign documents, encoded by hand so that the code under test does not make its own input."""

from __future__ import annotations

from cosmos_formats import address
from cosmos_formats.pubkeys import KeyType, PublicKey

_KEY_URLS = {
    KeyType.SECP256K1: "/cosmos.crypto.secp256k1.PubKey",
    KeyType.ED25519: "/cosmos.crypto.ed25519.PubKey",
}


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def any_message(url: str, value: bytes) -> bytes:
    return field(1, url) + (field(2, value) if value else b"")


def coin(denom: str, amount: str) -> bytes:
    return field(1, denom) + field(2, amount)


def msg_send(sender: str, recipient: str, amount: str = "1", denom: str = "uve") -> bytes:
    return any_message(
        "/cosmos.bank.v1beta1.MsgSend", field(1, sender) + field(2, recipient) + field(3, coin(denom, amount))
    )


def auth_info(public_key: PublicKey, sequence: int = 0) -> bytes:
    key = any_message(_KEY_URLS.get(public_key.key_type, public_key.type_url), field(1, public_key.data))
    mode_info = field(1, field(1, 1))
    signer = field(1, key) + field(2, mode_info) + (field(3, sequence) if sequence else b"")
    fee = field(1, coin("uve", "500")) + field(2, 200_000)
    return field(1, signer) + field(2, fee)


def sign_doc(body: bytes, info: bytes, chain_id: str, account_number: int = 7) -> bytes:
    return field(1, body) + field(2, info) + field(3, chain_id) + field(4, account_number)


def send_doc(public_key: PublicKey, chain_id: str, memo: str = "") -> bytes:
    """A bank send from ``public_key``'s own address."""
    own = address.encode("ve", public_key.address)
    body = field(1, msg_send(own, own)) + (field(2, memo) if memo else b"")
    return sign_doc(body, auth_info(public_key), chain_id)
