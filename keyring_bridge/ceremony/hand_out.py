"""What leaves a ceremony: the ways to hand out what makes a key again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from keyring_bridge.ceremony.recipe import words_of
from keyring_bridge.ceremony.terminal import check_terminal, show_and_confirm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyring_bridge.secrets import SecretBytes


@dataclass(frozen=True, slots=True)
class Born:
    """A key that was just made, as those need to know it who keep what makes it again.

    Attributes:
        name: Of its record.
        address: As text, of an account or a consensus key.
        algorithm: Such as ``secp256k1``.
        path: Where it is derived; empty for ed25519 keys.
        fingerprint: SHA-256 of the public key, hexadecimal.
    """

    name: str
    address: str
    algorithm: str
    path: str
    fingerprint: str


class HandOut(Protocol):
    """A way to hand out what makes a key again."""

    def check(self) -> None:
        """Find what would fail before anything is made (errors: of the tree)."""
        ...

    def plan(self) -> Mapping[str, object]:
        """Return what the audit log says beforehand; no secrets."""
        ...

    def hand_out(self, entropy: SecretBytes, born: Born) -> Mapping[str, object]:
        """Hand it out, and return what the audit log says of it; no secrets.

        Args:
            entropy: 32 bytes, which the caller wipes.
            born: The key, which is in its token and has no record yet.

        Raises:
            BridgeError: It was not, or nobody confirmed it. The key is removed again.
        """
        ...

    def withdraw(self) -> None:
        """Remove what was written, because the key was removed after all. Never raises."""
        ...


class Words:
    """24 words on the terminal, confirmed by typing some of them."""

    def check(self) -> None:
        """See :class:`HandOut`."""
        check_terminal()

    def plan(self) -> Mapping[str, object]:
        """See :class:`HandOut`."""
        return {"form": "words"}

    def hand_out(self, entropy: SecretBytes, born: Born) -> Mapping[str, object]:
        """See :class:`HandOut`."""
        with words_of(entropy) as words:
            asked = show_and_confirm(head_of(born, "24 words (BIP-39)"), words, "words")
        return {"confirmed_words": list(asked)}

    def withdraw(self) -> None:
        """See :class:`HandOut`: nothing was written."""


def head_of(born: Born, what: str) -> list[str]:
    """Return the lines that stand above words on a terminal."""
    path = [f"path:    {born.path}"] if born.path else []
    return [
        f"{what} that make this key again. Write them down by hand. They are shown this once and kept nowhere;",
        "whoever has them has the key, and without them it cannot be made again once the token is lost.",
        "",
        f"key:     {born.name} ({born.algorithm})",
        f"address: {born.address}",
        *path,
    ]
