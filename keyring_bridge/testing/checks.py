"""What the contract checks with: assertions that need no pytest, payloads, and keys that are none."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator

from cosmos_formats.pubkeys import KeyType, PublicKey
from keyring_bridge.errors import BridgeError
from keyring_bridge.providers import private_keys

_THREADS = 6


def expect(condition: bool, problem: str) -> None:
    """Fail with ``problem`` unless the condition holds; unlike ``assert``, also under ``python -O``."""
    if not condition:
        raise AssertionError(problem)


def refuses(kind: type[BridgeError], call: Callable[..., object], *arguments: object, **named: object) -> None:
    """Fail unless the call raises ``kind``; an error from outside the tree shows by itself."""
    try:
        answer = call(*arguments, **named)
    except BridgeError as error:
        expect(isinstance(error, kind), f"{type(error).__name__} ({error}) instead of {kind.__name__}")
    else:
        raise AssertionError(f"answered {type(answer).__name__} instead of refusing with {kind.__name__}")


def payloads(key_type: KeyType) -> Iterable[bytes]:
    """Return what a key of this type must be able to sign."""
    if key_type is KeyType.ED25519:
        return (b"", b"\0", b"message", os.urandom(32), os.urandom(64), os.urandom(5000))
    return (bytes(32), b"\xff" * 32, *(hashlib.sha256(bytes((i,))).digest() for i in range(6)))


def other_public_keys(key_type: KeyType) -> Iterator[PublicKey]:
    """Yield a public key of the same type that is another, and one of each other type that signs."""
    for other in (key_type, *({KeyType.SECP256K1, KeyType.SECP256R1, KeyType.ED25519} - {key_type})):
        with private_keys.generate(other) as secret:
            yield private_keys.public_key_for(other, secret)


def bad_secrets(key_type: KeyType) -> Iterator[bytes]:
    """Yield what is no private key of this type: wrong lengths, and scalars out of range."""
    yield from (b"", b"\1", b"\1" * 31, b"\1" * 33, b"\1" * 64)
    order = private_keys.ORDER.get(key_type)
    if order is not None:
        number = int.from_bytes(order)
        yield from (bytes(32), order, (number + 1).to_bytes(32), b"\xff" * 32)


def in_threads(work: Callable[[int], None], meanwhile: Callable[[], None] | None = None) -> None:
    """Run ``work`` in several threads, and ``meanwhile`` in this one, and raise the first of their errors."""
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(_THREADS)]
    for thread in threads:
        thread.start()
    try:
        if meanwhile is not None:
            meanwhile()
    finally:
        for thread in threads:
            thread.join(60)
    expect(not any(thread.is_alive() for thread in threads), "a thread hangs")
    if errors:
        raise errors[0]
