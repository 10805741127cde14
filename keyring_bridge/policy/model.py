"""What a policy says, what it is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cosmos_formats.quickclass import dataclass
from keyring_bridge.policy.patterns import MessagePatterns

if TYPE_CHECKING:
    from cosmos_formats.signing import SignMode
    from cosmos_formats.signing.tx_view import ArbitraryData, Opaque, TxView
    from keyring_bridge.model import Caller, Operation, Purpose

Verdict = Literal["allow", "deny", "ask"]


@dataclass(frozen=True, slots=True)
class Question:
    """One operation that somebody wants to do with one key.

    Attributes:
        key: Name of the record.
        fingerprint: SHA-256 of the record's public key, 64 lower-case hexadecimal digits.
        purpose: What the key is for.
        operation: What kind of payload it is.
        mode: The declared sign mode; it counts for ``Operation.SIGN`` alone.
        view: What the payload says; None if it was not looked at, which counts as opaque.
        caller: Who asks.
    """

    key: str
    fingerprint: str
    purpose: Purpose
    operation: Operation
    mode: SignMode
    view: TxView | ArbitraryData | Opaque | None
    caller: Caller


@dataclass(frozen=True, slots=True)
class Decision:
    """A policy's answer.

    Attributes:
        verdict: ``allow``, ``deny``, or ``ask`` (a person has to approve).
        rule: The key of the policy file that decided, or ``no-policy`` or ``purpose``.
        reason: One sentence for the caller. It repeats what the caller sent and what the policy wants, no more.
    """

    verdict: Verdict
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """What one key may do.

    Attributes:
        fingerprint: SHA-256 of the public key that it is for. Names alone can be given to another key.
        chains: Chain ids, exactly.
        sign_modes: Sign modes.
        messages: Types of messages.
        callers: Names of callers; None for anybody who reaches the bridge.
        arbitrary_data: Whether data that is no transaction (ADR-036) may be signed.
        unsafe_blind_signing: Whether digests and documents that cannot be read may be signed.
    """

    fingerprint: str
    chains: frozenset[str] = frozenset()
    sign_modes: frozenset[SignMode] = frozenset()
    messages: MessagePatterns = field(default_factory=MessagePatterns)
    callers: frozenset[str] | None = None
    arbitrary_data: bool = False
    unsafe_blind_signing: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be signed with which key. What it does not allow is denied.

    Attributes:
        keys: The policies by record name.
        digest: SHA-256 of the file's bytes, 64 lower-case hexadecimal digits.
    """

    keys: Mapping[str, KeyPolicy]
    digest: str

    @classmethod
    def load(cls, path: Path) -> Policy:
        """Read a policy file.

        Raises:
            PolicyInvalid: It cannot be read, or something in it is wrong.
            InsecureFile: Others can write it.
        """
        from keyring_bridge.policy.load import load_policy

        return load_policy(path)

    @classmethod
    def empty(cls) -> Policy:
        """Return the policy of an absent file: nothing is allowed."""
        return cls({}, sha256(b"").hexdigest())

    def decide(self, question: Question) -> Decision:
        """Return the answer to ``question``. Pure; never fails."""
        from keyring_bridge.policy.decide import decide

        return decide(self, question)
