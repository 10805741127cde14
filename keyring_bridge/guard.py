"""The policy in the pipeline: asks it, tells its refusals as errors, and has each change of it audited."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cosmos_formats.signing import SignMode
from keyring_bridge.errors import ConfigError, NoPolicy, PolicyDenied, StoreFailed
from keyring_bridge.live_policy import LivePolicy
from keyring_bridge.model import Action, Purpose
from keyring_bridge.policy import Question

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyring_bridge.audit import AuditLog
    from keyring_bridge.model import Caller, SignRequest
    from keyring_bridge.policy import Decision, Policy
    from keyring_bridge.reading import View
    from keyring_bridge.signing_key import SigningKey
    from keyring_bridge.store.base import Store

ACTIONS: Mapping[str, Action] = {
    "key.generate": Action.GENERATE,
    "key.import": Action.IMPORT,
    "key.adopt": Action.IMPORT,
    "key.save": Action.IMPORT,
    "key.rename": Action.RENAME,
    "key.ceremony": Action.GENERATE,
    "key.restore": Action.IMPORT,
    "key.wrap": Action.BACKUP,
    "key.seal": Action.BACKUP,
}
"""What the policy calls an operation that is audited under this kind. All of ``backup.…`` are :attr:`Action.BACKUP`."""

_NOTED = "policy.noted"


def action_of(kind: str) -> Action | None:
    """Return what the policy calls an operation; None for those that are no key's."""
    if kind.startswith("backup."):
        return Action.BACKUP
    # What is not listed ends a key in some way: it is retired, undone, rotated.
    return ACTIONS.get(kind, Action.DELETE) if kind.startswith("key.") else None


class PolicyGuard:
    """Decides with the policy as it stands in its file.

    Args:
        path: The policy file.
        state_dir: Where the digest of the last policy is noted.
        store: Has the records of keys that something else than a signature is wanted of.
        audit: Told of every change.
    """

    def __init__(self, path: Path, state_dir: Path, store: Store, audit: AuditLog) -> None:
        self._live = LivePolicy(path, self._changed)
        self._noted = state_dir / _NOTED
        self._store = store
        self._audit = audit

    def current(self) -> Policy:
        """Return the policy; errors as :meth:`LivePolicy.current`."""
        return self._live.current()

    def usable(self) -> Policy:
        """As :meth:`current`, for clients: an error does not name the file, which is not their business."""
        try:
            return self._live.current()
        except ConfigError as error:
            raise type(error)(
                "the policy cannot be used, so nothing is signed", hint="`hsm status` says why", detail=error.message
            ) from error

    def decide(self, key: SigningKey, request: SignRequest, view: View, caller: Caller) -> tuple[Decision, Policy]:
        """Return the decision that allows a signature, and the policy that made it.

        Raises:
            PolicyDenied: It does not.
            PolicyInvalid: It cannot be used.
        """
        policy = self.usable()
        decision = policy.decide(
            Question(
                key=key.name,
                fingerprint=key.fingerprint,
                purpose=key.purpose,
                operation=request.operation,
                mode=request.mode,
                view=view,
                caller=caller,
                time=datetime.now(UTC),
            )
        )
        _require(decision)
        return decision, policy

    def require(self, action: Action, key: str, caller: Caller) -> None:
        """Check that the policy lets a caller do something with a key, which need not exist yet.

        Raises:
            PolicyDenied: It does not.
            PolicyInvalid: It cannot be used.
        """
        record = None if action in (Action.GENERATE, Action.IMPORT) else self._store.get(key)
        _require(
            self.usable().decide(
                Question(
                    key=key,
                    fingerprint="" if record is None else record.fingerprint or "",
                    purpose=Purpose.ACCOUNT if record is None else record.purpose,
                    operation=action,
                    mode=SignMode.UNSPECIFIED,
                    view=None,
                    caller=caller,
                    time=datetime.now(UTC),
                )
            )
        )

    def _changed(self, policy: Policy) -> None:
        """Have a policy that is not the last one audited before it counts."""
        from keyring_bridge.config import write_atomic

        try:
            before = self._noted.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            before = ""
        if before == policy.digest:
            return
        # Also where nothing is noted: a note that was removed must not hide a change.
        self._audit.note("policy.changed", "", {"policy": policy.digest, "before": before or None})
        try:
            write_atomic(self._noted, f"{policy.digest}\n".encode("ascii"))
        except OSError as error:
            raise StoreFailed(
                "the policy's digest cannot be noted", detail=f"{self._noted}: {error.strerror}"
            ) from error


def _require(decision: Decision) -> None:
    if decision.verdict != "allow":
        kind = NoPolicy if decision.rule == "no-policy" else PolicyDenied
        raise kind(f"policy denies this ({decision.rule}): {decision.reason}")
