"""The canonical protobuf reader."""

import pytest

from cosmos_formats import wire
from cosmos_formats.wire import InvalidProtobuf, Kind

LAYOUT = {1: Kind.VARINT, 2: Kind.BYTES, 3: Kind.MESSAGE, 4: Kind.REPEATED}


def test_reads_what_it_writes() -> None:
    data = (
        wire.varint_field(1, 300)
        + wire.text_field(2, "é")
        + wire.message_field(3, b"")
        + wire.message_field(4, b"x")
        + wire.message_field(4, b"")
    )
    fields = wire.read(data, LAYOUT)
    assert fields.varint(1) == 300
    assert fields.text(2) == "é"
    assert fields.message(3) == b""
    assert fields.repeated(4) == (b"x", b"")


def test_absent_fields_have_their_defaults() -> None:
    fields = wire.read(b"", LAYOUT)
    assert fields.varint(1) == 0
    assert fields.binary(2) == b""
    assert fields.message(3) is None
    assert fields.repeated(4) == ()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("08", "cut off"),
        ("0800", "default"),
        ("1200", "default"),
        ("088100", "longer than needed"),
        ("08ffffffffffffffffff02", "64 bits"),
        ("08ffffffffffffffffffff01", "too long"),
        ("12016100", "unknown field 0"),
        ("120361", "cut off"),
        ("08010801", "out of order"),
        ("1201610801", "out of order"),
        ("1a001a00", "out of order"),
        ("0d00000000", "wire type 5"),
        ("0a0161", "wire type 2"),
        ("1001", "wire type 0"),
        ("2801", "unknown field 5"),
        ("00", "unknown field 0"),
        ("1201ff", "UTF-8"),
    ],
)
def test_refuses_everything_that_is_not_canonical(data: str, says: str) -> None:
    with pytest.raises(InvalidProtobuf, match=says):
        wire.read(bytes.fromhex(data), LAYOUT).text(2)


def test_refuses_numbers_that_do_not_fit() -> None:
    assert wire.read_varint(wire.varint(2**64 - 1), 0) == (2**64 - 1, 10)
    for number in (-1, 2**64):
        with pytest.raises(InvalidProtobuf):
            wire.varint(number)


def test_refuses_text_that_utf8_cannot_write() -> None:
    with pytest.raises(InvalidProtobuf):
        wire.text_field(1, "\ud800")
