"""SoftHSM2 for tests.

SoftHSM2 reads ``SOFTHSM2_CONF`` when it is initialised (C_Initialize), and the bridge initialises a module once per
process. So there are two ways to be isolated:

* A test that starts processes gives each of them ``SoftHsm.env``. Nothing else is needed.
* A test that uses the provider in its own process takes the fixture ``softhsm``: a fresh token directory, with the
  environment set. Before and after the test every PKCS#11 module of this process is finalised, so the next
  provider that connects reads the new configuration. Close your providers before the test ends.

Tokens are made by ``softhsm2-util`` in a process of its own. A module that is initialised already does not notice
tokens that other processes make, so make them before a provider connects (for that reason ``create_token``
finalises the modules of this process).

A missing SoftHSM2 is a failure, never a skip.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_PLACES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/lib/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)


def find_library() -> Path:
    """Return SoftHSM2's module on this machine; fail if there is none."""
    for place in _PLACES:
        if Path(place).is_file():
            return Path(place)
    pytest.fail("SoftHSM2 is not installed (apt-get install softhsm2)")


def finalize_modules() -> None:
    """Finalise every PKCS#11 module that the bridge initialised in this process."""
    if "keyring_bridge.providers.pkcs11.module" in sys.modules:
        from keyring_bridge.providers.pkcs11.module import finalize_all

        finalize_all()


@dataclass(frozen=True, slots=True)
class SoftToken:
    """An initialised token, with the PINs that open it."""

    label: str
    serial: str
    slot_id: int
    pin: str
    so_pin: str
    pin_file: Path


class SoftHsm:
    """An isolated SoftHSM2: its own configuration and token directory inside ``directory``.

    Attributes:
        library: Path of the module.
        env: Environment variables that a process needs to see these tokens.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.token_dir = directory / "tokens"
        self.token_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.conf = directory / "softhsm2.conf"
        self.conf.write_text(
            f"directories.tokendir = {self.token_dir}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        self.env = {"SOFTHSM2_CONF": str(self.conf)}
        self.library = find_library()

    def create_token(self, label: str = "bridge", *, pin: str = "648219", so_pin: str = "53771904") -> SoftToken:
        """Initialise another token; a file with its PIN (0600) lies beside the configuration."""
        finalize_modules()
        before = {serial for _, serial, _ in self._slots()}
        self._util("--init-token", "--free", "--label", label, "--so-pin", so_pin, "--pin", pin)
        slot_id, serial, _ = next(slot for slot in self._slots() if slot[1] not in before)
        return SoftToken(label, serial, slot_id, pin, so_pin, self.write_pin(pin, f"{serial}.pin"))

    def write_pin(self, pin: str, name: str = "pin") -> Path:
        """Write a PIN file that only its owner can read."""
        path = self.directory / name
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(pin + "\n")
        return path

    def options(self, token: SoftToken, **changes: object) -> dict[str, object]:
        """Options of a ``pkcs11`` provider for this token; ``changes`` add to them or (with None) take away."""
        options: dict[str, object] = {
            "library": str(self.library),
            "token_label": token.label,
            "pin_source": f"file:{token.pin_file}",
            **changes,
        }
        return {name: value for name, value in options.items() if value is not None}

    def _util(self, *arguments: str) -> str:
        command = ["softhsm2-util", *arguments]
        result = subprocess.run(command, env={**os.environ, **self.env}, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"softhsm2-util failed: {result.stdout} {result.stderr}"
        return result.stdout

    def _slots(self) -> list[tuple[int, str, str]]:
        """Slot id, serial and label of every initialised token."""
        tokens = []
        for block in re.split(r"^Slot ", self._util("--show-slots"), flags=re.MULTILINE)[1:]:
            serial = re.search(r"Serial number: *(\S+)", block)
            label = re.search(r"Label: *(.*?)\s*$", block, flags=re.MULTILINE)
            if serial is not None and label is not None:
                tokens.append((int(block.split()[0]), serial[1], label[1]))
        return tokens


@pytest.fixture
def softhsm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoftHsm]:
    """An isolated SoftHSM2 that this process sees too (see the module's text)."""
    hsm = SoftHsm(tmp_path / "softhsm")
    finalize_modules()
    for name, value in hsm.env.items():
        monkeypatch.setenv(name, value)
    yield hsm
    finalize_modules()
