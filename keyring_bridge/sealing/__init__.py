"""Sealed files: the one format in which keys and records leave the bridge.

A sealed file is written for recipients (age X25519, ``age1…``) or under a passphrase (Argon2id)::

    keyring-bridge-sealed 1 backup recipients
    check 4f0c…
    age-encryption.org/v1
    …

The first line says the version, the kind of content and what opens it. The second is a plain SHA-256 over the first
one and age's header, so that damage there is not taken for a wrong passphrase. The rest is a file as ``age`` writes it
(https://age-encryption.org/v1), whose content begins with the SHA-256 of the first line: nobody can give one kind of
file out for another. ``tail -n +3 FILE | age -d -i IDENTITIES | tail -n +2`` gives the content without this program.

Writing takes a :class:`Recipients` or a :class:`Passphrase`, reading an :class:`Identities` or a :class:`Passphrase`::

    with new_file(path) as out:
        seal("backup", chunks, out.write, Recipients.parse(["age1…"]))

    with open(path, "rb", buffering=0) as file:
        unseal("backup", file.read, parser.feed, Identities.parse(text))

Files sealed for recipients can be made by anybody who knows a recipient; only a passphrase also shows who sealed.
"""

from __future__ import annotations

from keyring_bridge.sealing.files import NewFile, new_file
from keyring_bridge.sealing.keys import Identities, Passphrase, Recipients
from keyring_bridge.sealing.opening import unseal, unseal_bytes
from keyring_bridge.sealing.writing import seal, seal_bytes

__all__ = [
    "Identities",
    "NewFile",
    "Passphrase",
    "Recipients",
    "new_file",
    "seal",
    "seal_bytes",
    "unseal",
    "unseal_bytes",
]
