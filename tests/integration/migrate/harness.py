"""What a token and a source are before and after a migration, as somebody else sees them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.softhsm import find_library

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli.harness import Cli

KINDS = ("DATA", "PUBLIC_KEY", "PRIVATE_KEY")

_COUNT = """
import sys, tomllib
import json, pkcs11
from pkcs11 import Attribute, ObjectClass
options = tomllib.load(open(sys.argv[1], "rb"))["providers"]["pkcs11"]
pin = open(options["pin_source"].removeprefix("file:")).read().strip()
token = pkcs11.lib(sys.argv[2]).get_token(token_label=options["token_label"])
with token.open(user_pin=pin) as session:
    kinds = (ObjectClass.DATA, ObjectClass.PUBLIC_KEY, ObjectClass.PRIVATE_KEY)
    found = [(kind.name, one) for kind in kinds for one in session.get_objects({Attribute.CLASS: kind})]
    print(json.dumps([(kind, one[Attribute.LABEL]) for kind, one in found]))
"""


def objects(user: Cli) -> Counter[tuple[str, str]]:
    """Kind and label of every object in the user's token, as another PKCS#11 program finds them in SoftHSM2 itself."""
    command = [sys.executable, "-c", _COUNT, str(user.config), str(find_library())]
    done = subprocess.run(command, env=user.env, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Counter((kind, label) for kind, label in json.loads(done.stdout))


def whole(*names: str) -> Counter[tuple[str, str]]:
    """The objects of keys that are there once and completely."""
    return Counter((kind, name) for name in names for kind in KINDS)


def records(user: Cli) -> set[str]:
    """Names of all records."""
    return {record["name"] for record in user.json("keys", "list")}


@contextmanager
def unchanged(source: Path) -> Iterator[None]:
    """Check that everything below a folder is byte for byte, and with its modes and times, what it was before."""
    before = _state(source)
    yield
    assert _state(source) == before


def _state(source: Path) -> dict[str, tuple[object, ...]]:
    state = {}
    for path in [source, *source.rglob("*")]:
        found = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        state[str(path)] = (found.st_mode, found.st_uid, found.st_mtime_ns, found.st_ino, content)
    return state
