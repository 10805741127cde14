"""Properties of the policy."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cosmos_formats.signing import SignMode
from cosmos_formats.signing.messages import MessageView
from cosmos_formats.signing.tx_view import Opaque, TxView
from keyring_bridge.errors import BridgeError, PolicyInvalid
from keyring_bridge.model import Caller, Operation, Purpose
from keyring_bridge.names import check_name
from keyring_bridge.policy import KeyPolicy, MessagePatterns, Policy, Question
from keyring_bridge.policy.load import parse_policy
from keyring_bridge.policy.patterns import needs_exact_name
from keyring_bridge.policy.write import add_starter, remove_key, rename_key

T = TypeVar("T")
FILE = Path("/etc/bridge/policy.toml")

type_urls = st.sampled_from(
    [
        "/cosmos.bank.v1beta1.MsgSend",
        "/cosmos.bank.v1beta1.MsgMultiSend",
        "/cosmos.bank.v1beta1.SendAuthorization",
        "/cosmos.staking.v1beta1.MsgDelegate",
        "/cosmos.authz.v1beta1.MsgExec",
        "/cosmos.authz.v1beta1.MsgGrant",
        "/cosmos.authz.v1beta1.MsgRevoke",
        "/cosmos.feegrant.v1beta1.MsgGrantAllowance",
        "/cosmos.crypto.ed25519.PubKey",
        "/virtengine.market.v1.MsgBid",
    ]
)
patterns = type_urls | type_urls.map(lambda url: url[: url.rfind(".") + 1] + "*")
messages = st.recursive(
    st.builds(MessageView, type_url=type_urls, value=st.just(b""), known=st.booleans()),
    lambda inner: st.builds(
        MessageView,
        type_url=type_urls,
        value=st.just(b""),
        known=st.just(True),
        nested=st.lists(inner, max_size=3).map(tuple),
    ),
    max_leaves=6,
)
chains = st.sampled_from(["a-1", "b-1", "c-1"])
views = st.builds(
    TxView,
    mode=st.just(SignMode.DIRECT),
    chain_id=chains,
    account_number=st.just(0),
    memo=st.just(""),
    timeout_height=st.just(0),
    timeout_timestamp=st.none(),
    unordered=st.just(False),
    fee=st.just(()),
    gas_limit=st.just(0),
    payer=st.just(""),
    granter=st.just(""),
    tip=st.just(()),
    tipper=st.just(""),
    signers=st.just(()),
    messages=st.lists(messages, max_size=3).map(tuple),
    extensions=st.lists(messages, max_size=1).map(tuple),
    unknown_non_critical=st.booleans(),
)
payloads = views | st.just(Opaque.of(b"x", "test")) | st.none()
callers = st.sampled_from(["uid:1", "uid:2", "spiffe://a"])
fingerprints = st.sampled_from(["0a" * 32, "0b" * 32])
questions = st.builds(
    Question,
    key=st.sampled_from(["one", "two"]),
    fingerprint=fingerprints,
    purpose=st.sampled_from(Purpose) | st.just(Purpose.ACCOUNT),
    operation=st.sampled_from([Operation.SIGN, Operation.SIGN, Operation.DIGEST]),
    mode=st.sampled_from(SignMode) | st.just(SignMode.DIRECT),
    view=payloads,
    caller=callers.map(Caller),
)
key_policies = st.builds(
    KeyPolicy,
    fingerprint=fingerprints,
    chains=st.frozensets(chains),
    sign_modes=st.frozensets(st.sampled_from([SignMode.DIRECT, SignMode.TEXTUAL])),
    messages=st.lists(patterns, max_size=8).map(MessagePatterns.of),
    callers=st.none() | st.frozensets(callers, min_size=1),
    unsafe_blind_signing=st.booleans(),
)
policies = st.builds(
    Policy, keys=st.dictionaries(st.sampled_from(["one", "two"]), key_policies), digest=st.just("0" * 64)
)


def result(call: Callable[[], T]) -> T | BridgeError:
    """What a call returns, or the error that it is allowed to raise."""
    try:
        return call()
    except BridgeError as error:
        return error


def everything(messages: tuple[MessageView, ...], top: bool = True) -> Iterator[tuple[MessageView, bool]]:
    for message in messages:
        yield message, top
        yield from everything(message.nested, False)


@given(policies, questions)
def test_what_is_allowed_is_allowed_by_every_rule(policy: Policy, question: Question) -> None:
    """The definition of the policy, written a second time as plain conditions."""
    decision = policy.decide(question)
    assert decision.reason
    mine = policy.keys.get(question.key)
    if mine is None:
        assert (decision.verdict, decision.rule) == ("deny", "no-policy")
        return
    allowed = (
        mine.fingerprint == question.fingerprint
        and question.purpose is Purpose.ACCOUNT
        and (mine.callers is None or question.caller.name in mine.callers)
        and (question.operation is Operation.DIGEST or question.mode in mine.sign_modes)
    )
    view = question.view
    if question.operation is Operation.DIGEST or not isinstance(view, TxView):
        allowed = allowed and mine.unsafe_blind_signing
    else:
        allowed = allowed and question.mode is SignMode.DIRECT and view.chain_id in mine.chains and bool(view.messages)
        for message, top in everything((*view.messages, *view.extensions)):
            by_name = message.type_url in mine.messages.exact
            package = message.type_url[: message.type_url.rfind(".") + 1]
            by_wildcard = package in mine.messages.packages and message.known
            by_wildcard = by_wildcard and not needs_exact_name(message.type_url)
            data = not top and message.type_url == "/cosmos.crypto.ed25519.PubKey"
            allowed = allowed and (by_name or by_wildcard or data)
    assert decision.verdict == ("allow" if allowed else "deny")


@given(key_policies, questions)
def test_allowing_less_never_allows_more(rules: KeyPolicy, question: Question) -> None:
    def verdict(policy: KeyPolicy) -> str:
        return Policy({question.key: policy}, "0" * 64).decide(question).verdict

    if verdict(rules) == "allow":
        return
    for narrower in (
        replace(rules, chains=frozenset(list(rules.chains)[1:])),
        replace(rules, sign_modes=frozenset(list(rules.sign_modes)[1:])),
        replace(rules, messages=MessagePatterns.of(list(rules.messages)[1:])),
        replace(rules, callers=frozenset({"uid:1"}) & (rules.callers or {"uid:1"})),
        replace(rules, unsafe_blind_signing=False),
    ):
        assert verdict(narrower) == "deny"


@given(messages, st.integers(1, 9), key_policies, questions)
def test_hiding_a_message_never_helps(inner: MessageView, depth: int, rules: KeyPolicy, question: Question) -> None:
    if inner.type_url == "/cosmos.crypto.ed25519.PubKey":
        return
    view = question.view
    if not isinstance(view, TxView):
        return
    hidden = inner
    for _ in range(depth):
        hidden = MessageView("/cosmos.authz.v1beta1.MsgExec", b"", True, (hidden,))
    policy = Policy({question.key: rules}, "0" * 64)
    plain = policy.decide(replace(question, view=replace(view, messages=(*view.messages, inner))))
    packed = policy.decide(replace(question, view=replace(view, messages=(*view.messages, hidden))))
    assert plain.verdict == "allow" or packed.verdict == "deny"


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_load_or_are_refused_by_name(content: bytes) -> None:
    found = result(lambda: parse_policy(content, FILE))
    assert isinstance(found, Policy) or str(found).startswith(f"{FILE}: ")


names = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=30)


# Every step is synced to disk, so an example may take long on a busy machine.
@settings(deadline=None, max_examples=40)
@given(st.lists(names, unique=True, min_size=1, max_size=4), names)
def test_starters_survive_renaming_and_removing(keys: list[str], new: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "policy.toml"
        expected = []
        for name in keys:
            if result(lambda name=name: check_name(name)) == name:
                assert add_starter(path, name, "0a" * 32, "a-1", ["/a.b.C"])
                expected.append(name)
            else:
                with pytest.raises(PolicyInvalid, match="key name"):
                    add_starter(path, name, "0a" * 32, "a-1", ["/a.b.C"])
        assume(expected)
        assert sorted(Policy.load(path).keys) == sorted(expected)
        for name in expected:
            assert remove_key(path, name)
            assert add_starter(path, name, "0a" * 32, "a-1", ["/a.b.C"])
        if new not in expected and result(lambda: check_name(new)) == new:
            assert rename_key(path, expected[0], new)
            expected[0] = new
        assert sorted(Policy.load(path).keys) == sorted(expected)
