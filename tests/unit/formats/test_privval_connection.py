"""SecretConnection against ends that lie, and wires that lose, repeat and change."""

from __future__ import annotations

import pytest

from cosmos_formats.privval import framing, secret_connection
from cosmos_formats.privval.errors import BrokenFrame, HandshakeFailed, StreamEnded, WrongPeer
from cosmos_formats.privval.frames import DATA_SIZE, FRAME_SIZE, LAST_COUNT, Opener, Sealer
from cosmos_formats.privval.identity import Identity, node_id
from cosmos_formats.privval.secret_connection import SecretConnection, State
from tests.privval_vectors import load

SIGNER, NODE, OTHER = (Identity(bytes([value]) * 32) for value in (1, 2, 3))
HELLO_SIZE = 35


def end(identity: Identity, value: int = 0, expected: bytes | None = None) -> SecretConnection:
    ephemeral = bytearray([value or identity.public_key[0], *range(31)])
    return SecretConnection(identity, ephemeral, expected_peer=expected)


def connected(left: SecretConnection, right: SecretConnection) -> None:
    for _ in range(2):
        right.receive(left.data_to_send())
        left.receive(right.data_to_send())
    assert left.state is right.state is State.OPEN


def halfway() -> tuple[SecretConnection, SecretConnection, bytes]:
    """Return both ends, and the sealed proof that the first has not received."""
    signer, node = end(SIGNER), end(NODE)
    hello = node.data_to_send()
    node.receive(signer.data_to_send())
    signer.receive(hello)
    assert signer.state is node.state is State.AWAITING_PROOF
    return signer, node, node.data_to_send()


def is_closed(connection: SecretConnection) -> bool:
    for act in (lambda: connection.send(b"x"), lambda: connection.receive(b"x")):
        with pytest.raises(BrokenFrame):
            act()
    return connection.state is State.CLOSED and connection.data_to_send() == b""


# --- the handshake ---------------------------------------------------------------------------------------------------


def test_both_ends_know_each_other() -> None:
    signer, node = end(SIGNER), end(NODE)
    assert signer.peer is None
    connected(signer, node)
    assert (signer.peer, node.peer) == (NODE.public_key, SIGNER.public_key)
    assert node.receive(signer.send(b"a" * 3000)) == b"a" * 3000
    assert signer.receive(node.send(b"answer")) == b"answer"
    assert signer.send(b"") == b""


def test_nothing_is_sent_before_the_other_end_is_known() -> None:
    signer, _, _ = halfway()
    for connection in (end(SIGNER), signer):
        with pytest.raises(HandshakeFailed):
            connection.send(b"secret")


def test_an_expected_peer() -> None:
    connected(end(SIGNER, expected=node_id(NODE.public_key)), end(NODE))
    signer, node = end(SIGNER, expected=node_id(OTHER.public_key)), end(NODE)
    signer.receive(node.data_to_send())
    node.receive(signer.data_to_send())
    with pytest.raises(WrongPeer):
        signer.receive(node.data_to_send())
    assert signer.peer is None
    assert is_closed(signer)


@pytest.mark.parametrize("point", [vector["point"] for vector in load("points") if vector["refused"]])
def test_low_order_points(point: str) -> None:
    signer = end(SIGNER)
    signer.data_to_send()
    with pytest.raises(HandshakeFailed, match="low order"):
        signer.receive(bytes.fromhex("220a20" + point))
    assert is_closed(signer)


def test_an_echo_is_refused() -> None:
    signer = end(SIGNER)
    with pytest.raises(HandshakeFailed, match="our own"):
        signer.receive(signer.data_to_send())
    assert is_closed(signer)


@pytest.mark.parametrize("head", ["210a1f", "230a20", "22", "220a21", "221220", "00", "47455420"])
def test_what_does_not_begin_with_a_key(head: str) -> None:
    signer = end(SIGNER)
    if head == "22":
        assert signer.receive(b"\x22") == b""
        return
    with pytest.raises(HandshakeFailed, match="does not begin"):
        signer.receive(bytes.fromhex(head))
    assert is_closed(signer)


def test_an_ephemeral_key_is_used_once() -> None:
    ephemeral = bytearray(range(1, 33))
    SecretConnection(SIGNER, ephemeral)
    assert ephemeral == bytes(32)
    for bad in (ephemeral, bytearray(31), bytearray(b"x" * 33)):
        with pytest.raises(HandshakeFailed):
            SecretConnection(SIGNER, bad)


class Impostor(Identity):
    """Claims another's key, but signs with its own."""

    def __init__(self, seed: bytes, claimed: bytes) -> None:
        super().__init__(seed)
        self.public_key = claimed  # type: ignore[misc]  # it lies


def test_a_key_that_the_other_end_does_not_have() -> None:
    signer, node = end(SIGNER), end(Impostor(b"\4" * 32, NODE.public_key), 9)
    signer.receive(node.data_to_send())
    node.receive(signer.data_to_send())
    with pytest.raises(HandshakeFailed, match="does not have the key"):
        signer.receive(node.data_to_send())
    assert is_closed(signer)


def test_a_proof_of_another_connection() -> None:
    # The man in the middle has a connection with each end, and hands the proof of one on to the other.
    _, node, _ = halfway()
    signer, middle = end(SIGNER), end(OTHER)
    signer.receive(middle.data_to_send())
    middle.receive(signer.data_to_send())
    stolen = secret_connection._write_proof(NODE.public_key, NODE.prove(node._challenge))
    middle.data_to_send()
    assert middle._sealer is not None
    middle._sealer._count = 0
    with pytest.raises(HandshakeFailed, match="does not have the key"):
        signer.receive(middle._sealer.seal(framing.frame(stolen)))


@pytest.mark.parametrize(
    "proof",
    [
        b"",
        b"\xff" * 40,
        bytes.fromhex("0a221220") + bytes(32) + bytes.fromhex("1240") + bytes(64),  # secp256k1's field
        bytes.fromhex("0a220a20") + bytes(32) + bytes.fromhex("123f") + bytes(63),
        bytes.fromhex("0a210a1f") + bytes(31) + bytes.fromhex("1240") + bytes(64),
    ],
)
def test_proofs_that_are_none(proof: bytes) -> None:
    signer, node, _ = halfway()
    assert node._sealer is not None
    node._sealer._count = 0
    with pytest.raises(HandshakeFailed):
        signer.receive(node._sealer.seal(framing.frame(proof)))
    assert is_closed(signer)


def test_a_proof_over_many_frames_and_data_behind_it() -> None:
    signer, node, sealed = halfway()
    assert node._opener is not None
    assert node._sealer is not None
    assert signer._opener is not None
    proof = signer._opener.open(sealed)
    signer._opener._count = node._sealer._count = 0
    for byte in proof[:-1]:
        assert signer.receive(node._sealer.seal(bytes([byte]))) == b""
        assert signer.state is State.AWAITING_PROOF
    assert signer.receive(node._sealer.seal(proof[-1:] + b"first words")) == b"first words"
    assert signer.state is State.OPEN


def test_a_proof_without_end() -> None:
    signer, node, _ = halfway()
    assert node._sealer is not None
    node._sealer._count = 0
    with pytest.raises(framing.InvalidFraming):
        signer.receive(node._sealer.seal(framing.frame(bytes(10_000))))
    assert is_closed(signer)


# --- frames ----------------------------------------------------------------------------------------------------------


def test_every_changed_byte_of_a_frame_is_noticed() -> None:
    sealed = Sealer(bytearray(b"k" * 32)).seal(b"data")
    assert len(sealed) == FRAME_SIZE
    for at in range(FRAME_SIZE):
        changed = bytearray(sealed)
        changed[at] ^= 1
        with pytest.raises(BrokenFrame):
            Opener(bytearray(b"k" * 32)).open(bytes(changed))


def test_repeated_left_out_and_reordered_frames() -> None:
    sealer = Sealer(bytearray(b"k" * 32))
    frames = [sealer.seal(bytes([value])) for value in range(3)]
    for order in ([0, 0], [1], [0, 2], [0, 1, 0]):
        opener = Opener(bytearray(b"k" * 32))
        for number in order[:-1]:
            assert opener.open(frames[number]) == bytes([number])
        with pytest.raises(BrokenFrame):
            opener.open(frames[order[-1]])
        with pytest.raises(BrokenFrame, match="over"):
            opener.open(frames[0])


def test_frames_sent_back() -> None:
    signer, node = end(SIGNER), end(NODE)
    connected(signer, node)
    with pytest.raises(BrokenFrame):
        signer.receive(signer.send(b"to the node"))


def test_lengths_over_a_frame() -> None:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    for length, good in ((DATA_SIZE, True), (DATA_SIZE + 1, False), (0xFFFFFFFF, False)):
        clear = length.to_bytes(4, "little") + bytes(DATA_SIZE)
        sealed = ChaCha20Poly1305(b"k" * 32).encrypt(bytes(12), clear, None)
        opener = Opener(bytearray(b"k" * 32))
        if good:
            assert opener.open(sealed) == bytes(DATA_SIZE)
        else:
            with pytest.raises(BrokenFrame):
                opener.open(sealed)


def test_padding_is_not_looked_at() -> None:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    clear = (3).to_bytes(4, "little") + b"abc" + b"left over from before".ljust(DATA_SIZE - 3, b"!")
    sealed = ChaCha20Poly1305(b"k" * 32).encrypt(bytes(12), clear, None)
    assert Opener(bytearray(b"k" * 32)).open(sealed) == b"abc"


def test_the_last_nonce_is_not_used() -> None:
    key = b"k" * 32
    sealer, opener = (kind(bytearray(key), LAST_COUNT - 1) for kind in (Sealer, Opener))
    last = sealer.seal(b"last")
    with pytest.raises(BrokenFrame, match="as many"):
        sealer.seal(b"one more")
    assert opener.open(last) == b"last"
    with pytest.raises(BrokenFrame, match="as many"):
        opener.open(last)
    for direction in (sealer, opener):
        assert direction._key == bytes(32)


def test_a_connection_that_used_its_nonces_is_closed() -> None:
    signer, node = end(SIGNER), end(NODE)
    connected(signer, node)
    assert signer._sealer is not None
    signer._sealer._count = LAST_COUNT
    with pytest.raises(BrokenFrame):
        signer.send(b"x")
    assert is_closed(signer)


# --- the end ---------------------------------------------------------------------------------------------------------


def test_streams_end_between_frames() -> None:
    whole = end(NODE).data_to_send()
    for cut in range(HELLO_SIZE):
        signer = end(SIGNER)
        signer.receive(whole[:cut])
        with pytest.raises(StreamEnded):
            signer.end()
    signer, node = end(SIGNER), end(NODE)
    connected(signer, node)
    sealed = node.send(b"x")
    assert signer.receive(sealed[:-1]) == b""
    with pytest.raises(StreamEnded):
        signer.end()
    assert is_closed(signer)
    node.end()
    assert is_closed(node)
    node.end()


def test_nothing_secret_is_kept_of_a_closed_connection() -> None:
    signer, node = end(SIGNER), end(NODE)
    connected(signer, node)
    signer.close()
    assert signer._sealer is not None
    assert signer._opener is not None
    assert not any(signer._scalar)
    assert not any(signer._sealer._key)
    assert not any(signer._opener._key)


def test_an_identity_signs_challenges_only() -> None:
    for challenge in (b"", b"c" * 31, b"c" * 33):
        with pytest.raises(ValueError, match="not a challenge"):
            SIGNER.prove(challenge)
    own = Identity(b"\5" * 32)
    assert "05" * 32 not in repr(own)
    assert node_id(own.public_key).hex() in repr(own)
    own.wipe()
    with pytest.raises(ValueError, match="wiped"):
        own.prove(b"c" * 32)
    with pytest.raises(ValueError, match="31 bytes"):
        Identity(bytes(31))
