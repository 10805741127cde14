"""Rules for the names of keys."""

from __future__ import annotations

import re
import unicodedata

from keyring_bridge.errors import InvalidName

MAX_NAME_BYTES = 255
ITEM_SUFFIX = ".info"

# Letters of Persian, Hindi and other scripts need the joiners; every other format character is invisible.
_JOINERS = "\u200c\u200d"
_HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})

# Letters and marks that are drawn as nothing (Default_Ignorable_Code_Point of the UCD), the empty Braille pattern.
_IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U0001bca0-\U0001bca3\U000e0100-\U000e01ef]"
)


def check_name(name: str) -> str:
    """Return ``name`` if a new key may have it.

    A name is 1 to 255 bytes of UTF-8 in normal form C, without leading or trailing white space and without
    characters that cannot be seen (control, format and bidirectional characters, lone surrogates). Slashes, dots
    and every script are fine: a name is never used as a path. A name ending in ``.info`` is refused, because the
    SDK would read it as the name without the suffix.

    Raises:
        InvalidName: Says which rule is broken.
    """
    if not name:
        raise InvalidName("a key name is needed")
    if len(name) > MAX_NAME_BYTES:
        raise InvalidName(f"key name of {len(name)} characters; at most {MAX_NAME_BYTES} bytes are allowed")
    for position, character in enumerate(name):
        category = unicodedata.category(character)
        hidden = category in _HIDDEN and character not in _JOINERS
        if hidden or _IGNORABLE.match(character) or (category == "Zs" and character != " "):
            raise InvalidName(f"key name has the invisible character U+{ord(character):04X} at position {position}")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise InvalidName(f"key name of {len(name.encode())} bytes; at most {MAX_NAME_BYTES} are allowed")
    if name != name.strip():
        raise InvalidName("key name begins or ends with white space")
    if unicodedata.normalize("NFC", name) != name:
        raise InvalidName("key name is not in Unicode normal form C, so it would look like another name")
    if name.endswith(ITEM_SUFFIX):
        raise InvalidName(f"key name ends with {ITEM_SUFFIX}, which the SDK would cut off")
    return name


def lookup_name(uid: str) -> str:
    """Return the record name that the SDK's ``Key(uid)`` would look for: a final ``.info`` is not part of it.

    Raises:
        InvalidName: ``uid`` is empty (with the SDK's text).
    """
    if not uid:
        raise InvalidName("no key name or address provided; have you forgotten the --from flag?")
    return uid.removesuffix(ITEM_SUFFIX)
