"""Random transactions, made from descriptors: any message type with any values, the same for the same seed.

Most values are such that a chain takes them. In one transaction of four, values may also be of the right type but
wrong: texts that are no addresses, numbers out of range, enum values that nobody has named.
"""

import json
import random
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from cosmos_formats import address
from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.multisig import pubkey_from_any
from cosmos_formats.options import field_options
from cosmos_formats.schema import Schema
from cosmos_formats.signing.messages import is_map, is_repeated
from cosmos_formats.signing.transaction import SignerData, TxParts

PREFIX = "ve"
MODES = (1, 2, 3, 127)
DENOMS = ("uve", "uatom", "wei", "flat", "lost", "blank", "mve", "axl", "uraw", "ibc/27394FB092D2ECCD56123C74F36E4C1F")
LETTERS = string.ascii_letters + string.digits + " .,:;-_/()[]{}'"
SPECIAL = '<>&"\\\n\t\r\b\f\x00\x1b\x7f\x85\xa0éß鍵🔑\u2028\u2029\u202e\ufeff\ufffd\U0010ffff'
WILD = 0.25
"""How many transactions may have values that are wrong."""
NESTED = 4
"""How deep messages may lie in messages."""

# Anys that accept something without saying what.
UNSAID = {
    "client_state": "ibc.core.client.v1.ClientState",
    "upgraded_client_state": "ibc.core.client.v1.ClientState",
    "consensus_state": "ibc.core.client.v1.ConsensusState",
    "client_message": "ibc.core.client.v1.Header",
    "misbehaviour": "ibc.core.client.v1.Misbehaviour",
    "limit": "cosmwasm.wasm.v1.ContractAuthzLimitX",
    "filter": "cosmwasm.wasm.v1.ContractAuthzFilterX",
}
# Anys that no chain has used for years. Go leaves the bytes inside as they are; those in all others it writes anew.
NOT_OPENED = {
    "cosmos.upgrade.v1beta1.Plan.upgraded_client_state",
    "ibc.core.connection.v1.MsgConnectionOpenTry.client_state",
    "ibc.core.connection.v1.MsgConnectionOpenAck.client_state",
}
WHOLE = (0, 1, 999, 1000, 10**6, 10**18, 2**256 - 1)
NOT_WHOLE = ("-1", "-1000000", "-0", "007", "+5", "1.5", "1e3", "abc", " 1", str(2**256), "", "1_000")
DECIMAL = ("0", "1", "0.5", "0.333333333333333333", "-1.25", "100000.000001", "1.000000000000000000")
NOT_DECIMAL = ("", "abc", ".5", "5.", "1.0000000000000000001", "--1", "1e3", "-0.0")
INTEGERS = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SINT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SFIXED32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_SINT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_SFIXED64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_FIXED64: (0, 2**64 - 1),
}


@dataclass(frozen=True, slots=True)
class RandomTransaction:
    """A transaction, and for whom its sign bytes are made.

    Attributes:
        parts: Body and auth info.
        signature: Bytes of a signature's length, or none.
        wild: Some values may be wrong.
        signer: Who signs.
        packed_key: The signer's public key as an Any.
    """

    parts: TxParts
    signature: bytes
    wild: bool
    signer: SignerData
    packed_key: bytes


class Generator:
    """A source of random transactions.

    Args:
        seed: The same seed gives the same transactions.
        schema: The message types.
        interfaces: Type URLs of the messages that may stand in an Any, by the interface that it accepts.
        keys: Packed public keys.
    """

    def __init__(
        self, seed: int | str, schema: Schema, interfaces: Mapping[str, Sequence[str]], keys: Sequence[AnyValue]
    ) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._schema = schema
        known = frozenset(schema.names)
        self._interfaces = {name: sorted(url for url in urls if url[1:] in known) for name, urls in interfaces.items()}
        self._keys = keys
        self._wild = False

    def transaction(self) -> RandomTransaction:
        """Make the next transaction."""
        choose = self._random
        self._wild = choose.random() < WILD
        body = self._schema.message("cosmos.tx.v1beta1.TxBody")()
        for _ in range(choose.choice((1, 1, 1, 2, 3))):
            self._pack(body.messages.add(), "cosmos.base.v1beta1.Msg", 0)
        self._fill_body(body)
        auth = self._schema.message("cosmos.tx.v1beta1.AuthInfo")()
        key = choose.choice(self._keys)
        signer = self._signer(key)
        self._fill_auth(auth, signer, key)
        parts = TxParts(body.SerializeToString(deterministic=True), auth.SerializeToString(deterministic=True))
        return RandomTransaction(
            parts, choose.randbytes(choose.choice((0, 64, 64, 65))), self._wild, signer, key.encode()
        )

    def _fill_body(self, body: Any) -> None:
        choose = self._random
        body.memo = self._text() if choose.random() < 0.5 else ""
        body.timeout_height = self._integer(0, 2**64 - 1) if choose.random() < 0.2 else 0
        if choose.random() < 0.2:
            body.unordered = choose.random() < 0.5
            self._timestamp(body.timeout_timestamp)
        if choose.random() < 0.03:
            self._pack(body.extension_options.add(), "cosmos.tx.v1beta1.TxExtensionOptionI", NESTED)
        if choose.random() < 0.03:
            self._pack(body.non_critical_extension_options.add(), "cosmos.tx.v1beta1.TxExtensionOptionI", NESTED)

    def _fill_auth(self, auth: Any, signer: SignerData, signed_with: AnyValue) -> None:
        choose = self._random
        own = choose.randrange(2)
        for position in range(choose.choice((1, 1, 2))):
            info = auth.signer_infos.add()
            key = signed_with if position == own else choose.choice(self._keys)
            info.public_key.type_url, info.public_key.value = key.type_url, key.value
            info.sequence = signer.sequence if position == own else self._integer(0, 2**64 - 1)
            if key.type_url.endswith("LegacyAminoPubKey"):
                info.mode_info.multi.bitarray.extra_bits_stored = 3
                info.mode_info.multi.bitarray.elems = b"\xa0"
                for _ in range(2):
                    info.mode_info.multi.mode_infos.add().single.mode = 127
            else:
                info.mode_info.single.mode = choose.choice(MODES)
        auth.fee.gas_limit = self._integer(0, 2**64 - 1)
        self._coins(auth.fee.amount)
        if choose.random() < 0.4:
            auth.fee.payer = self._address("")
        if choose.random() < 0.2:
            auth.fee.granter = self._address("")

    def _signer(self, packed: AnyValue) -> SignerData:
        key = pubkey_from_any(packed)
        number, sequence = self._integer(0, 2**64 - 1), self._integer(0, 2**64 - 1)
        chain = self._random.choice(("virtengine-1", "cosmoshub-4", '<chain> & "x"'))
        return SignerData(address.encode(PREFIX, key.address), chain, number, sequence, key)

    def _pack(self, packed: Any, interface: str, depth: int) -> None:
        """Put a message that implements an interface into an Any."""
        if interface == "cosmos.crypto.PubKey":
            key = self._random.choice(self._keys)
            packed.type_url, packed.value = key.type_url, key.value
            return
        urls = self._interfaces.get(interface, ())
        if not urls:
            return
        packed.type_url = self._random.choice(urls)
        message = self._message(self._schema.find(packed.type_url), depth)
        packed.value = message.SerializeToString(deterministic=True)

    def _message(self, made_of: type[Message], depth: int) -> Message:
        message = made_of()
        self._fill(message, depth)
        return message

    def _fill(self, message: Any, depth: int) -> None:
        descriptor: Descriptor = message.DESCRIPTOR
        match descriptor.full_name:
            case "google.protobuf.Timestamp":
                self._timestamp(message)
                return
            case "google.protobuf.Duration":
                self._duration(message)
                return
            case "cosmos.base.v1beta1.Coin":
                message.denom, message.amount = self._denom(), self._whole()
                return
        chosen = {oneof.name: self._random.choice(oneof.fields).name for oneof in descriptor.oneofs if oneof.fields}
        for field in descriptor.fields:
            oneof = field.containing_oneof
            if oneof is not None and (chosen[oneof.name] != field.name or self._random.random() < 0.1):
                continue
            if oneof is None and self._random.random() < 0.1 and (self._wild or not self._embedded(field)):
                continue  # left empty
            if is_map(field):
                continue
            if is_repeated(field):
                self._fill_repeated(message, field, depth)
            elif field.message_type is not None:
                self._fill_message(message, field, depth)
            else:
                setattr(message, field.name, self._scalar(field))

    @staticmethod
    def _embedded(field: FieldDescriptor) -> bool:
        """Tell whether Go has the message itself in its parent, and so always writes it."""
        return field.message_type is not None and not is_repeated(field) and not field_options(field).nullable

    def _fill_repeated(self, message: Any, field: FieldDescriptor, depth: int) -> None:
        values = getattr(message, field.name)
        if field.message_type is not None and field.message_type.full_name == "cosmos.base.v1beta1.Coin":
            self._coins(values)
            return
        for _ in range(self._random.choice((0, 1, 1, 2, 3))):
            if field.message_type is None:
                values.append(self._scalar(field))
            elif depth < NESTED and (field.message_type.full_name != "google.protobuf.Any" or self._accepted(field)):
                self._element(values.add(), field, depth + 1)

    def _fill_message(self, message: Any, field: FieldDescriptor, depth: int) -> None:
        assert field.message_type is not None
        name = field.message_type.full_name
        if name.startswith("google.protobuf.") and name != "google.protobuf.Any":
            self._fill(getattr(message, field.name), depth)
        elif name == "google.protobuf.Any":
            if depth < NESTED:
                self._element(getattr(message, field.name), field, depth + 1)
        else:
            part = getattr(message, field.name)
            part.SetInParent()
            if depth < NESTED:
                self._fill(part, depth + 1)

    def _element(self, message: Any, field: FieldDescriptor, depth: int) -> None:
        if message.DESCRIPTOR.full_name == "google.protobuf.Any":
            self._pack(message, self._accepted(field), depth)
        else:
            self._fill(message, depth)

    @staticmethod
    def _accepted(field: FieldDescriptor) -> str:
        """Return the interface that an Any accepts, if it's known."""
        if field.full_name in NOT_OPENED:
            return ""
        return field_options(field).accepts or UNSAID.get(field.name, "")

    def _scalar(self, field: FieldDescriptor) -> object:
        choose = self._random
        if field.type in INTEGERS:
            return self._integer(*INTEGERS[field.type])
        match field.type:
            case FieldDescriptor.TYPE_BOOL:
                return choose.random() < 0.5
            case FieldDescriptor.TYPE_ENUM:
                enum = field.enum_type
                assert enum is not None
                # wasmd writes each number without a name as one name, which tells nothing.
                if self._wild and choose.random() < 0.2 and enum.name != "AccessType":
                    return choose.choice((-1, 99, 2**31 - 1, -(2**31)))
                return choose.choice(enum.values).number
            case FieldDescriptor.TYPE_BYTES:
                return self._bytes(field)
            case FieldDescriptor.TYPE_STRING:
                return self._string(field)
            case _:
                raise AssertionError(f"{field.full_name} has a type that Cosmos does not use")

    def _bytes(self, field: FieldDescriptor) -> bytes:
        if field_options(field).custom_type.startswith("cosmossdk.io/math."):
            return self._whole().encode()
        if field_options(field).amino_encoding == "inline_json" and not (self._wild and self._random.random() < 0.3):
            return json.dumps(self._json(0), separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
        return self._random.randbytes(self._random.choice((0, 1, 8, 32, 33, 40)))

    def _json(self, depth: int) -> object:
        choose = self._random
        match choose.randrange(6 if depth < 3 else 4):
            case 0:
                return choose.choice((None, True, False))
            case 1:
                return choose.choice((0, -1, choose.getrandbits(40)))
            case 2 | 3:
                return self._letters()
            case 4:
                return [self._json(depth + 1) for _ in range(choose.randrange(4))]
            case _:
                return {self._letters(): self._json(depth + 1) for _ in range(choose.randrange(4))}

    def _string(self, field: FieldDescriptor) -> str:
        options = field_options(field)
        if self._wild and self._random.random() < 0.2 and not options.custom_type:
            return self._text()
        match options.scalar:
            case "cosmos.Int":
                return self._whole()
            case "cosmos.Dec":
                # With a Go type the text has no point; without one it is what a person wrote.
                return self._whole() if options.custom_type else self._decimal()
            case "cosmos.AddressString":
                return self._address("")
            case "cosmos.ValidatorAddressString":
                return self._address("valoper")
            case "cosmos.ConsensusAddressString":
                return self._address("valcons")
        if "LegacyDec" in options.custom_type or "math.Int" in options.custom_type:
            return self._whole()
        if "denom" in field.name:
            return self._denom()
        return self._text()

    def _integer(self, least: int, most: int) -> int:
        choose = self._random
        if choose.random() < 0.5:
            return choose.choice([number for number in (0, 1, -1, 1000, least, most) if least <= number <= most])
        return choose.randint(least, most) >> choose.randrange(64)

    def _whole(self) -> str:
        """Text of a whole number, of at most 256 bits unless it's a wild one."""
        choose = self._random
        if self._wild and choose.random() < 0.3:
            return choose.choice(NOT_WHOLE)
        return str(choose.choice((*WHOLE, choose.getrandbits(64), choose.getrandbits(200))))

    def _decimal(self) -> str:
        choose = self._random
        return choose.choice(NOT_DECIMAL if self._wild and choose.random() < 0.3 else DECIMAL)

    def _denom(self) -> str:
        return self._random.choice(DENOMS)

    def _coins(self, coins: Any) -> None:
        choose = self._random
        denoms = choose.sample(DENOMS, choose.choice((0, 1, 1, 2, 3)))
        if not self._wild or choose.random() < 0.5:
            denoms.sort()
        for denom in denoms:
            coin = coins.add()
            coin.denom, coin.amount = denom, self._whole()

    def _address(self, suffix: str) -> str:
        choose = self._random
        if self._wild and choose.random() < 0.3:
            return choose.choice(("", "ve1", "not an address", address.encode("cosmos", choose.randbytes(20)), " "))
        return address.encode(PREFIX + suffix, choose.randbytes(choose.choice((20, 20, 20, 32))))

    def _letters(self) -> str:
        return "".join(self._random.choices(LETTERS, k=self._random.randrange(12)))

    def _text(self) -> str:
        choose = self._random
        length = choose.choice((0, 1, 5, 20, 80))
        alphabet = LETTERS if choose.random() < 0.7 else LETTERS + SPECIAL
        return "".join(choose.choices(alphabet, k=length))

    def _timestamp(self, message: Any) -> None:
        choose = self._random
        least, most = -62_135_596_800, 253_402_300_799
        if self._wild and choose.random() < 0.1:
            message.seconds = choose.choice((least - 1, most + 1, 2**63 - 1, -(2**63)))
        else:
            message.seconds = choose.choice((0, 1, -1, least, most, 1_700_000_000, choose.randint(least, most)))
        message.nanos = choose.choice((0, 1, 5 * 10**8, 123_000_000, 123_456_000, 999_999_999))

    def _duration(self, message: Any) -> None:
        choose = self._random
        most = 9_223_372_035  # more than that many seconds do not fit a Go duration
        if self._wild and choose.random() < 0.1:
            message.seconds = choose.choice((most + 2, -most - 2, 315_576_000_000, -315_576_000_001))
        else:
            known = (0, 1, -1, 59, 60, 3600, 86_400, 90_061, most, -most)
            message.seconds = choose.choice((*known, choose.randint(-most, most)))
        nanos = choose.choice((0, 0, 1, 5 * 10**8, 999_999_999))
        message.nanos = -nanos if message.seconds < 0 or (message.seconds == 0 and choose.random() < 0.5) else nanos
