"""Splitting a secret into shares and putting it together again (SLIP-39), in a child process.

The child's memory, with all that libraries leave in it, is gone when it has answered (:mod:`.shares_child`). What comes
back is kept in buffers that are wiped.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from keyring_bridge.ceremony import errors, frames
from keyring_bridge.errors import InvalidRequest
from keyring_bridge.secrets import SecretBytes

if TYPE_CHECKING:
    from keyring_bridge.ceremony.scheme import Scheme

_ERRORS: Mapping[str, type[errors.CeremonyError]] = {
    kind.code: kind
    for kind in (
        *(errors.CeremonyError, errors.ShareError, errors.ShareMistyped, errors.SharesTooFew),
        *(errors.SharesMixed, errors.SharesSpoilt),
    )
}


def split(scheme: Scheme, secret: SecretBytes, passphrase: SecretBytes | None = None) -> list[SecretBytes]:
    """Return the shares of a secret, in the order of ``scheme.members``; each is 33 words.

    Args:
        scheme: Groups and counts.
        secret: 32 bytes.
        passphrase: Printable ASCII, without which the shares give another secret; None for none.

    Raises:
        InvalidRequest: The passphrase has other characters.
        SharesSpoilt: The shares would not give the secret again; none was handed out.
    """
    groups = [(group.threshold, group.count) for group in scheme.groups]
    _, made = _ask({"do": "split", "threshold": scheme.threshold, "groups": groups}, passphrase, [secret])
    return made


def combine(shares: Sequence[SecretBytes], passphrase: SecretBytes | None = None) -> SecretBytes:
    """Return the secret of shares, 32 bytes.

    A wrong passphrase gives another secret without any sign of it: compare what is made of the secret.

    Args:
        shares: The words of each; more than are needed are fine.
        passphrase: As for :func:`split`.

    Raises:
        InvalidRequest: The passphrase has other characters than printable ASCII.
        ShareMistyped: Words that are not a share's.
        SharesTooFew: More are needed.
        SharesMixed: Shares of different sets.
        SharesSpoilt: They do not fit each other.
    """
    _, made = _ask({"do": "combine"}, passphrase, shares)
    return made[0]


def _ask(
    facts: Mapping[str, object], passphrase: SecretBytes | None, secrets: Sequence[SecretBytes]
) -> tuple[dict[str, Any], list[SecretBytes]]:
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
        kind = _ERRORS.get(told["error"], errors.CeremonyError)
        raise kind(str(told["message"]), hint=told.get("hint"))
    return told, made
