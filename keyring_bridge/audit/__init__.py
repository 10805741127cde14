"""The audit log: append-only JSON Lines, hash-chained, one durable intent before each use of a key.

* :class:`AuditLog` writes.
* :func:`verify` checks a whole log, :func:`tail`, :func:`read` and :func:`outstanding` read one.

The format is described in :mod:`keyring_bridge.audit.entry` and in docs/audit.md.
"""

from keyring_bridge.audit.entry import Entry, Frame, Head
from keyring_bridge.audit.log import AuditLog, AuditToken
from keyring_bridge.audit.reader import Damaged, outstanding, read, tail
from keyring_bridge.audit.verifier import Problem, VerifyReport, verify

__all__ = [
    "AuditLog",
    "AuditToken",
    "Damaged",
    "Entry",
    "Frame",
    "Head",
    "Problem",
    "VerifyReport",
    "outstanding",
    "read",
    "tail",
    "verify",
]
