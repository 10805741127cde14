"""Transactions × policies → decision and rule, with the ways around a rule that somebody would try.

Every transaction is turned into sign bytes of its mode and read back, as the bridge reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from keyring_bridge.errors import InvalidSignDoc
from keyring_bridge.policy import Policy, Question
from tests.unit.policy.transactions import (
    FRIEND,
    OTHER,
    OTHER_VALIDATOR,
    OWN,
    OWN_VALIDATOR,
    STRANGER,
    Json,
    account,
    ask,
    coins,
    contract,
    delegate,
    execute,
    fee_grant,
    gov,
    grant,
    group,
    multi_send,
    rules,
    send,
    transaction,
    transfer,
    with_amount,
)

BANK = "/cosmos.bank.v1beta1."
SEND, MULTI = f"{BANK}MsgSend", f"{BANK}MsgMultiSend"
DELEGATE = "/cosmos.staking.v1beta1.MsgDelegate"
EXEC, GRANT = "/cosmos.authz.v1beta1.MsgExec", "/cosmos.authz.v1beta1.MsgGrant"
GENERIC = "/cosmos.authz.v1beta1.GenericAuthorization"
SEND_AUTH = f"{BANK}SendAuthorization"
STAKE_AUTH = "/cosmos.staking.v1beta1.StakeAuthorization"
FEE_GRANT = "/cosmos.feegrant.v1beta1.MsgGrantAllowance"
BASIC = "/cosmos.feegrant.v1beta1.BasicAllowance"
PERIODIC = "/cosmos.feegrant.v1beta1.PeriodicAllowance"
WRAPPED = "/cosmos.feegrant.v1beta1.AllowedMsgAllowance"
GROUP, GROUP_EXEC, GROUP_VOTE = (f"/cosmos.group.v1.{name}" for name in ("MsgSubmitProposal", "MsgExec", "MsgVote"))
GOV = "/cosmos.gov.v1.MsgSubmitProposal"
TRANSFER = "/ibc.applications.transfer.v1.MsgTransfer"
CONTRACT = "/cosmwasm.wasm.v1.MsgExecuteContract"
NFT = "/cosmos.nft.v1beta1.MsgSend"
WITHDRAW_TO = "/cosmos.distribution.v1beta1.MsgSetWithdrawAddress"
VESTING = "/cosmos.vesting.v1beta1.MsgCreatePeriodicVestingAccount"
INVARIANT = "/cosmos.crisis.v1beta1.MsgVerifyInvariant"

ALL = (SEND, MULTI, DELEGATE, EXEC, GRANT, GENERIC, SEND_AUTH, STAKE_AUTH, FEE_GRANT, BASIC, PERIODIC, WRAPPED, GROUP,
       GROUP_EXEC, GROUP_VOTE, GOV, TRANSFER, CONTRACT, NFT, WITHDRAW_TO, VESTING, INVARIANT)  # fmt: skip
MODES = ("direct", "amino-json", "textual", "eip-191", "direct-aux")
HUGE = 2**256 - 1
"""Of 78 digits, as many as the SDK's integers have."""

Asks = Callable[[], Question]


def most(amount: object, more: str = "", named: str = "") -> Policy:
    """Everything may be signed that moves at most this many uve."""
    text = f'max_amount = {{ uve = "{amount}"{more} }}\n'
    return rules(text + (f'unknown_spending = ["{named}"]' if named else ""), messages=ALL, modes=MODES)


def having(text: str, top: str = "") -> Policy:
    return rules(text, messages=ALL, modes=MODES, top=top)


def of(
    *messages: Json, mode: str = "direct", caller: str = "uid:1000", time: datetime | None = None, **tx: object
) -> Asks:
    def asks() -> Question:
        made = transaction(*messages, **tx)  # type: ignore[arg-type]  # keyword arguments of its own
        return ask(made, mode, caller, **({} if time is None else {"time": time}))

    return asks


def odd(amount: str, *more: Json) -> Asks:
    """A send of an amount that is written in an odd way, and what comes after it."""
    return lambda: ask(with_amount(transaction(send(1), *more), amount))


def basic(*spend: object) -> Json:
    return {"@type": BASIC, "spend_limit": coins(*spend)}


def periodic(basic_limit: tuple[object, ...]) -> Json:
    return {
        "@type": PERIODIC,
        "basic": {"spend_limit": coins(*basic_limit)},
        "period": "3600s",
        "period_spend_limit": coins(1),
        "period_can_spend": coins(1),
    }


def send_authorization(*limit: object, allowed: tuple[str, ...] = ()) -> Json:
    return {"@type": SEND_AUTH, "spend_limit": coins(*limit), "allow_list": list(allowed)}


def stake_authorization(limit: Json | None) -> Json:
    return {
        "@type": STAKE_AUTH,
        "max_tokens": limit,
        "allow_list": {"address": [OWN_VALIDATOR]},
        "authorization_type": "AUTHORIZATION_TYPE_DELEGATE",
    }


GENERIC_SEND = {"@type": GENERIC, "msg": SEND}
ONLY_FRIEND = f'recipients = ["{FRIEND}"]'
NOT_STRANGER = f'denied_recipients = ["{STRANGER}"]'
OPEN = of(send(1))

ROWS: list[tuple[str, Policy, Asks, str]] = [
    # --- amounts: sums of everything, fees included --------------------------------------------------------------
    ("exactly the amount", most(100), of(send(100)), "allow messages"),
    ("one too many", most(100), of(send(101)), "deny max_amount"),
    ("no amounts at all", most(0), of(send()), "allow messages"),
    ("nothing allowed", most(0), of(send(1)), "deny max_amount"),
    ("split over messages", most(100), of(send(60), send(60)), "deny max_amount"),
    ("split over a hundred messages", most(99), of(*[send(1)] * 100), "deny max_amount"),
    ("split within the amount", most(100), of(*[send(1)] * 100), "allow messages"),
    ("split over coins of one message", most(100), of(send(60, 60)), "deny max_amount"),
    ("split over types of messages", most(100), of(send(60), delegate(60)), "deny max_amount"),
    ("the fee counts", most(100), of(send(60), fee=(41,)), "deny max_amount"),
    ("the fee fits", most(100), of(send(60), fee=(40,)), "allow messages"),
    ("the fee alone is too much", most(100), of(send(), fee=(101,)), "deny max_amount"),
    ("nothing is moved, in other coins", most(100), of(send("0uatom")), "allow messages"),
    ("another coin", most(100), of(send("1uatom")), "deny max_amount"),
    ("another coin beside", most(100), of(send(1, "1uatom")), "deny max_amount"),
    ("two coins that are named", most(100, ', uatom = "5"'), of(send(100, "5uatom")), "allow messages"),
    ("the second coin is too much", most(100, ', uatom = "5"'), of(send(100, "6uatom")), "deny max_amount"),
    ("a fee in another coin", most(100), of(send(1), fee=("1uatom",)), "deny max_amount"),
    # --- amounts: unusual spelling -------------------------------------------------------------------------------
    ("denomination in capitals", most(100), of(send("1UVE")), "deny max_amount"),
    ("denomination with a space", most(100), of(send("1uve ")), "deny max_amount"),
    ("denomination with a look-alike", most(100), of(send("1uνe")), "deny max_amount"),
    ("denomination of a factory", most(100), of(send("1factory/ve1x/uve")), "deny max_amount"),
    ("denomination of a transfer", most(100), of(send("1ibc/27394FB092D2ECCD56123C74F36E4C1F")), "deny max_amount"),
    ("denomination with digits before it", most(100), of(send("1000uve")), "deny max_amount"),
    ("no denomination", most(100), of({**send(), "amount": [{"denom": "", "amount": "1"}]}), "deny max_amount"),
    # --- amounts: huge and odd numbers ---------------------------------------------------------------------------
    ("the largest number", most(100), of(send(HUGE)), "deny max_amount"),
    ("the largest number, allowed", most(HUGE), of(send(HUGE)), "allow messages"),
    ("two of the largest number", most(HUGE), of(send(HUGE), send(HUGE)), "deny max_amount"),
    ("two that are zero in 64 bits", most(100), of(send(2**63), send(2**63)), "deny max_amount"),
    ("two that are zero in 256 bits", most(100), of(send(2**255), send(2**255)), "deny max_amount"),
    ("a number of 79 digits", most(HUGE), odd("9" * 79), "deny max_amount"),
    ("a negative number", most(100), odd("-5"), "deny max_amount"),
    ("less by a negative number", most(100), odd("-100", send(150)), "deny max_amount"),
    ("an octal number", most(100), odd("0100"), "deny max_amount"),
    ("a number with a sign", most(100), odd("+1"), "deny max_amount"),
    ("an empty number", most(100), odd(""), "deny max_amount"),
    ("a number with a dot", most(100), odd("1.5"), "deny max_amount"),
    ("an odd number that is named all the same", most(100, named=SEND), odd("0x1"), "deny max_amount"),
    # --- amounts: nested -----------------------------------------------------------------------------------------
    ("inside of authz", most(100), of(execute(send(101))), "deny max_amount"),
    ("inside of authz, fits", most(100), of(execute(send(100))), "allow messages"),
    ("split inside and outside", most(100), of(send(60), execute(send(60))), "deny max_amount"),
    ("split over authz", most(100), of(execute(send(60)), execute(send(60))), "deny max_amount"),
    ("authz in authz", most(100), of(execute(execute(execute(send(101))))), "deny max_amount"),
    ("others' money inside of authz", most(100), of(execute(send(101, sender=OTHER))), "deny max_amount"),
    ("a group's proposal", most(100), of(group(send(101))), "deny max_amount"),
    ("a group's proposal, fits", most(100), of(group(send(100))), "allow messages"),
    ("authz in a group's proposal", most(100), of(group(execute(send(101)))), "deny max_amount"),
    ("governance: deposit and message", most(100), of(gov(send(60), deposit=60)), "deny max_amount"),
    ("governance: deposit alone", most(100), of(gov(deposit=101)), "deny max_amount"),
    ("governance: within the amount", most(100), of(gov(send(40), deposit=60)), "allow messages"),
    (
        "vesting in periods",
        most(100),
        of(
            {
                "@type": VESTING,
                "from_address": OWN,
                "to_address": FRIEND,
                "start_time": "1",
                "vesting_periods": [{"length": "1", "amount": [{"denom": "uve", "amount": "60"}]}] * 2,
            }
        ),
        "deny max_amount",
    ),
    # --- amounts: multi-send -------------------------------------------------------------------------------------
    ("multi-send counts once", most(100), of(multi_send((FRIEND, 60), (OTHER, 40))), "allow messages"),
    ("multi-send of too much", most(100), of(multi_send((FRIEND, 60), (OTHER, 41))), "deny max_amount"),
    ("multi-send and send", most(100), of(multi_send((FRIEND, 60)), send(41)), "deny max_amount"),
    (
        "multi-send of outputs only",
        most(100),
        of(
            {
                "@type": MULTI,
                "inputs": [],
                "outputs": [{"address": FRIEND, "coins": [{"denom": "uve", "amount": "202"}]}],
            }
        ),
        "deny max_amount",
    ),
    # --- spending that cannot be known ---------------------------------------------------------------------------
    ("a contract", most(100), of(contract()), "deny max_amount"),
    ("a contract that is named", most(100, named=CONTRACT), of(contract()), "allow messages"),
    ("a contract by wildcard", most(100, named="/cosmwasm.wasm.v1.*"), of(contract()), "deny max_amount"),
    ("a named contract's funds count", most(100, named=CONTRACT), of(contract(101)), "deny max_amount"),
    ("a contract inside of authz", most(100), of(execute(contract())), "deny max_amount"),
    ("a contract without amounts in the policy", having(""), of(contract()), "allow messages"),
    (
        "a module that nobody looked at",
        most(100),
        of({"@type": NFT, "class_id": "a", "id": "b", "sender": OWN, "receiver": FRIEND}),
        "deny max_amount",
    ),
    (
        "that module by wildcard",
        most(100, named="/cosmos.nft.v1beta1.*"),
        of({"@type": NFT, "class_id": "a", "id": "b", "sender": OWN, "receiver": FRIEND}),
        "allow messages",
    ),
    ("a charge that the message does not show", most(100), of({"@type": INVARIANT, "sender": OWN}), "deny max_amount"),
    (
        "a group's proposal is carried out",
        most(100),
        of({"@type": GROUP_EXEC, "proposal_id": "1", "executor": OWN}),
        "deny max_amount",
    ),
    (
        "a vote may carry it out",
        most(100),
        of({"@type": GROUP_VOTE, "proposal_id": "1", "voter": OWN, "option": "VOTE_OPTION_YES", "exec": "EXEC_TRY"}),
        "deny max_amount",
    ),
    ("any message granted", most(100), of(grant(GENERIC_SEND)), "deny max_amount"),
    ("sends granted within a limit", most(100), of(grant(send_authorization(100))), "allow messages"),
    ("sends granted beyond it", most(100), of(grant(send_authorization(101))), "deny max_amount"),
    ("sends granted without a limit", most(100), of(grant(send_authorization())), "deny max_amount"),
    ("stake granted without a limit", most(100), of(grant(stake_authorization(None))), "deny max_amount"),
    (
        "stake granted within a limit",
        most(100),
        of(grant(stake_authorization({"denom": "uve", "amount": "100"}))),
        "allow messages",
    ),
    ("fees granted without a limit", most(100), of(fee_grant(basic())), "deny max_amount"),
    ("fees granted within a limit", most(100), of(fee_grant(basic(100))), "allow messages"),
    ("fees granted beyond it", most(100), of(fee_grant(basic(101))), "deny max_amount"),
    ("fees granted by the hour, for ever", most(100), of(fee_grant(periodic(()))), "deny max_amount"),
    ("fees granted by the hour, with an end", most(100), of(fee_grant(periodic((50,)))), "allow messages"),
    (
        "an endless grant in a wrapper",
        most(100),
        of(fee_grant({"@type": WRAPPED, "allowance": basic(), "allowed_messages": [SEND]})),
        "deny max_amount",
    ),
    (
        "a grant with an end in a wrapper",
        most(100),
        of(fee_grant({"@type": WRAPPED, "allowance": basic(5), "allowed_messages": [SEND]})),
        "allow messages",
    ),
    # --- the same message in every mode --------------------------------------------------------------------------
    *[(f"{mode}: fits", most(100), of(send(100), mode=mode), "allow messages") for mode in MODES],
    *[(f"{mode}: too much", most(100), of(send(101), mode=mode), "deny max_amount") for mode in MODES],
    *[(f"{mode}: inside of authz", most(100), of(execute(send(101)), mode=mode), "deny max_amount") for mode in MODES],
    *[
        (f"{mode}: a stranger", having(ONLY_FRIEND), of(send(1, to=STRANGER), mode=mode), "deny recipients")
        for mode in MODES
    ],
    (
        "fees are not the signer's in direct-aux",
        having('max_fee = { uve = "1" }'),
        of(send(1), mode="direct-aux", fee=(500,)),
        "allow messages",
    ),
    (
        "amino JSON where the policy wants screens",
        rules(messages=ALL, modes=("textual",)),
        of(send(1), mode="amino-json"),
        "deny sign_modes",
    ),
    # --- recipients ----------------------------------------------------------------------------------------------
    ("a recipient that is named", having(ONLY_FRIEND), of(send(1)), "allow messages"),
    ("another recipient", having(ONLY_FRIEND), of(send(1, to=STRANGER)), "deny recipients"),
    ("oneself", having(ONLY_FRIEND), of(send(1, to=OWN)), "allow messages"),
    ("the second message's recipient", having(ONLY_FRIEND), of(send(1), send(1, to=STRANGER)), "deny recipients"),
    ("an output of a multi-send", having(ONLY_FRIEND), of(multi_send((FRIEND, 1), (STRANGER, 1))), "deny recipients"),
    ("a recipient inside of authz", having(ONLY_FRIEND), of(execute(send(1, to=STRANGER))), "deny recipients"),
    (
        "a recipient in a group's proposal",
        having(f'recipients = ["{FRIEND}", "{OTHER}"]'),
        of(group(send(1, to=STRANGER))),
        "deny recipients",
    ),
    (
        "another validator",
        having(f'recipients = ["{OWN_VALIDATOR}"]'),
        of(delegate(1, OTHER_VALIDATOR)),
        "deny recipients",
    ),
    ("the validator that is named", having(f'recipients = ["{OWN_VALIDATOR}"]'), of(delegate(1)), "allow messages"),
    ("a named recipient in capitals", having(ONLY_FRIEND), of(send(1, to=FRIEND.upper())), "deny recipients"),
    (
        "a named recipient on another chain",
        having(ONLY_FRIEND),
        of(send(1, to=account(2, "cosmos"))),
        "deny recipients",
    ),
    ("a grantee", having(ONLY_FRIEND), of(fee_grant(basic(1), STRANGER)), "deny recipients"),
    ("whoever a grantee chooses", having(ONLY_FRIEND), of(grant(send_authorization(1))), "deny recipients"),
    (
        "where rewards go from now on",
        having(ONLY_FRIEND),
        of({"@type": WITHDRAW_TO, "delegator_address": OWN, "withdraw_address": STRANGER}),
        "deny recipients",
    ),
    ("a transfer to another chain", having('recipients = ["cosmos1abc"]'), of(transfer(1)), "allow messages"),
    (
        "a transfer to somebody else",
        having('recipients = ["cosmos1abc"]'),
        of(transfer(1, "cosmos1xyz")),
        "deny recipients",
    ),
    (
        "a transfer that is passed on",
        having('recipients = ["cosmos1abc"]'),
        of(transfer(1, memo='{"forward":{"receiver":"osmo1xyz"}}')),
        "deny recipients",
    ),
    (
        "one that is named",
        having(f'recipients = ["cosmos1abc"]\nunknown_spending = ["{TRANSFER}"]'),
        of(transfer(1, memo="x")),
        "allow messages",
    ),
    ("a contract chooses the recipient", having(f'recipients = ["{OTHER}"]'), of(contract()), "deny recipients"),
    (
        "a contract that is named, recipients too",
        having(f'recipients = ["{OTHER}"]\nunknown_spending = ["{CONTRACT}"]'),
        of(contract()),
        "allow messages",
    ),
    (
        "somebody who signs too is paid",
        having(ONLY_FRIEND),
        of(
            {
                "@type": MULTI,
                "inputs": [{"address": OWN, "coins": coins(100)}, {"address": STRANGER, "coins": coins(1)}],
                "outputs": [{"address": STRANGER, "coins": coins(101)}],
            }
        ),
        "deny recipients",
    ),
    # --- recipients that are denied ------------------------------------------------------------------------------
    ("anybody else", having(NOT_STRANGER), of(send(1)), "allow messages"),
    ("who is denied", having(NOT_STRANGER), of(send(1, to=STRANGER)), "deny denied_recipients"),
    ("in capitals", having(NOT_STRANGER), of(send(1, to=STRANGER.upper())), "deny denied_recipients"),
    ("with another prefix", having(NOT_STRANGER), of(send(1, to=account(9, "cosmos"))), "deny denied_recipients"),
    ("its validator", having(NOT_STRANGER), of(delegate(1, account(9, "vevaloper"))), "deny denied_recipients"),
    ("in hexadecimal digits", having(NOT_STRANGER), of(transfer(1, "0x" + "09" * 20)), "deny denied_recipients"),
    ("in a form that nobody knows", having(NOT_STRANGER), of(transfer(1, "alice.near")), "deny denied_recipients"),
    ("with a space", having(NOT_STRANGER), of(transfer(1, f"{STRANGER} ")), "deny denied_recipients"),
    (
        "who is denied, inside of authz",
        having(NOT_STRANGER),
        of(execute(send(1, to=STRANGER))),
        "deny denied_recipients",
    ),
    ("who is denied, by a contract", having(NOT_STRANGER), of(contract()), "deny denied_recipients"),
    # --- fee and gas ---------------------------------------------------------------------------------------------
    ("the fee that is allowed", having('max_fee = { uve = "500" }'), of(send(9999), fee=(500,)), "allow messages"),
    ("a higher fee", having('max_fee = { uve = "500" }'), of(send(1), fee=(501,)), "deny max_fee"),
    ("a fee in pieces", having('max_fee = { uve = "500" }'), of(send(1), fee=(300, 300)), "deny max_fee"),
    ("a fee of another coin", having('max_fee = { uve = "500" }'), of(send(1), fee=("1uatom",)), "deny max_fee"),
    (
        "a fee in amino JSON",
        having('max_fee = { uve = "500" }'),
        of(send(1), fee=(501,), mode="amino-json"),
        "deny max_fee",
    ),
    ("no fee", having("max_fee = {}"), of(send(1)), "allow messages"),
    ("any fee where none is allowed", having("max_fee = {}"), of(send(1), fee=(1,)), "deny max_fee"),
    ("the gas that is allowed", having("max_gas = 200000"), of(send(1)), "allow messages"),
    ("more gas", having("max_gas = 200000"), of(send(1), gas=200_001), "deny max_gas"),
    ("all the gas there is", having("max_gas = 200000"), of(send(1), gas=2**64 - 1), "deny max_gas"),
    # --- who pays ------------------------------------------------------------------------------------------------
    ("somebody's grant pays", having("granters = []"), of(send(1), granter=STRANGER), "deny granters"),
    ("a grant that is named", having(f'granters = ["{FRIEND}"]'), of(send(1), granter=FRIEND), "allow messages"),
    ("a granter in capitals", having(f'granters = ["{FRIEND}"]'), of(send(1), granter=FRIEND.upper()), "deny granters"),
    ("one's own grant", having("granters = []"), of(send(1), granter=OWN), "deny granters"),
    (
        "a granter where the fee is nothing",
        having("granters = []"),
        of(send(1), granter=STRANGER, fee=()),
        "deny granters",
    ),
    (
        "a granter in amino JSON",
        having("granters = []"),
        of(send(1), granter=STRANGER, mode="amino-json"),
        "deny granters",
    ),
    ("this key is to pay for others", having("payers = []"), of(send(1, sender=OTHER), payer=OWN), "deny payers"),
    ("a payer that is named", having(f'payers = ["{OTHER}"]'), of(send(1), payer=OTHER), "allow messages"),
    ("nobody else pays", having("payers = []\ngranters = []"), OPEN, "allow messages"),
    # --- memo and timeout ----------------------------------------------------------------------------------------
    ("the memo", having('memos = ["payroll *"]'), of(send(1), body={"memo": "payroll 7"}), "allow messages"),
    ("no memo", having('memos = ["payroll *"]'), OPEN, "deny memos"),
    ("another memo", having('memos = ["payroll *"]'), of(send(1), body={"memo": "Payroll 7"}), "deny memos"),
    (
        "a memo with more in front",
        having('memos = ["payroll *"]'),
        of(send(1), body={"memo": "x payroll 7"}),
        "deny memos",
    ),
    ("a memo of two lines", having('memos = ["payroll *"]'), of(send(1), body={"memo": "payroll 7\nx"}), "deny memos"),
    ("a memo where none is allowed", having('memos = [""]'), of(send(1), body={"memo": "x"}), "deny memos"),
    ("none where none is allowed", having('memos = [""]'), OPEN, "allow messages"),
    ("no timeout", having("timeout_required = true"), OPEN, "deny timeout_required"),
    (
        "a timeout by height",
        having("timeout_required = true"),
        of(send(1), body={"timeout_height": "7"}),
        "allow messages",
    ),
    (
        "a timeout by time",
        having("timeout_required = true"),
        of(send(1), body={"timeout_timestamp": "2026-01-05T10:00:00Z"}),
        "allow messages",
    ),
    # --- times ---------------------------------------------------------------------------------------------------
    ("in office hours", having('times = ["mon-fri 08:00-18:00"]'), OPEN, "allow messages"),
    (
        "a minute late",
        having('times = ["mon-fri 08:00-18:00"]'),
        of(send(1), time=datetime(2026, 1, 5, 18, 0, tzinfo=UTC)),
        "deny times",
    ),
    (
        "on a Sunday",
        having('times = ["mon-fri 08:00-18:00"]'),
        of(send(1), time=datetime(2026, 1, 4, 9, 0, tzinfo=UTC)),
        "deny times",
    ),
    (
        "after midnight",
        having('times = ["fri 22:00-06:00"]'),
        of(send(1), time=datetime(2026, 1, 10, 5, 59, tzinfo=UTC)),
        "allow messages",
    ),
    (
        "after the wrong midnight",
        having('times = ["fri 22:00-06:00"]'),
        of(send(1), time=datetime(2026, 1, 9, 5, 59, tzinfo=UTC)),
        "deny times",
    ),
    ("never", having("times = []"), OPEN, "deny times"),
    # --- operations ----------------------------------------------------------------------------------------------
    ("signing is an operation", having('operations = ["sign"]'), OPEN, "allow messages"),
    ("a key that signs nothing", having('operations = ["rename"]'), OPEN, "deny operations"),
    # --- any_of and all_of ---------------------------------------------------------------------------------------
    (
        "the first alternative",
        having('[[keys.ops.any_of]]\nname = "a"\nmax_gas = 200000\n[[keys.ops.any_of]]\nname = "b"\nmax_gas = 1'),
        OPEN,
        "allow a",
    ),
    (
        "the second alternative",
        having('[[keys.ops.any_of]]\nname = "a"\nmax_gas = 1\n[[keys.ops.any_of]]\nname = "b"\nmax_gas = 200000'),
        OPEN,
        "allow b",
    ),
    (
        "no alternative",
        having('[[keys.ops.any_of]]\nname = "a"\nmax_gas = 1\n[[keys.ops.any_of]]\nname = "b"\nmax_gas = 2'),
        OPEN,
        "deny any_of",
    ),
    ("the only alternative", having('[[keys.ops.any_of]]\nname = "a"\nmax_gas = 1'), OPEN, "deny a/max_gas"),
    (
        "the table around alternatives",
        having("max_gas = 1\n[[keys.ops.any_of]]\nmax_gas = 200000"),
        OPEN,
        "deny max_gas",
    ),
    (
        "half of each alternative",
        having(
            f'[[keys.ops.any_of]]\nname = "small"\nmax_amount = {{ uve = "10" }}\n'
            f'[[keys.ops.any_of]]\nname = "friend"\nrecipients = ["{FRIEND}"]'
        ),
        of(send(5, to=STRANGER), send(50)),
        "deny any_of",
    ),
    (
        "all of",
        having('[[keys.ops.all_of]]\nname = "a"\nmax_gas = 200000\n[[keys.ops.all_of]]\nname = "b"\nmax_gas = 1'),
        OPEN,
        "deny b/max_gas",
    ),
    (
        "alternatives in alternatives",
        having(
            '[[keys.ops.any_of]]\nname = "a"\nmax_gas = 200000\n[[keys.ops.any_of.any_of]]\nname = "x"\nmemos = ["x"]\n'
            '[[keys.ops.any_of.any_of]]\nname = "y"\nmemos = [""]'
        ),
        OPEN,
        "allow a/y",
    ),
    (
        "by caller",
        having(
            '[[keys.ops.any_of]]\nname = "bot"\ncallers = ["uid:7"]\n'
            '[[keys.ops.any_of]]\nname = "person"\ncallers = ["uid:1000"]'
        ),
        of(send(1), caller="uid:7"),
        "allow bot",
    ),
    # --- a limit by amount has to know it ------------------------------------------------------------------------
    (
        "a contract under a limit",
        having('limits = [{ amount = { uve = 5 }, per = "day" }]'),
        of(contract()),
        "deny limits",
    ),
    (
        "a named contract under a limit",
        having(f'unknown_spending = ["{CONTRACT}"]\nlimits = [{{ amount = {{ uve = 5 }}, per = "day" }}]'),
        of(contract()),
        "allow messages",
    ),
    (
        "a contract under a limit for all keys",
        having("", '[[limits]]\namount = { uve = 5 }\nper = "day"'),
        of(contract()),
        "deny limits",
    ),
    (
        "an odd number under a limit",
        having('limits = [{ amount = { uve = 5 }, per = "day" }]'),
        odd("-5"),
        "deny limits",
    ),
]


@pytest.mark.parametrize(("policy", "asks", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_table(policy: Policy, asks: Asks, expected: str) -> None:
    decision = policy.decide(asks())
    assert f"{decision.verdict} {decision.rule}" == expected, decision.reason
    assert decision.reason.isprintable()


def test_the_table_is_long_enough_and_has_no_row_twice() -> None:
    names = [row[0] for row in ROWS]
    assert len(names) >= 120
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("mode", ["direct", "textual"])
@pytest.mark.parametrize("place", ["body", "message", "auth"])
def test_an_unknown_critical_field_is_not_even_asked_about(mode: str, place: str) -> None:
    from dataclasses import replace

    from cosmos_formats.schema import default_schema
    from cosmos_formats.signing.transaction import TxParts

    made = transaction(send(1), fee=(1,))
    field = b"\x9a\x06\x01x"  # number 99, which has not the bit of what may be ignored
    body, auth = made.parts.body_bytes, made.parts.auth_info_bytes
    if place == "body":
        body += field
    elif place == "auth":
        auth += field
    else:
        tx_body = default_schema().message("cosmos.tx.v1beta1.TxBody").FromString(body)
        tx_body.messages[0].value += field
        body = tx_body.SerializeToString(deterministic=True)
    with pytest.raises(InvalidSignDoc, match="unknown"):
        ask(replace(made, parts=TxParts(body, auth)), mode)


def test_messages_of_types_that_are_not_known() -> None:
    from dataclasses import replace

    from cosmos_formats.schema import default_schema
    from cosmos_formats.signing.transaction import TxParts

    made = transaction(send(1))
    body = default_schema().message("cosmos.tx.v1beta1.TxBody").FromString(made.parts.body_bytes)
    body.messages[0].type_url = "/virtengine.market.v1.MsgUnheardOf"
    unheard = replace(made, parts=TxParts(body.SerializeToString(deterministic=True), made.parts.auth_info_bytes))
    name = "/virtengine.market.v1.MsgUnheardOf"
    for text, wanted in (
        ("", "allow messages"),
        ('max_amount = { uve = "1000000" }', "deny max_amount"),
        (f'max_amount = {{ uve = "1000000" }}\nunknown_spending = ["{name}"]', "allow messages"),
        ('max_amount = { uve = "1" }\nunknown_spending = ["/virtengine.market.v1.*"]', "deny max_amount"),
        (ONLY_FRIEND, "deny recipients"),
        (NOT_STRANGER, "deny denied_recipients"),
    ):
        decision = rules(text, messages=(name,)).decide(ask(unheard))
        assert f"{decision.verdict} {decision.rule}" == wanted, decision.reason
    assert having("").decide(ask(unheard)).rule == "messages"


@pytest.mark.parametrize("seconds", [0, 59])
def test_reasons_tell_what_moves_and_what_may(seconds: int) -> None:
    decision = most(100).decide(of(send(60), execute(send(60)), fee=(5,))())
    assert decision.reason == "the transaction moves 125uve, and 100uve is allowed"
    decision = most(100).decide(of(contract())())
    assert decision.reason == (
        f"how much {CONTRACT} moves cannot be known (its module's messages may do more than they show), "
        "and unknown_spending does not name it"
    )


PEOPLE = (
    '[[keys.ops.any_of]]\nname = "person"\ncallers = ["uid:1"]\nunsafe_blind_signing = true\n'
    '[[keys.ops.any_of]]\nname = "bot"\ncallers = ["uid:2"]\narbitrary_data = true\n'
)
LOOSE = "[[keys.ops.any_of]]\nmax_gas = 1\nunsafe_blind_signing = true\n[[keys.ops.any_of]]\nmax_gas = 2\n"


@pytest.mark.parametrize(
    ("text", "operation", "caller", "expected"),
    [
        ("", "digest", "uid:1", "deny unsafe_blind_signing"),
        ("", "arbitrary", "uid:1", "deny arbitrary_data"),
        (PEOPLE, "digest", "uid:1", "allow unsafe_blind_signing"),
        (PEOPLE, "digest", "uid:2", "deny unsafe_blind_signing"),
        (PEOPLE, "arbitrary", "uid:2", "allow arbitrary_data"),
        (PEOPLE, "arbitrary", "uid:1", "deny arbitrary_data"),
        (PEOPLE, "digest", "uid:3", "deny any_of"),
        (f"unsafe_blind_signing = true\n{PEOPLE}", "digest", "uid:2", "allow unsafe_blind_signing"),
        (f"unsafe_blind_signing = true\n{PEOPLE}", "digest", "uid:3", "deny any_of"),
        # Where nothing can be read, rules about transactions have nothing to object to.
        (LOOSE, "digest", "uid:1", "allow unsafe_blind_signing"),
        ('operations = ["rename"]\nunsafe_blind_signing = true', "digest", "uid:1", "deny operations"),
        ("times = []\nunsafe_blind_signing = true", "digest", "uid:1", "deny times"),
        ('callers = ["uid:2"]\narbitrary_data = true', "arbitrary", "uid:1", "deny callers"),
    ],
)
def test_what_is_allowed_by_name_only(text: str, operation: str, caller: str, expected: str) -> None:
    from keyring_bridge.policy.cases import other_question
    from tests.unit.policy.transactions import FINGERPRINT, KEY

    decision = having(text).decide(other_question(operation, KEY, FINGERPRINT, caller, None))
    assert f"{decision.verdict} {decision.rule}" == expected, decision.reason


def test_an_operation_that_nobody_knows_counts_as_blind_signing() -> None:
    """Whatever it is, it is not something else than a signature."""
    from dataclasses import replace

    for operation in ("sign", "rename", "", None):
        asked = replace(OPEN(), operation=operation)
        assert having("").decide(asked).rule == "unsafe_blind_signing"
        assert Policy.empty().decide(asked).rule == "no-policy"
