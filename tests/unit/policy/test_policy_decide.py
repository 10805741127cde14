"""Transactions × policies → decision and rule.

The transactions are real sign documents, read by the same parser as in the bridge.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from cosmos_formats.schema import default_schema
from cosmos_formats.signing import SignMode
from cosmos_formats.signing.tx_view import Opaque, TxView
from cosmos_formats.signing.views import view
from keyring_bridge.model import Caller, Operation, Purpose
from keyring_bridge.policy import Policy, Question
from keyring_bridge.policy.load import parse_policy

FINGERPRINT = "ab" * 32
OTHER_KEY = "cd" * 32
AMINO = SignMode.LEGACY_AMINO_JSON
CHAIN = "virtengine-1"

SEND = "/cosmos.bank.v1beta1.MsgSend"
MULTI_SEND = "/cosmos.bank.v1beta1.MsgMultiSend"
DELEGATE = "/cosmos.staking.v1beta1.MsgDelegate"
CREATE_VALIDATOR = "/cosmos.staking.v1beta1.MsgCreateValidator"
GRANT = "/cosmos.authz.v1beta1.MsgGrant"
EXEC = "/cosmos.authz.v1beta1.MsgExec"
REVOKE = "/cosmos.authz.v1beta1.MsgRevoke"
GENERIC = "/cosmos.authz.v1beta1.GenericAuthorization"
SEND_AUTHORIZATION = "/cosmos.bank.v1beta1.SendAuthorization"
ALLOWANCE = "/cosmos.feegrant.v1beta1.MsgGrantAllowance"
BASIC_ALLOWANCE = "/cosmos.feegrant.v1beta1.BasicAllowance"
REVOKE_ALLOWANCE = "/cosmos.feegrant.v1beta1.MsgRevokeAllowance"
GROUP_PROPOSAL = "/cosmos.group.v1.MsgSubmitProposal"
GOV_PROPOSAL = "/cosmos.gov.v1.MsgSubmitProposal"
INTERCHAIN = "/ibc.applications.interchain_accounts.controller.v1.MsgSendTx"
EXECUTE_CONTRACT = "/cosmwasm.wasm.v1.MsgExecuteContract"
ED25519 = "/cosmos.crypto.ed25519.PubKey"
UNKNOWN = "/virtengine.market.v1.MsgUnheardOf"
OTHER = "/virtengine.market.v1.MsgOther"
BLIND = b"\xff" * 40


@dataclass(frozen=True)
class Packed:
    """A message to be, with the messages inside it."""

    type_url: str
    fields: dict[str, Any] = field(default_factory=dict)
    inside: tuple[str, tuple["Packed", ...]] | None = None

    def encode(self) -> bytes:
        schema = default_schema()
        message_class = schema.find(self.type_url)
        if message_class is None:
            return b"\x0a\x03abc"
        message = message_class(**self.fields)
        if self.inside is not None:
            place, packed = self.inside
            *way, last = place.split(".")
            holder = message
            for step in way:
                holder = getattr(holder, step)
            target = getattr(holder, last)
            for inner in packed:
                any_value = target.add() if hasattr(target, "add") else target
                any_value.type_url, any_value.value = inner.type_url, inner.encode()
        return bytes(message.SerializeToString(deterministic=True))


def send() -> Packed:
    return Packed(SEND, {"from_address": "ve1a", "to_address": "ve1b"})


def grant(authorization: str) -> Packed:
    fields = {"msg": SEND} if authorization == GENERIC else {}
    return Packed(GRANT, {"granter": "a"}, ("grant.authorization", (Packed(authorization, fields),)))


def execute(*messages: Packed) -> Packed:
    return Packed(EXEC, {"grantee": "a"}, ("msgs", messages))


def group(*messages: Packed) -> Packed:
    return Packed(GROUP_PROPOSAL, {"group_policy_address": "a"}, ("messages", messages))


def gov(*messages: Packed) -> Packed:
    return Packed(GOV_PROPOSAL, {"proposer": "a"}, ("messages", messages))


def create_validator() -> Packed:
    return Packed(CREATE_VALIDATOR, {"validator_address": "a"}, ("pubkey", (Packed(ED25519, {"key": bytes(32)}),)))


def allowance() -> Packed:
    return Packed(ALLOWANCE, {"granter": "a"}, ("allowance", (Packed(BASIC_ALLOWANCE),)))


def tx(*messages: Packed, chain: str = CHAIN, extensions: tuple[Packed, ...] = ()) -> TxView:
    schema = default_schema()
    body = schema.find("/cosmos.tx.v1beta1.TxBody")()
    for target, packed in ((body.messages, messages), (body.extension_options, extensions)):
        for message in packed:
            any_value = target.add()
            any_value.type_url, any_value.value = message.type_url, message.encode()
    auth = schema.find("/cosmos.tx.v1beta1.AuthInfo")()
    auth.fee.gas_limit = 200_000
    info = auth.signer_infos.add()
    info.mode_info.single.mode = 1
    document = schema.find("/cosmos.tx.v1beta1.SignDoc")(
        body_bytes=body.SerializeToString(deterministic=True),
        auth_info_bytes=auth.SerializeToString(deterministic=True),
        chain_id=chain,
        account_number=7,
    )
    read = view(SignMode.DIRECT, document.SerializeToString(deterministic=True))
    assert isinstance(read, TxView)
    return read


def policy(
    *messages: str,
    chains: tuple[str, ...] = (CHAIN,),
    modes: tuple[str, ...] = ("direct",),
    fingerprint: str = FINGERPRINT,
    callers: tuple[str, ...] | None = None,
    blind: bool = False,
) -> Policy:
    lines = ["version = 1", "[keys.ops]", f"chains = {list(chains)}", f"sign_modes = {list(modes)}"]
    lines += [f"messages = {list(messages)}", f"unsafe_blind_signing = {str(blind).lower()}"]
    lines.append(f'fingerprint = "{fingerprint}"')
    if callers is not None:
        lines.append(f"callers = {list(callers)}")
    return parse_policy("\n".join(lines).encode(), Path("/policy.toml"))


def ask(what: TxView | Opaque | None, **changes: Any) -> Question:
    question = Question(
        key="ops",
        fingerprint=FINGERPRINT,
        purpose=Purpose.ACCOUNT,
        operation=Operation.SIGN,
        mode=SignMode.DIRECT,
        view=what,
        caller=Caller("uid:1000"),
    )
    return replace(question, **changes)


def opaque() -> Opaque:
    return Opaque.of(BLIND, "not readable")


def asks(
    *messages: Packed, chain: str = CHAIN, extensions: tuple[Packed, ...] = (), **changes: Any
) -> Callable[[], Question]:
    """A question about a transaction, made when the test runs."""
    return lambda: ask(tx(*messages, chain=chain, extensions=extensions), **changes)


def blind(**changes: Any) -> Callable[[], Question]:
    return lambda: ask(opaque(), **changes)


def unseen(**changes: Any) -> Callable[[], Question]:
    return lambda: ask(None, **changes)


TABLE: list[tuple[str, Policy, Callable[[], Question], str]] = [
    # --- which key ---
    ("no policy at all", Policy.empty(), asks(send()), "deny no-policy"),
    ("policy of another key", policy(SEND), asks(send(), key="other"), "deny no-policy"),
    ("name in another case", policy(SEND), asks(send(), key="Ops"), "deny no-policy"),
    ("key of the policy", policy(SEND), asks(send()), "allow messages"),
    ("another key of that name", policy(SEND), asks(send(), fingerprint=OTHER_KEY), "deny fingerprint"),
    # --- what the key is for ---
    ("consensus key", policy(SEND), asks(send(), purpose=Purpose.CONSENSUS), "deny purpose"),
    ("encryption key", policy(SEND), asks(send(), purpose=Purpose.ENCRYPTION), "deny purpose"),
    ("audit key", policy(SEND), asks(send(), purpose=Purpose.AUDIT), "deny purpose"),
    ("consensus key, blind", policy(blind=True), blind(purpose=Purpose.CONSENSUS), "deny purpose"),
    (
        "consensus key, digest",
        policy(blind=True),
        unseen(operation=Operation.DIGEST, purpose=Purpose.CONSENSUS),
        "deny purpose",
    ),
    # --- who asks ---
    ("caller named", policy(SEND, callers=("uid:1000",)), asks(send()), "allow messages"),
    ("one of the callers", policy(SEND, callers=("uid:1", "uid:1000")), asks(send()), "allow messages"),
    ("another caller", policy(SEND, callers=("uid:1",)), asks(send()), "deny callers"),
    ("caller with a longer number", policy(SEND, callers=("uid:100",)), asks(send()), "deny callers"),
    (
        "caller of TLS",
        policy(SEND, callers=("spiffe://a/b",)),
        asks(send(), caller=Caller("spiffe://a/b")),
        "allow messages",
    ),
    (
        "caller of TLS, other path",
        policy(SEND, callers=("spiffe://a/b",)),
        asks(send(), caller=Caller("spiffe://a/b/c")),
        "deny callers",
    ),
    (
        "hints do not count",
        policy(SEND, callers=("uid:1",)),
        asks(send(), caller=Caller("uid:2", (("exe", "uid:1"),))),
        "deny callers",
    ),
    ("caller, blind", policy(blind=True, callers=("uid:1",)), blind(), "deny callers"),
    ("caller, digest", policy(blind=True, callers=("uid:1",)), unseen(operation=Operation.DIGEST), "deny callers"),
    # --- sign modes ---
    ("no mode", policy(SEND, modes=()), asks(send()), "deny sign_modes"),
    ("another mode", policy(SEND, modes=("textual",)), asks(send()), "deny sign_modes"),
    ("several modes", policy(SEND, modes=("textual", "direct")), asks(send()), "allow messages"),
    ("declared as amino", policy(SEND, modes=("amino-json",)), asks(send(), mode=AMINO), "deny sign_modes"),
    ("mode unspecified", policy(SEND), blind(mode=SignMode.UNSPECIFIED), "deny sign_modes"),
    ("mode EIP-191", policy(SEND), blind(mode=SignMode.EIP_191), "deny sign_modes"),
    ("blind, mode not allowed", policy(blind=True), blind(mode=AMINO), "deny sign_modes"),
    # --- blind signing ---
    ("opaque", policy(SEND), blind(), "deny unsafe_blind_signing"),
    ("not looked at", policy(SEND), unseen(), "deny unsafe_blind_signing"),
    ("opaque amino", policy(SEND, modes=("amino-json",)), blind(mode=AMINO), "deny unsafe_blind_signing"),
    ("opaque amino, blind", policy(modes=("amino-json",), blind=True), blind(mode=AMINO), "allow unsafe_blind_signing"),
    ("opaque, blind", policy(blind=True), blind(), "allow unsafe_blind_signing"),
    ("digest", policy(SEND), blind(operation=Operation.DIGEST), "deny unsafe_blind_signing"),
    ("digest, blind", policy(blind=True), blind(operation=Operation.DIGEST), "allow unsafe_blind_signing"),
    (
        "digest, blind, no mode",
        policy(blind=True, modes=()),
        blind(operation=Operation.DIGEST),
        "allow unsafe_blind_signing",
    ),
    ("digest with a nice view", policy(SEND), asks(send(), operation=Operation.DIGEST), "deny unsafe_blind_signing"),
    ("readable, blind allowed, message not", policy(blind=True), asks(send()), "deny messages"),
    ("readable, blind allowed, chain not", policy(SEND, blind=True), asks(send(), chain="x"), "deny chains"),
    ("blind for another key of that name", policy(blind=True), blind(fingerprint=OTHER_KEY), "deny fingerprint"),
    # --- chains ---
    ("no chain", policy(SEND, chains=()), asks(send()), "deny chains"),
    ("another chain", policy(SEND), asks(send(), chain="cosmoshub-4"), "deny chains"),
    ("chain in another case", policy(SEND), asks(send(), chain="VirtEngine-1"), "deny chains"),
    ("chain with a suffix", policy(SEND), asks(send(), chain="virtengine-11"), "deny chains"),
    ("chain with a space", policy(SEND), asks(send(), chain="virtengine-1 "), "deny chains"),
    ("one of the chains", policy(SEND, chains=("a-1", CHAIN)), asks(send()), "allow messages"),
    ("a chain is no wildcard", policy(SEND, chains=("*",)), asks(send()), "deny chains"),
    # --- messages by name ---
    ("no message allowed", policy(), asks(send()), "deny messages"),
    ("another message", policy(DELEGATE), asks(send()), "deny messages"),
    ("similar name", policy(MULTI_SEND), asks(send()), "deny messages"),
    ("two messages", policy(SEND, DELEGATE), asks(send(), Packed(DELEGATE)), "allow messages"),
    ("second message not allowed", policy(SEND), asks(send(), Packed(DELEGATE)), "deny messages"),
    ("first message not allowed", policy(SEND), asks(Packed(DELEGATE), send()), "deny messages"),
    ("hundred messages and one", policy(SEND), asks(*[send()] * 100, Packed(DELEGATE)), "deny messages"),
    ("hundred messages", policy(SEND), asks(*[send()] * 100), "allow messages"),
    # --- wildcards ---
    ("wildcard", policy("/cosmos.bank.v1beta1.*"), asks(send(), Packed(MULTI_SEND)), "allow messages"),
    ("wildcard of another module", policy("/cosmos.staking.v1beta1.*"), asks(send()), "deny messages"),
    ("wildcard of another version", policy("/cosmos.bank.v1.*"), asks(send()), "deny messages"),
    ("wildcard of an outer package", policy("/cosmos.bank.*"), asks(send()), "deny messages"),
    ("wildcard, unknown type", policy("/virtengine.market.v1.*"), asks(Packed(UNKNOWN)), "deny messages"),
    ("unknown type by name", policy(UNKNOWN), asks(Packed(UNKNOWN)), "allow messages"),
    ("another unknown type", policy(UNKNOWN), asks(Packed(OTHER)), "deny messages"),
    (
        "wildcard over authz grants",
        policy("/cosmos.authz.v1beta1.*", "/cosmos.bank.v1beta1.*"),
        asks(grant(GENERIC)),
        "deny messages",
    ),
    ("wildcard over authz exec", policy("/cosmos.authz.v1beta1.*", SEND), asks(execute(send())), "deny messages"),
    ("wildcard over authz revoke", policy("/cosmos.authz.v1beta1.*"), asks(Packed(REVOKE)), "allow messages"),
    ("wildcard over fee grants", policy("/cosmos.feegrant.v1beta1.*"), asks(allowance()), "deny messages"),
    (
        "wildcard over fee grant revocation",
        policy("/cosmos.feegrant.v1beta1.*"),
        asks(Packed(REVOKE_ALLOWANCE)),
        "allow messages",
    ),
    (
        "wildcard over an authorization",
        policy(GRANT, "/cosmos.bank.v1beta1.*"),
        asks(grant(SEND_AUTHORIZATION)),
        "deny messages",
    ),
    (
        "wildcard over interchain accounts",
        policy(f"{INTERCHAIN.removesuffix('MsgSendTx')}*"),
        asks(Packed(INTERCHAIN)),
        "deny messages",
    ),
    ("interchain accounts by name", policy(INTERCHAIN), asks(Packed(INTERCHAIN)), "allow messages"),
    ("wildcard over a group's proposal", policy("/cosmos.group.v1.*", SEND), asks(group(send())), "deny messages"),
    ("wildcard over contracts", policy("/cosmwasm.wasm.v1.*"), asks(Packed(EXECUTE_CONTRACT)), "deny messages"),
    ("contract by name", policy(EXECUTE_CONTRACT), asks(Packed(EXECUTE_CONTRACT)), "allow messages"),
    # --- nested messages ---
    ("grant and what it grants by name", policy(GRANT, GENERIC), asks(grant(GENERIC)), "allow messages"),
    ("grant alone by name", policy(GRANT), asks(grant(GENERIC)), "deny messages"),
    ("fee grant and allowance by name", policy(ALLOWANCE, BASIC_ALLOWANCE), asks(allowance()), "allow messages"),
    ("fee grant alone by name", policy(ALLOWANCE), asks(allowance()), "deny messages"),
    ("exec and its message", policy(EXEC, SEND), asks(execute(send())), "allow messages"),
    ("exec, message by wildcard", policy(EXEC, "/cosmos.bank.v1beta1.*"), asks(execute(send())), "allow messages"),
    ("exec hides a message", policy(EXEC, SEND), asks(execute(send(), Packed(DELEGATE))), "deny messages"),
    ("exec without its message", policy(EXEC), asks(execute(send())), "deny messages"),
    ("message without exec", policy(SEND), asks(execute(send())), "deny messages"),
    ("exec of nothing", policy(EXEC), asks(execute()), "allow messages"),
    ("exec in exec", policy(EXEC, SEND), asks(execute(execute(send()))), "allow messages"),
    ("exec in exec hides a message", policy(EXEC, SEND), asks(execute(execute(Packed(DELEGATE)))), "deny messages"),
    (
        "exec hides a grant",
        policy(EXEC, SEND, "/cosmos.authz.v1beta1.*"),
        asks(execute(grant(GENERIC))),
        "deny messages",
    ),
    (
        "exec hides an unknown type",
        policy(EXEC, "/virtengine.market.v1.*"),
        asks(execute(Packed(UNKNOWN))),
        "deny messages",
    ),
    (
        "group proposal hides a message",
        policy(GROUP_PROPOSAL, SEND),
        asks(group(send(), Packed(DELEGATE))),
        "deny messages",
    ),
    ("group proposal hides an exec", policy(GROUP_PROPOSAL, SEND), asks(group(execute(send()))), "deny messages"),
    ("group proposal", policy(GROUP_PROPOSAL, SEND), asks(group(send())), "allow messages"),
    ("governance proposal hides a message", policy("/cosmos.gov.v1.*"), asks(gov(send())), "deny messages"),
    ("governance proposal of text", policy("/cosmos.gov.v1.*"), asks(gov()), "allow messages"),
    (
        "good message first, hidden one later",
        policy(EXEC, SEND),
        asks(send(), execute(send(), group(send()))),
        "deny messages",
    ),
    ("public key in a message", policy(CREATE_VALIDATOR), asks(create_validator()), "allow messages"),
    ("public key as a message", policy(SEND), asks(Packed(ED25519, {"key": bytes(32)})), "deny messages"),
    # --- extension options ---
    ("extension option", policy(SEND), asks(send(), extensions=(Packed(UNKNOWN),)), "deny messages"),
    ("extension option by name", policy(SEND, UNKNOWN), asks(send(), extensions=(Packed(UNKNOWN),)), "allow messages"),
    # --- the first rule that objects decides ---
    (
        "fingerprint before everything",
        policy(callers=("uid:1",)),
        blind(fingerprint=OTHER_KEY, purpose=Purpose.CONSENSUS),
        "deny fingerprint",
    ),
    ("purpose before caller", policy(callers=("uid:1",)), blind(purpose=Purpose.CONSENSUS), "deny purpose"),
    ("caller before mode", policy(modes=(), callers=("uid:1",)), blind(), "deny callers"),
    ("mode before blind", policy(modes=()), blind(), "deny sign_modes"),
    ("chain before message", policy(chains=()), asks(send()), "deny chains"),
]


@pytest.mark.parametrize(("rules", "question", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_table(rules: Policy, question: Callable[[], Question], expected: str) -> None:
    decision = rules.decide(question())
    assert f"{decision.verdict} {decision.rule}" == expected, decision.reason
    assert decision.reason


def test_the_table_is_long_enough_and_has_no_row_twice() -> None:
    names = [row[0] for row in TABLE]
    assert len(names) >= 60
    assert len(set(names)) == len(names)


def test_a_type_url_in_another_spelling_is_another_type() -> None:
    for spelled in (SEND[1:], f"type.googleapis.com{SEND}", f"/{SEND}", SEND.lower(), f"{SEND} "):
        decision = policy(SEND, "/cosmos.bank.v1beta1.*").decide(ask(tx(Packed(spelled))))
        assert (decision.verdict, decision.rule) == ("deny", "messages"), spelled


def test_a_view_of_another_mode_than_declared_is_denied() -> None:
    read = replace(tx(send()), mode=SignMode.TEXTUAL)
    decision = policy(SEND, modes=("direct", "textual")).decide(ask(read))
    assert (decision.verdict, decision.rule) == ("deny", "sign_modes")


def test_a_transaction_without_messages_is_denied() -> None:
    decision = policy(SEND).decide(ask(replace(tx(send()), messages=())))
    assert (decision.verdict, decision.rule) == ("deny", "messages")


def test_reasons_name_what_was_found_and_where() -> None:
    decision = policy(EXEC, SEND).decide(ask(tx(execute(Packed(DELEGATE)))))
    assert decision.reason == f"the message {DELEGATE} inside {EXEC} is not allowed"
    decision = policy(SEND).decide(ask(tx(Packed(UNKNOWN))))
    assert decision.reason == f"the message of unknown type {UNKNOWN} is not allowed"
    decision = policy(SEND).decide(ask(tx(send(), chain="other-1")))
    assert decision.reason == "the chain other-1 is not allowed"


def test_reasons_are_short_and_printable_whatever_was_sent() -> None:
    nasty = "\x1b[2J\n" + "x" * 10_000
    read = tx(send())
    message = replace(read.messages[0], type_url=nasty)
    for question in (
        ask(replace(read, chain_id=nasty)),
        ask(replace(read, messages=(message,))),
        ask(replace(read, messages=(replace(message, type_url=EXEC, nested=(message,)),))),
        ask(read, key=nasty),
    ):
        reason = policy(EXEC).decide(question).reason
        assert len(reason) < 600
        assert reason.isprintable()
