"""ADR-036: signatures over arbitrary data, as Keplr's ``signArbitrary`` makes them.

The data stands in an amino JSON document that no chain takes for a transaction: no chain id, no fee, account and
sequence 0, and one message of a type that no chain has. Exactly this envelope is read and written, so a signature over
it is good for nothing else. The signer is the bech32 address of the key that signs.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from dataclasses import dataclass
from typing import Final

from cosmos_formats import address
from cosmos_formats.errors import InvalidAddress, InvalidSignature, InvalidSignDoc
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.signing.tx_view import ArbitraryData
from cosmos_formats.verify import verify as verify_signature

_HEAD: Final = (
    b'{"account_number":"0","chain_id":"","fee":{"amount":[],"gas":"0"},"memo":"",'
    b'"msgs":[{"type":"sign/MsgSignData","value":{"data":"'
)
_MIDDLE: Final = b'","signer":"'
_TAIL: Final = b'"}}],"sequence":"0"}'
_AMINO_TYPE: Final = "tendermint/PubKeySecp256k1"
# Prefixes of addresses may have these characters, which JSON would escape; no chain has one that does.
_ESCAPED: Final = frozenset('"\\<>&')


def sign_doc(signer: str, data: bytes) -> bytes:
    """Return the bytes that are signed.

    Args:
        signer: Bech32 address of the key that signs.
        data: What is signed; a text in UTF-8.

    Raises:
        InvalidAddress: ``signer`` is no address, or has characters that JSON escapes.
        InvalidSignDoc: No data: Keplr refuses that too.
    """
    address.decode(signer)
    if not _ESCAPED.isdisjoint(signer):
        raise InvalidAddress("the address has characters that JSON escapes")
    if not data:
        raise InvalidSignDoc("there is no data to sign")
    return _HEAD + b2a_base64(data, newline=False) + _MIDDLE + signer.encode("ascii") + _TAIL


def parse(data: bytes) -> ArbitraryData:
    """Read a document; :func:`sign_doc` gives the same bytes back.

    Raises:
        InvalidSignDoc: Anything but the exact envelope.
    """
    if not data.startswith(_HEAD) or not data.endswith(_TAIL):
        raise InvalidSignDoc("not the envelope of ADR-036")
    encoded, separator, signer = data[len(_HEAD) : -len(_TAIL)].partition(_MIDDLE)
    if not separator:
        raise InvalidSignDoc("not the envelope of ADR-036")
    try:
        found = ArbitraryData(signer.decode("ascii"), a2b_base64(encoded, strict_mode=True))
        same = sign_doc(found.signer, found.data) == data
    except InvalidSignDoc:
        raise
    except InvalidAddress as error:
        raise InvalidSignDoc(f"the signer of the data: {error}") from error
    except ValueError:
        raise InvalidSignDoc("the data to sign is not base64, or its signer not ASCII") from None
    if not same:
        raise InvalidSignDoc("the envelope of ADR-036 is not in canonical form")
    return found


def verify(public_key: PublicKey, prefix: str, data: bytes, signature: bytes) -> bool:
    """Tell whether a key signed data, as Keplr's ``verifyADR36Amino`` does.

    Args:
        public_key: secp256k1 or eth_secp256k1.
        prefix: Human-readable part of the signer's address.
        data: The data, not the document.
        signature: r‖s, 64 bytes.

    Raises:
        InvalidKey: A key that does not sign.
        InvalidAddress: ``prefix`` cannot be one.
        InvalidSignDoc: No data.
    """
    return verify_signature(public_key, sign_doc(address.encode(prefix, public_key.address), data), signature)


@dataclass(frozen=True, slots=True)
class StdSignature:
    """A signature with its key, in the JSON that wallets hand around.

    Attributes:
        public_key: secp256k1 or eth_secp256k1.
        signature: r‖s, 64 bytes.
    """

    public_key: PublicKey
    signature: bytes

    def __post_init__(self) -> None:
        if self.public_key.key_type.curve is not KeyType.SECP256K1 or len(self.signature) != 64:
            raise InvalidSignature("a wallet's signature has 64 bytes, and its key is on secp256k1")

    def to_json(self) -> dict[str, object]:
        """Return ``{"pub_key": {"type", "value"}, "signature"}``.

        The type is that of secp256k1 keys for eth_secp256k1 keys too: so Keplr writes it.
        """
        return {
            "pub_key": {"type": _AMINO_TYPE, "value": _base64(self.public_key.data)},
            "signature": _base64(self.signature),
        }

    @classmethod
    def from_json(cls, value: object, key_type: KeyType = KeyType.SECP256K1) -> StdSignature:
        """Read what :meth:`to_json` returns.

        Args:
            value: The parsed JSON.
            key_type: Which keys the chain has; the JSON does not tell.

        Raises:
            InvalidSignature: Other members, another type, not base64, or a wrong length.
            InvalidKey: Not a key.
        """
        if not isinstance(value, dict) or value.keys() != {"pub_key", "signature"}:
            raise InvalidSignature("a signature has the members pub_key and signature")
        key = value["pub_key"]
        if not isinstance(key, dict) or key.keys() != {"type", "value"}:
            raise InvalidSignature("a signature's public key has the members type and value")
        if key["type"] != _AMINO_TYPE:
            raise InvalidSignature(f"a signature's public key is of the type {_AMINO_TYPE}")
        return cls(PublicKey(key_type, _unbase64(key["value"])).require_on_curve(), _unbase64(value["signature"]))


def _base64(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode("ascii")


def _unbase64(text: object) -> bytes:
    try:
        return a2b_base64(text, strict_mode=True) if isinstance(text, str) else b""
    except ValueError:
        raise InvalidSignature("a signature and its public key are in base64") from None
