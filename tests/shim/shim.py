"""Builds and steers the PKCS#11 test shim (``shim.c``).

The shim is a PKCS#11 module that forwards to SoftHSM2 and follows a control file, which may be replaced while it
runs. One rule per line:

====================================  =======================================================================
``quirk raw_ec_point``                CKA_EC_POINT without its DER header
``quirk point_on_private``            CKA_EC_POINT on private keys only
``quirk printable_params``            CKA_EC_PARAMS as PrintableString
``quirk montgomery``                  x25519 only by the key type and the mechanism of PKCS#11 3.0
``quirk extractable_default``         a private key is EXTRACTABLE unless its template says otherwise
``quirk ignore_extractable``          a private key is EXTRACTABLE whatever its template says
``quirk wrap_untrusted``              a private key may be wrapped by any key, whatever its template says
``quirk user_trusts``                 the user can make wrapping keys that are trusted
``quirk fresh_tables``                each C_GetFunctionList answers a table of its own, as p11-kit's proxy does
``delay C_Sign 20``                   20 ms before every call
``fail C_Sign 3 b3``                  the third call since this control file answers 0xb3 (``3+``: all from the third
                                      on, ``*``: every call); each process counts by itself
``hang C_Sign 1``                     the first call does not come back until the rule is gone (no number: all)
``signature half``                    also ``long``, ``garbage``, ``wrong_key``, ``lost`` (the token signs, then
                                      answers SESSION_HANDLE_INVALID), ``nonce_one SCALARHEX`` (valid secp256k1
                                      signatures of that key that all have the same r)
``removed``                           the token is not in its slot; its sessions and login are gone for good
``token_flags 40000``                 flags added to what C_GetTokenInfo says (0x10000 count low, 0x20000 final
                                      try, 0x40000 locked)
====================================  =======================================================================
"""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.softhsm import SoftHsm

SOURCE = Path(__file__).parent / "shim.c"

SESSION_HANDLE_INVALID = 0xB3
OBJECT_HANDLE_INVALID = 0x82
KEY_HANDLE_INVALID = 0x60
DEVICE_ERROR = 0x30
DEVICE_MEMORY = 0x31
DEVICE_REMOVED = 0x32
PIN_LOCKED = 0xA4


def build(directory: Path) -> Path:
    """Compile the shim into ``directory`` and return the module."""
    module = directory / "shim.so"
    if not module.exists():
        command = ["gcc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
        command += ["-fvisibility=hidden", "-o", str(module), str(SOURCE), "-ldl", "-lpthread"]
        subprocess.run(command, check=True, capture_output=True, text=True)
    return module


class Shim:
    """A shim in front of an isolated SoftHSM2.

    Attributes:
        library: The compiled module; configure it in place of SoftHSM's.
        env: What a process that loads it needs in its environment (SoftHSM's own included).
    """

    def __init__(self, softhsm: SoftHsm, library: Path) -> None:
        self.softhsm = softhsm
        self.library = library
        self._control = softhsm.directory / "shim.control"
        self._trace = softhsm.directory / "shim.trace"
        self.env = {
            **softhsm.env,
            "SHIM_LIBRARY": str(softhsm.library),
            "SHIM_CONTROL": str(self._control),
            "SHIM_TRACE": str(self._trace),
        }
        self.control()

    def control(self, *rules: str) -> None:
        """Replace the rules; without any the shim only forwards. Counts of calls start again."""
        fresh = self._control.with_suffix(".new")
        fresh.write_text("".join(f"{rule}\n" for rule in rules))
        os.replace(fresh, self._control)

    def clear_trace(self) -> None:
        """Forget the calls so far."""
        self._trace.unlink(missing_ok=True)

    def outcomes(self) -> list[tuple[str, int]]:
        """Names and return values of the calls that ended since :meth:`clear_trace`, in order."""
        if not self._trace.exists():
            return []
        lines = [line.split() for line in self._trace.read_text().splitlines()]
        return [(name, int(rv, 16)) for name, rv in lines]

    def trace(self) -> list[str]:
        """Names of the calls that ended since :meth:`clear_trace`, in order."""
        return [name for name, _ in self.outcomes()]

    def calls(self) -> Counter[str]:
        """How often each function was called since :meth:`clear_trace`."""
        return Counter(self.trace())


@pytest.fixture(scope="session")
def shim_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled shim, one per test session."""
    return build(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def shim(softhsm: SoftHsm, shim_library: Path, monkeypatch: pytest.MonkeyPatch) -> Shim:
    """A shim in front of the fixture ``softhsm``, usable in this process."""
    made = Shim(softhsm, shim_library)
    for name, value in made.env.items():
        monkeypatch.setenv(name, value)
    return made
