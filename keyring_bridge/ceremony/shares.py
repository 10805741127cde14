"""Splitting a secret into shares and putting it together again (SLIP-39), in a child process.

The child's memory, with all that libraries leave in it, is gone when it has answered (:mod:`.shares_child`). What comes
back is kept in buffers that are wiped. Shares that go into files are sealed there, and opened there.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from keyring_bridge.ceremony import errors, frames
from keyring_bridge.errors import BridgeError, InvalidRequest
from keyring_bridge.secrets import SecretBytes

if TYPE_CHECKING:
    from keyring_bridge.ceremony.scheme import Scheme

FIRST_LINE: Final = "keyring-bridge share 1"
"""Of what is in a share's file, when it is opened."""


@dataclass(frozen=True, slots=True)
class Custody:
    """What becomes of one share.

    Attributes:
        label: Lines that stand above its words in the file; no secrets.
        recipient: The file is sealed for this ``age1…``; empty otherwise.
        passphrase: It is sealed under this; None otherwise. With neither the share comes back as words.
    """

    label: str = ""
    recipient: str = ""
    passphrase: SecretBytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Given:
    """One share that somebody brings.

    Attributes:
        content: Its words, or its sealed file.
        sealed: Whether it is a file.
        passphrase: What opens the file; None if identities do.
    """

    content: SecretBytes = field(repr=False)
    sealed: bool = False
    passphrase: SecretBytes | None = field(default=None, repr=False)


def split(
    scheme: Scheme, secret: SecretBytes, custody: Sequence[Custody], passphrase: SecretBytes | None = None
) -> list[SecretBytes]:
    """Return the shares of a secret, in the order of ``scheme.members``: sealed files, or 33 words each.

    Args:
        scheme: Groups and counts.
        secret: 32 bytes.
        custody: What becomes of each share.
        passphrase: Printable ASCII, without which the shares give another secret; None for none.

    Raises:
        InvalidRequest: The passphrase has other characters.
        SharesSpoilt: The shares would not give the secret again; none was handed out.
    """
    secrets = [secret]
    ways = []
    for one in custody:
        way: dict[str, object] = {"label": one.label, "recipient": one.recipient}
        if one.passphrase is not None:
            way["passphrase"] = len(secrets)
            secrets.append(one.passphrase)
        ways.append(way)
    groups = [(group.threshold, group.count) for group in scheme.groups]
    return _ask({"do": "split", "threshold": scheme.threshold, "groups": groups, "ways": ways}, passphrase, secrets)


def combine(
    given: Sequence[Given], passphrase: SecretBytes | None = None, identities: SecretBytes | None = None
) -> SecretBytes:
    """Return the secret of shares, 32 bytes.

    A wrong passphrase gives another secret without any sign of it: compare what is made of the secret.

    Args:
        given: The shares; more than are needed are fine.
        passphrase: As for :func:`split`.
        identities: age identities (``AGE-SECRET-KEY-1…``), a line each, that open files; None if none is needed.

    Raises:
        InvalidRequest: The passphrase has other characters than printable ASCII.
        ShareMistyped: Words that are not a share's.
        SharesTooFew: More are needed.
        SharesMixed: Shares of different sets.
        SharesSpoilt: They do not fit each other.
        BridgeError: A file cannot be opened; see :mod:`keyring_bridge.sealing.errors`.
    """
    secrets: list[SecretBytes] = []
    ways: list[dict[str, object]] = []
    for one in given:
        way: dict[str, object] = {"sealed": one.sealed}
        secrets.append(one.content)
        if one.passphrase is not None:
            way["passphrase"] = len(given) + sum("passphrase" in earlier for earlier in ways)
        ways.append(way)
    secrets += [one.passphrase for one in given if one.passphrase is not None]
    facts: dict[str, object] = {"do": "combine", "ways": ways}
    if identities is not None:
        facts["identities"] = len(secrets)
        secrets.append(identities)
    return _ask(facts, passphrase, secrets)[0]


def _ask(
    facts: Mapping[str, object], passphrase: SecretBytes | None, secrets: Sequence[SecretBytes]
) -> list[SecretBytes]:
    if passphrase is not None and not all(32 <= byte <= 126 for byte in passphrase.reveal()):
        raise InvalidRequest("a passphrase of SLIP-39 has only printable ASCII characters")
    # Without the current folder on the path: nobody's file there is taken for a module.
    command = [sys.executable, "-P", "-m", "keyring_bridge.ceremony.shares_child"]
    with subprocess.Popen(  # noqa: S603 - this program itself, without a shell
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True
    ) as child:
        if child.stdin is None or child.stdout is None:
            raise errors.CeremonyError("the process that splits secrets has no pipes")
        try:
            frames.send(child.stdin.fileno(), facts, [SecretBytes(b"") if passphrase is None else passphrase, *secrets])
            child.stdin.close()
            told, made = frames.receive(child.stdout.fileno())
        except (frames.Torn, OSError) as error:
            raise errors.CeremonyError(
                "the process that splits and combines secrets ended without an answer", detail=str(error)
            ) from None
    if "error" in told:
        raise _error(told)
    return made


def _error(told: Mapping[str, Any]) -> BridgeError:
    """Return the error that the child tells of."""
    from keyring_bridge.sealing import errors as sealing

    kinds: dict[str, type[BridgeError]] = {}
    for module in (errors, sealing):
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, BridgeError):
                kinds[kind.code] = kind
    made = kinds.get(told["error"], errors.CeremonyError)
    return made(str(told["message"]), hint=told.get("hint"), detail=told.get("detail"))
