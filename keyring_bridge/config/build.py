"""Strict building of frozen dataclasses from TOML or JSON tables.

Nothing is guessed and nothing is ignored: an unknown key, a missing one or a value of another type is an error that
names the file, the path of the key, and what was expected. Values are never repeated in errors, except where they
are one of a list of words: somebody may have written a PIN there.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
import types
import typing
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar, Union

from cosmos_formats.quickclass import dataclass
from keyring_bridge.errors import ConfigError

_T = TypeVar("_T")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class Table(dict[str, object]):
    """A table of a configuration file that knows its file, and so do the tables in it.

    Errors name the file, and relative paths in the table start from the file's folder.
    """

    __slots__ = ("file",)

    def __init__(self, content: Mapping[str, object], file: Path) -> None:
        super().__init__({key: _with_file(value, file) for key, value in content.items()})
        self.file = file


def _with_file(value: object, file: Path) -> object:
    if isinstance(value, dict):
        return Table(value, file)
    if isinstance(value, list):
        return [_with_file(item, file) for item in value]
    return value


def build(cls: type[_T], mapping: Mapping[str, object], path: str, *, error: type[ConfigError] = ConfigError) -> _T:
    """Return the dataclass that a table describes.

    The class's fields are the table's keys; a field without a default is required. Supported types: ``str``, ``int``,
    ``float`` (an integer will do), ``bool``, :class:`~pathlib.Path` (``~`` expanded, relative to the file's folder),
    ``Literal``, string enumerations, ``tuple[T, ...]``, ``Mapping[str, T]``, dataclasses, ``X | None``, and ``object``
    for what is checked elsewhere. The class checks its values in ``__post_init__`` by raising ``ValueError`` (or
    ``ConfigError`` with a hint).

    Args:
        cls: A dataclass whose annotations can be evaluated in its module.
        mapping: The table; a :class:`Table` for errors that name the file.
        path: Where the table is, such as ``providers.main``; empty for the top.
        error: The class of errors to raise.

    Raises:
        ConfigError: The table does not describe a ``cls``.
    """
    return _Builder(getattr(mapping, "file", None), error).table(cls, mapping, path)


def key_path(path: str, key: str) -> str:
    """Return the path of ``key`` in the table at ``path``, quoted as TOML would, on one line."""
    shown = key
    if not _BARE_KEY.fullmatch(key):
        cut = key[:80]
        shown = f'"{cut}"' if cut.isprintable() else f'"{ascii(cut)[1:-1]}"'
    return f"{path}.{shown}" if path else shown


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the word most like ``word``, or None if none is much like it."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word[:80], list(words), n=1)), None)


@cache
def _fields(cls: type) -> dict[str, tuple[Any, bool]]:
    """Return each field's evaluated type, and whether it is required."""
    hints = typing.get_type_hints(cls)
    missing = dataclasses.MISSING
    return {
        field.name: (hints[field.name], field.default is missing and field.default_factory is missing)
        for field in dataclasses.fields(cls)
        if field.init
    }


@dataclass(frozen=True, slots=True)
class _Builder:
    file: Path | None
    error: type[ConfigError]

    def fail(self, path: str, problem: str) -> NoReturn:
        raise self.error(self.located(path, problem))

    def located(self, path: str, problem: str) -> str:
        return ": ".join(part for part in (str(self.file or ""), path, problem) if part)

    def table(self, cls: type[_T], mapping: Mapping[str, object], path: str) -> _T:
        fields = _fields(cls)  # type: ignore[arg-type]  # mypy does not see that a type variable's class is hashable
        for key in mapping:
            if key not in fields:
                near = nearest(key, fields)
                known = f"; did you mean {near!r}?" if near else f"; known are {', '.join(sorted(fields))}"
                self.fail(key_path(path, key), f"unknown key{known}")
        values = {}
        for name, (hint, required) in fields.items():
            if name in mapping:
                values[name] = self.value(hint, mapping[name], key_path(path, name))
            elif required:
                self.fail(key_path(path, name), "is missing")
        try:
            return cls(**values)
        except ValueError as error:
            self.fail(path, str(error))
        except ConfigError as error:
            raise type(error)(self.located(path, error.message), hint=error.hint, detail=error.detail) from None

    def value(self, hint: Any, value: object, path: str) -> object:
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if hint is object:
            return value
        if origin in (Union, types.UnionType):
            return self.union(arguments, value, path)
        if origin is Literal:
            return self.word([str(word) for word in arguments], value, path)
        if origin is tuple:
            if not isinstance(value, list):
                self.mismatch("a list", value, path)
            return tuple(self.value(arguments[0], item, f"{path}[{i}]") for i, item in enumerate(value))
        if origin is not None and issubclass(origin, Mapping):
            table = self.mapping(value, path)
            return {key: self.value(arguments[1], item, key_path(path, key)) for key, item in table.items()}
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            return self.table(hint, self.mapping(value, path), path)
        if issubclass(hint, Enum):
            return hint(self.word([member.value for member in hint], value, path))
        return self.scalar(hint, value, path)

    def union(self, choices: tuple[Any, ...], value: object, path: str) -> object:
        if value is None and type(None) in choices:
            return None
        rest = [choice for choice in choices if choice is not type(None)]
        # Of several types the one that fits exactly; the last one's error tells what is wrong.
        exact = [choice for choice in rest if type(value) is choice]
        return self.value((exact or rest)[-1], value, path)

    def mapping(self, value: object, path: str) -> Mapping[str, object]:
        if not isinstance(value, Mapping):
            self.mismatch("a table", value, path)
        return value

    def word(self, words: list[str], value: object, path: str) -> str:
        if not isinstance(value, str):
            self.mismatch("a string", value, path)
        if value not in words:
            near = nearest(value, words)
            hint = f"; did you mean {near!r}?" if near else ""
            self.fail(path, f"is {value[:40]!r}, expected one of {', '.join(map(repr, words))}{hint}")
        return value

    def scalar(self, hint: type, value: object, path: str) -> object:
        if hint is bool:
            return value if isinstance(value, bool) else self.mismatch("true or false", value, path)
        if hint is int:
            return value if type(value) is int else self.mismatch("an integer", value, path)
        if hint is float:
            return self.number(value, path)
        if hint is str:
            return value if isinstance(value, str) else self.mismatch("a string", value, path)
        if hint is Path:
            return self.path(value, path)
        raise TypeError(f"{path}: a configuration cannot hold a {hint!r}")

    def number(self, value: object, path: str) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            self.mismatch("a number", value, path)
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self.fail(path, "expected a finite number")
        return number

    def path(self, value: object, path: str) -> Path:
        if not isinstance(value, str):
            self.mismatch("a path", value, path)
        if not value or "\0" in value:
            self.fail(path, "expected a path, got an empty or impossible one")
        expanded = Path(os.path.expanduser(value))
        return expanded if self.file is None else self.file.parent / expanded

    def mismatch(self, expected: str, value: object, path: str) -> NoReturn:
        self.fail(path, f"expected {expected}, got {_kind(value)}")


def _kind(value: object) -> str:
    """Return what a value is, without telling it."""
    kinds: dict[type, str] = {
        bool: "true or false",
        int: "an integer",
        float: "a number",
        str: "a string",
        list: "a list",
        type(None): "null",
    }
    return "a table" if isinstance(value, Mapping) else kinds.get(type(value), f"a {type(value).__name__}")
