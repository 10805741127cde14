"""Transactions, and questions about them, for tests of policies. All of them pass the reader of a real sign mode."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosmos_formats import address
from cosmos_formats.schema import default_schema
from cosmos_formats.tx import Transaction
from keyring_bridge.policy.load import parse_policy
from keyring_bridge.policy.trial import question

FINGERPRINT = "ab" * 32
CHAIN = "virtengine-1"
KEY = "ops"
MONDAY = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)

if TYPE_CHECKING:
    from keyring_bridge.policy import Policy, Question

Json = dict[str, Any]


def account(number: int, prefix: str = "ve") -> str:
    """Address of the account whose 20 bytes are all ``number``."""
    return address.encode(prefix, bytes([number]) * 20)


OWN, FRIEND, OTHER, STRANGER = (account(number) for number in (1, 2, 3, 9))
OWN_VALIDATOR, OTHER_VALIDATOR = account(1, "vevaloper"), account(4, "vevaloper")


def coin(amount: object, denom: str = "uve") -> Json:
    return {"denom": denom, "amount": str(amount)}


def coins(*amounts: object) -> list[Json]:
    """Coins: a number means ``uve``, a text has its denomination behind the digits."""
    found = []
    for one in amounts:
        digits = str(one)[: len(str(one)) - len(str(one).lstrip("0123456789"))]
        found.append(coin(digits, str(one)[len(digits) :] or "uve"))
    return found


def send(*amounts: object, to: str = FRIEND, sender: str = OWN) -> Json:
    return {
        "@type": "/cosmos.bank.v1beta1.MsgSend",
        "from_address": sender,
        "to_address": to,
        "amount": coins(*amounts),
    }


def multi_send(*payments: tuple[str, object]) -> Json:
    total = sum(int(str(amount)) for _, amount in payments)
    return {
        "@type": "/cosmos.bank.v1beta1.MsgMultiSend",
        "inputs": [{"address": OWN, "coins": coins(total)}],
        "outputs": [{"address": to, "coins": coins(amount)} for to, amount in payments],
    }


def delegate(amount: object, validator: str = OWN_VALIDATOR, delegator: str = OWN) -> Json:
    return {
        "@type": "/cosmos.staking.v1beta1.MsgDelegate",
        "delegator_address": delegator,
        "validator_address": validator,
        "amount": coins(amount)[0],
    }


def execute(*messages: Json) -> Json:
    return {"@type": "/cosmos.authz.v1beta1.MsgExec", "grantee": OWN, "msgs": list(messages)}


def group(*messages: Json, **fields: object) -> Json:
    return {
        "@type": "/cosmos.group.v1.MsgSubmitProposal",
        "group_policy_address": OTHER,
        "proposers": [OWN],
        "messages": list(messages),
        **fields,
    }


def gov(*messages: Json, deposit: object = 0) -> Json:
    return {
        "@type": "/cosmos.gov.v1.MsgSubmitProposal",
        "proposer": OWN,
        "messages": list(messages),
        "initial_deposit": coins(deposit) if deposit else [],
    }


def grant(authorization: Json, grantee: str = FRIEND) -> Json:
    return {
        "@type": "/cosmos.authz.v1beta1.MsgGrant",
        "granter": OWN,
        "grantee": grantee,
        "grant": {"authorization": authorization},
    }


def fee_grant(allowance: Json, grantee: str = FRIEND) -> Json:
    return {
        "@type": "/cosmos.feegrant.v1beta1.MsgGrantAllowance",
        "granter": OWN,
        "grantee": grantee,
        "allowance": allowance,
    }


def transfer(amount: object, receiver: str = "cosmos1abc", memo: str = "") -> Json:
    return {
        "@type": "/ibc.applications.transfer.v1.MsgTransfer",
        "sender": OWN,
        "receiver": receiver,
        "token": coins(amount)[0],
        "memo": memo,
    }


def contract(*funds: object) -> Json:
    return {
        "@type": "/cosmwasm.wasm.v1.MsgExecuteContract",
        "sender": OWN,
        "contract": OTHER,
        "msg": {"transfer": {"recipient": STRANGER, "amount": "1000000"}},
        "funds": coins(*funds),
    }


def transaction(
    *messages: Json, fee: tuple[object, ...] = (), gas: int = 200_000, body: Json | None = None, **of_fee: str
) -> Transaction:
    """A transaction without signers.

    Args:
        messages: In the SDK's JSON.
        fee: As for :func:`coins`.
        gas: Limit.
        body: Other fields of the body.
        of_fee: Payer and granter.
    """
    document = {
        "body": {"messages": list(messages), **(body or {})},
        "auth_info": {"fee": {"amount": coins(*fee), "gas_limit": str(gas), **of_fee}},
    }
    return Transaction.from_json(json.dumps(document), default_schema())


def with_amount(tx: Transaction, text: str) -> Transaction:
    """A transaction whose first message, a send, has a coin with this amount, as it stands in the bytes."""
    schema = default_schema()
    body = schema.message("cosmos.tx.v1beta1.TxBody").FromString(tx.parts.body_bytes)
    message = schema.message("cosmos.bank.v1beta1.MsgSend").FromString(body.messages[0].value)
    message.amount[0].amount = text
    body.messages[0].value = message.SerializeToString(deterministic=True)
    return replace(tx, parts=replace(tx.parts, body_bytes=body.SerializeToString(deterministic=True)))


def ask(tx: Transaction, mode: str = "direct", caller: str = "uid:1000", time: datetime = MONDAY) -> Question:
    return question(
        tx,
        default_schema(),
        key=KEY,
        fingerprint=FINGERPRINT,
        caller=caller,
        chain_id=CHAIN,
        mode=mode,
        time=time,
    )


def rules(
    text: str = "", *, messages: tuple[str, ...] = (), modes: tuple[str, ...] = ("direct",), top: str = ""
) -> Policy:
    """A policy with one table; ``text`` is TOML that comes after chains, sign modes and messages."""
    lines = [
        "version = 1",
        top,
        f"[keys.{KEY}]",
        f'fingerprint = "{FINGERPRINT}"',
        f'chains = ["{CHAIN}"]',
        f"sign_modes = {list(modes)}",
        f"messages = {list(messages)}" if messages else "",
        text,
    ]
    return parse_policy("\n".join(lines).encode(), Path("/policy.toml"))
