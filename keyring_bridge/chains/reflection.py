"""Reading a node's descriptor set through its reflection services.

Nodes of SDK 0.50 and later answer all files at once (``cosmos.reflection.v1``). Older ones, and services beside the
chain, answer gRPC's own reflection, which has to be walked: services and messages by name, then the files that theirs
import. A node that has both must say the same in both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from cosmos_formats.errors import FormatError
from cosmos_formats.options import read_options
from cosmos_formats.schema_merge import LARGEST_SET, MOST_FILES, canonical_files, parse_files
from cosmos_formats.wire import bytes_field, message_field
from keyring_bridge.chains.errors import NodeFailed, NodeLacks, NodeMismatch, SchemaRefused

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    from keyring_bridge.node import Node

_ALL_FILES: Final = "cosmos.reflection.v1.ReflectionService/FileDescriptors"
_INTERFACES: Final = "cosmos.base.reflection.v1beta1.ReflectionService/ListAllInterfaces"
_IMPLEMENTATIONS: Final = "cosmos.base.reflection.v1beta1.ReflectionService/ListImplementations"
_WALKS: Final = tuple(
    f"grpc.reflection.{version}.ServerReflection/ServerReflectionInfo" for version in ("v1alpha", "v1")
)
_MOST_NAMES: Final = 20_000
# Fields of grpc.reflection.v1.ServerReflectionRequest and ServerReflectionResponse.
_BY_FILE: Final = 3
_BY_SYMBOL: Final = 4
_LIST_SERVICES: Final = 7
_FILES: Final = 4
_SERVICES: Final = 6


def read_descriptor_set(node: Node, progress: Callable[[str], None]) -> bytes:
    """Return all files of a node as a serialised FileDescriptorSet.

    Args:
        node: The node.
        progress: Is told how far it is.

    Raises:
        NodeLacks: It has no reflection service.
        NodeMismatch: Its two reflection services say different things.
        NodeFailed: It did not answer as asked.
        SchemaRefused: What it answered cannot be compared.
    """
    try:
        progress("reading the node's messages")
        # Its answer has the layout of a FileDescriptorSet.
        everything: bytes | None = node.call(_ALL_FILES, b"")
    except NodeLacks:
        everything = None
    walked = None
    for method in _WALKS:
        try:
            walked = _Walk(node, method, progress).run(messages=everything is None)
            break
        except NodeLacks:
            continue
    if everything is None:
        if walked is None:
            raise NodeLacks(
                "the node has no reflection service", hint="get its descriptor set as a file: --descriptors"
            )
        return walked
    if walked is not None:
        _check_same(everything, walked)
    return everything


def _check_same(everything: bytes, walked: bytes) -> None:
    try:
        one, other = canonical_files(everything), canonical_files(walked)
    except FormatError as error:
        raise SchemaRefused(f"the node's descriptor set cannot be used: {error}") from None
    differing = sorted(name for name, content in other.items() if one.get(name) != content)
    if differing:
        raise NodeMismatch(
            "the node's two reflection services say different things about its messages",
            detail=", ".join(differing[:10]),
        )


class _Walk:
    """One walk through gRPC's reflection of a node."""

    def __init__(self, node: Node, method: str, progress: Callable[[str], None]) -> None:
        self._node = node
        self._method = method
        self._progress = progress
        self._files: dict[str, FileDescriptorProto] = {}
        self._size = 0

    def run(self, *, messages: bool) -> bytes:
        """Return the files found, a serialised FileDescriptorSet.

        Args:
            messages: Whether to look for the messages of transactions too, which no service that can be called names.
        """
        with self._node.exchange(self._method) as ask:
            self._ask = ask
            (services,) = _parts(ask(bytes_field(_LIST_SERVICES, b"*")), _SERVICES) or [b""]
            names = [_text(name) for service in _parts(services, 1) for name in _parts(service, 1)]
            if messages:
                names += self._transaction_messages()
            if len(names) > _MOST_NAMES:
                raise NodeFailed(f"the node names {len(names)} services and messages; the most are {_MOST_NAMES}")
            for number, name in enumerate(names):
                self._progress(f"reading the node's messages: {number + 1} of {len(names)}, {len(self._files)} files")
                # Not every service is described: reflection itself often is not.
                self._take(bytes_field(_BY_SYMBOL, name.encode()))
            while missing := self._missing():
                for name in missing:
                    if not self._take(bytes_field(_BY_FILE, name.encode())):
                        raise NodeFailed("the node does not have a file that it imports", detail=name[:200])
        return b"".join(message_field(1, file.SerializeToString()) for file in self._files.values())

    def _transaction_messages(self) -> list[str]:
        found: set[str] = set()
        with suppress(NodeLacks):
            for interface in _parts(self._node.call(_INTERFACES, b""), 1):
                implementations = self._node.call(_IMPLEMENTATIONS, bytes_field(1, interface))
                found.update(_text(name).removeprefix("/") for name in _parts(implementations, 1))
        return sorted(found)

    def _take(self, request: bytes) -> bool:
        """Ask for files and keep those that are new; False if the node has none for the request."""
        contents = [content for files in _parts(self._ask(request), _FILES) for content in _parts(files, 1)]
        for content in contents:
            self._keep(content)
        return bool(contents)

    def _keep(self, content: bytes) -> None:
        try:
            (file,) = parse_files(message_field(1, content))
        except FormatError as error:
            raise SchemaRefused(f"the node's descriptor set cannot be used: {error}") from None
        if file.name in self._files:
            return
        self._files[file.name] = file
        self._size += len(content)
        if self._size > LARGEST_SET or len(self._files) > MOST_FILES:
            raise NodeFailed(f"the node's messages take more than {LARGEST_SET} bytes or {MOST_FILES} files")

    def _missing(self) -> Iterable[str]:
        imported = {name for file in self._files.values() for name in file.dependency}
        return sorted(imported - self._files.keys())


def _parts(message: bytes, number: int) -> list[bytes]:
    """Return the values of a field of texts, bytes or messages."""
    try:
        return [value for value in read_options(message).get(number, []) if isinstance(value, bytes)]
    except FormatError:
        raise NodeFailed("the node's reflection service answers something else") from None


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
