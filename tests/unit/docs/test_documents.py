"""What the documents say must be so: links lead somewhere, commands parse, code compiles, files exist."""

from __future__ import annotations

import ast
import os
import re
import shlex
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = [ROOT / name for name in ("README.md", "SECURITY.md", "CHANGELOG.md")] + sorted(
    (ROOT / "docs").glob("*.md")
)
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")

KNOWN = {"git", "cd", "pip", "python", "keyring-plugin", "export", "eval", "source", "echo", "cat", "virtengine"}
"""Programs that a reader has, or that are checked elsewhere."""

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def blocks(document: Path, *languages: str) -> list[str]:
    return [body for language, body in FENCE.findall(document.read_text()) if language in languages]


def commands(document: Path) -> list[list[str]]:
    """Every command line of the document's shell blocks, without prompts, output and remarks."""
    found = []
    for block in blocks(document, "sh", "bash", "shell", "console"):
        lines = block.replace("\\\n", " ").splitlines()
        if any(line.startswith("$ ") for line in lines):
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        found += [words for line in lines for words in programs(line)]
    return found


def programs(line: str) -> list[list[str]]:
    """The programs of one command line with their arguments."""
    found: list[list[str]] = [[]]
    words = iter(shlex.split(line, comments=True))
    for word in words:
        if word in {"|", "&&", ";"}:
            found.append([])
        elif word in {">", ">>", "<", "2>"}:
            next(words)
        elif found[-1] or not re.fullmatch(r"\w+=.*", word):
            found[-1].append(word)
    return [one for one in found if one]


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_document
def test_links_lead_somewhere(document: Path) -> None:
    for target in LINK.findall(FENCE.sub("", document.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        place = (document.parent / name).resolve() if name else document
        assert place.exists(), target
        if anchor:
            assert anchor in anchors(place), target


@each_document
def test_commands_exist(document: Path) -> None:
    from keyring_bridge.cli.parser import build_parser

    for words in commands(document):
        program = words[0]
        if program == "hsm":
            arguments = [re.sub(r"^<.*>$", "x", word) for word in words[1:]]
            if not {"--help", "--version", "-h"} & set(arguments):
                build_parser().parse_args(arguments)
        elif program.startswith("./"):
            assert os.access(ROOT / program, os.X_OK), program
        else:
            assert program in KNOWN, words


@each_document
def test_code_compiles(document: Path) -> None:
    for block in blocks(document, "python"):
        compile(block, str(document), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@each_document
def test_configuration_parses(document: Path) -> None:
    for block in blocks(document, "toml"):
        tomllib.loads(block)


def test_the_index_names_every_document() -> None:
    text = (ROOT / "docs" / "index.md").read_text()
    missing = [path.name for path in DOCUMENTS if path.parent.name == "docs" and f"({path.name})" not in text]
    assert missing == ["index.md"]


def test_the_readme_has_the_two_commands() -> None:
    assert {("./scripts/demo.sh",), ("./scripts/test.sh",)} <= {tuple(words) for words in commands(ROOT / "README.md")}


def test_the_picture_is_of_a_session_that_can_happen() -> None:
    from keyring_bridge.cli.parser import build_parser

    picture = (ROOT / "docs" / "demo.svg").read_text()
    shown = [re.sub(r"<[^>]+>", "", line) for line in re.findall(r"<text[^>]*>(.*?)</text>", picture)]
    lines = [shlex.split(line[2:]) for line in shown if line.startswith("$ ")]
    programs = [words for words in lines if words[0] == "hsm"]
    assert len(programs) >= 4
    for words in programs:
        build_parser().parse_args(words[1:])
    assert ["python", "examples/cosmpy_send.py"] in [words[:2] for words in lines]
    assert any(re.search(r"CKA_EXTRACTABLE +false", line) for line in shown)


def test_the_readmes_script_is_the_example() -> None:
    # The README shows a part of the example that the demonstration runs, not a text of its own.
    example = (ROOT / "examples" / "cosmpy_send.py").read_text().splitlines()
    for block in blocks(ROOT / "README.md", "python"):
        lines = [line.strip() for line in block.splitlines() if line.strip()]
        assert not [line for line in lines if line not in {known.strip() for known in example}]


def test_the_differences_from_the_sdk_are_those_that_the_go_module_finds() -> None:
    table = (ROOT / "plugin/go/hsm/testdata/differences.md").read_text().strip()
    assert f"-->\n{table}\n<!-- end -->" in (ROOT / "docs/keyring-semantics.md").read_text()
