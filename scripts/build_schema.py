"""Build the descriptor set that ships in ``cosmos_formats/data`` from published .proto files.

The files come out of the Go module proxy, at the versions named below, and are compiled by the protoc that
``grpcio-tools`` brings. Nothing is generated but descriptors. Usage, from the repository root:

    python -m venv /tmp/schema && /tmp/schema/bin/pip install grpcio-tools==1.85.1
    /tmp/schema/bin/python scripts/build_schema.py [--check]

``--check`` builds into memory and fails if the files in the repository differ.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

SOURCE_ROOT = Path(__file__).resolve().parent.parent / "cosmos"
DATA = SOURCE_ROOT / "cosmos_formats" / "data"

sys.path.insert(0, str(SOURCE_ROOT))
from cosmos_formats.schema_index import build_index  # noqa: E402 - the environment has protoc, not this project


@dataclass(frozen=True, slots=True)
class Source:
    """A Go module that publishes .proto files.

    Attributes:
        module: Module path.
        version: Version to take.
        license: SPDX identifier.
        root: Folder in the module that imports are relative to.
        compile: Prefixes of the files to compile; the rest is there for imports.
    """

    module: str
    version: str
    license: str
    root: str
    compile: tuple[str, ...] = ()


SOURCES = (
    Source("github.com/cosmos/cosmos-sdk", "v0.53.4", "Apache-2.0", "proto", ("cosmos/", "amino/", "tendermint/")),
    Source("github.com/cosmos/ibc-go/v10", "v10.5.0", "MIT", "proto", ("ibc/",)),
    Source("github.com/CosmWasm/wasmd", "v0.61.2", "Apache-2.0", "proto", ("cosmwasm/",)),
    Source("github.com/cosmos/cosmos-proto", "v1.0.0-beta.5", "Apache-2.0", "proto"),
    Source("github.com/cosmos/gogoproto", "v1.7.0", "BSD-3-Clause", "."),
    Source("github.com/grpc-ecosystem/grpc-gateway", "v1.16.0", "Apache-2.0", "third_party/googleapis"),
)

# The .proto file of ics23 is in no module of the proxy, but its Go code carries the compiled descriptor.
ICS23 = Source("github.com/cosmos/ics23/go", "v0.11.0", "Apache-2.0", "proofs.pb.go")


def module_folder(source: Source, scratch: Path) -> Path:
    """Download a module (``go mod download`` checks its hash against the checksum database) and return its folder."""
    done = subprocess.run(
        ["go", "mod", "download", "-json", f"{source.module}@{source.version}"],
        cwd=scratch,
        check=True,
        capture_output=True,
        text=True,
    )
    return Path(json.loads(done.stdout)["Dir"])


def embedded_descriptor(go_file: Path) -> FileDescriptorProto:
    """Return the file descriptor that generated Go code holds as gzipped bytes."""
    found = re.search(r"var fileDescriptor_\w+ = \[\]byte\{(.*?)\n\}", go_file.read_text(encoding="utf-8"), re.DOTALL)
    if found is None:
        raise SystemExit(f"{go_file.name} has no file descriptor")
    lines = (line.split("//")[0] for line in found[1].splitlines())
    packed = bytes(ast.literal_eval(f"[{''.join(lines)}]"))
    return FileDescriptorProto.FromString(gzip.decompress(packed))


def compile_all() -> tuple[FileDescriptorSet, dict[str, bytes]]:
    """Return all wanted files and what they import, imports first, and the licenses other than this project's own."""
    licenses = {"protobuf": distribution("protobuf").read_text("LICENSE").encode()}
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        (scratch / "go.mod").write_text("module scratch\n", encoding="utf-8")
        include: list[str] = []
        wanted: list[str] = []
        for source in SOURCES:
            folder = module_folder(source, scratch)
            if source.license != "Apache-2.0":
                licenses[source.module.removeprefix("github.com/cosmos/").split("/")[0]] = license_of(folder)
            root = folder / source.root
            include.append(f"-I{root}")
            for prefix in source.compile:
                wanted += sorted(str(path.relative_to(root)) for path in (root / prefix).rglob("*.proto"))
        ics23 = FileDescriptorSet(file=[embedded_descriptor(module_folder(ICS23, scratch) / ICS23.root)])
        stub = scratch / "ics23"
        write_stub(ics23.file[0], stub)
        # protoc's own copies of the well-known types come first, so that older ones in the modules do not win.
        own = Path(protoc.__file__).parent / "_proto"
        output = scratch / "set.binpb"
        paths = [f"-I{folder}" for folder in (own, stub)] + include
        arguments = ["protoc", *paths, "--include_imports", f"--descriptor_set_out={output}"]
        if protoc.main([*arguments, *wanted]) != 0:
            raise SystemExit("protoc failed")
        compiled = FileDescriptorSet.FromString(output.read_bytes())
    real = {file.name: file for file in ics23.file}
    return FileDescriptorSet(file=[real.get(file.name, file) for file in compiled.file]), licenses


def license_of(folder: Path) -> bytes:
    """Return the license text of a module."""
    return (folder / "LICENSE").read_bytes()


def write_stub(file: FileDescriptorProto, folder: Path) -> None:
    """Write a .proto file that declares the names of a descriptor's messages, so that others can import it."""
    path = folder / file.name
    path.parent.mkdir(parents=True)
    messages = "\n".join(f"message {message.name} {{}}" for message in file.message_type)
    path.write_text(f'syntax = "proto3";\npackage {file.package};\n{messages}\n', encoding="utf-8")


def origin(data: bytes, count: int) -> bytes:
    """Return the note that says where the data is from."""
    rows = "\n".join(f"| {s.module} | {s.version} | {s.license} |" for s in (*SOURCES, ICS23))
    return f"""# Origin of the descriptor set

`sdk.binpb` is a `google.protobuf.FileDescriptorSet` of {count} files: the messages of the Cosmos SDK, IBC and wasm,
and what they import. `sdk.index.json` says where each file is in it, and which messages have which amino name.
Both are written by `scripts/build_schema.py` from the .proto files published in these Go modules (descriptors only,
without comments):

| module | version | license |
|---|---|---|
{rows}
| protobuf's well-known types, as shipped with grpcio-tools | | BSD-3-Clause |

SHA-256 of `sdk.binpb`: `{hashlib.sha256(data).hexdigest()}`

Apache-2.0 is the license of this project too; the texts of the others are in `licenses/`. The .proto file of ics23 is
in no module of the proxy; its descriptor is the one that its generated Go code carries.
""".encode()


def build() -> Mapping[str, bytes]:
    """Return the data files by name."""
    compiled, licenses = compile_all()
    data, index = build_index(compiled.file)
    files = {"sdk.binpb": data, "sdk.index.json": index.to_json(), "ORIGIN.md": origin(data, len(compiled.file))}
    return files | {f"licenses/{name}.txt": text for name, text in licenses.items()}


def main() -> int:
    """Write the data files, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="compare with the files in the repository")
    check = parser.parse_args().check
    stale = []
    for name, content in build().items():
        path = DATA / name
        if check:
            if not path.exists() or path.read_bytes() != content:
                stale.append(name)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        print(f"{name}: {len(content)} bytes")
    if stale:
        print(f"differs: {', '.join(stale)}", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
