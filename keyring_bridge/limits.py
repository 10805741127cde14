"""Limits in the pipeline: what a signature takes from which counter, and what was taken before.

Reserved before the intent, given back when it is certain that nothing was signed. A counter that does not exist yet
begins with what the audit log says; see :mod:`keyring_bridge.store.limits`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cosmos_formats.quickclass import dataclass
from cosmos_formats.signing.tx_view import TxView
from keyring_bridge.errors import BridgeError, LimitReached, PolicyDenied

if TYPE_CHECKING:
    from pathlib import Path

    from keyring_bridge.model import Caller
    from keyring_bridge.policy import KeyPolicy
    from keyring_bridge.policy.model import Limit
    from keyring_bridge.reading import View
    from keyring_bridge.store.base import Store
    from keyring_bridge.store.counters import Charge, Full, Taken

SPEND = "spend"
"""Member of an intent that says what the transaction moves, of the denominations that limits name."""

NOT_SIGNED = frozenset({"failed", "rejected"})
"""Results of which it is certain that no signature left the bridge."""


@dataclass(frozen=True, slots=True)
class Reserved:
    """What a signature has reserved.

    Attributes:
        taken: From the counters; empty if no limit concerns it.
        spend: What it moves, for the intent; None if no limit counts amounts.
    """

    taken: tuple[Taken, ...]
    spend: Mapping[str, str] | None


NOTHING = Reserved((), None)


class Limits:
    """Reserves in a store.

    Args:
        store: Has the counters.
        audit_path: The audit log.
    """

    def __init__(self, store: Store, audit_path: Path) -> None:
        self._store = store
        self._audit_path = audit_path

    def reserve(self, policy: KeyPolicy, view: View, caller: Caller) -> Reserved:
        """Reserve one signature with all limits that concern it, or with none of them.

        Raises:
            LimitReached: Not now; the message says when.
            PolicyDenied: Never: it alone is more than a limit.
        """
        limits = [(policy.fingerprint, limit) for limit in policy.limits]
        limits += [("", limit) for limit in policy.shared]
        if not limits:
            return NOTHING
        from keyring_bridge.store.counters import Full

        spend = _spend(view, [limit for _, limit in limits])
        charges = [one for key, limit in limits for one in _charges(key, limit, caller.name, spend or {})]
        recorded = None if spend is None else {denom: str(amount) for denom, amount in spend.items()}
        if not charges:
            return Reserved((), recorded)
        taken = self._store.reserve(charges, self._history)
        if isinstance(taken, Full):
            raise _refusal(taken)
        return Reserved(taken, recorded)

    def give_back(self, reserved: Reserved) -> None:
        """Give back what was reserved: it is certain that nothing was signed."""
        # What cannot be given back counts as signed, and the caller learns what went wrong before.
        if reserved.taken:
            with suppress(BridgeError):
                self._store.give_back(reserved.taken)

    def _history(self, charge: Charge) -> Iterator[tuple[float, int]]:
        from keyring_bridge.limit_history import signed_since

        now = datetime.now(UTC)
        for time, amount in signed_since(self._audit_path, now - timedelta(seconds=charge.seconds), charge):
            yield max(0.0, (now - time).total_seconds()), amount


def _spend(view: View, limits: list[Limit]) -> dict[str, int] | None:
    """Return what a transaction moves of the denominations that limits name; None if they name none."""
    denoms = {denom for limit in limits for denom in limit.amount or ()}
    if not denoms:
        return None
    if not isinstance(view, TxView):
        return {}
    from keyring_bridge.policy.effects import effects_of, placed

    totals = effects_of(view, placed(view)).totals
    return {denom: totals[denom] for denom in sorted(denoms) if totals.get(denom)}


def _charges(key: str, limit: Limit, caller: str, spend: Mapping[str, int]) -> Iterator[Charge]:
    if limit.callers is not None and caller not in limit.callers:
        return
    import json

    from keyring_bridge.store.counters import Charge

    callers = frozenset((caller,)) if limit.each_caller else limit.callers
    # Whatever makes it another limit makes it another counter.
    said = [key, limit.name, limit.seconds, limit.signatures, limit.burst, None if callers is None else sorted(callers)]
    if limit.signatures is not None:
        size, units = limit.burst or limit.signatures, limit.signatures
        yield Charge(json.dumps(said), limit.name, "bucket", size, units, limit.seconds, 1, key or None, callers)
    for denom, most in (limit.amount or {}).items():
        amount = spend.get(denom)
        if amount:
            counter = json.dumps([*said, denom, str(most)])
            yield Charge(counter, limit.name, "window", most, 0, limit.seconds, amount, key or None, callers, denom)


def _refusal(full: Full) -> LimitReached | PolicyDenied:
    from cosmos_formats.signing.facts import Coin
    from keyring_bridge.store.counters import SECOND

    charge = full.charge
    what = f"{charge.units} signatures" if charge.denom is None else str(Coin(charge.denom, charge.size))
    limit = f"the limit {charge.limit} of {what} in {_duration(charge.seconds)}"
    if full.wait is None:
        moved = Coin(charge.denom or "", charge.amount)
        return PolicyDenied(f"policy denies this (limits): {limit} is less than the {moved} of this transaction")
    seconds = -(-full.wait // SECOND)
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    return LimitReached(
        f"{limit} is reached; the next one is possible at {at:%Y-%m-%dT%H:%M:%SZ}, in {_duration(seconds)}"
    )


def _duration(seconds: int) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
