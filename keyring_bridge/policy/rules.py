"""What a policy is made of: conditions, and the two ways to join them.

A :class:`Rule` is pure: it looks at a :class:`~keyring_bridge.policy.case.Case` and nothing else. Asking is cheap;
the words for an objection are made only for the one that decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from cosmos_formats.quickclass import dataclass

if TYPE_CHECKING:
    from keyring_bridge.policy.case import Case

_TOLD = 3


class Objection(NamedTuple):
    """Why a rule does not allow something.

    Attributes:
        rule: Its name; of a rule inside a named one, both with a slash between them.
        reason: One sentence for the caller.
    """

    rule: str
    reason: str


class Step(NamedTuple):
    """One line of an explanation.

    Attributes:
        depth: How deep the rule is nested.
        rule: Its name.
        allows: Whether it allows the case.
        reason: Why not; empty if it does.
    """

    depth: int
    rule: str
    allows: bool
    reason: str


class Rule(Protocol):
    """Something that allows a case or objects to it."""

    @property
    def name(self) -> str:
        """The key of the policy file that it reads, or the name that the file gives it."""
        ...

    def allows(self, case: Case) -> bool:
        """Tell whether it allows the case."""
        ...

    def objection(self, case: Case) -> Objection:
        """Return why it does not allow a case; asked only where it does not."""
        ...


@dataclass(frozen=True, slots=True)
class AllOf:
    """Allows what all of its rules allow.

    Attributes:
        name: Empty if it has none.
        rules: At least one, in the order in which they are asked.
        unsafe: What is allowed by name only that this table names: ``arbitrary_data``, ``unsafe_blind_signing``.
        checks: The rules' own :meth:`Rule.allows`.

    Raises:
        ValueError: There is no rule, so that anything would be allowed.
    """

    name: str
    rules: tuple[Rule, ...]
    unsafe: frozenset[str] = frozenset()
    checks: tuple[Callable[[Case], bool], ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.rules:
            raise ValueError("all_of is empty, so it would allow anything")
        object.__setattr__(self, "checks", tuple(rule.allows for rule in self.rules))

    def allows(self, case: Case) -> bool:
        """See :class:`Rule`."""
        for allows in self.checks:  # noqa: SIM110 - a generator takes twice the time, in hundreds of tables
            if not allows(case):
                return False
        return True

    def objection(self, case: Case) -> Objection:
        """See :class:`Rule`: that of the first rule that objects."""
        found = next(rule for rule in self.rules if not rule.allows(case)).objection(case)
        return Objection(f"{self.name}/{found.rule}", found.reason) if self.name else found


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Allows what at least one of its rules allows.

    Attributes:
        rules: At least one, in the order in which they are asked.
        name: ``any_of``.
        checks: The rules' own :meth:`Rule.allows`.

    Raises:
        ValueError: There is no rule, so that nothing would ever be allowed.
    """

    rules: tuple[AllOf, ...]
    name: str = "any_of"
    checks: tuple[Callable[[Case], bool], ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.rules:
            raise ValueError("any_of is empty, so it would allow nothing")
        object.__setattr__(self, "checks", tuple(rule.allows for rule in self.rules))

    def allows(self, case: Case) -> bool:
        """See :class:`Rule`."""
        mine = id(self)
        if mine in case.chosen:
            return case.chosen[mine] is not None
        for place, allows in enumerate(self.checks):
            if allows(case):
                case.chosen[mine] = self.rules[place]
                return True
        case.chosen[mine] = None
        return False

    def objection(self, case: Case) -> Objection:
        """See :class:`Rule`: those of the first few, or the only one's own."""
        if len(self.rules) == 1:
            return self.rules[0].objection(case)
        told = []
        for rule in self.rules[:_TOLD]:
            found = rule.objection(case)
            told.append(f"{found.rule}: {found.reason}")
        more = len(self.rules) - len(told)
        if more:
            told.append(f"and {more} more")
        return Objection(self.name, f"none of the {len(self.rules)} alternatives allows it ({'; '.join(told)})")


def allowing(rule: Rule, case: Case) -> str:
    """Return the name of the innermost alternative by which a rule allowed a case; empty if there are none."""
    if isinstance(rule, AnyOf):
        chosen = case.chosen[id(rule)]
        if chosen is None:
            return ""
        inner = allowing(chosen, case)
        return f"{chosen.name}/{inner}" if inner else chosen.name
    if isinstance(rule, AllOf):
        return next((name for name in (allowing(one, case) for one in rule.rules) if name), "")
    return ""


def names_unsafe(rule: Rule, case: Case, what: str) -> bool:
    """Tell whether a rule that allows a case names what is allowed by name only.

    Of alternatives one that allows the case must name it, or a table around them.
    """
    if isinstance(rule, AllOf):
        return what in rule.unsafe or any(names_unsafe(one, case, what) for one in rule.rules)
    if isinstance(rule, AnyOf):
        return any(one.allows(case) and names_unsafe(one, case, what) for one in rule.rules)
    return False


def trace(rule: Rule, case: Case, depth: int = 0) -> Iterator[Step]:
    """Yield what each rule says, outer ones first."""
    allows = rule.allows(case)
    joined = rule.rules if isinstance(rule, AllOf | AnyOf) else ()
    if rule.name:
        yield Step(depth, rule.name, allows, "" if allows or joined else rule.objection(case).reason)
        depth += 1
    for inner in joined:
        yield from trace(inner, case, depth)
