"""What ``hsm status`` finds out, part by part.

A part that is broken must not hide the others: every part is looked at on its own, and its error becomes a *problem*
in the answer. A *warning* is something that works and that a person should know.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.cli.render import timestamp
from keyring_bridge.errors import BridgeError, PinRequired, ProviderError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyring_bridge.audit import Entry
    from keyring_bridge.bridge import Bridge
    from keyring_bridge.config import Config
    from keyring_bridge.keyring import Keyring
    from keyring_bridge.login_guard import LoginState
    from keyring_bridge.model import ProviderStatus
    from keyring_bridge.store.base import StoredRecord
    from keyring_bridge.token_keys import Comparison


@dataclass(slots=True)
class Findings:
    """Problems and warnings, in the order they were found."""

    problems: list[tuple[str, BridgeError]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ProviderHealth:
    """One provider.

    Attributes:
        comparison: Its keys beside the records, None if nobody logged in.
    """

    name: str
    backend: str
    default: bool
    status: ProviderStatus
    comparison: Comparison | None

    @property
    def hardware(self) -> bool | None:
        """Whether the keys are in hardware; None while nobody is there to tell."""
        return self.status.hardware if self.status.state in ("ready", "locked") else None

    def to_json(self) -> dict[str, object]:
        """Return the provider ready for JSON."""
        from keyring_bridge.cli.token_view import comparison_json, token_json

        return {
            "name": self.name,
            "backend": self.backend,
            "default": self.default,
            "state": self.status.state,
            "hardware": self.hardware,
            "pin": self.status.pin,
            "sessions": self.status.sessions,
            "message": self.status.message,
            "token": token_json(self.status.token) if self.status.token is not None else None,
            "keys": comparison_json(self.comparison) if self.comparison is not None else None,
        }


@dataclass(frozen=True, slots=True)
class PolicyHealth:
    """The policy.

    Attributes:
        digest: SHA-256 of the file; None if it is broken.
        keys: Names that have a policy.
        without: Account keys that have none.
        of_another_key: Account keys whose name has a policy that is bound to another key.
        blind: Names that may sign what nobody can read.
    """

    path: Path
    exists: bool
    digest: str | None = None
    keys: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    of_another_key: tuple[str, ...] = ()
    blind: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the policy ready for JSON."""
        return {
            "path": self.path,
            "exists": self.exists,
            "digest": self.digest,
            "keys": self.keys,
            "keys_without_policy": self.without,
            "keys_of_another_fingerprint": self.of_another_key,
            "unsafe_blind_signing": self.blind,
        }


@dataclass(frozen=True, slots=True)
class AuditHealth:
    """The audit log and its last entry."""

    path: Path
    exists: bool
    last: Entry | None = None

    def to_json(self) -> dict[str, object]:
        """Return the log's head ready for JSON."""
        last = self.last
        head = {"seq": last.seq, "hash": last.head.hash, "time": last.time} if last is not None else None
        return {"path": self.path, "exists": self.exists, "head": head}


def login_json(state: LoginState) -> dict[str, object]:
    """Return the state of a token's logins ready for JSON."""
    return {
        "token": state.token_id,
        "status": state.status,
        "source": state.source,
        "since": timestamp(state.since) if state.since is not None else None,
    }


def look_at_provider(bridge: Bridge, keyring: Keyring, name: str, found: Findings, *, log_in: bool) -> ProviderHealth:
    """Return the state of one provider.

    Args:
        bridge: Where the provider is.
        keyring: Compares its keys with the records.
        name: The provider.
        found: Gets what is wrong.
        log_in: Whether to log in; without a login a token shows no private keys.
    """
    comparison: Comparison | None = None
    broken = False
    if not log_in:
        _look_for_a_block(bridge, name, found)
    else:
        try:
            comparison = keyring.compare(name)
        except PinRequired as error:
            found.warnings.append(f"{name}: keys were not compared with the records: {error}")
        except BridgeError as error:
            found.problems.append((f"provider {name}", error))
            broken = True
    # After the comparison, so that it tells the state that a login left.
    status = bridge.provider_status(name)
    if status.state in ("failed", "disconnected") and not broken:
        found.problems.append((f"provider {name}", ProviderError(status.message or status.state)))
    config = bridge.config
    unfinished = _unfinished(config, name, keyring)
    found.warnings += [f"{name}: {text}" for text in _cautions(status, comparison, unfinished)]
    return ProviderHealth(name, config.providers[name].backend, name == config.default_provider, status, comparison)


def _look_for_a_block(bridge: Bridge, name: str, found: Findings) -> None:
    """Find out whether a login would be refused; what else is wrong shows in the provider's status."""
    from keyring_bridge.errors import PinBlocked

    try:
        bridge.check_login(name)
    except PinBlocked as error:
        found.problems.append((f"provider {name}", error))
    except BridgeError:
        return


_PIN_CAUTIONS = {
    "count_low": "wrong PINs were entered",
    "final_try": "ONE try is left for the PIN",
    "locked": "the token has locked the PIN",
}


def _unfinished(config: Config, provider: str, keyring: Keyring) -> dict[str, str]:
    """Return the name by fingerprint of keys whose ceremony was cut off; a running one says so."""
    from keyring_bridge.ceremony.marker import unfinished

    known = {record.fingerprint for record in keyring.list()}
    return {
        mark.fingerprint: f"{mark.name} (under way)" if mark.under_way else mark.name
        for mark in unfinished(config.state_dir).values()
        if mark.provider == provider and mark.fingerprint not in known
    }


def _cautions(status: ProviderStatus, comparison: Comparison | None, unfinished: Mapping[str, str]) -> list[str]:
    texts = []
    if unfinished:
        names = ", ".join(unfinished.values())
        texts.append(
            f"UNFINISHED CEREMONY of {names}: nobody confirmed its words or shares, so the key is not used "
            "(`hsm keygen --recoverable` with the same name removes it and begins anew)"
        )
    if comparison is not None and comparison.only_in_store:
        names = ", ".join(record.name for record in comparison.only_in_store)
        texts.append(f"records whose key is not there: {names}")
    strangers = () if comparison is None else comparison.only_in_token
    labels = ", ".join(info.label for info in strangers if info.fingerprint not in unfinished)
    if labels:
        texts.append(f"keys without a record (`hsm keys sync` makes records): {labels}")
    if comparison is not None and comparison.extractable:
        texts.append(f"EXTRACTABLE: keys that may leave the token: {', '.join(comparison.extractable)}")
    if status.state == "ready" and status.message:
        texts.append(status.message)
    if status.pin in _PIN_CAUTIONS:
        texts.append(_PIN_CAUTIONS[status.pin])
    if not status.hardware:
        texts.append("NOT HARDWARE: a program on this computer holds these private keys")
    return texts


def look_at_logins(config: Config, found: Findings) -> list[LoginState]:
    """Return the logins that are blocked, because a PIN was refused."""
    from keyring_bridge.login_guard import LoginGuard

    try:
        return LoginGuard(config.state_dir / "logins").all()
    except BridgeError as error:
        found.problems.append(("logins", error))
        return []


def look_at_policy(config: Config, records: list[StoredRecord], found: Findings) -> PolicyHealth:
    """Return which policy is in force, and which keys it leaves out or trusts blindly."""
    from keyring_bridge.model import Purpose
    from keyring_bridge.policy import Policy

    path = config.policy_path
    exists = path.exists()
    try:
        policy = Policy.load(path) if exists else Policy.empty()
    except BridgeError as error:
        found.problems.append(("policy", error))
        return PolicyHealth(path, exists)
    signing = [record for record in records if record.provider is not None and record.purpose is Purpose.ACCOUNT]
    rules = policy.keys
    health = PolicyHealth(
        path,
        exists,
        policy.digest,
        keys=tuple(sorted(rules)),
        without=tuple(record.name for record in signing if record.name not in rules),
        of_another_key=tuple(
            record.name
            for record in signing
            if record.name in rules and rules[record.name].fingerprint not in (None, record.fingerprint)
        ),
        blind=tuple(sorted(name for name, rule in rules.items() if rule.mentions("unsafe_blind_signing"))),
    )
    for names, what in (
        (health.without, "keys without a policy sign nothing"),
        (health.of_another_key, "keys whose policy is bound to another key sign nothing"),
        (health.blind, "UNSAFE: the policy allows blind signing"),
    ):
        if names:
            found.warnings.append(f"{what}: {', '.join(names)}")
    return health


def look_at_audit(config: Config, found: Findings) -> AuditHealth:
    """Return the audit log's head; ``hsm audit verify`` checks what is before it."""
    from keyring_bridge.audit import Entry, tail
    from keyring_bridge.errors import AuditCorrupt

    path = config.audit_path
    if not path.exists():
        return AuditHealth(path, exists=False)
    try:
        lines = tail(path, 1)
    except BridgeError as error:
        found.problems.append(("audit log", error))
        return AuditHealth(path, exists=True)
    last = lines[0] if lines else None
    if last is None or isinstance(last, Entry):
        return AuditHealth(path, exists=True, last=last)
    found.problems.append(("audit log", AuditCorrupt("the last line is not an entry", detail=last.reason)))
    return AuditHealth(path, exists=True)
