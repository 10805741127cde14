"""``google.protobuf.Any``: a message beside the name of its type."""

from __future__ import annotations

from dataclasses import field

from cosmos_formats import wire
from cosmos_formats.quickclass import dataclass

_LAYOUT = {1: wire.Kind.BYTES, 2: wire.Kind.BYTES}


@dataclass(frozen=True, slots=True)
class AnyValue:
    """A packed message.

    Attributes:
        type_url: Such as ``/cosmos.crypto.secp256k1.PubKey``; the SDK writes no host before the slash.
        value: The message's own protobuf bytes. May be a private key, so it is not part of the repr.
    """

    type_url: str
    value: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """Full name of the message type: what stands behind the last slash of the type URL."""
        return self.type_url.rpartition("/")[2]

    def encode(self) -> bytes:
        """Return the bytes of the ``Any`` itself."""
        return wire.text_field(1, self.type_url) + wire.bytes_field(2, self.value)

    @classmethod
    def decode(cls, data: bytes) -> AnyValue:
        """Read an ``Any``.

        Raises:
            InvalidProtobuf: Not its canonical encoding.
        """
        fields = wire.read(data, _LAYOUT)
        return cls(fields.text(1), fields.binary(2))
