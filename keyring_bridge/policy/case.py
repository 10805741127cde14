"""A question, and what the rules need to know of it, worked out once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from cosmos_formats.signing.tx_view import TxView
from keyring_bridge.model import Action, Operation
from keyring_bridge.policy.effects import Effects, Placed, effects_of, placed

if TYPE_CHECKING:
    from keyring_bridge.policy.model import Question
    from keyring_bridge.policy.rules import AllOf

_SHOWN = 200


class Case:
    """What is to be decided.

    Args:
        question: The question.

    Attributes:
        question: As given.
        signing: Whether a signature is asked for, rather than something else to be done with the key.
        view: What the transaction says; None if nobody can know that. Rules about transactions allow what has no view:
            that it may be signed at all has to be named.
        chosen: The alternative that allowed it, None if there was none, by the identity of the rule that has them.
    """

    # No slots: cached_property keeps its values in the instance's dictionary.

    def __init__(self, question: Question) -> None:
        self.question = question
        self.chosen: dict[int, AllOf | None] = {}
        self.signing = not isinstance(question.operation, Action)
        readable = question.operation is Operation.SIGN and isinstance(question.view, TxView)
        self.view: TxView | None = question.view if readable else None  # type: ignore[assignment]  # readable says so

    @cached_property
    def messages(self) -> tuple[Placed, ...]:
        """Every message and extension option at any depth, except public keys inside of others."""
        return () if self.view is None else tuple(placed(self.view))

    @cached_property
    def effects(self) -> Effects:
        """What the transaction moves, and to whom."""
        return effects_of(self.view, self.messages)


def shown(text: str) -> str:
    """Return what somebody sent, short and without characters that a terminal would act on."""
    cut = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return cut if cut.isprintable() else ascii(cut)
