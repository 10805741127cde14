"""Reading a policy file."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from cosmos_formats.quickclass import dataclass
from keyring_bridge.config.build import build, key_path, nearest
from keyring_bridge.config.files import read_trusted
from keyring_bridge.config.load import read_toml
from keyring_bridge.errors import InvalidName, PolicyInvalid
from keyring_bridge.model import Action
from keyring_bridge.names import check_name
from keyring_bridge.policy.model import KeyPolicy, Limit, Policy
from keyring_bridge.policy.tables import KeyTable, LimitTable, TermsTable, check_callers

if TYPE_CHECKING:
    from keyring_bridge.policy.model import Terms

VERSION = 1
LIMIT = 4 << 20
"""Largest policy file, in bytes."""

MOST_TABLES = 2000
"""Most tables of conditions in all."""

_ACTIONS = tuple(str(action) for action in Action)
_REQUIRED = ("chains", "sign_modes", "messages")


@dataclass(frozen=True, slots=True)
class _File:
    """The top of the file."""

    version: int
    keys: Mapping[str, KeyTable] = field(default_factory=dict)
    limits: tuple[LimitTable, ...] = ()
    manage: Mapping[str, tuple[str, ...]] | None = None

    def __post_init__(self) -> None:
        for action, callers in (self.manage or {}).items():
            if action not in _ACTIONS:
                near = nearest(action, _ACTIONS)
                raise ValueError(
                    f"{key_path('manage', action)}: unknown key; "
                    + (f"did you mean {near!r}?" if near else f"known are {', '.join(_ACTIONS)}")
                )
            check_callers(callers, anybody=True)
        if self.version != VERSION:
            raise ValueError(f"version is {self.version}, this release reads version {VERSION}")


def load_policy(path: Path) -> Policy:
    """Read a policy file; see :meth:`Policy.load`."""
    try:
        content = bytes(read_trusted(path, what="policy", limit=LIMIT))
    except OSError as error:
        raise PolicyInvalid(f"{path}: cannot be read: {error.strerror or error}") from None
    return parse_policy(content, path)


def parse_policy(content: bytes, path: Path) -> Policy:
    """Return the policy that the TOML ``content`` of the file ``path`` describes.

    Raises:
        PolicyInvalid: Something in it is wrong.
    """
    try:
        said = build(_File, read_toml(content, path, error=PolicyInvalid), "", error=PolicyInvalid)
    except RecursionError:
        raise PolicyInvalid(f"{path}: tables nested too deeply") from None
    shared = _limits(said.limits, f"{path}: limits")
    keys = {}
    for name, table in said.keys.items():
        where = f"{path}: {key_path('keys', name)}"
        try:
            check_name(name)
        except InvalidName as error:
            raise PolicyInvalid(f"{where}: {error}") from None
        keys[name] = _key(table, where, name, shared)
    manage = said.manage
    return Policy(
        keys,
        sha256(content).hexdigest(),
        shared,
        None if manage is None else {action: frozenset(callers) for action, callers in manage.items()},
    )


def _key(table: KeyTable, where: str, name: str, shared: tuple[Limit, ...]) -> KeyPolicy:
    if table.fingerprint is None:
        raise PolicyInvalid(
            f"{where}.fingerprint: is missing; without it another key could get the name and with it this policy",
            hint=f"`hsm keys show {shlex.quote(name)}` prints the fingerprint of the key",
        )
    if sum(1 for _ in _tables(table)) > MOST_TABLES:
        raise PolicyInvalid(f"{where}: more than {MOST_TABLES} tables of conditions")
    key = KeyPolicy(
        **table.conditions(),
        fingerprint=table.fingerprint,
        limits=_limits(table.limits, f"{where}.limits"),
        shared=shared,
    )
    for condition in _REQUIRED:
        if not key.states(condition):
            problem = "is missing"
            if key.any_of or key.all_of:
                problem += ": state it here, or in every table of any_of"
            raise PolicyInvalid(f"{where}.{condition}: {problem}")
    _check_names(key, where)
    return key


def _limits(tables: tuple[LimitTable, ...], where: str) -> tuple[Limit, ...]:
    limits = tuple(table.limit(place) for place, table in enumerate(tables))
    names = [limit.name for limit in limits]
    if len(set(names)) != len(names):
        raise PolicyInvalid(f"{where}: two limits have one name")
    return limits


def _check_names(terms: Terms, where: str) -> None:
    for kind, inner in (("all_of", terms.all_of), ("any_of", terms.any_of or ())):
        names = [one.name for one in inner]
        if len(set(names)) != len(names):
            raise PolicyInvalid(f"{where}.{kind}: two tables have one name")
        for place, one in enumerate(inner):
            _check_names(one, f"{where}.{kind}[{place}]")


def _tables(table: TermsTable) -> Iterator[TermsTable]:
    yield table
    for inner in (*(table.all_of or ()), *(table.any_of or ())):
        yield from _tables(inner)
