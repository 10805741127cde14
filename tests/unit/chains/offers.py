"""Descriptor sets of a small chain, for the tests of what is done with them."""

from __future__ import annotations

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from keyring_bridge.chains import ChainSettings, Offer, examine

SETTINGS = ChainSettings("market-1", "ve")
ATOM = {
    "base": "uatom",
    "display": "atom",
    "denom_units": [{"denom": "uatom", "exponent": 0, "aliases": []}, {"denom": "atom", "exponent": 6, "aliases": []}],
}


def market(*, field: str = "owner", messages: tuple[str, ...] = ("MsgCreateOrder",)) -> bytes:
    """A set of one file, whose messages have one signer."""
    files = FileDescriptorSet()
    file = files.file.add(name="market/v1/tx.proto", package="market.v1", syntax="proto3")
    file.dependency.append("cosmos/msg/v1/msg.proto")
    for name in messages:
        message = file.message_type.add(name=name)
        # cosmos.msg.v1.signer, a text of field 11110000
        message.options.ParseFromString(b"\x82\xe7\xb0\x2a" + bytes([len(field)]) + field.encode())
        message.field.add(name=field, number=1, type=9, label=1)
    return files.SerializeToString()


def offer(*, field: str = "owner", messages: tuple[str, ...] = ("MsgCreateOrder",), coins: object = (ATOM,)) -> Offer:
    """An offer of :func:`market`."""
    return examine(market(field=field, messages=messages), coins)
