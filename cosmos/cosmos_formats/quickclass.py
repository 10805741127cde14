"""Frozen, slotted dataclasses that are made quickly.

A chain's command starts a process for one signature, and making a hundred classes with the standard decorator, which
compiles six functions for each, took 40 % of that process's time. :func:`dataclass` leaves the fields to the standard
library, so that its ``fields``, ``replace`` and ``asdict`` work, compares and shows objects with functions that all
classes share, and compiles ``__init__`` when the first object is made. What comes out behaves the same (a test compares
them); type checkers are told that it is the standard decorator.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(
        *, frozen: bool = False, slots: bool = True, order: bool = False, kw_only: bool = False
    ) -> Callable[[type], type]:
        """Return a decorator as :func:`dataclasses.dataclass` does; ``slots`` is there to be seen, and must be true."""
        if not slots:
            raise TypeError("a quick dataclass has slots")

        def decorate(cls: type) -> type:
            if not cls.__doc__:
                cls.__doc__ = cls.__name__  # otherwise a signature would be made up for it
            made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True, kw_only=kw_only)(cls)
            _equip(made, frozen=frozen, order=order)
            return made

        return decorate


def _equip(cls: Any, *, frozen: bool, order: bool) -> None:
    """Add the methods that the class does not bring along."""
    own = cls.__dict__
    fields = dataclasses.fields(cls)
    values = _getter([field.name for field in fields if field.compare])
    explicit_hash = own.get("__hash__") is not None
    if "__repr__" not in own:
        cls.__repr__ = _representation([field.name for field in fields if field.repr])
    if "__eq__" not in own:
        cls.__eq__ = _comparison(operator.eq, values)
    for name in ("lt", "le", "gt", "ge") if order else ():
        setattr(cls, f"__{name}__", _comparison(getattr(operator, name), values))
    if frozen:
        cls.__setattr__ = _no_setting
        cls.__delattr__ = _no_deleting
        cls.__getstate__ = _state(_getter([field.name for field in fields]))
        cls.__setstate__ = _set_state
        if not explicit_hash:
            cls.__hash__ = lambda self: hash(values(self))
    elif not explicit_hash:
        cls.__hash__ = None
    if "__init__" not in own:
        cls.__init__ = _lazy_init(cls, fields, frozen=frozen)


def _getter(names: list[str]) -> Callable[[object], tuple[object, ...]]:
    """Return what makes a tuple of an object's attributes."""
    if len(names) > 1:
        return operator.attrgetter(*names)
    if names:
        one = operator.attrgetter(names[0])
        return lambda self: (one(self),)
    return lambda _: ()


def _comparison(compare: Callable[[Any, Any], bool], values: Callable[[object], object]) -> Callable[[Any, Any], bool]:
    def method(self: object, other: object) -> bool:
        return compare(values(self), values(other)) if other.__class__ is self.__class__ else NotImplemented

    return method


def _representation(names: list[str]) -> Callable[[object], str]:
    def method(self: object) -> str:
        shown = ", ".join([f"{name}={getattr(self, name)!r}" for name in names])
        return f"{self.__class__.__qualname__}({shown})"

    return method


def _state(values: Callable[[object], tuple[object, ...]]) -> Callable[[object], object]:
    return lambda self: list(values(self))


def _set_state(self: Any, state: list[object]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


def _no_setting(_: object, name: str, value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _no_deleting(_: object, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _lazy_init(cls: Any, fields: tuple[dataclasses.Field[Any], ...], *, frozen: bool) -> Callable[..., None]:
    """Return an ``__init__`` that makes the real one, and puts it in its own place, when it is called first."""

    def first(self: object, *arguments: object, **named: object) -> None:
        real = _init(cls, fields, frozen=frozen)
        if cls.__init__ is first:
            cls.__init__ = real
        real(self, *arguments, **named)

    return first


def _init(cls: Any, fields: tuple[dataclasses.Field[Any], ...], *, frozen: bool) -> Callable[..., None]:
    """Compile ``__init__``."""
    names: dict[str, Any] = {"_set": object.__setattr__, "_absent": dataclasses.MISSING}
    positional, named, body = ["self"], list[str](), list[str]()
    for number, field in enumerate(fields):
        name, value, default = field.name, field.name, ""
        if field.default_factory is not dataclasses.MISSING:
            names[f"_make{number}"] = field.default_factory
            default = "=_absent"
            value = f"_make{number}() if {name} is _absent else {name}" if field.init else f"_make{number}()"
        elif field.default is not dataclasses.MISSING:
            names[f"_default{number}"] = field.default
            default = f"=_default{number}"
            value = name if field.init else f"_default{number}"
        elif not field.init:
            continue
        if field.init:
            (named if field.kw_only else positional).append(name + default)
        body.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    parameters = ", ".join([*positional, "*", *named] if named else positional)
    # The text holds nothing but the names of fields, which are identifiers of this source.
    exec(f"def __init__({parameters}):\n " + "\n ".join(body or ["pass"]), names)  # noqa: S102
    made: Callable[..., None] = names["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made
