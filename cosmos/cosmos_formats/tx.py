"""Transactions as they are kept in files and sent to a chain: ``TxRaw``, and its JSON.

``TxRaw`` holds body and auth info as bytes, and those bytes are what is signed. So a :class:`Transaction` keeps bytes
too: reading JSON makes them as the SDK does, and nothing here changes a byte that a signature may cover already.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from cosmos_formats import wire
from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.errors import FormatError, InvalidSignDoc
from cosmos_formats.signing.transaction import TxParts
from cosmos_formats.wire import InvalidProtobuf

if TYPE_CHECKING:
    from cosmos_formats.schema import Message, Schema

_RAW: Final = {1: wire.Kind.BYTES, 2: wire.Kind.BYTES, 3: wire.Kind.REPEATED}
_AUTH_INFO: Final = {1: wire.Kind.REPEATED, 2: wire.Kind.MESSAGE, 3: wire.Kind.MESSAGE}
_SIGNER_INFO: Final = {1: wire.Kind.MESSAGE, 2: wire.Kind.MESSAGE, 3: wire.Kind.VARINT}


class InvalidTx(FormatError):
    """Bytes that are not a transaction, or whose parts do not fit together."""

    code = "tx_invalid"


@dataclass(frozen=True, slots=True)
class TxSigner:
    """One signer of a transaction, and its signature.

    Attributes:
        public_key: None if it is left out, because the chain knows it.
        mode_info: The serialised ``ModeInfo``; None if there is none.
        sequence: Of the account.
        signature: Empty before it signs.
    """

    public_key: AnyValue | None
    mode_info: bytes | None
    sequence: int
    signature: bytes = b""

    @classmethod
    def single(cls, public_key: AnyValue, mode: int, sequence: int, signature: bytes = b"") -> TxSigner:
        """Return a signer with one key, signing in ``mode``."""
        return cls(public_key, wire.message_field(1, wire.varint_field(1, mode)), sequence, signature)

    def encode(self) -> bytes:
        """Return the serialised ``SignerInfo``, which the signature is not part of."""
        key = b"" if self.public_key is None else wire.message_field(1, self.public_key.encode())
        mode = b"" if self.mode_info is None else wire.message_field(2, self.mode_info)
        return key + mode + wire.varint_field(3, self.sequence)


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction.

    Attributes:
        parts: The bytes of body and auth info.
        signatures: One for each signer info, in their order; none before anybody signs.
    """

    parts: TxParts
    signatures: tuple[bytes, ...] = field(default=(), repr=False)

    # --- TxRaw ---------------------------------------------------------------------------------------------------

    @classmethod
    def decode(cls, data: bytes) -> Transaction:
        """Read a serialised ``TxRaw``.

        Raises:
            InvalidTx: Not its canonical encoding (ADR-027), or an unknown field.
        """
        try:
            fields = wire.read(data, _RAW)
        except InvalidProtobuf as error:
            raise InvalidTx(f"TxRaw: {error}") from error
        return cls(TxParts(fields.binary(1), fields.binary(2)), fields.repeated(3))

    def encode(self) -> bytes:
        """Return the serialised ``TxRaw``, which a chain takes."""
        signatures = b"".join([wire.message_field(3, signature) for signature in self.signatures])
        return wire.bytes_field(1, self.parts.body_bytes) + wire.bytes_field(2, self.parts.auth_info_bytes) + signatures

    # --- JSON ----------------------------------------------------------------------------------------------------

    @classmethod
    def from_json(cls, text: str | bytes, schema: Schema) -> Transaction:
        """Read the JSON of a transaction, as ``--generate-only`` and ``tx sign`` write it.

        Args:
            text: The document.
            schema: The message types that are known.

        Raises:
            InvalidTxJson: It is not a transaction, or has a message of a type that the schema does not have.
        """
        from cosmos_formats.protojson import InvalidTxJson, decode_text

        message = decode_text(text, schema.message("cosmos.tx.v1beta1.Tx"), schema)
        for part in ("body", "auth_info"):
            if not message.HasField(part):
                raise InvalidTxJson("is missing", (part,))
        parts = TxParts(
            message.body.SerializeToString(deterministic=True), message.auth_info.SerializeToString(deterministic=True)
        )
        return cls(parts, tuple(message.signatures))

    def message(self, schema: Schema) -> Message:
        """Return the transaction as a ``cosmos.tx.v1beta1.Tx``.

        Raises:
            InvalidTx: A part, or a message of a known type in it, is not canonical or has unknown fields that the chain
                would refuse; or messages are nested too deep.
        """
        from cosmos_formats.signing.messages import MessageReader, packed_in

        reader = MessageReader(schema)
        message = schema.message("cosmos.tx.v1beta1.Tx")()
        try:
            body = schema.message("cosmos.tx.v1beta1.TxBody")
            message.body.CopyFrom(reader.parse(body, self.parts.body_bytes, "the body", tolerate=True))
            auth = schema.message("cosmos.tx.v1beta1.AuthInfo")
            message.auth_info.CopyFrom(reader.parse(auth, self.parts.auth_info_bytes, "the auth info", tolerate=False))
            for packed in packed_in(message.body):
                reader.unpack(packed.type_url, packed.value)
        except InvalidSignDoc as error:
            raise InvalidTx(str(error)) from error
        message.signatures.extend(self.signatures)
        return message

    def to_json(self, schema: Schema, *, ascii_only: bool = False) -> str:
        """Return the transaction as the SDK's commands print it, on one line.

        Args:
            schema: The message types that are known.
            ascii_only: See :func:`cosmos_formats.protojson.dumps`.

        Raises:
            InvalidTx: As :meth:`message`.
            InvalidTxJson: A message is of a type that the schema does not have, or holds what has no JSON.
        """
        from cosmos_formats.protojson import dumps, encode

        return dumps(encode(self.message(schema), schema), ascii_only=ascii_only)

    # --- signers -------------------------------------------------------------------------------------------------

    @property
    def signers(self) -> tuple[TxSigner, ...]:
        """The signer infos with their signatures; empty signatures where there are none yet.

        Raises:
            InvalidTx: The auth info is not canonical, or there are more signatures than signer infos.
        """
        infos = self._auth_info().repeated(1)
        if len(self.signatures) > len(infos):
            raise InvalidTx(f"{len(self.signatures)} signatures, but {len(infos)} signer infos")
        found = []
        for place, data in enumerate(infos):
            try:
                fields = wire.read(data, _SIGNER_INFO)
                packed = fields.message(1)
                key = None if packed is None else AnyValue.decode(packed)
            except InvalidProtobuf as error:
                raise InvalidTx(f"signer info {place}: {error}") from error
            signature = self.signatures[place] if place < len(self.signatures) else b""
            found.append(TxSigner(key, fields.message(2), fields.varint(3), signature))
        return tuple(found)

    def with_signers(self, signers: Iterable[TxSigner]) -> Transaction:
        """Return the transaction with these signer infos and signatures; body, fee and tip stay as they are.

        Raises:
            InvalidTx: The auth info is not canonical.
        """
        new = tuple(signers)
        fields = self._auth_info()
        data = b"".join([wire.message_field(1, signer.encode()) for signer in new])
        for number in (2, 3):
            part = fields.message(number)
            if part is not None:
                data += wire.message_field(number, part)
        parts = TxParts(self.parts.body_bytes, data)
        return replace(self, parts=parts, signatures=tuple([signer.signature for signer in new]))

    def _auth_info(self) -> wire.Fields:
        try:
            return wire.read(self.parts.auth_info_bytes, _AUTH_INFO)
        except InvalidProtobuf as error:
            raise InvalidTx(f"auth info: {error}") from error
