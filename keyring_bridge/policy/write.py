"""Writing policies. Comments and order of a file are kept; nothing is written that would not load."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.config.toml_file import TomlFile
from keyring_bridge.errors import PolicyInvalid
from keyring_bridge.policy.load import LIMIT, VERSION, parse_policy

if TYPE_CHECKING:
    from tomlkit import TOMLDocument
    from tomlkit.items import Table

_HEADER = (
    "What each key may sign. What is not allowed here is denied; a key that is not here signs nothing.",
    "Every rule is described in docs/policy.md. A change counts from the next signature on.",
)


def add_starter(path: Path, key: str, fingerprint: str, chain_id: str | None, messages: Sequence[str]) -> bool:
    """Give a new key a policy for a person to look at and to change, unless one of its name exists.

    Args:
        path: The policy file; it is made (0600) if it does not exist.
        key: Name of the key's record.
        fingerprint: SHA-256 of its public key; a later key of the same name cannot use the policy.
        chain_id: The chain it may sign for; None for none yet, so that it signs nothing.
        messages: The types of messages it may sign.

    Returns:
        False if the key's name has a policy already, which is left alone.

    Raises:
        PolicyInvalid: The file cannot be read or written, or the policy would not load.
        InsecureFile: Others can write the file.
    """
    return bool(add_starters(path, {key: fingerprint}, chain_id, messages))


def add_starters(
    path: Path, fingerprints: Mapping[str, str], chain_id: str | None, messages: Sequence[str]
) -> tuple[str, ...]:
    """As :func:`add_starter`, for many keys at once: a file with many policies takes long to read and write.

    Args:
        path: The policy file.
        fingerprints: Of the keys, by name.
        chain_id: The chain that all of them may sign for; None for none yet.
        messages: The types of messages they may sign.

    Returns:
        Names of the keys that had no policy.
    """
    if len(fingerprints) > 1:
        try:
            return _append_starters(path, fingerprints, chain_id, messages)
        except PolicyInvalid:
            # It is broken, or its table of keys takes no more at the file's end; what follows tells, or can do it.
            pass
    import tomlkit

    with _file(path).changing(new=_new) as document:
        keys = document.get("keys")
        if keys is None:
            keys = tomlkit.table(is_super_table=True)
            document["keys"] = keys
        new = tuple(key for key in fingerprints if key not in keys)
        for key in new:
            keys[key] = _starter(fingerprints[key], chain_id, messages)
    return new


def _append_starters(
    path: Path, fingerprints: Mapping[str, str], chain_id: str | None, messages: Sequence[str]
) -> tuple[str, ...]:
    """Write new tables at the end of the file as text: a thousand of them would keep tomlkit busy for seconds."""
    import tomlkit

    from keyring_bridge.config.files import read_trusted, write_atomic

    keys = tomlkit.table(is_super_table=True)
    keys["NAME"] = _starter("FINGERPRINT", chain_id, messages)
    before_name, _, rest = tomlkit.dumps({"keys": keys}).partition("NAME")
    after_name, _, end = rest.partition("FINGERPRINT")
    file = _file(path)
    with file.writing(make_folder=True) as real:
        try:
            content = bytes(read_trusted(real, what=file.what, limit=file.limit))
        except FileNotFoundError:
            content = tomlkit.dumps(_new()).encode()
        known = parse_policy(content, real).keys
        new = tuple(key for key in fingerprints if key not in known)
        if new:
            names = {key: json.dumps(key, ensure_ascii=False) for key in new}
            tables = (f"\n{before_name}{names[key]}{after_name}{fingerprints[key]}{end}" for key in new)
            text = content.rstrip() + b"\n" + "".join(tables).encode()
            file.check(text, real)
            write_atomic(real, text)
    return new


def _starter(fingerprint: str, chain_id: str | None, messages: Sequence[str]) -> Table:
    import tomlkit

    table = tomlkit.table()
    bound = tomlkit.item(fingerprint)
    bound.comment("a new key of the same name needs a policy of its own")
    table["fingerprint"] = bound
    chains = tomlkit.item([] if chain_id is None else [chain_id])
    if chain_id is None:
        chains.comment("no chain yet, so nothing is signed: add the chain's id")
    table["chains"] = chains
    table["sign_modes"] = ["direct"]
    table["messages"] = tomlkit.item(list(messages)).multiline(True)
    table.add(tomlkit.comment('Who may ask, if not everybody who reaches the bridge: callers = ["uid:1000"]'))
    return table


def rename_key(path: Path, old: str, new: str) -> bool:
    """Let a key's policy follow its new name.

    Returns:
        Whether there was one.

    Raises:
        PolicyInvalid: The file cannot be read or written, or the new name has a policy already.
        InsecureFile: Others can write the file.
    """
    if not path.exists():
        return False
    with _file(path).changing() as document:
        keys = document.get("keys")
        if keys is None or old not in keys or old == new:
            return False
        if new in keys:
            raise PolicyInvalid(f"{path}: the key {new!r} has a policy already", hint="remove one of the two")
        keys[new] = keys.pop(old)
    return True


def remove_key(path: Path, key: str) -> bool:
    """Remove a key's policy.

    Returns:
        Whether there was one.

    Raises:
        PolicyInvalid: The file cannot be read or written.
        InsecureFile: Others can write the file.
    """
    if not path.exists():
        return False
    with _file(path).changing() as document:
        keys = document.get("keys")
        if keys is None or key not in keys:
            return False
        del keys[key]
    return True


def _file(path: Path) -> TomlFile:
    return TomlFile(path, "policy", LIMIT, parse_policy, PolicyInvalid, '[keys."NAME"]')


def _new() -> TOMLDocument:
    import tomlkit

    document = tomlkit.document()
    for line in _HEADER:
        document.add(tomlkit.comment(line))
    document["version"] = VERSION
    return document
