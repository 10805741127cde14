"""Where each file and message of a descriptor set is, so that one message loads without reading the others.

An index is made once, when a set is built or accepted, and kept as JSON beside the set. It is derived data: whoever
keeps the two apart must make sure that they stay together.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from cosmos_formats.errors import FormatError
from cosmos_formats.hollow import load_protobuf
from cosmos_formats.options import AMINO_NAME, read_options
from cosmos_formats.quickclass import dataclass
from cosmos_formats.wire import varint

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

_VERSION: Final = 2
_FILE_TAG: Final = b"\x0a"  # FileDescriptorSet.file

PLUMBING: Final = (
    "amino/",
    "cosmos_proto/",
    "gogoproto/",
    "google/api/",
    "google/protobuf/compiler/",
    "google/protobuf/descriptor.proto",
)
"""Files that describe other files. No module registers their types, some of which cannot be serialised when incomplete;
so their messages are never found."""


class InvalidSchema(FormatError):
    """A descriptor set that cannot be used."""

    code = "invalid_schema"


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """One file of a set.

    Attributes:
        name: Its path as imports name it.
        start: Where its FileDescriptorProto starts in the set.
        size: Of its FileDescriptorProto, in bytes.
        needs: The numbers of the files that it imports, all lower than its own.
        package: Of its messages.
        messages: Names of its top-level messages.
    """

    name: str
    start: int
    size: int
    needs: tuple[int, ...]
    package: str
    messages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SchemaIndex:
    """The index of a descriptor set.

    Attributes:
        files: Imports before those that import them; a file's place is its number.
        amino_names: For each ``amino.name`` the full names of the messages that have it, nested ones too, sorted.
    """

    files: tuple[IndexedFile, ...]
    amino_names: Mapping[str, tuple[str, ...]]

    def owners(self) -> dict[str, int]:
        """Return the number of the file of each top-level message that can be found.

        Raises:
            InvalidSchema: Two files declare the same message.
        """
        found: dict[str, int] = {}
        for number, file in enumerate(self.files):
            for name in () if file.name.startswith(PLUMBING) else file.messages:
                full_name = join(file.package, name)
                if found.setdefault(full_name, number) != number:
                    raise InvalidSchema(f"{full_name} is declared twice")
        return found

    def to_json(self) -> bytes:
        """Return the index as a file, one line for each file of the set and each amino name."""
        rows = (
            [file.name, file.start, file.size, file.needs, file.package, " ".join(file.messages)] for file in self.files
        )
        files = ",\n".join(map(_compact, rows))
        names = ",\n".join(
            f"{_compact(name)}:{_compact(' '.join(full_names))}"
            for name, full_names in sorted(self.amino_names.items())
        )
        return f'{{"version":{_VERSION},"files":[\n{files}\n],"amino":{{\n{names}\n}}}}\n'.encode()

    @classmethod
    def from_json(cls, data: bytes) -> SchemaIndex:
        """Read what :meth:`to_json` wrote; it comes from whoever keeps the set, so its values are not examined.

        Raises:
            InvalidSchema: It is none, or one of another version.
        """
        try:
            read = json.loads(data)
            if read["version"] != _VERSION:
                raise InvalidSchema(f"an index of version {read['version']}, expected {_VERSION}")
            return cls(
                tuple(
                    IndexedFile(name, start, size, tuple(needs), package, tuple(messages.split()))
                    for name, start, size, needs, package, messages in read["files"]
                ),
                {name: tuple(full_names.split()) for name, full_names in read["amino"].items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InvalidSchema(f"not an index of a descriptor set: {type(error).__name__}") from None


def build_index(files: Iterable[FileDescriptorProto]) -> tuple[bytes, SchemaIndex]:
    """Return a set's bytes and their index.

    Args:
        files: Each behind all that it imports (see :func:`imports_first`).
    """
    data = bytearray()
    rows: list[IndexedFile] = []
    numbers: dict[str, int] = {}
    amino_names: dict[str, list[str]] = {}
    for file in files:
        content = file.SerializeToString(deterministic=True)
        header = _FILE_TAG + varint(len(content))
        needs = tuple(numbers[name] for name in file.dependency)
        messages = tuple(message.name for message in file.message_type)
        numbers[file.name] = len(rows)
        rows.append(IndexedFile(file.name, len(data) + len(header), len(content), needs, file.package, messages))
        data += header + content
        for full_name, message in () if file.name.startswith(PLUMBING) else messages_of(file):
            amino_name = read_options(message.options.SerializeToString()).get(AMINO_NAME, ())
            # The last one counts, as for every field that is there more than once.
            for value in amino_name[-1:]:
                if isinstance(value, bytes):
                    amino_names.setdefault(value.decode("utf-8", "replace"), []).append(full_name)
    return bytes(data), SchemaIndex(tuple(rows), {name: tuple(sorted(found)) for name, found in amino_names.items()})


def messages_of(file: FileDescriptorProto) -> Iterator[tuple[str, DescriptorProto]]:
    """Yield every message of a file with its full name, nested ones behind the message around them."""
    waiting = [(join(file.package, message.name), message) for message in reversed(file.message_type)]
    while waiting:
        full_name, message = waiting.pop()
        yield full_name, message
        waiting += [(f"{full_name}.{inner.name}", inner) for inner in reversed(message.nested_type)]


def imports_first(imports: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the files in an order in which each stands behind all it imports; sorted ones stay as they are.

    Args:
        imports: For each file the files that it imports.

    Raises:
        InvalidSchema: A file that is imported is missing, or imports go in a circle.
    """
    order: list[str] = []
    state: dict[str, bool] = {}
    for root in imports:
        stack = [root]
        while stack:
            name = stack[-1]
            if name not in imports:
                raise InvalidSchema(f"the descriptor set lacks {name!r}, which it imports")
            if name not in state:
                state[name] = False
                missing = [needed for needed in imports[name] if not state.get(needed, False)]
                if any(needed in state for needed in missing):
                    raise InvalidSchema(f"the imports of {name!r} go in a circle")
                stack += missing
                continue
            stack.pop()
            if not state[name]:
                state[name] = True
                order.append(name)
    return order


def join(package: str, name: str) -> str:
    """Return the full name of something in a package, which may be empty."""
    return f"{package}.{name}" if package else name


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


@cache
def descriptor_set_class() -> Any:
    """Return the class of FileDescriptorSet from a pool of our own.

    In the default one other packages may have registered extensions, which would then be written in another order.
    """
    load_protobuf()
    from google.protobuf.descriptor_pb2 import DESCRIPTOR
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message_factory import GetMessageClass

    pool = DescriptorPool()
    pool.AddSerializedFile(DESCRIPTOR.serialized_pb)
    return GetMessageClass(pool.FindMessageTypeByName("google.protobuf.FileDescriptorSet"))
