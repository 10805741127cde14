"""Many threads for a while, in a process of its own: a module that is used wrongly ends it with a signal."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.softhsm import SoftHsm, SoftToken

pytestmark = pytest.mark.softhsm

STRESS = """
import json, os, sys, threading, time
from pathlib import Path
from cosmos_formats.pubkeys import KeyType
from keyring_bridge.login_guard import LoginGuard
from keyring_bridge.model import KeySpec
from keyring_bridge.providers.base import ProviderContext
from keyring_bridge.providers.pkcs11 import Pkcs11Provider
import coincurve

library, pin_file, folder, options = sys.argv[1:]
context = ProviderContext("test", Path(folder), LoginGuard(Path(folder, "logins")))
provider = Pkcs11Provider({"library": library, "pin_source": f"file:{pin_file}", **json.loads(options)}, context)
keys = [provider.generate_key(KeySpec(f"k{n}", KeyType.SECP256K1)) for n in range(4)]
public = [coincurve.PublicKey(key.public_key.data) for key in keys]
for key in keys:
    provider.sign(key.ref, bytes(32))
count, bad = [0] * 8, []

def normalised(signature):
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    s = int.from_bytes(signature[32:])
    return signature[:32] + min(s, order - s).to_bytes(32)

def work(number, threads, end):
    from coincurve.ecdsa import cdata_to_der, deserialize_compact
    while time.monotonic() < end:
        digest = os.urandom(32)
        which = (number + count[number]) % 4
        signature = provider.sign(keys[which].ref, digest)
        der = cdata_to_der(deserialize_compact(normalised(signature)))
        if not public[which].verify(der, digest, hasher=None):
            bad.append(number)
        count[number] += 1

def run(threads, seconds):
    count[:] = [0] * 8
    end = time.monotonic() + seconds
    workers = [threading.Thread(target=work, args=(n, threads, end)) for n in range(threads)]
    for worker in workers: worker.start()
    for worker in workers: worker.join()
    return sum(count) / seconds

one = run(1, 1.0)
eight = run(8, 4.0)
provider.close()
print(json.dumps({"one": one, "eight": eight, "bad": len(bad)}))
"""


@pytest.mark.parametrize("options", ["{}", '{"sessions": 3}', '{"session_per_operation": true}'])
def test_eight_threads_sign_at_once_without_a_crash(softhsm: SoftHsm, token: SoftToken, options: str) -> None:
    arguments = [str(softhsm.library), str(token.pin_file), str(softhsm.directory), options]
    result = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", STRESS, *arguments], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    figures = json.loads(result.stdout)
    assert figures["bad"] == 0
    assert figures["eight"] > 100
