"""Random message types and messages of them, the same for the same seed.

The types use every kind of field with every option that amino JSON and TEXTUAL know, also where it makes no sense. What
the options say of Go's generated code (``gogoproto.nullable`` and so on) is left out, but for the types of numbers: the
SDK's encoders, which these are held against, never see it.
"""

from __future__ import annotations

import json
import random
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

from cosmos_formats.options import field_options
from cosmos_formats.schema import Schema, default_schema_data
from cosmos_formats.signing.messages import is_repeated
from cosmos_formats.wire import message_field
from tests.amino_types import (
    AMINO_ENCODING,
    AMINO_FIELD_NAME,
    AMINO_KEPT,
    AMINO_MESSAGE_ENCODING,
    AMINO_NAME,
    AMINO_ONEOF_NAME,
    BOOL,
    BYTES,
    CUSTOM_TYPE,
    ENUM,
    MESSAGE,
    SCALAR,
    STRING,
    options,
)

PACKAGE = "odd.v1"
ANY, COIN = "google.protobuf.Any", "cosmos.base.v1beta1.Coin"
TIME, SPAN = "google.protobuf.Timestamp", "google.protobuf.Duration"
NUMBERS = {
    **dict.fromkeys((3, 16, 18), (-(2**63), 2**63 - 1)),
    **dict.fromkeys((4, 6), (0, 2**64 - 1)),
    **dict.fromkeys((5, 15, 17), (-(2**31), 2**31 - 1)),
    **dict.fromkeys((7, 13), (0, 2**32 - 1)),
}
"""Least and highest value of each kind of whole number."""
USUAL = (3, 4, 5, 13, BOOL, STRING, STRING, BYTES, ENUM)
UNUSUAL = (1, 2, 6, 7, 15, 16, 17, 18)
TEXT_OPTIONS: tuple[dict[int, Any], ...] = (
    {SCALAR: "cosmos.Int"},
    {SCALAR: "cosmos.Int", CUSTOM_TYPE: "cosmossdk.io/math.Int"},
    {SCALAR: "cosmos.Dec"},
    {SCALAR: "cosmos.Dec", CUSTOM_TYPE: "cosmossdk.io/math.LegacyDec"},
    {SCALAR: "cosmos.AddressString"},
    {AMINO_ENCODING: "unheard_of"},
)
BYTE_OPTIONS: tuple[dict[int, Any], ...] = (
    {AMINO_ENCODING: "inline_json"},
    {SCALAR: "cosmos.Int"},
    {SCALAR: "cosmos.Dec", CUSTOM_TYPE: "cosmossdk.io/math.LegacyDec"},
)
MISPLACED: tuple[dict[int, Any], ...] = (
    {AMINO_ENCODING: "legacy_coins"},
    {AMINO_ENCODING: "inline_json"},
    {SCALAR: "cosmos.Int"},
    {SCALAR: "cosmos.Dec", CUSTOM_TYPE: "cosmossdk.io/math.LegacyDec"},
)
ONEOFS = ("sum", "Sum", "url_of_x2y", "URLs", "aBCd", "x__y_", "policy1info")
ALPHABET = "abcXYZ019 _-/.:'\"\\<>&\n\t\x00\x1b\x7f\x85\u202e\u2028\u2029é鍵🔑\ufffd\ufeff"
DENOMS = (*("uve", "uatom", "wei", "flat", "blank", "unknown", "ibc/27") * 3, "a b", "", "x,y")
FLOATS = (
    "1.5",
    "-0",
    "-0.0",
    "1e21",
    "1e20",
    "1e-6",
    "1e-7",
    "123456789.125",
    "5e-324",
    "1.7976931348623157e308",
    "0.1",
)


class Types:
    """One file of random types, beside the shipped ones.

    Args:
        seed: The same seed gives the same types and messages.

    Attributes:
        data: A FileDescriptorSet.
        schema: Its types.
    """

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._names = [f"Type{number}" for number in range(6)]
        self.data = default_schema_data() + message_field(1, self._file().SerializeToString())
        self.schema = Schema.from_descriptor_set(self.data)

    def message(self) -> tuple[str, Any]:
        """Return the type URL of the next message, and the message."""
        name = f"{PACKAGE}.{self._random.choice(self._names)}"
        return f"/{name}", self._fill(self.schema.message(name)(), 0)

    # --- types -------------------------------------------------------------------------------------------------

    def _file(self) -> FileDescriptorProto:
        file = FileDescriptorProto(name="odd/v1/odd.proto", package=PACKAGE, syntax="proto3")
        file.options.go_package = "odd/types"
        for needed in ("google/protobuf/any", "google/protobuf/timestamp", "google/protobuf/duration"):
            file.dependency.append(f"{needed}.proto")
        file.dependency.append("cosmos/base/v1beta1/coin.proto")
        colour = file.enum_type.add(name="Colour")
        for number, name in ((0, "NONE"), (1, "RED"), (7, "BLUE"), (-3, "BELOW")):
            colour.value.add(name=name, number=number)
        for name in self._names:
            self._type(file.message_type.add(name=name))
        return file

    def _type(self, message: DescriptorProto) -> None:
        choose = self._random
        chosen: dict[int, Any] = {}
        if choose.random() < 0.7:
            chosen[AMINO_NAME] = f"odd/{message.name}"
        if choose.random() < 0.05:
            chosen[AMINO_MESSAGE_ENCODING] = choose.choice(("key_field", "unheard_of", "module_account"))
        message.options.MergeFromString(options(chosen))
        if choose.random() < 0.4:
            self._oneof(message)  # before the optional fields, as protobuf wants it
        numbers = choose.sample(range(1, 40), choose.randint(0, 7))
        names = ["key", *(f"field_{number}_of_It" for number in numbers)]
        choose.shuffle(names)
        for number, name in zip(numbers, names, strict=False):
            self._field(message, name, number)

    def _oneof(self, message: DescriptorProto) -> None:
        choose = self._random
        around = len(message.oneof_decl)
        message.oneof_decl.add(name=choose.choice(ONEOFS))
        for number in range(50, 50 + choose.randint(1, 3)):
            field = self._field(message, f"one{number}", number, single=True)
            field.oneof_index = around
            if choose.random() < 0.95:
                field.options.MergeFromString(options({AMINO_ONEOF_NAME: f"odd/One{number}"}))

    def _field(self, message: DescriptorProto, name: str, number: int, *, single: bool = False) -> FieldDescriptorProto:
        choose = self._random
        field = message.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
        if not single and choose.random() < 0.3:
            field.label = FieldDescriptorProto.LABEL_REPEATED
        chosen: dict[int, Any] = {}
        if choose.random() < 0.4:
            kind: Any = MESSAGE
            own = [f"{PACKAGE}.{other}" for other in self._names]
            field.type_name = "." + choose.choice([ANY, COIN, COIN, TIME, SPAN, *own])
            repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
            chosen |= {AMINO_ENCODING: "legacy_coins"} if choose.random() < (0.4 if repeated else 0.01) else {}
        else:
            kind = choose.choice(UNUSUAL if choose.random() < 0.03 else USUAL)
            if kind == ENUM:
                field.type_name = f".{PACKAGE}.Colour"
            elif kind in (STRING, BYTES) and choose.random() < 0.6:
                chosen |= choose.choice(TEXT_OPTIONS if kind == STRING else BYTE_OPTIONS)
            elif choose.random() < 0.03:
                chosen |= choose.choice(MISPLACED)
        if choose.random() < 0.3 and not single:
            chosen[AMINO_KEPT] = choose.random() < 0.9
        if not single and field.label == FieldDescriptorProto.LABEL_OPTIONAL and choose.random() < 0.02:
            field.proto3_optional, field.oneof_index = True, len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{name}")
        if choose.random() < 0.2:
            chosen[AMINO_FIELD_NAME] = f"{choose.choice('AZaz_')}{number}"
        field.type = kind
        field.options.MergeFromString(options(chosen))
        return field

    # --- messages ----------------------------------------------------------------------------------------------

    def _fill(self, message: Any, depth: int) -> Any:
        choose = self._random
        match message.DESCRIPTOR.full_name:
            case "google.protobuf.Timestamp":
                message.seconds = choose.choice((0, -1, -62_135_596_800, 253_402_300_799, 1_700_000_000))
                message.nanos = choose.choice((0, 1, 10**8, 999_999_999))
            case "google.protobuf.Duration":
                total = choose.choice(
                    (0, 1, -1, 10**9, -(10**9) - 1, 86_400 * 10**9, choose.randint(-(10**18), 10**18))
                )
                sign = -1 if total < 0 else 1
                message.seconds, message.nanos = sign * (abs(total) // 10**9), sign * (abs(total) % 10**9)
            case "google.protobuf.Any":
                if depth < 4:
                    name = f"{PACKAGE}.{choose.choice((*self._names * 5, 'Nobody'))}"
                    found = self.schema.find(f"/{name}")
                    message.type_url = f"/{name}"
                    message.value = b"" if found is None else self._bytes_of(found(), depth + 1)
                else:
                    message.type_url, message.value = f"/{COIN}", b""
            case "cosmos.base.v1beta1.Coin":
                message.denom, message.amount = choose.choice(DENOMS), self._whole()
            case _:
                for field in message.DESCRIPTOR.fields:
                    needed = field.message_type is not None and field_options(field).dont_omitempty
                    if choose.random() < (0.98 if needed else 0.75):
                        self._set(message, field, depth)
        return message

    def _bytes_of(self, message: Any, depth: int) -> bytes:
        data: bytes = self._fill(message, depth).SerializeToString(deterministic=True)
        return data

    def _set(self, message: Any, field: Any, depth: int) -> None:
        if field.message_type is not None and depth >= 4:
            return
        if is_repeated(field):
            target = getattr(message, field.name)
            for _ in range(self._random.choice((1, 1, 2, 3))):
                if field.message_type is None:
                    target.append(self._scalar(field))
                else:
                    self._fill(target.add(), depth + 1)
        elif field.message_type is None:
            setattr(message, field.name, self._scalar(field))
        else:
            part = getattr(message, field.name)
            part.SetInParent()
            self._fill(part, depth + 1)

    def _scalar(self, field: Any) -> object:
        choose = self._random
        if field.type in NUMBERS:
            least, most = NUMBERS[field.type]
            return choose.choice((0, 1, least, most, choose.randint(least, most) >> choose.randrange(32)))
        if field.type in (1, 2):
            return choose.choice((0.0, 1.5))
        if field.type == BOOL:
            return choose.random() < 0.5
        if field.type == ENUM:
            return choose.choice((0, 1, 7, -3, 99) if choose.random() < 0.2 else (0, 1, 7, -3))
        said = field_options(field)
        number = self._whole() if said.scalar in ("cosmos.Int", "cosmos.Dec") else ""
        if said.scalar == "cosmos.Dec" and not said.custom_type:
            number = choose.choice((number, "0.5", "-1.250000000000000000", "100000.000001"))
        if field.type == STRING:
            return number or self._text()
        if said.amino_encoding == "inline_json":
            return self._json(0).encode()
        return number.encode() or choose.randbytes(choose.choice((0, 1, 2, 3, 34, 35, 36, 81, 300)))

    def _whole(self) -> str:
        choose = self._random
        return str(choose.choice((0, 1, -1, 999, 1000, -1000, 10**18, 15 * 10**17, 2**256 - 1, choose.getrandbits(90))))

    def _text(self) -> str:
        return "".join(self._random.choices(ALPHABET, k=self._random.choice((0, 1, 3, 12))))

    def _json(self, depth: int) -> str:
        """Return JSON that is valid, but not tidy."""
        choose = self._random
        space = choose.choice(("", "", " ", "\n\t"))
        match choose.randrange(8 if depth < 4 else 6):
            case 0:
                return choose.choice(("null", "true", "false"))
            case 1 | 2:
                return choose.choice((*FLOATS, str(choose.getrandbits(60)), "0", "-7", str(2**53 + 1)))
            case 3 | 4 | 5:
                return json.dumps(self._text(), ensure_ascii=choose.random() < 0.5)
            case 6:
                return f"[{space}{f'{space},'.join(self._json(depth + 1) for _ in range(choose.randrange(4)))}{space}]"
            case _:
                members = [
                    f"{json.dumps(self._text())}{space}:{self._json(depth + 1)}" for _ in range(choose.randrange(4))
                ]
                return f"{{{space}{','.join(members)}}}"
