"""What a policy says, what it is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cosmos_formats.quickclass import dataclass
from keyring_bridge.policy.patterns import MessagePatterns

if TYPE_CHECKING:
    from cosmos_formats.signing import SignMode
    from cosmos_formats.signing.tx_view import ArbitraryData, Opaque, TxView
    from keyring_bridge.model import Action, Caller, Operation, Purpose
    from keyring_bridge.policy.rules import AllOf
    from keyring_bridge.policy.texts import MemoPattern
    from keyring_bridge.policy.times import Window

Verdict = Literal["allow", "deny", "ask"]


@dataclass(frozen=True, slots=True)
class Question:
    """One operation that somebody wants to do with one key.

    Attributes:
        key: Name of the record.
        fingerprint: SHA-256 of the record's public key, 64 lower-case hexadecimal digits.
        purpose: What the key is for.
        operation: What kind of payload it is, or what else is to be done with the key.
        mode: The declared sign mode; it counts for ``Operation.SIGN`` alone.
        view: What the payload says; None if it was not looked at, which counts as opaque.
        caller: Who asks.
        time: When, aware of its zone; None if nobody says, so that no rule about times allows it.
    """

    key: str
    fingerprint: str
    purpose: Purpose
    operation: Operation | Action
    mode: SignMode
    view: TxView | ArbitraryData | Opaque | None
    caller: Caller
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """A policy's answer.

    Attributes:
        verdict: ``allow``, ``deny``, or ``ask`` (a person has to approve).
        rule: The key of the policy file that decided, or ``no-policy`` or ``purpose``; with the name of its table
            before it, and a slash, if that has one. Of what is allowed the name of the alternative, if there are some.
        reason: One sentence for the caller. It repeats what the caller sent and what the policy wants, no more.
    """

    verdict: Verdict
    rule: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """One table of conditions, all of which must hold. None: the table does not state it.

    Attributes:
        name: What decisions call it; empty for a key's own table.
        chains: Chain ids, exactly.
        sign_modes: Sign modes.
        messages: Types of messages.
        callers: Names of callers.
        operations: What may be done with the key.
        times: When.
        recipients: The only addresses, exactly, that messages may name besides their signers.
        denied_recipients: Accounts that no message may name (:func:`keyring_bridge.policy.texts.account_of`).
        max_amount: Most that may be moved of a denomination, fee included; of others nothing.
        max_fee: Most that fee and tip may be of a denomination; of others nothing.
        max_gas: Most gas.
        payers: Who may pay the fee, if the transaction names somebody.
        granters: Whose fee grant may pay, if the transaction names one.
        memos: What the memo may be.
        timeout_required: Whether the transaction has to become void some time.
        unknown_spending: Messages that are let pass although nobody can know what they move.
        arbitrary_data: Whether data that is no transaction (ADR-036) may be signed.
        unsafe_blind_signing: Whether digests and documents that cannot be read may be signed.
        all_of: Tables that must hold besides.
        any_of: Tables of which one must hold besides; None if there is no such choice.
    """

    name: str = ""
    chains: frozenset[str] | None = None
    sign_modes: frozenset[SignMode] | None = None
    messages: MessagePatterns | None = None
    callers: frozenset[str] | None = None
    operations: frozenset[str] | None = None
    times: tuple[Window, ...] | None = None
    recipients: frozenset[str] | None = None
    denied_recipients: frozenset[str] | None = None
    max_amount: Mapping[str, int] | None = None
    max_fee: Mapping[str, int] | None = None
    max_gas: int | None = None
    payers: frozenset[str] | None = None
    granters: frozenset[str] | None = None
    memos: tuple[MemoPattern, ...] | None = None
    timeout_required: bool = False
    unknown_spending: MessagePatterns = field(default_factory=MessagePatterns)
    arbitrary_data: bool = False
    unsafe_blind_signing: bool = False
    all_of: tuple[Terms, ...] = ()
    any_of: tuple[Terms, ...] | None = None

    def states(self, condition: str) -> bool:
        """Tell whether whatever these terms allow meets a condition that is stated somewhere."""
        return (
            getattr(self, condition) is not None
            or any(terms.states(condition) for terms in self.all_of)
            or (self.any_of is not None and all(terms.states(condition) for terms in self.any_of))
        )

    def mentions(self, condition: str) -> bool:
        """Tell whether a condition is stated anywhere."""
        return bool(getattr(self, condition)) or any(
            terms.mentions(condition) for terms in (*self.all_of, *(self.any_of or ()))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How much may be done in a time.

    Attributes:
        name: What refusals call it.
        seconds: How long the time is.
        signatures: Most signatures, as a bucket of tokens that is refilled evenly; None if it is about amounts.
        burst: How many tokens the bucket holds.
        amount: Most that is moved of a denomination in any such time; none if it is about signatures.
        callers: Only what these do counts, and only they are refused; None for everybody.
        each_caller: Each caller is counted alone.
    """

    name: str
    seconds: int
    signatures: int | None = None
    burst: int | None = None
    amount: Mapping[str, int] | None = None
    callers: frozenset[str] | None = None
    each_caller: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPolicy(Terms):
    """What one key may do. Chains, sign modes and messages that nothing states are none.

    Attributes:
        fingerprint: SHA-256 of the public key that it is for. Names alone can be given to another key.
        limits: What counts for this key alone.
        shared: The limits of the whole file, which count for all keys together.
        rule: The terms as one rule.
    """

    fingerprint: str
    limits: tuple[Limit, ...] = ()
    shared: tuple[Limit, ...] = ()
    rule: AllOf = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        from keyring_bridge.policy.compile import compile_key

        object.__setattr__(self, "rule", compile_key(self))


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be signed with which key. What it does not allow is denied.

    Attributes:
        keys: The policies by record name.
        digest: SHA-256 of the file's bytes, 64 lower-case hexadecimal digits.
        limits: What counts for all keys together.
        manage: Who may do what to keys besides signing, ``*`` for everybody; None if the file does not say, so that
            everybody may who reaches the bridge.
    """

    keys: Mapping[str, KeyPolicy]
    digest: str
    limits: tuple[Limit, ...] = ()
    manage: Mapping[str, frozenset[str]] | None = None

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
