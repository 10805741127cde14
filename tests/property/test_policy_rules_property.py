"""Properties of policies with amounts, recipients and alternatives."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from keyring_bridge.policy.case import Case
from keyring_bridge.policy.model import KeyPolicy, Policy, Terms
from keyring_bridge.policy.texts import MemoPattern, account_of
from tests.unit.policy.transactions import (
    KEY,
    account,
    ask,
    delegate,
    execute,
    group,
    multi_send,
    rules,
    send,
    transaction,
)

if TYPE_CHECKING:
    from keyring_bridge.policy import Question
    from keyring_bridge.policy.effects import Effects

ALL = (
    "/cosmos.bank.v1beta1.*",
    "/cosmos.staking.v1beta1.*",
    "/cosmos.authz.v1beta1.MsgExec",
    "/cosmos.group.v1.MsgSubmitProposal",
)
amounts = st.integers(0, 300)
people = st.integers(1, 4).map(account)
simple = st.one_of(
    st.builds(lambda to, amount: send(amount, to=to), people, amounts),
    st.builds(lambda to, one, two: multi_send((to, one), (account(3), two)), people, amounts, amounts),
    st.builds(delegate, amounts),
)
nested = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda messages: execute(*messages)),
        st.lists(inner, max_size=3).map(lambda messages: group(*messages)),
    ),
    max_leaves=5,
)
messages = st.lists(nested, min_size=1, max_size=3)
terms = st.one_of(
    st.builds(lambda most: Terms(name="t", max_amount={"uve": most}), amounts),
    st.builds(lambda who: Terms(name="t", recipients=frozenset(who)), st.lists(people)),
    st.builds(lambda gas: Terms(name="t", max_gas=gas), st.sampled_from([1, 200_000])),
    st.builds(lambda who: Terms(name="t", callers=frozenset(who)), st.lists(st.sampled_from(["uid:1", "uid:1000"]))),
)
BASE = rules(messages=ALL, modes=("direct", "amino-json", "textual")).keys[KEY]


def policy(**more: Any) -> Policy:
    return Policy({KEY: replace_key(**more)}, "")


def replace_key(**more: Any) -> KeyPolicy:
    return KeyPolicy(
        fingerprint=BASE.fingerprint,
        chains=BASE.chains,
        sign_modes=BASE.sign_modes,
        messages=BASE.messages,
        **more,
    )


def effects(question: Question) -> Effects:
    return Case(question).effects


@given(messages, st.lists(terms, min_size=1, max_size=3), terms)
def test_an_alternative_more_never_takes_and_a_condition_more_never_gives(
    sent: list[Any], alternatives: list[Terms], more: Terms
) -> None:
    question = ask(transaction(*sent))
    few = policy(any_of=tuple(alternatives)).decide(question).verdict
    many = policy(any_of=(*alternatives, more)).decide(question).verdict
    narrow = policy(any_of=tuple(alternatives), all_of=(more,)).decide(question).verdict
    assert (few, many) != ("allow", "deny")
    assert (few, narrow) != ("deny", "allow")


@given(messages, st.lists(terms, min_size=1, max_size=3))
def test_alternatives_are_what_each_of_them_alone_would_say(sent: list[Any], alternatives: list[Terms]) -> None:
    question = ask(transaction(*sent))
    alone = [policy(any_of=(one,)).decide(question).verdict == "allow" for one in alternatives]
    decision = policy(any_of=tuple(alternatives)).decide(question)
    assert (decision.verdict == "allow") is any(alone)
    together = policy(all_of=tuple(alternatives)).decide(question)
    assert (together.verdict == "allow") is all(alone)
    assert decision.reason


@given(messages, st.lists(st.sampled_from(["exec", "group"]), max_size=3))
def test_wrapping_hides_nothing(sent: list[Any], wrappers: list[str]) -> None:
    plain = effects(ask(transaction(*sent)))
    wrapped = sent
    for wrapper in wrappers:
        wrapped = [execute(*wrapped) if wrapper == "exec" else group(*wrapped)]
    hidden = effects(ask(transaction(*wrapped)))
    assert hidden.totals == plain.totals
    assert set(hidden.recipients) >= set(plain.recipients)


@given(messages, st.integers(0, 1000))
def test_every_mode_shows_the_same(sent: list[Any], fee: int) -> None:
    made = transaction(*sent, fee=(fee,))
    direct, amino, textual = (effects(ask(made, mode)) for mode in ("direct", "amino-json", "textual"))
    assert direct == amino == textual


@given(messages, st.integers(0, 700), st.integers(0, 1000))
def test_what_is_allowed_never_moves_more(sent: list[Any], most: int, fee: int) -> None:
    question = ask(transaction(*sent, fee=(fee,)))
    allowed = policy(max_amount={"uve": most}).decide(question).verdict == "allow"
    assert allowed is (effects(question).totals.get("uve", 0) <= most)


@given(st.binary(min_size=20, max_size=20), st.sampled_from(["ve", "vevaloper", "cosmos"]), st.booleans())
def test_all_spellings_of_an_account_are_one(raw: bytes, prefix: str, capitals: bool) -> None:
    from cosmos_formats import address

    text = address.encode(prefix, raw)
    spelled = text.upper() if capitals else text
    assert account_of(spelled) == account_of(address.encode("x", raw)) == account_of("0x" + raw.hex())
    other = bytes([raw[0] ^ 1]) + raw[1:]
    assert account_of(address.encode(prefix, other)) != account_of(text)


@given(st.text(alphabet="ab*", max_size=6), st.text(alphabet="ab", max_size=8))
def test_memos_match_as_their_patterns_say(pattern: str, memo: str) -> None:
    import re

    wanted = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), memo) is not None
    assert MemoPattern.of(pattern).matches(memo) is wanted


def test_the_base_allows_what_the_properties_build() -> None:
    question = ask(transaction(send(1), execute(group(delegate(1)))))
    assert policy().decide(question).verdict == "allow"
    assert policy().decide(replace(question, key="other")).verdict == "deny"
