"""A chain's own descriptor set, examined and joined with the shipped one.

A set comes from a node or a file, and either may lie: one that swaps ``from_address`` and ``to_address`` would turn a
payment around for whoever reads it. So nothing that the shipped set knows may be told differently, and the files that
describe others are always the shipped ones. What comes out is complete: a set of its own, with an index.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from cosmos_formats.schema_compare import Difference, all_facts, default_json_name, differences
from cosmos_formats.schema_index import (
    PLUMBING,
    InvalidSchema,
    SchemaIndex,
    build_index,
    descriptor_set_class,
    imports_first,
    messages_of,
)
from cosmos_formats.signing.registries import is_complete
from cosmos_formats.wire import message_field

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

LARGEST_SET: Final = 16 << 20
"""Largest descriptor set that is looked at, in bytes. Those of real chains have less than a megabyte."""
MOST_FILES: Final = 10_000

_FIXED: Final = frozenset(
    {"amino/amino.proto", "cosmos_proto/cosmos.proto", "gogoproto/gogo.proto"}
    | {f"google/api/{name}.proto" for name in ("annotations", "http")}
    | {
        f"google/protobuf/{name}.proto"
        for name in (
            "any",
            "api",
            "descriptor",
            "duration",
            "empty",
            "field_mask",
            "source_context",
            "struct",
            "timestamp",
            "type",
            "wrappers",
        )
    }
)
"""Files that describe others, and protobuf's own: always the shipped ones, or those of the installed library."""
_GOOGLE: Final = "google.protobuf"
_PLUMBING_PACKAGES: Final = {place: place.strip("/").replace("/", ".") for place in PLUMBING if place.endswith("/")}
"""The one package that each folder of files that describe others may have."""


class SchemaContradicts(InvalidSchema):
    """A descriptor set that says something else than the shipped one about the same message.

    Attributes:
        contradictions: All of them; ``before`` is what ships.
    """

    code = "schema_contradicts"

    def __init__(self, contradictions: tuple[Difference, ...]) -> None:
        self.contradictions = contradictions
        shown = "; ".join(map(_contradiction_text, contradictions[:10]))
        more = f"; and {len(contradictions) - 10} more" if len(contradictions) > 10 else ""
        super().__init__(f"the descriptor set contradicts the shipped one: {shown}{more}")


@dataclass(frozen=True, slots=True)
class MergedSchema:
    """A set that can be used for a chain.

    Attributes:
        data: A serialised FileDescriptorSet: the chain's files, and those of the shipped set that it lacks.
        index: Of ``data``.
        digest: SHA-256 of the set that was given in its canonical form, 64 lower-case hexadecimal digits. The order of
            its files, their comments and their options for code generators do not change it, but for the Go package.
        settled: Contradictions for which the shipped files were taken.
        left_out: The chain's files that do not go with the shipped ones taken so; their messages are unknown.
    """

    data: bytes
    index: SchemaIndex
    digest: str
    settled: tuple[Difference, ...]
    left_out: tuple[str, ...]


def merge(given: bytes, shipped: bytes, *, prefer_shipped: bool = False) -> MergedSchema:
    """Examine a chain's set and complete it with the shipped one.

    Args:
        given: A serialised FileDescriptorSet. Files that ship may be missing.
        shipped: The shipped one.
        prefer_shipped: Where they contradict each other, take the shipped file and what it imports.

    Raises:
        SchemaContradicts: They contradict each other, and ``prefer_shipped`` was not said.
        InvalidSchema: The set cannot be used: it does not parse, is too large, is not complete, contradicts itself,
            redefines protobuf's own types, or hides messages where none are looked for.
    """
    files = _parse(given)
    ours = {file.name: file for file in _parse(shipped)}
    ours |= {name: file for name, file in _well_known().items() if name not in ours}
    for file in files:
        _check_place(file, ours)
    told = [file for file in files if not file.name.startswith(PLUMBING)]
    found = differences(all_facts(ours.values()), all_facts(told))
    contradictions = tuple(difference for difference in found if difference.contradicts)
    if contradictions and not prefer_shipped:
        raise SchemaContradicts(contradictions)

    own = {file.name: file for file in files if file.name not in _FIXED}
    digest = hashlib.sha256()
    for _, content in sorted(_contents(files).items()):
        digest.update(len(content).to_bytes(4, "big") + content)
    for name in _files_to_replace(contradictions, ours, own):
        own.pop(name, None)
    kept = _loadable(own, ours, strict=not contradictions)
    data, index = build_index(kept.values())
    index.owners()
    return MergedSchema(data, index, digest.hexdigest(), contradictions, tuple(sorted(own.keys() - kept.keys())))


def canonical_files(data: bytes) -> dict[str, bytes]:
    """Return each file of a set, serialised in the form that the digest is made of.

    Files that describe others and protobuf's own are not among them: what ships is used in their place. Nor are Go
    packages in them: a module can be in a chain's program twice, with code for either protobuf library of Go.

    Raises:
        InvalidSchema: The set does not parse, is too large, empty, or has a file twice.
    """
    return _contents(_parse(data, go_packages=False))


def _contents(files: Iterable[FileDescriptorProto]) -> dict[str, bytes]:
    return {file.name: file.SerializeToString(deterministic=True) for file in files if file.name not in _FIXED}


def parse_files(data: bytes) -> list[FileDescriptorProto]:
    """Return the files of a serialised FileDescriptorSet.

    Raises:
        InvalidSchema: It does not parse, or is too large.
    """
    if len(data) > LARGEST_SET:
        raise InvalidSchema(f"a descriptor set of {len(data)} bytes; the most are {LARGEST_SET}")
    from google.protobuf.message import DecodeError

    try:
        files = list(descriptor_set_class().FromString(data).file)
    except DecodeError:
        raise InvalidSchema("not a FileDescriptorSet") from None
    if len(files) > MOST_FILES:
        raise InvalidSchema(f"a descriptor set of {len(files)} files; the most are {MOST_FILES}")
    return files


def _parse(data: bytes, *, go_packages: bool = True) -> list[FileDescriptorProto]:
    """Return the files in a form that does not depend on who serialised them.

    Args:
        data: A serialised FileDescriptorSet.
        go_packages: Keep the Go packages where they decide what sign documents leave out; see ``signing.registries``.
    """
    files = parse_files(data)
    if not files:
        raise InvalidSchema("the descriptor set is empty")
    names: set[str] = set()
    for file in files:
        if not file.name or file.name in names:
            raise InvalidSchema(
                f"the descriptor set has a file twice: {file.name!r}" if file.name else "a file without a name"
            )
        names.add(file.name)
        file.ClearField("source_code_info")
        # They tell code generators where to put what, and compilers of different origin write different ones.
        if file.syntax in ("", "proto2", "proto3"):
            go_package = file.options.go_package.partition(";")[0]
            file.ClearField("options")
            if go_package and go_packages and not is_complete(f"{file.package}."):
                file.options.go_package = go_package
        if file.syntax == "proto2":
            file.ClearField("syntax")
        for full_name, message in messages_of(file):
            _settle_json_names(full_name, message)
    return files


def _settle_json_names(full_name: str, message: DescriptorProto) -> None:
    """Leave out JSON names that say nothing, and refuse those that are the name of another field."""
    names = {field.name for field in message.field}
    taken: set[str] = set()
    for field in message.field:
        if field.json_name == default_json_name(field.name):
            field.ClearField("json_name")
        elif field.HasField("json_name"):
            if field.json_name in names - {field.name} | taken:
                raise InvalidSchema(f"{full_name}: two fields are called {field.json_name!r}")
            taken.add(field.json_name)


def _check_place(file: FileDescriptorProto, ours: Mapping[str, FileDescriptorProto]) -> None:
    """Refuse files whose messages would be overlooked, or would stand for protobuf's own."""
    if not (file.message_type or file.enum_type) or file.name in _FIXED:
        return
    for place in PLUMBING:
        if file.name.startswith(place):
            if file.package != _PLUMBING_PACKAGES.get(place):
                raise InvalidSchema(
                    f"{file.name!r} hides messages of {file.package!r} where no messages of a chain are"
                )
            return
    if _in_google(file.package) and file.name not in ours:
        raise InvalidSchema(f"{file.name!r} redefines {_GOOGLE}")


def _in_google(package: str) -> bool:
    return package == _GOOGLE or package.startswith(f"{_GOOGLE}.")


def _files_to_replace(
    contradictions: Iterable[Difference],
    ours: Mapping[str, FileDescriptorProto],
    own: Mapping[str, FileDescriptorProto],
) -> set[str]:
    """Return the files that the shipped ones stand in for: those that contradict, and what theirs import."""
    names = {difference.name for difference in contradictions}
    if not names:
        return set()
    waiting = [file.name for file in ours.values() if names & _declared(file)]
    found = {file.name for file in own.values() if names & _declared(file)}
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting += (needed for needed in ours[name].dependency if needed not in found)
    return found


def _declared(file: FileDescriptorProto) -> set[str]:
    return set(all_facts([file]))


def _loadable(
    own: Mapping[str, FileDescriptorProto], ours: Mapping[str, FileDescriptorProto], *, strict: bool
) -> dict[str, FileDescriptorProto]:
    """Return the chain's files and those shipped ones that go with them, imports first.

    A shipped file that the chain has not, and that needs something the chain's version of another one lacks, is left
    out: the chain cannot know its messages either.

    Args:
        own: The chain's files.
        ours: The shipped ones.
        strict: Whether all of the chain's files must load. Else some were replaced, and those that no longer go with
            the rest are too, or left out.

    Raises:
        InvalidSchema: A file is missing, or the chain's files do not go together.
    """
    every = {name: own.get(name) or ours[name] for name in sorted(own.keys() | ours.keys())}
    from google.protobuf.descriptor_pool import DescriptorPool

    add = DescriptorPool().AddSerializedFile
    kept: dict[str, FileDescriptorProto] = {}
    for name in imports_first({name: list(file.dependency) for name, file in every.items()}):
        for file in (every[name], ours.get(name)):
            if file is None or any(needed not in kept for needed in file.dependency):
                continue
            try:
                add(file.SerializeToString())
            except (TypeError, ValueError) as error:
                if strict and name in own:
                    raise InvalidSchema(f"the descriptor set contradicts itself: {error}") from None
                continue
            kept[name] = file
            break
        else:
            if strict and name in own:
                raise InvalidSchema(f"{name!r} needs a shipped file that does not go with the chain's files")
    return kept


@cache
def _well_known() -> Mapping[str, FileDescriptorProto]:
    """Return protobuf's own files that a chain's may import, as the installed library has them."""
    from google.protobuf import (
        api_pb2,
        empty_pb2,
        field_mask_pb2,
        source_context_pb2,
        struct_pb2,
        type_pb2,
        wrappers_pb2,
    )

    modules = (api_pb2, empty_pb2, field_mask_pb2, source_context_pb2, struct_pb2, type_pb2, wrappers_pb2)
    data = b"".join(message_field(1, module.DESCRIPTOR.serialized_pb) for module in modules)
    return {file.name: file for file in _parse(data)}


def _contradiction_text(difference: Difference) -> str:
    return f"{difference.where}: {difference.before} ships, {difference.after} is given"
