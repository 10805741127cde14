"""The client of a node, against the SDK's own services."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cosmos_formats.options import message_options
from cosmos_formats.schema import Schema, default_schema
from keyring_bridge.chains import Offer, examine
from keyring_bridge.chains.errors import NodeFailed, NodeLacks, NodeMismatch, SchemaContradicted, SchemaRefused
from keyring_bridge.errors import BridgeError, InvalidRequest
from keyring_bridge.node import Account, Node

if TYPE_CHECKING:
    from tests.integration.chains.reflection_server import ReflectionServer

pytestmark = [pytest.mark.go, pytest.mark.timeout(600)]
PATIENCE = 30.0


def read(target: str) -> Offer:
    with Node(target, timeout=PATIENCE) as node:
        return examine(node.file_descriptors(), node.denom_metadata())


def test_what_a_node_tells(honest: str) -> None:
    with Node(honest, timeout=PATIENCE) as node:
        assert node.chain_id() == "market-1"
        assert node.account("known") == Account(7, 1 << 40)
        # This one answers AccountInfo as older nodes do, and has a base account inside.
        assert node.account("module") == Account(3, 5)
        first, second = node.denom_metadata()
    assert (first["base"], second["base"]) == ("uve", "uatom")
    assert first["denom_units"] == [
        {"denom": "uve", "exponent": 0, "aliases": ["microve"]},
        {"denom": "ve", "exponent": 6, "aliases": []},
    ]


def test_an_account_that_does_not_exist(honest: str) -> None:
    with Node(honest, timeout=PATIENCE) as node, pytest.raises(NodeFailed, match="not found") as caught:
        node.account("nobody")
    assert "account nobody not found" in str(caught.value.detail)


@pytest.mark.parametrize("services", ["both", "cosmos", "grpc"])
def test_every_reflection_service_tells_of_the_chain_s_own_messages(server: ReflectionServer, services: str) -> None:
    with server.serving("-services", services) as target:
        offer = read(target)
    schema = Schema(offer.merged.data, offer.merged.index)
    order = schema.message("virtengine.market.v1.MsgCreateOrder")
    assert message_options(order.DESCRIPTOR).signers == ("owner",)
    assert schema.by_amino_name("virtengine/MsgCreateOrder") == ("/virtengine.market.v1.MsgCreateOrder",)
    assert offer.new_messages()["virtengine.market.v1.MsgCreateOrder"] == "owner"
    assert schema.find("/cosmos.staking.v1beta1.MsgDelegate") is not None


def test_a_node_says_the_same_twice(honest: str, server: ReflectionServer) -> None:
    with server.serving() as target:
        assert read(target).digest == read(honest).digest


def test_a_node_without_reflection(server: ReflectionServer) -> None:
    with server.serving("-services", "none") as target, pytest.raises(NodeLacks):
        read(target)


@pytest.mark.parametrize(
    ("lie", "error", "says"),
    [
        ("swap", SchemaContradicted, "MsgSend field 1: string from_address"),
        ("disagree", NodeMismatch, "different things"),
        ("drop", NodeMismatch, "different things"),
        ("circle", NodeMismatch, "different things"),
        ("garbage", SchemaRefused, "not a FileDescriptorSet"),
        ("huge", NodeFailed, "resource exhausted"),
    ],
)
def test_lies(server: ReflectionServer, lie: str, error: type[BridgeError], says: str) -> None:
    with server.serving("-lie", lie) as target, pytest.raises(error, match=says):
        read(target)


@pytest.mark.parametrize(
    ("lie", "says"), [("swap", "contradicts the shipped one"), ("drop", "order.proto"), ("circle", "circle")]
)
def test_lies_that_nothing_else_contradicts(server: ReflectionServer, lie: str, says: str) -> None:
    with server.serving("-lie", lie, "-services", "cosmos") as target, pytest.raises(SchemaRefused, match=says):
        read(target)


def test_a_node_that_does_not_answer(server: ReflectionServer) -> None:
    with (
        server.serving("-lie", "hang") as target,
        Node(target, timeout=0.5) as node,
        pytest.raises(NodeFailed, match="deadline exceeded") as caught,
    ):
        node.file_descriptors()
    assert caught.value.retryable


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{free.getsockname()[1]}"
        with Node(target, timeout=PATIENCE) as node, pytest.raises(NodeFailed, match="unavailable"):
            node.chain_id()


def test_tls_is_not_tried_in_clear_text(honest: str) -> None:
    with Node(honest, tls=True, timeout=5) as node, pytest.raises(NodeFailed):
        node.chain_id()


@pytest.mark.parametrize(
    "target",
    [
        "",
        "9090",
        "127.0.0.1",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "dns:///host:1",
        "unix:/tmp/x",
        "a b:1",
        "[::1:9",
        "ö:1",
    ],
)
def test_what_is_no_target(target: str) -> None:
    with pytest.raises(InvalidRequest, match="no host:port"):
        Node(target)


@pytest.mark.parametrize("target", ["node.example:9090", "10.0.0.1:9090", "[2001:db8::1]:9090", "localhost.example:1"])
def test_other_hosts_need_tls(target: str) -> None:
    with pytest.raises(InvalidRequest, match="without TLS"):
        Node(target)
    Node(target, tls=True).close()


@pytest.mark.parametrize("target", ["localhost:1", "127.0.0.1:1", "127.8.0.1:1", "[::1]:1"])
def test_this_host_needs_none(target: str) -> None:
    Node(target).close()


def test_without_grpcio_the_error_names_the_extra(tmp_path: Path) -> None:
    (tmp_path / "grpc.py").write_text("raise ImportError\n")
    code = (
        "from keyring_bridge.node import Node\n"
        "from keyring_bridge.errors import ExtraMissing\n"
        "try: Node('127.0.0.1:1')\n"
        "except ExtraMissing as error: raise SystemExit(0 if 'keyring-bridge[chain]' in error.hint else 1)\n"
        "raise SystemExit(2)"
    )
    root = Path(__file__).resolve().parents[3]
    path = ":".join(map(str, (tmp_path, root, root / "cosmos")))
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}, check=True)


def test_tls_trusts_who_the_system_trusts(tmp_path: Path) -> None:
    """A server with a certificate of an authority that is trusted is talked to; with one that is not, never."""
    key, certificate = self_signed("localhost")
    (tmp_path / "ca.pem").write_bytes(certificate)
    schema = default_schema()
    answer = schema.message("cosmos.base.tendermint.v1beta1.GetNodeInfoResponse")()
    answer.default_node_info.network = "market-1"
    content = answer.SerializeToString()
    method = grpc.unary_unary_rpc_method_handler(lambda request, context: content)
    service = grpc.method_handlers_generic_handler("cosmos.base.tendermint.v1beta1.Service", {"GetNodeInfo": method})
    server = grpc.server(ThreadPoolExecutor(1), handlers=[service])
    port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([(key, certificate)]))
    server.start()
    root = Path(__file__).resolve().parents[3]
    code = f"""
from keyring_bridge.chains.errors import NodeFailed
from keyring_bridge.node import Node
with Node("localhost:{port}", tls=True, timeout=20) as node:
    try: print(node.chain_id())
    except NodeFailed: print("refused")
"""
    try:
        for trusted, says in ((True, "market-1\n"), (False, "refused\n")):
            environment = {"PYTHONPATH": f"{root}:{root / 'cosmos'}", "PATH": os.environ["PATH"]}
            if trusted:
                environment["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] = str(tmp_path / "ca.pem")
            done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
            assert done.stdout.decode() == says, done.stderr
    finally:
        server.stop(None).wait()


def self_signed(name: str) -> tuple[bytes, bytes]:
    """Return a private key and a certificate for a host, both in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private, certificate.public_bytes(encoding)
