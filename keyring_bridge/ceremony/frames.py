"""Messages between a ceremony and its child process: facts in JSON, and secrets beside them in buffers.

A message is the length of a JSON object (4 bytes, big-endian), the object, and as many secrets as its member
``secrets`` says, each with its length before it. Nothing is written anywhere but into the pipe.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from keyring_bridge.secrets import SecretBytes

LARGEST: Final = 1 << 20
"""Most bytes of an object and of a secret."""

MOST_SECRETS: Final = 1024


class Torn(Exception):
    """The pipe ended inside a message, or what came is none."""


def send(descriptor: int, facts: Mapping[str, object], secrets: Sequence[SecretBytes | bytes] = ()) -> None:
    """Write one message (OSError: nobody reads it)."""
    head = json.dumps({**facts, "secrets": len(secrets)}).encode("ascii")
    _write(descriptor, len(head).to_bytes(4) + head)
    for secret in secrets:
        content = secret.reveal() if isinstance(secret, SecretBytes) else secret
        _write(descriptor, len(content).to_bytes(4))
        _write(descriptor, content)


def receive(descriptor: int) -> tuple[dict[str, Any], list[SecretBytes]]:
    """Read one message; the caller wipes the secrets.

    Raises:
        Torn: It is none.
    """
    head = _read(descriptor)
    try:
        facts = json.loads(head)
        count = facts.pop("secrets")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Torn("not a message") from None
    if type(count) is not int or not 0 <= count <= MOST_SECRETS:
        raise Torn("too many secrets")
    secrets: list[SecretBytes] = []
    try:
        while len(secrets) < count:
            secrets.append(SecretBytes(_read(descriptor)))
    except BaseException:
        for secret in secrets:
            secret.wipe()
        raise
    return facts, secrets


def _write(descriptor: int, data: bytes | bytearray) -> None:
    with memoryview(data) as rest:
        sent = 0
        while sent < len(rest):
            sent += os.write(descriptor, rest[sent:])


def _read(descriptor: int) -> bytearray:
    size = int.from_bytes(_exactly(descriptor, 4))
    if size > LARGEST:
        raise Torn("too large")
    return _exactly(descriptor, size)


def _exactly(descriptor: int, size: int) -> bytearray:
    buffer = bytearray(size)
    filled = 0
    with memoryview(buffer) as view:
        while filled < size:
            count = os.readv(descriptor, [view[filled:]])
            if count == 0:
                raise Torn("the pipe ended")
            filled += count
    return buffer
