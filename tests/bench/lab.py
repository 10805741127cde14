"""A token with a key, and configurations that use it, for one run of the benches."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.contestants import CHAIN, KEY
from tests.shim.shim import Shim, build
from tests.softhsm import SoftHsm, SoftToken

MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Lab:
    """What the sections measure with.

    Attributes:
        disk: A private directory on disk.
        memory: One in memory.
        env: Environment of every process that is measured.
    """

    disk: Path
    memory: Path
    softhsm: SoftHsm
    token: SoftToken
    env: Mapping[str, str]

    def copy(self, name: str, *, memory: bool, library: Path | None = None) -> Path:
        """Return the configuration file of a further bridge: same key, but records and audit log of its own."""
        folder = (self.memory if memory else self.disk) / name
        shutil.copytree(self.disk / "first", folder)
        config = folder / "config.toml"
        if library is not None:
            config.write_text(config.read_text().replace(str(self.softhsm.library), str(library)))
        return config

    def shim(self) -> Shim:
        """Return the shim in front of the token."""
        return Shim(self.softhsm, build(self.disk))


@contextmanager
def open_lab() -> Iterator[Lab]:
    """Make the token, its key and the first configuration; remove everything at the end."""
    # An absent bytecode cache would be measured as slow imports.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["PATH"] = f"{sysconfig.get_path('scripts')}{os.pathsep}{env['PATH']}"
    with tempfile.TemporaryDirectory(prefix="bench-") as disk, tempfile.TemporaryDirectory(dir=MEMORY) as memory:
        softhsm = SoftHsm(Path(disk) / "softhsm")
        token = softhsm.create_token("bench")
        env.update(softhsm.env)
        first = Path(disk) / "first"
        first.mkdir(mode=0o700)
        config = first / "config.toml"
        config.write_text(
            f"""\
version = 1
chain_id = "{CHAIN}"
state_dir = "state"
policy = "policy.toml"
audit = "audit.jsonl"
default_provider = "token"

[providers.token]
backend = "pkcs11"
library = "{softhsm.library}"
token_label = "{token.label}"
pin_source = "file:{token.pin_file}"
"""
        )
        config.chmod(0o600)
        subprocess.run(
            ["hsm", "--config", str(config), "keygen", "--label", KEY, "--key-type", "secp256k1"],
            env=env,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        yield Lab(Path(disk), Path(memory), softhsm, token, env)
