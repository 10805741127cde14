"""Signatures of multisig accounts: who of the members signed, in which modes, and the check of it all.

Two parts of a transaction belong together: the signer info's ``cosmos.tx.v1beta1.ModeInfo`` says which members signed
and how, and the signature is a ``cosmos.crypto.multisig.v1beta1.MultiSignature`` that holds theirs, in the order of the
members. Both may be nested. The check follows ``LegacyAminoPubKey.VerifyMultisignature`` of cosmos-sdk v0.53; the
codecs accept canonical bytes only, which is stricter than the chain.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from cosmos_formats import wire
from cosmos_formats.errors import InvalidSignature
from cosmos_formats.multisig import MAX_DEPTH, AnyPublicKey, MultisigPublicKey
from cosmos_formats.signing import SignMode
from cosmos_formats.verify import verify
from cosmos_formats.wire import InvalidProtobuf

MODES: Final = frozenset({SignMode.DIRECT, SignMode.DIRECT_AUX, SignMode.LEGACY_AMINO_JSON, SignMode.TEXTUAL})
"""The modes that a chain verifies, of single signers and of members alike.

What members sign in DIRECT or TEXTUAL covers the signer infos, and with them who of them signs: they must agree on that
before the first one signs. LEGACY_AMINO_JSON and DIRECT_AUX leave it open.
"""

SignBytesFor: TypeAlias = Callable[[SignMode], bytes]
"""Gives what is signed in a mode: for the *account*, also where a member signs. Raises FormatError if nothing can."""


class InvalidMultiSignature(InvalidSignature):
    """A multisig signature that does not fit its key, or parts that cannot be combined to one."""

    code = "invalid_multi_signature"


@dataclass(frozen=True, slots=True)
class CompactBitArray:
    """``cosmos.crypto.multisig.v1beta1.CompactBitArray``: one bit for each member, the first one highest.

    Attributes:
        size: Number of bits, at least 1.
        elems: The bits, eight to a byte; unused ones of the last byte are 0.
    """

    size: int
    elems: bytes

    def __post_init__(self) -> None:
        if self.size < 1 or len(self.elems) != (self.size + 7) // 8:
            raise InvalidMultiSignature(f"{len(self.elems)} bytes for an array of {self.size} bits")
        if self.elems[-1] & (1 << -self.size % 8) - 1:
            raise InvalidMultiSignature("a bit array has bits behind its end")

    @classmethod
    def of(cls, bits: Iterable[bool]) -> CompactBitArray:
        """Make an array of bits.

        Raises:
            InvalidMultiSignature: There are none.
        """
        text = "".join("1" if bit else "0" for bit in bits)
        count = (len(text) + 7) // 8
        return cls(len(text), int(text.ljust(count * 8, "0") or "0", 2).to_bytes(count, "big"))

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> bool:
        if not 0 <= index < self.size:
            raise IndexError(index)
        return bool(self.elems[index >> 3] & 0x80 >> (index & 7))

    def __iter__(self) -> Iterator[bool]:
        return (self[index] for index in range(self.size))

    def __str__(self) -> str:
        return "".join("x" if bit else "_" for bit in self)

    @property
    def count(self) -> int:
        """How many bits are set."""
        return int.from_bytes(self.elems, "big").bit_count()

    def encode(self) -> bytes:
        """Return the protobuf bytes."""
        return wire.varint_field(1, self.size % 8) + wire.bytes_field(2, self.elems)

    @classmethod
    def decode(cls, data: bytes) -> CompactBitArray:
        """Read what :meth:`encode` returns.

        Raises:
            InvalidProtobuf: Not the canonical encoding.
            InvalidMultiSignature: No bits, or numbers that contradict each other.
        """
        fields = wire.read(data, {1: wire.Kind.VARINT, 2: wire.Kind.BYTES})
        return cls._from_fields(fields.varint(1), fields.binary(2))

    def to_proto_json(self) -> dict[str, object]:
        """Return ``{"extra_bits_stored", "elems"}``, as the SDK's commands print it."""
        return {
            "extra_bits_stored": self.size % 8,
            "elems": b2a_base64(self.elems, newline=False).decode("ascii"),
        }

    @classmethod
    def from_proto_json(cls, value: object) -> CompactBitArray:
        """Read what :meth:`to_proto_json` returns.

        Raises:
            InvalidMultiSignature: Other members, not base64, no bits, or numbers that contradict each other.
        """
        if not isinstance(value, dict) or value.keys() != {"extra_bits_stored", "elems"}:
            raise InvalidMultiSignature("a bit array has the members extra_bits_stored and elems")
        extra, elems = value["extra_bits_stored"], value["elems"]
        if not isinstance(extra, int) or isinstance(extra, bool) or not isinstance(elems, str):
            raise InvalidMultiSignature("a bit array has a number of extra bits and its bytes in base64")
        try:
            data = a2b_base64(elems, strict_mode=True)
        except ValueError:
            raise InvalidMultiSignature("the bits of a bit array are not base64") from None
        return cls._from_fields(extra, data)

    @classmethod
    def _from_fields(cls, extra: int, elems: bytes) -> CompactBitArray:
        if not 0 <= extra < 8:
            raise InvalidMultiSignature(f"a bit array with {extra} bits in its last byte")
        return cls(len(elems) * 8 - (8 - extra if extra else 0), elems)


@dataclass(frozen=True, slots=True)
class SingleMode:
    """How one key signed.

    Attributes:
        mode: Its sign mode.
    """

    mode: SignMode

    def encode(self) -> bytes:
        """Return the bytes of the ``ModeInfo``."""
        return wire.message_field(1, wire.varint_field(1, self.mode))

    def modes(self) -> Iterator[SignMode]:
        """Yield the mode."""
        yield self.mode


@dataclass(frozen=True, slots=True)
class MultiMode:
    """How the members of a multisig key signed.

    Attributes:
        bits: One for each member, set if it signed.
        infos: How, of those that signed, in the order of the members.
    """

    bits: CompactBitArray
    infos: tuple[ModeInfo, ...]

    def encode(self) -> bytes:
        """Return the bytes of the ``ModeInfo``."""
        infos = b"".join(wire.message_field(2, info.encode()) for info in self.infos)
        return wire.message_field(2, wire.message_field(1, self.bits.encode()) + infos)

    def modes(self) -> Iterator[SignMode]:
        """Yield the modes of all members that signed, nested ones included."""
        for info in self.infos:
            yield from info.modes()


ModeInfo: TypeAlias = SingleMode | MultiMode
"""``cosmos.tx.v1beta1.ModeInfo``."""


def decode_mode_info(data: bytes) -> ModeInfo:
    """Read a ``ModeInfo``; its ``encode`` gives the same bytes back.

    Raises:
        InvalidProtobuf: Not the canonical encoding, or an unknown field.
        InvalidMultiSignature: No mode, an unknown one, a bad bit array, or nested deeper than keys can be.
    """
    return _decode_mode_info(data, MAX_DEPTH + 1)


def _decode_mode_info(data: bytes, levels: int) -> ModeInfo:
    if levels <= 0:
        raise InvalidMultiSignature(f"sign modes nested more than {MAX_DEPTH} deep")
    fields = wire.read(data, {1: wire.Kind.MESSAGE, 2: wire.Kind.MESSAGE})
    single, multi = fields.message(1), fields.message(2)
    if (single is None) == (multi is None):
        raise InvalidMultiSignature("a signer has no sign mode, or two")
    if single is not None:
        number = wire.read(single, {1: wire.Kind.VARINT}).varint(1)
        try:
            return SingleMode(SignMode(number))
        except ValueError:
            raise InvalidMultiSignature(f"unknown sign mode {number}") from None
    fields = wire.read(multi or b"", {1: wire.Kind.MESSAGE, 2: wire.Kind.REPEATED})
    bits = fields.message(1)
    if bits is None:
        raise InvalidMultiSignature("a multisig signer does not say who signed")
    infos = tuple([_decode_mode_info(info, levels - 1) for info in fields.repeated(2)])
    return MultiMode(CompactBitArray.decode(bits), infos)


@dataclass(frozen=True, slots=True)
class MultiSignature:
    """``cosmos.crypto.multisig.v1beta1.MultiSignature``.

    Attributes:
        signatures: Of the members that signed, in the order of the members; a nested one is encoded again.
    """

    signatures: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Return the protobuf bytes, which stand as the account's signature in the transaction."""
        return b"".join(wire.message_field(1, signature) for signature in self.signatures)

    @classmethod
    def decode(cls, data: bytes) -> MultiSignature:
        """Read what :meth:`encode` returns.

        Raises:
            InvalidProtobuf: Not the canonical encoding, or an unknown field.
        """
        return cls(wire.read(data, {1: wire.Kind.REPEATED}).repeated(1))


def check_signature(key: AnyPublicKey, info: ModeInfo, signature: bytes, sign_bytes: SignBytesFor) -> None:
    """Check the signature of one account as the chain does.

    Args:
        key: Its public key.
        info: How it was signed.
        signature: As it stands in the transaction.
        sign_bytes: What is signed in each mode.

    Raises:
        InvalidSignature: It is not good; the text says why, and of a multisig key, where.
        FormatError: Of ``sign_bytes``.
    """
    if isinstance(info, SingleMode):
        if isinstance(key, MultisigPublicKey):
            raise InvalidMultiSignature("one signature for a multisig key")
        if info.mode not in MODES:
            raise InvalidSignature(f"sign mode {info.mode.name} is not one that a chain verifies")
        if not verify(key, sign_bytes(info.mode), signature):
            raise InvalidSignature("the signature is not over this transaction, or not by this key")
        return
    if not isinstance(key, MultisigPublicKey):
        raise InvalidMultiSignature("a multisig signature for a single key")
    _check_members(key, info, signature, sign_bytes)


def _check_members(key: MultisigPublicKey, info: MultiMode, signature: bytes, sign_bytes: SignBytesFor) -> None:
    try:
        signatures = MultiSignature.decode(signature).signatures
    except InvalidProtobuf as error:
        raise InvalidMultiSignature(f"multisig signature: {error}") from error
    if len(info.bits) != len(key.keys):
        raise InvalidMultiSignature(f"a bit array of {len(info.bits)} bits for {len(key.keys)} keys")
    # VerifyMultisignature takes fewer modes than signatures, but a chain's decorators (x/auth/ante) do not.
    if len(info.infos) != len(signatures):
        raise InvalidMultiSignature(f"{len(info.infos)} sign modes for {len(signatures)} signatures")
    if not key.threshold <= info.bits.count <= len(signatures):
        raise InvalidMultiSignature(
            f"{len(signatures)} signatures of {info.bits.count} members; the threshold is {key.threshold}"
        )
    if len(signatures) > len(key.keys):
        raise InvalidMultiSignature(f"{len(signatures)} signatures for {len(key.keys)} keys")
    # The SDK takes signatures behind those of the members that signed, and looks at none of them: so does this.
    signed = (number for number, bit in enumerate(info.bits) if bit)
    for number, member_info, member_signature in zip(signed, info.infos, signatures, strict=False):
        try:
            check_signature(key.keys[number], member_info, member_signature, sign_bytes)
        except InvalidSignature as error:
            raise InvalidMultiSignature(f"member {number}: {error}") from error


def combine(
    public_key: MultisigPublicKey,
    parts: Mapping[AnyPublicKey, tuple[bytes, SignMode]],
    sign_bytes: SignBytesFor,
) -> tuple[MultiMode, bytes]:
    """Combine signatures of members to that of the account.

    A member that the key names more than once counts as often, by one signature.

    Args:
        public_key: The account's key.
        parts: Signature and sign mode of each member that signed.
        sign_bytes: What is signed in each mode, by which every part is verified.

    Returns:
        What belongs in the signer info, and the signature.

    Raises:
        InvalidMultiSignature: A part of a key that is no member, of a member that is a multisig key itself, or with a
            signature that is not good; or fewer parts than the threshold.
        FormatError: Of ``sign_bytes``.
    """
    for number, (key, (signature, mode)) in enumerate(parts.items()):
        if key not in public_key.keys:
            raise InvalidMultiSignature(f"part {number} is of a key that is no member of the multisig key")
        if isinstance(key, MultisigPublicKey):
            raise InvalidMultiSignature(f"part {number} is of a nested multisig key: such signatures are not made here")
        try:
            check_signature(key, SingleMode(mode), signature, sign_bytes)
        except InvalidSignature as error:
            raise InvalidMultiSignature(f"part {number}: {error}") from error
    bits = CompactBitArray.of(key in parts for key in public_key.keys)
    if bits.count < public_key.threshold:
        raise InvalidMultiSignature(f"signatures of {bits.count} members; the threshold is {public_key.threshold}")
    signed = [parts[key] for key in public_key.keys if key in parts]
    infos = tuple([SingleMode(mode) for _, mode in signed])
    return MultiMode(bits, infos), MultiSignature(tuple([signature for signature, _ in signed])).encode()
