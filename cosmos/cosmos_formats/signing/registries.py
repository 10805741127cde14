"""Which types the SDK renders without their fields, in SIGN_MODE_TEXTUAL and SIGN_MODE_LEGACY_AMINO_JSON.

A chain's binary has two registries of message types. Packages with code for the newer protobuf library, which
``cosmossdk.io/api`` has for all modules of the SDK, are in the complete one. Everything else (IBC, wasm, most chains'
own messages) is only in gogoproto's, which each generated file enters when the program starts, one Go package after
the other and within a package by file name. A type in a file that enters later is a placeholder in the earlier one, a
message without fields and an enum without values: TEXTUAL shows no more than the message's name and refuses the enum,
amino JSON has ``{}``. So the messages in ``tx.proto`` of wasm are written without the fields of an ``AccessConfig``,
which is in ``types.proto`` beside it. TEXTUAL signs what is left out all the same, by the hash of the raw bytes.

The descriptors say which file enters when; which packages are in the complete registry, only the chain's binary does.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cosmos_formats.schema import FieldDescriptor

_COMPLETE: Final = ("cosmos.", "google.protobuf.", "tendermint.")


def is_complete(full_name: str) -> bool:
    """Tell whether a message type is in the complete registry of a usual chain."""
    return full_name.startswith(_COMPLETE)


@lru_cache(maxsize=8192)
def is_placeholder(item: FieldDescriptor) -> bool:
    """Tell whether gogoproto's registry has only a placeholder for the message or enum type of a field."""
    target = item.enum_type if item.message_type is None else item.message_type
    here, there = item.file, target.file
    if here.name == there.name or _go_package(here) != _go_package(there):
        return False
    return _go_file(here) < _go_file(there)


def _go_package(file: Any) -> str:
    """Return the import path of the Go code of a file; a package name may follow it behind a semicolon.

    A file that names none stands for its folder, whose files are mostly of one Go package. Of the SDK's own files, with
    which that is so, chains' descriptor sets do not keep it (see ``schema_merge``).
    """
    return str(file.GetOptions().go_package).partition(";")[0] or str(file.name).rpartition("/")[0]


def _go_file(file: Any) -> str:
    return str(file.name).rpartition("/")[2].removesuffix(".proto") + ".pb.go"
