"""Importing the provider is cheap: its bindings are loaded when a token is opened."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {"pkcs11", "ctypes", "cryptography", "asn1crypto", "coincurve", "json", "tempfile", "subprocess"}


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "from keyring_bridge.providers.pkcs11 import Pkcs11Provider\n"
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(result.stdout.split()) & HEAVY == set()
