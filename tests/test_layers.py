"""Rules about the source as a whole, read from its syntax trees."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = {
    "cosmos_formats": ROOT / "cosmos" / "cosmos_formats",
    "keyring_bridge": ROOT / "keyring_bridge",
    "keyring_plugin": ROOT / "plugin" / "keyring_plugin",
}
LAYERS = ("cosmos_formats", "keyring_bridge", "keyring_plugin")
"""From the ground up: a layer imports itself and those before it."""

ALL_PYTHON = [ROOT / name for name in ("tests", "scripts", "examples", "fixtures")]

HEAVY = frozenset(
    {
        "Crypto",
        "asyncio",
        "boto3",
        "coincurve",
        "cosmpy",
        "cryptography",
        "google",
        "jsonrpcserver",
        "ledgerblue",
        "nacl",
        "pkcs11",
        "psycopg",
        "pyrage",
        "sqlite3",
        "tomlkit",
    }
)
"""Each costs milliseconds that a chain's command would wait for; they are imported where they are used."""


@dataclass(frozen=True)
class Module:
    """One source file.

    Attributes:
        name: Its dotted import name; a package's is the folder's.
    """

    name: str
    path: Path
    tree: ast.Module

    @property
    def package(self) -> str:
        """The dotted name that a relative import starts from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]


@dataclass(frozen=True)
class Import:
    """One imported name.

    Attributes:
        target: Dotted name of the module, with the imported member after it in a from-import.
        at_top: Runs when the module is imported: outside functions and not for type checkers alone.
    """

    target: str
    line: int
    at_top: bool


def parse(path: Path, name: str) -> Module:
    return Module(name, path, ast.parse(path.read_bytes(), str(path)))


def modules() -> list[Module]:
    found = []
    for package, folder in SOURCES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found.append(parse(path, ".".join([package, *(part for part in parts if part != "__init__")])))
    return found


def imports_of(module: Module) -> list[Import]:
    found: list[Import] = []

    def visit(node: ast.AST, at_top: bool) -> None:
        if isinstance(node, ast.Import):
            found.extend(Import(alias.name, node.lineno, at_top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = module.package.split(".")[: len(module.package.split(".")) - node.level + 1]
                base = ".".join([*above, *([node.module] if node.module else [])])
            found.extend(Import(f"{base}.{alias.name}", node.lineno, at_top) for alias in node.names)
        elif isinstance(node, ast.If) and _is_type_checking(node.test):
            for child in node.body:
                visit(child, False)
            for child in node.orelse:
                visit(child, at_top)
        else:
            inner = at_top and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for child in ast.iter_child_nodes(node):
                visit(child, inner)

    visit(module.tree, True)
    return found


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def top_level(name: str) -> str:
    return name.partition(".")[0]


MODULES = modules()


def calls(module: Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(module.tree) if isinstance(node, ast.Call))


def test_every_layer_has_modules() -> None:
    assert {top_level(module.name) for module in MODULES} == set(LAYERS)


def test_imports_point_down() -> None:
    wrong = [
        f"{module.name}:{item.line} imports {item.target}"
        for module in MODULES
        for item in imports_of(module)
        if top_level(item.target) in LAYERS[LAYERS.index(top_level(module.name)) + 1 :]
    ]
    assert not wrong


def test_nothing_heavy_is_imported_at_the_top() -> None:
    heavy = [
        f"{module.name}:{item.line} imports {item.target}"
        for module in MODULES
        for item in imports_of(module)
        if item.at_top and top_level(item.target) in HEAVY
    ]
    assert not heavy


@pytest.mark.parametrize("module", ["keyring_bridge", "keyring_bridge.cli.main", "keyring_plugin.main"])
def test_what_starts_a_process_loads_nothing_heavy(module: str) -> None:
    script = f"import sys; import {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    environment = {
        "PYTHONPATH": ":".join(str(folder.parent) for folder in SOURCES.values()),
        "PATH": os.environ["PATH"],
    }
    answer = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert not HEAVY & set(answer.stdout.split())


def test_cosmos_is_never_imported_as_a_package() -> None:
    # cosmpy and VirtEngine's SDK have a package of that name; a bare import would bind ours, which is only a folder.
    sources = [*MODULES, *(parse(path, path.stem) for folder in ALL_PYTHON for path in folder.rglob("*.py"))]
    assert not [
        f"{module.path}:{item.line}"
        for module in sources
        for item in imports_of(module)
        if top_level(item.target) == "cosmos"
    ]
    assert not (ROOT / "cosmos" / "__init__.py").exists()


def test_nothing_prints() -> None:
    # The plugin's standard output belongs to JSON-RPC.
    assert not [
        f"{module.name}:{node.lineno}"
        for module in MODULES
        for node in calls(module)
        if isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


def test_only_what_was_run_as_a_program_exits() -> None:
    exits = {"sys.exit", "os._exit", "exit", "quit"}
    assert not [
        f"{module.name}:{node.lineno}"
        for module in MODULES
        for node in calls(module)
        if ast.unparse(node.func) in exits
        and not module.name.startswith("keyring_bridge.cli")
        and module.name not in {"keyring_plugin.main", "keyring_plugin.__main__"}
    ]


def test_one_module_knows_the_json_rpc_library() -> None:
    knowing = {
        module.name
        for module in MODULES
        if any(top_level(item.target) in {"jsonrpcserver", "oslash", "jsonschema"} for item in imports_of(module))
    }
    assert knowing == {"keyring_plugin.dispatch"}


def sign_calls(module: Module) -> list[str]:
    """Calls of a method ``sign`` whose receiver is not known to lead through the pipeline."""
    return [
        f"{module.name}:{node.lineno} calls {ast.unparse(node.func)}"
        for node in calls(module)
        if isinstance(node.func, ast.Attribute)
        and node.func.attr in {"sign", "_sign"}
        and ast.unparse(node.func.value).rpartition(".")[2] not in THROUGH_THE_PIPELINE
    ]


THROUGH_THE_PIPELINE = frozenset({"self", "bridge", "_bridge", "keyring", "_keyring", "client", "_client"})
MAY_SIGN = {
    "keyring_bridge.bridge": "the pipeline itself",
    "keyring_bridge.testing": "contract tests, which examine a provider by itself",
}


def test_only_the_pipeline_asks_a_provider_to_sign() -> None:
    outside = [
        call
        for module in MODULES
        if module.name not in MAY_SIGN and not module.name.startswith("keyring_bridge.providers.")
        for call in sign_calls(module)
    ]
    assert not outside


def test_no_provider_signs_through_another() -> None:
    assert not [
        call
        for module in MODULES
        if module.name.startswith("keyring_bridge.providers.")
        for call in sign_calls(module)
        if "provider" in call.rpartition(" ")[2]
    ]


def test_the_rules_see_what_they_forbid(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        "import coincurve\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import pkcs11\n"
        "def later(key, bridge):\n"
        "    from ..keyring_plugin import server\n"
        "    import cosmos.base\n"
        "    key.provider.sign(b'')\n"
        "    bridge.sign(b'')\n"
    )
    module = parse(path, "keyring_bridge.sub.module")
    at_top = {item.target: item.at_top for item in imports_of(module)}
    assert at_top == {
        "coincurve": True,
        "typing.TYPE_CHECKING": True,
        "pkcs11": False,
        "keyring_bridge.keyring_plugin.server": False,
        "cosmos.base": False,
    }
    assert sign_calls(module) == ["keyring_bridge.sub.module:8 calls key.provider.sign"]


def test_no_module_hides_a_standard_one_that_it_uses() -> None:
    assert not [
        f"{module.name}:{item.line}"
        for module in MODULES
        for item in imports_of(module)
        if (stem := module.name.rpartition(".")[2]) in sys.stdlib_module_names and top_level(item.target) == stem
    ]


def test_modules_are_about_one_thing() -> None:
    assert not [module.name for module in MODULES if len(module.path.read_text().splitlines()) > 500]


def test_no_test_can_skip() -> None:
    # What CI promised (SoftHSM2, Go, a compiler) is there; a test that misses it fails.
    words = ("pytest.skip(", "importorskip", "mark.skip", "mark.xfail", "skipif")
    assert not [
        f"{path}: {word}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if path != Path(__file__)
        for word in words
        if word in path.read_text()
    ]
