"""JSON with secrets in it, read without making text of them.

``json`` answers in ``str``, which cannot be wiped. So the base64 texts of the members that hold secrets are taken out
first, by where they are, and what is left is parsed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from cosmos_formats.wipeable import unbase64


@dataclass(frozen=True, slots=True)
class Document:
    """A document whose secrets are still where they were.

    Attributes:
        value: The parsed document. A base64 text that was taken out is there as a mark for :meth:`secret`.
        text: The document's bytes. The caller wipes them.
        spans: Where the texts lie in it, in the order of their marks.
    """

    value: Any
    text: bytes | bytearray = field(repr=False)
    spans: tuple[tuple[int, int], ...] = field(repr=False)

    def secret(self, mark: object) -> bytearray:
        """Return what a base64 text decodes to, in a buffer for the caller to wipe.

        Args:
            mark: What stands for it in :attr:`value`.

        Raises:
            ValueError: No mark, or not canonical base64.
        """
        # A text in the document that looks like a mark was never base64, and mostly leads nowhere.
        places = {f"#{number}": span for number, span in enumerate(self.spans)}
        if not isinstance(mark, str) or mark not in places:
            raise ValueError("not base64")
        start, end = places[mark]
        with memoryview(self.text) as view:
            return unbase64(view[start:end])


def load(text: bytes | bytearray, *members: str) -> Document:
    """Read a document.

    Args:
        text: UTF-8. In a buffer it can be wiped afterwards.
        members: The members whose texts, wherever they stand, are taken out.

    Raises:
        ValueError: Not JSON, or an object has a member twice. The message tells nothing of the document.
    """
    # In a JSON string a quotation mark has a backslash in front, so `name":` can only end a member's name.
    names = b"|".join(re.escape(name.encode()) for name in members)
    pattern = re.compile(rb'"(?:' + names + rb')"[ \t\r\n]*:[ \t\r\n]*"([A-Za-z0-9+/=]*)"')
    spans = tuple(found.span(1) for found in pattern.finditer(text)) if members else ()
    rest = bytearray()
    at = 0
    for number, (start, end) in enumerate(spans):
        rest += text[at:start]
        rest += b"#%d" % number
        at = end
    rest += text[at:]
    try:
        return Document(json.loads(rest, object_pairs_hook=once, parse_constant=_refuse), text, spans)
    except (ValueError, RecursionError):
        raise ValueError("not JSON, or an object has a member twice") from None


def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return a JSON object, for ``object_pairs_hook``.

    Raises:
        ValueError: A member is there twice.
    """
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")
