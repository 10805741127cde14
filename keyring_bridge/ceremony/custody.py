"""Handing shares to custodians: sealed files that only they can open, or words on the terminal.

A share leaves the child process (:mod:`.shares_child`) sealed, unless its custodian reads it from the screen. Nothing
of it is ever on the disk in clear.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.ceremony import shares
from keyring_bridge.ceremony.errors import CustodiansInvalid
from keyring_bridge.ceremony.hand_out import Born, head_of
from keyring_bridge.ceremony.terminal import check_terminal, show_and_confirm

if TYPE_CHECKING:
    from keyring_bridge.ceremony.scheme import Scheme
    from keyring_bridge.secrets import SecretBytes


class Way(StrEnum):
    """How a custodian gets a share."""

    RECIPIENT = "recipient"
    """A file sealed for an age recipient."""
    PASSPHRASE = "passphrase"  # noqa: S105 - the word for it
    """A file sealed under a passphrase that the custodian types."""
    SCREEN = "screen"
    """Words on this terminal."""


@dataclass(frozen=True, slots=True)
class Custodian:
    """Who keeps one share.

    Attributes:
        share: Its name, such as ``ops-1``.
        way: How it gets there.
        recipient: ``age1…`` for the first way; empty otherwise.
    """

    share: str
    way: Way
    recipient: str = ""

    @classmethod
    def parse(cls, text: str) -> Custodian:
        """Read ``ops-1=age1…``, ``ops-1=passphrase`` or ``ops-1=screen``.

        Raises:
            CustodiansInvalid: It is none of them.
            RecipientInvalid: The recipient is none.
        """
        from keyring_bridge.sealing import Recipients

        share, equals, how = text.partition("=")
        if not (share and equals and how):
            raise CustodiansInvalid("a custodian is written SHARE=age1…, SHARE=passphrase or SHARE=screen")
        if how in (Way.PASSPHRASE, Way.SCREEN):
            return cls(share, Way(how))
        return cls(share, Way.RECIPIENT, Recipients.parse([how]).texts[0])

    def __str__(self) -> str:
        return self.recipient or str(self.way)


def assigned(scheme: Scheme, custodians: Sequence[Custodian]) -> tuple[Custodian, ...]:
    """Return the custodian of each share, in the order of ``scheme.members``.

    Raises:
        CustodiansInvalid: A share has none, or two; or one is of no share.
    """
    by_share: dict[str, Custodian] = {}
    for custodian in custodians:
        if custodian.share not in scheme.members:
            known = ", ".join(scheme.members)
            raise CustodiansInvalid(f"there is no share {custodian.share} in this scheme (there are {known})")
        if custodian.share in by_share:
            raise CustodiansInvalid(f"the share {custodian.share} has two custodians")
        by_share[custodian.share] = custodian
    missing = [share for share in scheme.members if share not in by_share]
    if missing:
        raise CustodiansInvalid(
            f"nobody keeps {', '.join(missing)}", hint="add --custodian SHARE=age1…, =passphrase or =screen for each"
        )
    return tuple(by_share[share] for share in scheme.members)


class Shares:
    """Shares for custodians: a way to hand out what makes a key again (:class:`~.hand_out.HandOut`).

    Args:
        scheme: Groups and counts.
        custodians: One for each share, in the order of ``scheme.members``.
        folder: Where the files go; made as 0700 if it is missing.
        passphrase: SLIP-39's own, without which the shares give another key; None for none. The caller wipes it.
        ask: Asks a custodian for a new passphrase, twice; given what it is.

    Attributes:
        files: What was written.
    """

    def __init__(
        self,
        scheme: Scheme,
        custodians: Sequence[Custodian],
        folder: Path,
        passphrase: SecretBytes | None,
        ask: Callable[[str], SecretBytes],
    ) -> None:
        self._scheme = scheme
        self._custodians = assigned(scheme, custodians)
        self._folder = folder
        self._passphrase = passphrase
        self._ask = ask
        self._passphrases: dict[str, SecretBytes] = {}
        self.files: list[Path] = []

    def check(self) -> None:
        """See :class:`~.hand_out.HandOut`. Custodians who have passphrases type them here."""
        from keyring_bridge.config.files import private_dir

        ways = {custodian.way for custodian in self._custodians}
        if Way.SCREEN in ways:
            check_terminal()
        if ways != {Way.SCREEN}:
            private_dir(self._folder)
        for custodian in self._custodians:
            if custodian.way is Way.PASSPHRASE:
                self._passphrases[custodian.share] = self._ask(f"new passphrase of the custodian of {custodian.share}")

    def plan(self) -> Mapping[str, object]:
        """See :class:`~.hand_out.HandOut`."""
        return {
            "form": "shares",
            "scheme": str(self._scheme),
            "custodians": {custodian.share: str(custodian) for custodian in self._custodians},
            "slip39_passphrase": self._passphrase is not None,
        }

    def hand_out(self, entropy: SecretBytes, born: Born) -> Mapping[str, object]:
        """See :class:`~.hand_out.HandOut`. Screens come first: a file that nobody confirmed is of no use."""
        custody = [
            shares.Custody(self._label(born, custodian), custodian.recipient, self._passphrases.get(custodian.share))
            for custodian in self._custodians
        ]
        made = shares.split(self._scheme, entropy, custody, self._passphrase)
        told: dict[str, dict[str, object]] = {}
        try:
            for custodian, content in zip(self._custodians, made, strict=True):
                if custodian.way is Way.SCREEN:
                    head = head_of(born, f"The words of share {custodian.share} ({self._scheme}), one of those")
                    asked = show_and_confirm(head, content, f"share {custodian.share}")
                    told[custodian.share] = {"confirmed_words": list(asked)}
            for custodian, content in zip(self._custodians, made, strict=True):
                if custodian.way is not Way.SCREEN:
                    told[custodian.share] = {"sha256": self._write(born, custodian, content)}
        finally:
            for content in made:
                content.wipe()
        return {"shares": {custodian.share: told[custodian.share] for custodian in self._custodians}}

    def withdraw(self) -> None:
        """See :class:`~.hand_out.HandOut`."""
        for path in self.files:
            with suppress(OSError):
                path.unlink()
        self.files.clear()

    def close(self) -> None:
        """Wipe the custodians' passphrases. May be called twice."""
        for passphrase in self._passphrases.values():
            passphrase.wipe()

    def _write(self, born: Born, custodian: Custodian, content: SecretBytes) -> str:
        from hashlib import sha256

        from keyring_bridge.sealing import new_file

        path = self._folder / file_name(born, custodian.share)
        with new_file(path) as out:
            # Listed first: what is interrupted from here on is removed with the key.
            self.files.append(path)
            out.write(content.reveal())
        return sha256(content.reveal()).hexdigest()

    def _label(self, born: Born, custodian: Custodian) -> str:
        """Return what a custodian reads above the words in the opened file."""
        path = f"path: {born.path}\n" if born.path else ""
        passphrase = "needed" if self._passphrase is not None else "none"
        return (
            f"{shares.FIRST_LINE}\nkey: {born.name}\naddress: {born.address}\nalgorithm: {born.algorithm}\n{path}"
            f"fingerprint: {born.fingerprint}\nscheme: {self._scheme}\nshare: {custodian.share}\n"
            f"slip39 passphrase: {passphrase}\n"
        )


def file_name(born: Born, share: str) -> str:
    """Return the name of a share's file: of the key's name, what is fit for one; its fingerprint tells keys apart."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", born.name)[:64]
    return f"{name}-{born.fingerprint[:8]}-{share}.share"
