"""A client of a chain's node: the few queries that the bridge needs, over gRPC.

A node is not trusted. What it says about messages and coins decides nothing until a person has accepted it (see
:mod:`keyring_bridge.chains`); account numbers and sequences that are wrong make a signature useless, not dangerous.
``grpcio`` is an optional dependency and is imported when a connection is opened.
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from cosmos_formats.schema import default_schema
from cosmos_formats.schema_merge import LARGEST_SET
from keyring_bridge.chains.errors import NodeFailed, NodeLacks
from keyring_bridge.errors import ExtraMissing, InvalidRequest

if TYPE_CHECKING:
    from cosmos_formats.schema import Message, Schema

_TARGET: Final = re.compile(r"(?P<host>[A-Za-z0-9_][A-Za-z0-9._-]{0,252}|\[[0-9a-fA-F:.]+\]):(?P<port>[0-9]{1,5})")
_MOST_PAGES: Final = 1000
_CLOCKS_DIFFER: Final = 0.1
"""Seconds by which a node's timer may be ahead of ours."""
_ACCOUNT_DEPTH: Final = 4

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Account:
    """What a signature needs to know of an account.

    Attributes:
        number: Of the account.
        sequence: Of its next transaction.
    """

    number: int
    sequence: int


class Node:
    """A connection to a node; use it as a context manager.

    Args:
        target: ``host:port`` of its gRPC server.
        tls: Whether to use TLS, with the system's certificate authorities. Without it only this host is reached:
            on a network anybody could answer.
        timeout: Seconds that one query may take.

    Raises:
        InvalidRequest: ``target`` is no host and port, or is another host and ``tls`` is False.
        ExtraMissing: grpcio is not installed.
    """

    def __init__(self, target: str, *, tls: bool = False, timeout: float = 20.0) -> None:
        check_target(target, tls=tls)
        try:
            import grpc
        except ImportError:
            raise ExtraMissing.for_extra("chain", "talking to a chain's node") from None
        self._grpc = grpc
        self._timeout = timeout
        options = [
            ("grpc.max_receive_message_length", LARGEST_SET),
            ("grpc.max_metadata_size", 64 << 10),
            # Nothing in the environment or in DNS may lead elsewhere, or try again behind our back.
            ("grpc.enable_http_proxy", 0),
            ("grpc.service_config_disable_resolution", 1),
            ("grpc.enable_retries", 0),
        ]
        if tls:
            self._channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(), options=options)
        else:
            self._channel = grpc.insecure_channel(target, options=options)

    def __enter__(self) -> Node:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def chain_id(self) -> str:
        """Return the id of the node's chain."""
        answer = self._query(
            "cosmos.base.tendermint.v1beta1.Service/GetNodeInfo",
            _new("cosmos.base.tendermint.v1beta1.GetNodeInfoRequest"),
            "cosmos.base.tendermint.v1beta1.GetNodeInfoResponse",
        )
        return str(answer.default_node_info.network)

    def account(self, address: str, *, schema: Schema | None = None) -> Account:
        """Return an account's number and sequence.

        Args:
            address: Bech32, as the chain writes it.
            schema: The chain's message types, for kinds of accounts of its own on nodes that answer no AccountInfo.

        Raises:
            NodeFailed: The node does not know the account, or its kind is not known here.
        """
        try:
            answer = self._query(
                "cosmos.auth.v1beta1.Query/AccountInfo",
                _new("cosmos.auth.v1beta1.QueryAccountInfoRequest", address=address),
                "cosmos.auth.v1beta1.QueryAccountInfoResponse",
            )
            return Account(answer.info.account_number, answer.info.sequence)
        except NodeLacks:
            # SDK 0.46 and older.
            answer = self._query(
                "cosmos.auth.v1beta1.Query/Account",
                _new("cosmos.auth.v1beta1.QueryAccountRequest", address=address),
                "cosmos.auth.v1beta1.QueryAccountResponse",
            )
        return _account_inside(answer.account, schema or default_schema())

    def denom_metadata(self) -> list[Json]:
        """Return the metadata of all coins, each as the bank module's query has it in JSON."""
        found: list[Json] = []
        request = _new("cosmos.bank.v1beta1.QueryDenomsMetadataRequest")
        for _ in range(_MOST_PAGES):
            answer = self._query(
                "cosmos.bank.v1beta1.Query/DenomsMetadata", request, "cosmos.bank.v1beta1.QueryDenomsMetadataResponse"
            )
            found += map(_metadata_json, answer.metadatas)
            if not answer.pagination.next_key:
                return found
            request.pagination.key = answer.pagination.next_key
        raise NodeFailed("the node's list of coins does not end")

    def file_descriptors(self, progress: Callable[[str], None] | None = None) -> bytes:
        """Return the node's descriptor set, a serialised FileDescriptorSet.

        Args:
            progress: Is told how far it is.

        Raises:
            NodeLacks: It has no reflection service.
            NodeMismatch: Its two reflection services say different things.
        """
        from keyring_bridge.chains.reflection import read_descriptor_set

        return read_descriptor_set(self, progress or (lambda _: None))

    def call(self, method: str, request: bytes) -> bytes:
        """Call a method with serialised messages.

        Args:
            method: ``package.Service/Method``.
            request: At most what the node takes.

        Raises:
            NodeLacks: The node has no such method.
            NodeFailed: It did not answer in time, answered an error, or more than 16 MiB.
        """
        with self._failures(method, self._timeout):
            answer: bytes = self._channel.unary_unary(f"/{method}")(request, timeout=self._timeout)
        return answer

    @contextmanager
    def exchange(self, method: str) -> Iterator[Callable[[bytes], bytes]]:
        """Open a stream in which every request is answered once, and yield what asks.

        Raises:
            NodeLacks: The node has no such method (when the first request is made).
            NodeFailed: As :meth:`call`; all requests together take as long as three.
        """
        from queue import SimpleQueue

        requests: SimpleQueue[bytes | None] = SimpleQueue()
        patience = 3 * self._timeout
        end = time.monotonic() + patience
        stream = self._channel.stream_stream(f"/{method}")(iter(requests.get, None), timeout=patience)

        def ask(request: bytes) -> bytes:
            requests.put(request)
            with self._failures(method, end - time.monotonic()):
                for answer in stream:
                    return bytes(answer)
            raise NodeFailed(f"the node ended {method}")

        try:
            yield ask
        finally:
            requests.put(None)
            stream.cancel()

    def _query(self, method: str, request: Message, answer_type: str) -> Message:
        answer = self.call(method, request.SerializeToString())
        schema = default_schema()
        try:
            return schema.message(answer_type).FromString(answer)
        except schema.decode_error:
            raise NodeFailed(f"the node's answer to {method} is none") from None

    @contextmanager
    def _failures(self, method: str, patience: float) -> Iterator[None]:
        codes = self._grpc.StatusCode
        end = time.monotonic() + patience
        try:
            yield
        except self._grpc.RpcError as error:
            code, told = error.code(), str(error.details() or "")[:500]
            if code is codes.UNIMPLEMENTED:
                raise NodeLacks(f"the node has no {method}", detail=told) from None
            if code is codes.CANCELLED and time.monotonic() > end - _CLOCKS_DIFFER:
                # Nobody here cancels. The node knows the deadline too, and its timer may be the first to end the call.
                code = codes.DEADLINE_EXCEEDED
            raise NodeFailed(
                f"the node failed at {method}: {code.name.lower().replace('_', ' ')}", detail=told
            ) from None


def check_target(target: str, *, tls: bool) -> None:
    """Check the address of a node, and that it is reached in a way in which nobody else can answer.

    Raises:
        InvalidRequest: It is no host and port, or another host that is to be reached without TLS.
    """
    matched = _TARGET.fullmatch(target)
    if matched is None or not 0 < int(matched["port"]) < 65536:
        raise InvalidRequest(f"{target[:80]!r} is no host:port of a gRPC server", hint="such as 127.0.0.1:9090")
    if not tls and not _is_this_host(matched["host"].strip("[]")):
        raise InvalidRequest(
            f"{target[:80]!r} is another host, and without TLS anybody on the way can answer for it",
            hint="add --tls, or make a tunnel and name its end on this host",
        )


def _is_this_host(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _new(full_name: str, **fields: object) -> Message:
    return default_schema().message(full_name)(**fields)


def _account_inside(account: Message, schema: Schema) -> Account:
    """Return the base account within an account of any kind: kinds wrap each other, the base one is innermost."""
    url = account.type_url
    kind = schema.find(url)
    if kind is None:
        raise NodeFailed("the node knows the account, but its kind is not known here", detail=url[:200])
    try:
        found = kind.FromString(account.value)
    except schema.decode_error:
        raise NodeFailed("the node's answer is no account", detail=url[:200]) from None
    for _ in range(_ACCOUNT_DEPTH):
        if found.DESCRIPTOR.full_name == "cosmos.auth.v1beta1.BaseAccount":
            return Account(found.account_number, found.sequence)
        inner = next((name for name in found.DESCRIPTOR.fields_by_name if name.startswith("base_")), None)
        if inner is None or found.DESCRIPTOR.fields_by_name[inner].message_type is None:
            break
        found = getattr(found, inner)
    raise NodeFailed("the account has no number and sequence that are known here", detail=url[:200])


def _metadata_json(metadata: Message) -> Json:
    units = [
        {"denom": unit.denom, "exponent": unit.exponent, "aliases": list(unit.aliases)} for unit in metadata.denom_units
    ]
    texts = ("base", "display", "name", "symbol", "uri", "uri_hash")
    return {"description": metadata.description, "denom_units": units} | {
        name: getattr(metadata, name) for name in texts
    }
