"""CometBFT's SecretConnection, a station-to-station protocol, as a state machine without I/O.

Both ends do the same, and either may be the one who dialled::

    AWAITING_KEY     sent: own ephemeral X25519 key. Waits for the other's.
    AWAITING_PROOF   sent, sealed: own identity and its signature of the challenge. Waits for the other's.
    OPEN             both know whom they talk to; data goes both ways.
    CLOSED           an error, or :meth:`SecretConnection.close`. Keys are wiped; nothing goes on.

Rules:

* The ephemeral key belongs to one connection. It is wiped once it was used, and an empty one is refused.
* An ephemeral key of the other end with which the shared secret is zero (a point of low order) is refused, as is our
  own sent back.
* Everything both ends sent so far goes into the challenge (a Merlin transcript), so a proof is good for this connection
  alone.
* Nothing the other end sends is passed on before its proof was verified; nothing is sealed for it but our proof.
* The lower of the ephemeral keys decides who seals with which of the two keys that HKDF-SHA-256 makes of the secret.
* The first thing that is wrong closes the connection.

The other end of a connection to CometBFT's own listener has a new identity at each start of the node, and the node does
not look at ours: what the handshake gives there is secrecy from who only listens.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, cast

from cosmos_formats import wire
from cosmos_formats.privval import fields, framing
from cosmos_formats.privval.errors import BrokenFrame, HandshakeFailed, StreamEnded, WrongPeer
from cosmos_formats.privval.fields import Kind
from cosmos_formats.privval.frames import FRAME_SIZE, KEY_LENGTH, Opener, Sealer
from cosmos_formats.privval.framing import MessageReader
from cosmos_formats.privval.identity import SIGNATURE_LENGTH, Identity, node_id
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.verify import verify
from cosmos_formats.wipeable import sodium, wipe

POINT_LENGTH: Final = 32
_KEY_HEAD: Final = bytes([POINT_LENGTH + 2, 0x0A, POINT_LENGTH])
_KEY_SIZE: Final = len(_KEY_HEAD) + POINT_LENGTH
_LARGEST_PROOF: Final = 256
_HKDF_INFO: Final = b"TENDERMINT_SECRET_CONNECTION_KEY_AND_CHALLENGE_GEN"


class State(Enum):
    """How far a connection is."""

    AWAITING_KEY = auto()
    AWAITING_PROOF = auto()
    OPEN = auto()
    CLOSED = auto()


class SecretConnection:
    """One end of a connection.

    A caller sends what :meth:`data_to_send` returns, at first and after every :meth:`receive`, and feeds what arrives.

    Args:
        identity: Who this end is.
        ephemeral: 32 fresh random bytes. They are wiped here.
        expected_peer: Id that the other end must have, 20 bytes (:func:`cosmos_formats.privval.identity.node_id`);
            None to talk to anybody.

    Raises:
        HandshakeFailed: The ephemeral key is empty or of a wrong length: it was used before.
    """

    def __init__(self, identity: Identity, ephemeral: bytearray, *, expected_peer: bytes | None = None) -> None:
        if len(ephemeral) != POINT_LENGTH or not any(ephemeral):
            raise HandshakeFailed("the ephemeral key is not 32 fresh random bytes")
        self._identity = identity
        self._expected = expected_peer
        self._state = State.AWAITING_KEY
        self._scalar = bytearray(ephemeral)
        wipe(ephemeral)
        self._point = _public_point(self._scalar)
        self._input = bytearray()
        self._output = bytearray(_KEY_HEAD + self._point)
        self._proof = MessageReader(_LARGEST_PROOF)
        self._challenge = b""
        self._sealer: Sealer | None = None
        self._opener: Opener | None = None
        self._peer: bytes | None = None

    @property
    def state(self) -> State:
        """How far the connection is."""
        return self._state

    @property
    def peer(self) -> bytes | None:
        """The ed25519 key that the other end proved to have, 32 bytes; None before that."""
        return self._peer

    def data_to_send(self) -> bytes:
        """Return what has to be sent for the handshake now, and forget it."""
        output = bytes(self._output)
        self._output.clear()
        return output

    def send(self, data: bytes) -> bytes:
        """Return the frames that carry ``data``, to be sent.

        Raises:
            HandshakeFailed: The handshake is not over.
            BrokenFrame: The connection is closed.
        """
        if self._state in (State.AWAITING_KEY, State.AWAITING_PROOF):
            raise HandshakeFailed("the other end has not proved who it is")
        if self._state is State.CLOSED or self._sealer is None:
            raise BrokenFrame("the connection is closed")
        try:
            return self._sealer.seal(data)
        except BrokenFrame:
            self.close()
            raise

    def receive(self, data: bytes) -> bytes:
        """Take bytes that arrived, in pieces of any length.

        At most a frame is kept between calls.

        Returns:
            What the other end sent, as far as it is complete; nothing during the handshake.

        Raises:
            HandshakeFailed: The other end could not prove who it is.
            WrongPeer: It is not the expected one.
            BrokenFrame: A frame that it did not send, or the connection is closed.
        """
        if self._state is State.CLOSED:
            raise BrokenFrame("the connection is closed")
        self._input += data
        try:
            return self._advance()
        except BaseException:
            self.close()
            raise

    def end(self) -> None:
        """Take note that the other end sends nothing more, and close.

        Raises:
            StreamEnded: Within a frame or the handshake: what was received may not be all.
        """
        complete = self._state is State.CLOSED or (self._state is State.OPEN and not self._input)
        self.close()
        if not complete:
            raise StreamEnded("the connection ended within a frame or the handshake")

    def close(self) -> None:
        """Wipe the keys. Nothing can be sent or received any more."""
        self._state = State.CLOSED
        wipe(self._scalar, self._input, self._output)
        self._input.clear()
        self._output.clear()
        for direction in (self._sealer, self._opener):
            if direction is not None:
                direction.wipe()

    def _advance(self) -> bytes:
        if self._state is State.AWAITING_KEY and not self._take_key():
            return b""
        received = bytearray()
        taken = 0
        while len(self._input) - taken >= FRAME_SIZE:
            sealed = bytes(self._input[taken : taken + FRAME_SIZE])
            taken += FRAME_SIZE
            assert self._opener is not None  # noqa: S101 - for mypy: there is one as soon as the key was taken
            opened = self._opener.open(sealed)
            received += self._take_proof(opened) if self._state is State.AWAITING_PROOF else opened
        del self._input[:taken]
        return bytes(received)

    def _take_key(self) -> bool:
        """Take the other end's ephemeral key; False if it has not arrived completely."""
        if not _KEY_HEAD.startswith(self._input[: len(_KEY_HEAD)]):
            raise HandshakeFailed("the other end does not begin with an ephemeral key of 32 bytes")
        if len(self._input) < _KEY_SIZE:
            return False
        other = bytes(self._input[len(_KEY_HEAD) : _KEY_SIZE])
        del self._input[:_KEY_SIZE]
        if other == self._point:
            raise HandshakeFailed("the other end sent our own ephemeral key back")
        secret = shared_secret(self._scalar, other)
        wipe(self._scalar)
        first, second = _frame_keys(secret)
        low, high = sorted((self._point, other))
        self._challenge = _challenge(low, high, secret)
        wipe(secret)
        ours_is_low = low == self._point
        self._opener = Opener(first if ours_is_low else second)
        self._sealer = Sealer(second if ours_is_low else first)
        proof = _write_proof(self._identity.public_key, self._identity.prove(self._challenge))
        self._output += self._sealer.seal(framing.frame(proof))
        self._state = State.AWAITING_PROOF
        return True

    def _take_proof(self, data: bytes) -> bytes:
        """Take a piece of the other end's proof, and return what follows it."""
        self._proof.feed(data)
        message = self._proof.next()
        if message is None:
            return b""
        public, signature = _read_proof(message)
        if not verify(PublicKey(KeyType.ED25519, public), self._challenge, signature):
            raise HandshakeFailed("the other end does not have the key that it claims")
        if self._expected is not None and node_id(public) != self._expected:
            raise WrongPeer(f"the other end is {node_id(public).hex()}, expected {self._expected.hex()}")
        self._peer = public
        self._state = State.OPEN
        return self._proof.rest()


# --- the steps' arithmetic -------------------------------------------------------------------------------------------


def shared_secret(scalar: bytearray, point: bytes) -> bytearray:
    """Return X25519 (RFC 7748) of a secret scalar and the other end's point, 32 bytes that the caller wipes.

    Raises:
        HandshakeFailed: The point is of low order: anybody knows the result, which is zero.
    """
    ffi, lib = sodium()
    secret = bytearray(POINT_LENGTH)
    failed = lib.crypto_scalarmult(ffi.from_buffer(secret), ffi.from_buffer(scalar), point)
    if failed or not any(secret):
        raise HandshakeFailed("the other end's ephemeral key is of low order")
    return secret


def _public_point(scalar: bytearray) -> bytes:
    ffi, lib = sodium()
    point = bytearray(POINT_LENGTH)
    lib.crypto_scalarmult_base(ffi.from_buffer(point), ffi.from_buffer(scalar))
    return bytes(point)


def _frame_keys(secret: bytearray) -> tuple[bytearray, bytearray]:
    """Return the key that the end with the lower ephemeral key opens with, and the one that it seals with."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    # CometBFT derives 32 bytes more, which it does not use.
    keys = bytearray(2 * KEY_LENGTH)
    try:
        HKDF(SHA256(), len(keys), salt=None, info=_HKDF_INFO).derive_into(secret, keys)
        return keys[:KEY_LENGTH], keys[KEY_LENGTH:]
    finally:
        wipe(keys)


def _challenge(low: bytes, high: bytes, secret: bytearray) -> bytes:
    """Return the 32 bytes that both ends sign."""
    from merlin_transcripts.merlin_transcript import MerlinTranscript

    transcript = MerlinTranscript(b"TENDERMINT_SECRET_CONNECTION_TRANSCRIPT_HASH")
    transcript.append_message(b"EPHEMERAL_LOWER_PUBLIC_KEY", low)
    transcript.append_message(b"EPHEMERAL_UPPER_PUBLIC_KEY", high)
    # The library only iterates, so it gets the buffer itself and not a copy that could not be wiped.
    transcript.append_message(b"DH_SECRET", cast("bytes", secret))
    return bytes(transcript.challenge_bytes(b"SECRET_CONNECTION_MAC", 32))


def _write_proof(public: bytes, signature: bytes) -> bytes:
    """Return ``AuthSigMessage``."""
    return wire.message_field(1, wire.bytes_field(1, public)) + wire.bytes_field(2, signature)


def _read_proof(data: bytes) -> tuple[bytes, bytes]:
    """Return key and signature of an ``AuthSigMessage``."""
    try:
        found = fields.read(data, {1: Kind.MESSAGE, 2: Kind.BYTES})
        key = fields.read(found.binary(1), {1: Kind.BYTES, 2: Kind.BYTES})
    except wire.InvalidProtobuf:
        raise HandshakeFailed("the other end's proof cannot be read") from None
    if len(key.binary(1)) != 32 or key.message(2) is not None or len(found.binary(2)) != SIGNATURE_LENGTH:
        raise HandshakeFailed("the other end's identity is no ed25519 key, or its signature no signature")
    return key.binary(1), found.binary(2)
