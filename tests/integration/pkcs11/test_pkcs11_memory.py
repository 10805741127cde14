"""What a process that is logged in still has in its memory."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.softhsm import SoftHsm

pytestmark = pytest.mark.softhsm

SEARCH = '''
import os, re, sys
from pathlib import Path
from keyring_bridge.login_guard import LoginGuard
from keyring_bridge.model import KeySpec
from keyring_bridge.providers.base import ProviderContext
from keyring_bridge.providers.pkcs11 import Pkcs11Provider
from keyring_bridge.secrets import SecretBytes
from cosmos_formats.pubkeys import KeyType

library, pin_file, folder = sys.argv[1:]
context = ProviderContext("test", Path(folder), LoginGuard(Path(folder, "logins")))
provider = Pkcs11Provider({"library": library, "pin_source": f"file:{pin_file}"}, context)
key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
for _ in range(50):
    provider.sign(key.ref, os.urandom(32))

def places(reversed_secret: bytes) -> int:
    """Occurrences of a secret, which this program only holds backwards."""
    found = 0
    with open("/proc/self/mem", "rb", 0) as memory:
        for line in Path("/proc/self/maps").read_text().splitlines():
            begin, end = (int(part, 16) for part in line.split()[0].split("-"))
            if "r" not in line.split()[1] or "[v" in line:
                continue
            try:
                memory.seek(begin)
                content = memory.read(end - begin)
            except (OSError, ValueError, OverflowError):
                continue
            # Backwards, so that the search itself makes no copy of the secret.
            found += content[::-1].count(reversed_secret)
    return found

backwards = Path(folder, "backwards").read_bytes()
print(places(backwards), places(library.encode()[::-1]))
'''


def test_the_pin_is_not_in_memory_after_the_login(softhsm: SoftHsm) -> None:
    pin = "nIvAdO-7741-xEq"
    token = softhsm.create_token(pin=pin)
    (softhsm.directory / "backwards").write_text(pin[::-1])
    result = subprocess.run(
        [sys.executable, "-c", SEARCH, str(softhsm.library), str(token.pin_file), str(softhsm.directory)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stderr == ""
    found, found_in_a_search_for_something_present = map(int, result.stdout.split())
    assert found_in_a_search_for_something_present > 0
    assert found == 0
