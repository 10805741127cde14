"""What ``hsm chain`` shows of chains, of what is offered, and of what changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from keyring_bridge.cli.console import Result
from keyring_bridge.cli.render import details

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cosmos_formats.schema_compare import Difference
    from keyring_bridge.chains import Chain, Changes, Offer

_SHOWN = 40
"""How many lines of one kind are shown to people; JSON has them all."""


def answer(chain: Chain, offer: Offer, more: Mapping[str, object]) -> Result:
    """Return the answer about a chain that was stored, with what its offer settled and left out."""
    settled = [_difference_json(difference) for difference in offer.merged.settled]
    data = chain_json(chain) | {"settled": settled, "left_out": list(offer.merged.left_out), **more}
    return Result(data, lambda style: details(chain_fields(chain), style))


def chain_fields(chain: Chain) -> dict[str, object]:
    """Return what people see of a chain, by name."""
    return {
        "chain": chain.chain_id,
        "prefix": chain.prefix,
        "coin type": chain.coin_type,
        "key algorithm": chain.key_algorithm,
        "public key type": chain.settings.pubkey_type_url or None,
        "node": f"{chain.grpc}{' (TLS)' if chain.settings.tls else ''}" if chain.grpc else None,
        "binary": chain.settings.binary or None,
        "prefix of variables": chain.settings.env_prefix or None,
        "highest fee": chain.settings.max_fee or None,
        "source": chain.source,
        "accepted": chain.accepted_at,
        "digest": chain.digest,
        "files": chain.files,
        "messages": chain.messages,
        "coins known": chain.coins,
        "shipped preferred": chain.prefer_shipped or None,
    }


def chain_json(chain: Chain) -> dict[str, object]:
    """Return a chain ready for JSON."""
    from dataclasses import asdict

    plain = cast("dict[str, object]", asdict(chain))
    settings = cast("dict[str, object]", plain.pop("settings"))
    return {**settings, **plain}


def changes_json(found: Changes) -> dict[str, object]:
    """Return changes ready for JSON."""
    return {
        "added": list(found.added),
        "removed": list(found.removed),
        "changed": [_difference_json(difference) for difference in found.changed],
        "coins": list(found.coins),
    }


def _difference_json(difference: Difference) -> dict[str, object]:
    return {"where": difference.where, "before": difference.before, "after": difference.after}


def offer_lines(offer: Offer, new: Mapping[str, str]) -> list[str]:
    """Return what a person should look at before a chain is added; ``new`` as Offer.new_messages has it."""
    lines = _listed("new transaction message", (f"{name}, signed by {by}" for name, by in new.items() if by))
    others = [name for name, by in new.items() if not by]
    if others:
        packages = ", ".join(sorted({name.rpartition(".")[0] or "(none)" for name in others}))
        lines.append(f"other new messages: {len(others)}, in the packages {packages}")
    lines += _listed("contradiction, settled with the shipped file", offer.merged.settled)
    lines += _listed("file left out, which does not go with the shipped ones", offer.merged.left_out)
    return lines + _listed("coin", sorted(offer.coins))


def change_lines(found: Changes) -> list[str]:
    """Return what a person should look at before a chain is updated."""
    lines = _listed("new", found.added) + _listed("gone", found.removed)
    lines += _listed("changed", found.changed) + _listed("coin changed", found.coins)
    return lines or ["no message and no coin changed"]


def _listed(what: str, names: Iterable[object]) -> list[str]:
    lines = [f"{what}: {name}" for name in names]
    return lines if len(lines) <= _SHOWN else [*lines[:_SHOWN], f"{what}: {len(lines) - _SHOWN} more"]
