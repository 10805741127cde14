"""Write the help of every command into docs/cli.md, between the markers that name the command.

Usage, from the repository root: ``python scripts/build_cli_docs.py [--check]``. With ``--check`` nothing is written,
and the exit code is 1 if the document is not what would be written.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from keyring_bridge.cli.parser import Parser, build_parser, define_all

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
WIDTH = "100"
_BLOCK = re.compile(r"(<!-- help: (hsm[a-z -]*) -->\n).*?(<!-- end -->)", re.DOTALL)


def helps(parser: Parser) -> Iterator[tuple[str, str]]:
    """Yield the words of every command with its help, without the options that all commands share."""
    shared = parser.format_help()
    yield parser.prog, shared if parser.prog == "hsm" else _own_part(shared)
    for child in parser.children.values():
        yield from helps(child)


def _own_part(text: str) -> str:
    return text.partition("\ncommon options:\n")[0].rstrip() + "\n"


def with_helps(document: str) -> str:
    """Return the document with every help block as the code has it now.

    Raises:
        SystemExit: A command has no block, or a block has no command.
    """
    os.environ["COLUMNS"] = WIDTH
    parser = build_parser()
    define_all(parser)
    known = dict(helps(parser))
    # A group's help only repeats the list of its commands.
    known = {words: text for words, text in known.items() if words == "hsm" or "COMMAND" not in text}
    found = [match[2] for match in _BLOCK.finditer(document)]
    if sorted(found) != sorted(known):
        raise SystemExit(f"blocks and commands differ: {sorted(set(found) ^ set(known))}")
    return _BLOCK.sub(lambda match: f"{match[1]}```text\n{known[match[2]]}```\n{match[3]}", document)


def main() -> int:
    """Write or check the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, tell by the exit code")
    arguments = parser.parse_args()
    before = DOCUMENT.read_text(encoding="utf-8")
    after = with_helps(before)
    if arguments.check:
        return int(before != after)
    DOCUMENT.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
