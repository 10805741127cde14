"""What seals and opens files: recipients and their identities, or a passphrase."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from keyring_bridge.sealing.errors import IdentityInvalid, RecipientInvalid
from keyring_bridge.sealing.header import SALT_BYTES, Argon2Parameters

if TYPE_CHECKING:
    from pyrage import x25519

    from keyring_bridge.secrets import SecretBytes

MAX_RECIPIENTS = 100


@dataclass(frozen=True, slots=True)
class Recipients:
    """Whom a file is sealed for; each of them can open it.

    Attributes:
        texts: Their ``age1…`` texts, in order, without repetitions.
    """

    texts: tuple[str, ...]

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Recipients:
        """Return the recipients that are named.

        Args:
            texts: An ``age1…`` each. What a recipients file has besides (empty lines, ``#`` comments) is passed over.

        Raises:
            RecipientInvalid: One is not an X25519 recipient, there is none, or there are too many.
        """
        from pyrage import RecipientError, x25519

        found: dict[str, None] = {}
        for text in (line.strip() for line in texts):
            if not text or text.startswith("#"):
                continue
            try:
                found[str(x25519.Recipient.from_str(text))] = None
            except RecipientError:
                shown = text[:80] if text.lower().startswith("age1") else "what was given"
                raise RecipientInvalid(
                    f"{shown} is not an age X25519 recipient", hint="age-keygen makes one: age1…"
                ) from None
        if not 0 < len(found) <= MAX_RECIPIENTS:
            raise RecipientInvalid(f"{len(found)} recipients; there have to be 1 to {MAX_RECIPIENTS}")
        return cls(tuple(found))

    def keys(self) -> list[x25519.Recipient]:
        """Return them as the age library takes them."""
        from pyrage import x25519

        return [x25519.Recipient.from_str(text) for text in self.texts]


class Identities:
    """Private halves of recipients, of which one opens a file. They are held by the age library, which wipes nothing.

    Args:
        keys: As the library has them.
    """

    __slots__ = ("keys",)

    def __init__(self, keys: tuple[x25519.Identity, ...]) -> None:
        self.keys = keys

    @classmethod
    def parse(cls, content: SecretBytes) -> Identities:
        """Return the identities in the content of an age identity file.

        Args:
            content: ``AGE-SECRET-KEY-1…`` in lines of their own, with empty lines and ``#`` comments between; wiped by
                the caller.

        Raises:
            IdentityInvalid: A line is something else, or there is no identity.
        """
        from pyrage import IdentityError, x25519

        found = []
        for number, line in enumerate(content.reveal().splitlines(), 1):
            if not line.strip() or line.lstrip().startswith(b"#"):
                continue
            try:
                # The library takes texts only, which cannot be wiped.
                found.append(x25519.Identity.from_str(line.strip().decode("ascii", "replace")))
            except IdentityError:
                raise IdentityInvalid(
                    f"line {number} is not an age X25519 identity", hint="age-keygen writes such a file"
                ) from None
        if not found:
            raise IdentityInvalid("there is no age identity in what was given", hint="age-keygen writes such a file")
        return cls(tuple(found))

    def __repr__(self) -> str:
        return f"Identities({len(self.keys)})"


@dataclass(frozen=True, slots=True)
class Passphrase:
    """A passphrase that seals and opens files.

    Attributes:
        secret: UTF-8; wiped by the caller.
    """

    secret: SecretBytes = field(repr=False)

    def new_parameters(self) -> Argon2Parameters:
        """Return parameters for a new file: RFC 9106's second recommendation with a salt of its own."""
        return Argon2Parameters(os.urandom(SALT_BYTES))

    def identity(self, parameters: Argon2Parameters) -> x25519.Identity:
        """Return the X25519 identity that the passphrase gives: its private key is what Argon2id derives."""
        from bech32 import bech32_encode, convertbits
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
        from pyrage import x25519

        derived = bytearray(32)
        try:
            Argon2id(
                salt=parameters.salt,
                length=len(derived),
                iterations=parameters.iterations,
                lanes=parameters.lanes,
                memory_cost=parameters.memory,
            ).derive_into(cast("bytes", self.secret.reveal()), derived)  # its stub says bytes; any buffer will do
            words = convertbits(derived, 8, 5) or ()
            return x25519.Identity.from_str(bech32_encode("age-secret-key-", words).upper())
        finally:
            derived[:] = bytes(len(derived))
