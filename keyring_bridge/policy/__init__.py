"""What may be signed, by whom, with which key. Deny by default.

The decision (:mod:`keyring_bridge.policy.decide`) is pure; reading and writing files are modules of their own, which
load when they are used.
"""

from __future__ import annotations

from keyring_bridge.policy.model import Decision, KeyPolicy, Policy, Question
from keyring_bridge.policy.patterns import MessagePatterns

__all__ = ["Decision", "KeyPolicy", "MessagePatterns", "Policy", "Question"]
