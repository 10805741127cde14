"""Measures what a signature costs beyond C_SignInit and C_Sign, by way of calling them. Run it as

    python -m tests.integration.pkcs11.measure_binding

It prints medians of one run, taken in turns, because the machine's speed changes from second to second:

* ``C``: both calls in a C loop
* ``session``: the provider's own way, ctypes function pointers and a fixed buffer
* ``provider``: ``Pkcs11Provider.sign`` with all it does (pool, key lookup, checks)
* ``binding``: python-pkcs11's ``key.sign``, which calls C_Sign twice
* ``binding, found``: the same with the key looked up by its id each time
"""

from __future__ import annotations

import ctypes
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cosmos_formats.pubkeys import KeyType
from keyring_bridge.login_guard import LoginGuard
from keyring_bridge.model import KeySpec
from keyring_bridge.providers.base import ProviderContext
from keyring_bridge.providers.pkcs11 import Pkcs11Provider
from tests.softhsm import SoftHsm

ROUNDS, BATCH = 60, 12

LOOP = r"""
#include <time.h>
typedef unsigned long U;
void loop(U (*init)(U, void *, U), U (*sign)(U, void *, U, void *, U *), U session, void *mechanism, U key, void *data,
          U size, double *out, int rounds) {
    unsigned char signature[256];
    struct timespec a, b;
    for (int i = 0; i < rounds; i++) {
        U length = sizeof signature;
        clock_gettime(CLOCK_MONOTONIC, &a);
        init(session, mechanism, key);
        sign(session, data, size, signature, &length);
        clock_gettime(CLOCK_MONOTONIC, &b);
        out[i] = (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3;
    }
}
"""


def build(directory: Path) -> ctypes.CDLL:
    """Compile the C loop."""
    source, library = directory / "loop.c", directory / "loop.so"
    source.write_text(LOOP)
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return ctypes.CDLL(str(library))


def timed(sign: Callable[[], object]) -> list[float]:
    """Microseconds of each of some calls."""
    taken = []
    for _ in range(BATCH):
        begun = time.perf_counter_ns()
        sign()
        taken.append((time.perf_counter_ns() - begun) / 1e3)
    return taken


def measure(provider: Pkcs11Provider, loop: ctypes.CDLL, key_type: KeyType, payload: bytes) -> dict[str, list[float]]:
    """Return the times of every way to sign with a new key."""
    from pkcs11 import Attribute, Mechanism, ObjectClass

    key = provider.generate_key(KeySpec(f"measured {key_type}", key_type))
    provider.sign(key.ref, payload)
    connection = provider.connector.current
    assert connection is not None
    session = connection.pool.borrow(None)
    bound = session.keys[key.uri]
    cryptoki = connection.module.cryptoki
    mechanism = Mechanism.EDDSA if key_type is KeyType.ED25519 else Mechanism.ECDSA
    template = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.ID: key.key_id}
    (found,) = session.binding.get_objects(template)

    def in_c() -> list[float]:
        out = (ctypes.c_double * BATCH)()
        init, sign = (ctypes.cast(f, ctypes.c_void_p) for f in (cryptoki.sign_init, cryptoki.sign))  # type: ignore[arg-type]
        address, handle = ctypes.c_void_p(bound.mechanism), ctypes.c_ulong(bound.handle)
        number, size = ctypes.c_ulong(session.handle), ctypes.c_ulong(len(payload))
        loop.loop(init, sign, number, address, handle, payload, size, out, BATCH)
        return list(out)

    def looked_up() -> bytes:
        (again,) = session.binding.get_objects(template)
        return bytes(again.sign(payload, mechanism=mechanism))  # type: ignore[attr-defined]  # a mixin's method

    ways: dict[str, Callable[[], list[float]]] = {
        "C": in_c,
        "session": lambda: timed(lambda: session.sign(bound, payload)),
        "provider": lambda: timed(lambda: provider.sign(key.ref, payload)),
        "binding": lambda: timed(lambda: found.sign(payload, mechanism=mechanism)),  # type: ignore[attr-defined]
        "binding, found": lambda: timed(looked_up),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(ROUNDS):
        for name in sorted(ways, reverse=turn % 2 == 1):
            times[name] += ways[name]()
    connection.pool.give_back(session)
    return times


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        softhsm = SoftHsm(directory)
        token = softhsm.create_token()
        os.environ.update(softhsm.env)
        context = ProviderContext("measure", directory, LoginGuard(directory / "logins"))
        provider = Pkcs11Provider(softhsm.options(token), context)
        loop = build(directory)
        for key_type, payload in ((KeyType.SECP256K1, os.urandom(32)), (KeyType.ED25519, os.urandom(200))):
            times = {way: sorted(taken) for way, taken in measure(provider, loop, key_type, payload).items()}
            base = statistics.median(times["C"])
            for way, taken in times.items():
                middle, low = statistics.median(taken), taken[len(taken) // 10] - times["C"][len(taken) // 10]
                sys.stdout.write(
                    f"{key_type:10} {way:15} p50 {middle:7.1f} µs  {middle / base:.3f} x  "
                    f"{middle - base:+6.1f} µs  (p10 {low:+5.1f} µs)\n"
                )
        provider.close()


if __name__ == "__main__":
    main()
