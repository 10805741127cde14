"""Copies of a user's bridge and tokens, to go back to, and what another program finds in a token."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.softhsm import find_library

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli

COUNT = """
import sys, tomllib
from collections import Counter
import json, pkcs11
options = tomllib.load(open(sys.argv[1], "rb"))["providers"]["pkcs11"]
pin = open(options["pin_source"].removeprefix("file:")).read().strip()
token = pkcs11.lib(sys.argv[2]).get_token(token_label=options["token_label"])
with token.open(user_pin=pin) as session:
    objects = list(session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}))
    print(json.dumps(Counter(found.label for found in objects)))
"""


def private_objects(user: Cli) -> Counter[str]:
    """Labels of all private keys in the token, as another PKCS#11 program sees them."""
    done = subprocess.run(
        [sys.executable, "-c", COUNT, str(user.config), str(find_library())],
        env=user.env,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return Counter(json.loads(done.stdout))


def snapshot(user: Cli, to: Path, *more: Path) -> Path:
    """Copy the bridge's folder, its tokens, and other folders."""
    for folder in (user.folder, user.home.parent / "softhsm", *more):
        shutil.copytree(folder, to / folder.name, symlinks=True)
    return to


def restore(user: Cli, kept: Path, *more: Path) -> None:
    """Put back what :func:`snapshot` copied."""
    for folder in (user.folder, user.home.parent / "softhsm", *more):
        shutil.rmtree(folder)
        shutil.copytree(kept / folder.name, folder, symlinks=True)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
