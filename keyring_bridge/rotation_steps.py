"""What a chain has to be told when a key was rotated: messages to sign, and questions to ask a node first.

An address is made of its key, so an account's successor is another account: what the old one holds and may do is moved
or granted. A consensus key is changed by a message where the chain has one. Nothing is sent from here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cosmos_formats import address as bech32_address
from keyring_bridge.model import Purpose

if TYPE_CHECKING:
    from cosmos_formats.multisig import AnyPublicKey

ROTATE_CONSENSUS_KEY: Final = "/cosmos.staking.v1beta1.MsgRotateConsPubKey"

_UNCHANGED: Final = "[do-not-modify]"
"""What the staking module takes for a part of a description that stays."""

OPERATOR: Final = "OPERATOR_ADDRESS"
"""Stands where the validator's operator address belongs, which nobody here knows."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do.

    Attributes:
        what: For a person.
        signer: ``old`` or ``new``, or ``operator``; empty for what is not signed.
        message: The message in proto-JSON; None where there is none to give.
        query: What to ask a node with the chain's program; empty for nothing.
    """

    what: str
    signer: str = ""
    message: dict[str, object] | None = None
    query: str = ""


def steps(
    purpose: Purpose,
    old: AnyPublicKey,
    new: AnyPublicKey,
    prefix: str,
    messages: Sequence[str],
    knows: Callable[[str], bool],
) -> tuple[Step, ...]:
    """Return what is to be done on the chain, in order.

    Args:
        purpose: Of both keys.
        old: Public key of the one that is replaced.
        new: Public key of its successor.
        prefix: Of the chain's account addresses.
        messages: Types that the successor is to sign in the old account's name.
        knows: Whether the chain has a message of a type.
    """
    if purpose is Purpose.CONSENSUS:
        return _consensus(new, knows)
    if purpose is not Purpose.ACCOUNT:
        return (Step("no chain knows this key; tell those who verify with it the new public key"),)
    names = bech32_address.prefixes(prefix)
    before, after = (bech32_address.encode(names.account, key.address) for key in (old, new))
    operator = bech32_address.encode(names.valoper, old.address)
    return (
        Step("see what others may do in the old account's name", query=f"authz grants-by-granter {before}"),
        Step("see what the old account may do in others' names", query=f"authz grants-by-grantee {before}"),
        Step("see whose fees the old account pays, and who pays its", query=f"feegrant grants-by-grantee {before}"),
        *(
            Step(f"let the successor sign {one} in the old account's name", "old", _grant(before, after, one))
            for one in messages
        ),
        Step(
            "let the old account pay the successor's fees, until it has funds (set a limit and an expiration)",
            "old",
            {
                "@type": "/cosmos.feegrant.v1beta1.MsgGrantAllowance",
                "granter": before,
                "grantee": after,
                "allowance": {
                    "@type": "/cosmos.feegrant.v1beta1.BasicAllowance",
                    "spend_limit": [],
                    "expiration": None,
                },
            },
        ),
        Step(f"ask everybody who granted the old account something to grant it to {after} and revoke the old grant"),
        Step(
            f"only if the account operates a validator: {operator} stays its address for ever, so let the successor "
            "edit it in the old account's name",
            "old",
            _grant(before, after, "/cosmos.staking.v1beta1.MsgEditValidator"),
        ),
        Step(
            "only then: tell the new contact (signed by the successor, inside a MsgExec of authz)",
            "new",
            {
                "@type": "/cosmos.staking.v1beta1.MsgEditValidator",
                "description": {
                    "moniker": _UNCHANGED,
                    "identity": _UNCHANGED,
                    "website": _UNCHANGED,
                    "security_contact": _UNCHANGED,
                    "details": _UNCHANGED,
                },
                "validator_address": operator,
            },
        ),
        Step(f"move what the old account holds to {after}; delegations are moved by unbonding and delegating anew"),
        Step("then let the old key only verify: run this command again with --keep-signing-until now"),
    )


def _grant(granter: str, grantee: str, message: str) -> dict[str, object]:
    return {
        "@type": "/cosmos.authz.v1beta1.MsgGrant",
        "granter": granter,
        "grantee": grantee,
        "grant": {
            "authorization": {"@type": "/cosmos.authz.v1beta1.GenericAuthorization", "msg": message},
            "expiration": None,
        },
    }


def _consensus(new: AnyPublicKey, knows: Callable[[str], bool]) -> tuple[Step, ...]:
    public_key = new.to_proto_json()
    if knows(ROTATE_CONSENSUS_KEY):
        return (
            Step(
                "tell the chain the new consensus key; the old one signs until the chain has changed over",
                "operator",
                {"@type": ROTATE_CONSENSUS_KEY, "validator_address": OPERATOR, "new_pubkey": public_key},
            ),
            Step("wait until the validator set has the new key, then let the node use it"),
            Step("only when the old key signs no more votes: run this command again with --keep-signing-until now"),
        )
    return (
        Step(
            "this chain has no message that changes a validator's consensus key (MsgEditValidator does not), so the "
            "successor makes a new validator; add its description, commission and self-delegation",
            "operator",
            {"@type": "/cosmos.staking.v1beta1.MsgCreateValidator", "pubkey": public_key},
        ),
        Step("delegations stay with the old validator; delegators redelegate them"),
        Step("let the old validator go on signing until it has left the set, or it is jailed for missing blocks"),
        Step("only then: run this command again with --keep-signing-until now"),
    )
