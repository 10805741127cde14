"""Message types, found by type URL in descriptor sets, without generated code.

Descriptors live in a *private* pool: generated ``cosmos.*`` modules of other packages (cosmpy has some) register in the
default pool, and two versions of one file there would clash. Files are parsed only when a message needs them; a
transaction's own take under a millisecond, all of them some twenty.
"""

from __future__ import annotations

import hashlib
import os.path
import re
import threading
from functools import cache
from typing import Any, Final, TypeAlias

from cosmos_formats.hollow import load_protobuf
from cosmos_formats.schema_index import InvalidSchema, SchemaIndex, build_index, descriptor_set_class, imports_first

__all__ = ["InvalidSchema", "Schema", "default_schema", "default_schema_data", "default_schema_digest"]

# Classes made at run time have no static types, and the stubs of protobuf name other ones in each of its series.
Descriptor: TypeAlias = Any
FieldDescriptor: TypeAlias = Any
Message: TypeAlias = Any
MessageClass: TypeAlias = Any


_LONGEST_NAME: Final = 512
_FULL_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")


class Schema:
    """A set of message types.

    Args:
        data: A serialised ``google.protobuf.FileDescriptorSet``.
        index: Where its files and messages are.

    Raises:
        InvalidSchema: Two files declare the same message.

    Attributes:
        decode_error: What the classes raise for bytes that don't parse.
        encode_error: What their messages raise if a required field is missing.
    """

    def __init__(self, data: bytes, index: SchemaIndex) -> None:
        self._data = data
        self._files = index.files
        self._amino_names = index.amino_names
        self._owners = index.owners()
        self._loaded: set[int] = set()
        self._classes: dict[str, MessageClass] = {}
        self._lock = threading.Lock()
        load_protobuf()
        from google.protobuf.descriptor_pool import DescriptorPool
        from google.protobuf.message import DecodeError, EncodeError

        self.decode_error: type[Exception] = DecodeError
        self.encode_error: type[Exception] = EncodeError
        self._pool = DescriptorPool()

    @classmethod
    def from_descriptor_set(cls, data: bytes) -> Schema:
        """Read a descriptor set that came without an index.

        Args:
            data: A serialised ``google.protobuf.FileDescriptorSet`` that is complete: every file that is imported is in
                it.

        Raises:
            InvalidSchema: It does not parse, is not complete, or names a file or message twice.
        """
        from google.protobuf.message import DecodeError

        try:
            parsed = descriptor_set_class().FromString(data).file
        except DecodeError:
            raise InvalidSchema("not a FileDescriptorSet") from None
        unordered = {file.name: file for file in parsed}
        if len(unordered) != len(parsed):
            raise InvalidSchema("the descriptor set has a file twice")
        order = imports_first({name: list(file.dependency) for name, file in unordered.items()})
        return cls(*build_index(unordered[name] for name in order))

    @property
    def names(self) -> tuple[str, ...]:
        """Full names of all top-level messages that can be found, sorted."""
        return tuple(sorted(self._owners))

    def find(self, type_url: str) -> MessageClass:
        """Return the class of the message that a type URL names, None if this schema does not have it.

        The types of descriptors and their options are no messages of a transaction: they are never found.

        Args:
            type_url: A slash and the full name of at most 512 characters, as the SDK writes it. URLs with a host are
                not its messages.

        Raises:
            InvalidSchema: The descriptors of the message contradict each other.
        """
        try:
            return self._classes[type_url]
        except KeyError:
            return self._load(type_url)

    def message(self, full_name: str) -> MessageClass:
        """Return the class of a message that must be there.

        Raises:
            InvalidSchema: The schema does not have it.
        """
        found = self.find(f"/{full_name}")
        if found is None:
            raise InvalidSchema(f"the descriptor set has no {full_name}")
        return found

    def by_amino_name(self, name: str) -> tuple[str, ...]:
        """Return the type URLs of all messages whose ``amino.name`` is this one, sorted; mostly one or none.

        Nothing keeps the messages of a chain from sharing a name.
        """
        return tuple(f"/{full_name}" for full_name in self._amino_names.get(name, ()))

    def _load(self, type_url: str) -> MessageClass:
        full_name = type_url[1:]
        if not type_url.startswith("/") or len(full_name) > _LONGEST_NAME or not _FULL_NAME.fullmatch(full_name):
            return None
        owner = self._owner(full_name)
        if owner is None:
            return None
        with self._lock:
            self._load_file(owner)
            found = self._class(full_name)
            # Names that are not there are without number, so they are not kept.
            if found is not None:
                self._classes[type_url] = found
        return found

    def _owner(self, full_name: str) -> int | None:
        """Return the number of the file of a message; a nested one is in the file of the message around it."""
        name = full_name
        while name:
            if name in self._owners:
                return self._owners[name]
            name = name.rpartition(".")[0]
        return None

    def _load_file(self, number: int) -> None:
        """Load a file and all that it needs, which have lower numbers."""
        wanted: set[int] = set()
        waiting = [number]
        while waiting:
            needed = waiting.pop()
            if needed not in self._loaded and needed not in wanted:
                wanted.add(needed)
                waiting += self._files[needed].needs
        for needed in sorted(wanted):
            file = self._files[needed]
            try:
                self._pool.AddSerializedFile(self._data[file.start : file.start + file.size])
            except (TypeError, ValueError) as error:
                raise InvalidSchema(f"the descriptor set contradicts itself: {error}") from None
            self._loaded.add(needed)

    def _class(self, full_name: str) -> MessageClass:
        from google.protobuf.message_factory import GetMessageClass

        try:
            descriptor = self._pool.FindMessageTypeByName(full_name)
        except KeyError:
            return None
        return GetMessageClass(descriptor)


@cache
def default_schema() -> Schema:
    """Return the shipped schema: Cosmos SDK v0.53.4, IBC v10 and wasm (see ``data/ORIGIN.md``)."""
    return Schema(_resource("sdk.binpb"), SchemaIndex.from_json(_resource("sdk.index.json")))


def default_schema_data() -> bytes:
    """Return the shipped descriptor set, a serialised FileDescriptorSet."""
    return _resource("sdk.binpb")


def default_schema_digest() -> str:
    """Return the SHA-256 of the shipped descriptor set, 64 lower-case hexadecimal digits."""
    return hashlib.sha256(default_schema_data()).hexdigest()


def _resource(name: str) -> bytes:
    # Not importlib.resources or pkgutil: importing them takes longer than reading the file.
    with open(os.path.join(os.path.dirname(__file__), "data", name), "rb") as file:
        return file.read()
