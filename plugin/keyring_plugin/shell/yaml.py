"""JSON values as YAML, in the form that the SDK's commands print with ``--output text`` (sigs.k8s.io/yaml)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

_RESERVED: Final = frozenset(
    {
        *("", "~", "null", "Null", "NULL", "true", "True", "TRUE", "false", "False", "FALSE"),
        *("y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF"),
        *(".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", ".nan", ".NaN", ".NAN"),
        *("<<", "="),
    }
)
"""Texts that YAML would read as something else, and that are quoted therefore."""

_NUMBER: Final = re.compile(
    r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*(:[0-5]?[0-9])*(\.[0-9_]*)?([eE][-+]?[0-9]+)?"
    r"|\.[0-9_]+([eE][-+]?[0-9]+)?)"
)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?")
_INDICATORS: Final = frozenset("-?:,[]{}#&*!|>'\"%@`")


def to_yaml(value: Any) -> str:
    """Return a JSON value as YAML, ending with a line break; members are sorted by name."""
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for name in sorted(value):
            inner = value[name]
            key = _text(name)
            if isinstance(inner, dict) and inner:
                yield f"{key}:"
                yield from (f"  {line}" for line in _lines(inner))
            elif isinstance(inner, list) and inner:
                yield f"{key}:"
                yield from _lines(inner)
            else:
                first, *more = _scalar(inner)
                yield f"{key}: {first}"
                yield from (f"  {line}" if line else "" for line in more)
    elif isinstance(value, list) and value:
        for inner in value:
            first, *more = _lines(inner) if isinstance(inner, dict | list) else _scalar(inner)
            yield f"- {first}"
            yield from (f"  {line}" if line else "" for line in more)
    else:
        yield from _scalar(value)


def _scalar(value: Any) -> list[str]:
    if isinstance(value, str):
        if "\n" in value and not re.search(r"[^\x20-\x7e\n\xa0-\ud7ff\ue000-\ufffd]", value) and value.strip():
            return _block(value)
        return [_text(value)]
    if isinstance(value, dict):
        return ["{}"]
    if isinstance(value, list):
        return ["[]"]
    return [json.dumps(value)]


def _block(value: str) -> list[str]:
    kept = value.rstrip("\n")
    ends = len(value) - len(kept)
    mark = "|-" if ends == 0 else "|" if ends == 1 else "|+"
    if kept.startswith((" ", "\n")):
        mark = f"|2{mark[1:]}"
    return [mark, *kept.split("\n"), *[""] * (ends - 1)]


def _text(value: str) -> str:
    if value in _RESERVED or _NUMBER.fullmatch(value) or _DATE.fullmatch(value):
        return json.dumps(value)
    if not value.isprintable():
        # Also what the SDK prints as it is, such as characters that turn the direction of text.
        return json.dumps(value)
    plain = (
        value[0] not in _INDICATORS
        and value == value.strip()
        and ": " not in value
        and " #" not in value
        and not value.endswith(":")
        and not value.startswith(("---", "..."))
    )
    if not plain and value[0] in "-?:" and len(value) > 1 and value[1] != " " and not value.startswith("---"):
        plain = value == value.strip() and ": " not in value and " #" not in value and not value.endswith(":")
    return value if plain else "'" + value.replace("'", "''") + "'"
