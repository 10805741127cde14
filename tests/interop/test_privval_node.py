"""CometBFT's own client and its SecretConnection, talking to ours over real sockets."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from cosmos_formats.privval import messages
from cosmos_formats.privval.identity import Identity
from cosmos_formats.privval.messages import PingRequest, PubKeyRequest, SignProposalRequest, SignVoteRequest
from cosmos_formats.privval.secret_connection import SecretConnection, State
from cosmos_formats.privval.stream import PlainStream, SecretStream, Stream
from keyring_bridge.validator.errors import ConsensusRefused
from keyring_bridge.validator.guard import Guard
from tests.consensus import CHAIN, NOW, Device, MemoryStore
from tests.interop.go_programs import MODULE, build

pytestmark = [pytest.mark.go, pytest.mark.timeout(1800)]

SECONDS = 60
"""How long a socket waits for the other end before the test fails."""


@pytest.fixture(scope="module")
def node() -> Path:
    return build("node", MODULE / "privval")


@contextmanager
def running(program: Path, *arguments: str) -> Iterator[IO[str]]:
    process = subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        with process.stdout:
            yield process.stdout
        assert process.wait(SECONDS) == 0
    finally:
        process.kill()
        process.wait()


def answer(guard: Guard, device: Device, request: messages.Message) -> messages.Message:
    """Answer a request as the service will, in the smallest way."""
    match request:
        case PubKeyRequest():
            return messages.PubKeyResponse(device.public_key)
        case PingRequest():
            return messages.PingResponse()
        case SignVoteRequest() | SignProposalRequest():
            try:
                if isinstance(request, SignVoteRequest):
                    return messages.SignedVoteResponse(guard.vote(request, device, NOW))
                return messages.SignedProposalResponse(guard.proposal(request, device, NOW))
            except ConsensusRefused as refused:
                error = messages.RemoteSignerError(0, str(refused))
                reply = messages.refusal(messages.number_of(request), error)
                assert reply is not None
                return reply
    raise AssertionError(request)


def serve(connection: socket.socket, stream: Stream) -> None:
    """Answer until the node hangs up."""
    device = Device()
    guard = Guard(MemoryStore(), device.public_key, CHAIN)
    connection.sendall(stream.data_to_send())
    while data := connection.recv(65536):
        requests = [messages.decode(message) for message in stream.receive(data)]
        connection.sendall(stream.data_to_send())
        for request in requests:
            reply = answer(guard, device, request)
            # Also that of a vote with an extension of 9,000 bytes.
            assert len(messages.encode(reply)) < 1024
            connection.sendall(stream.send(reply))
    stream.end()


@pytest.mark.parametrize("network", ["tcp", "unix"])
def test_cometbfts_client_takes_our_answers(node: Path, network: str, tmp_path: Path) -> None:
    where = "tcp://127.0.0.1:0" if network == "tcp" else f"unix://{tmp_path}/s"
    with running(node, "-listen", where) as output:
        address = json.loads(output.readline())["address"]
        if network == "tcp":
            host, _, port = address.rpartition(":")
            connection = socket.create_connection((host, int(port)), SECONDS)
            stream: Stream = SecretStream(SecretConnection(Identity(os.urandom(32)), bytearray(os.urandom(32))))
        else:
            connection, stream = socket.socket(socket.AF_UNIX), PlainStream()
            connection.settimeout(SECONDS)
            connection.connect(address)
        with connection:
            serve(connection, stream)
        told: list[dict[str, Any]] = [json.loads(line) for line in output]
    prevote = {"name": "prevote", "good": True, "seconds": 1795914123}
    refused = "signerEndpoint returned error #0: error signing vote: "
    assert told == [
        {"public_key": Device().public_key.data.hex()},
        {"name": "proposal", "good": True},
        prevote,
        prevote | {"name": "prevote later"},
        {"name": "prevote nil", "error": refused + "conflicting data", "seconds": 1795914123},
        prevote | {"name": "precommit", "extension": True},
        {"name": "height 4", "error": refused + "height regression. Got 4, last height 5", "seconds": 1795914123},
        {"name": "done"},
    ]


def test_cometbft_dials_our_end_and_sends_everything_back(node: Path) -> None:
    identity = Identity(os.urandom(32))
    secret = SecretConnection(identity, bytearray(os.urandom(32)))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        with running(node, "-echo", f"127.0.0.1:{listener.getsockname()[1]}") as output:
            connection, _ = listener.accept()
            connection.settimeout(SECONDS)
            with connection:
                connection.sendall(secret.data_to_send())
                while secret.state is not State.OPEN:
                    assert secret.receive(connection.recv(100)) == b""
                    connection.sendall(secret.data_to_send())
                assert json.loads(output.readline()) == {"peer": identity.public_key.hex()}
                for size in (1, 1023, 1024, 1025, 30_000):
                    sent, received = os.urandom(size), b""
                    connection.sendall(secret.send(sent))
                    while len(received) < size:
                        received += secret.receive(connection.recv(65536))
                    assert received == sent
                connection.sendall(secret.send(b"bye"))
                assert connection.recv(1) == b""
                secret.end()
