"""Who must come together, as it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyring_bridge.ceremony.errors import SchemeInvalid
from keyring_bridge.ceremony.scheme import MOST, Group, Scheme

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,6}[a-z0-9])?", fullmatch=True)


@st.composite
def groups(draw: st.DrawFn) -> Group:
    count = draw(st.integers(1, MOST))
    threshold = 1 if count == 1 else draw(st.integers(2, count))
    return Group(draw(NAMES), threshold, count)


@st.composite
def schemes(draw: st.DrawFn) -> Scheme:
    made = tuple(draw(st.lists(groups(), min_size=1, max_size=MOST, unique_by=lambda group: group.name)))
    return Scheme(draw(st.integers(1, len(made))), made)


@given(schemes(), st.sampled_from([" ", ",", ", ", "  "]))
def test_what_is_written_is_read_again(scheme: Scheme, between: str) -> None:
    assert Scheme.parse(str(scheme)) == scheme
    head, _, rest = str(scheme).partition(": ")
    assert Scheme.parse(f"{head}:{between.join(rest.split())}") == scheme


@given(st.text())
def test_any_text_is_a_scheme_or_is_refused(text: str) -> None:
    try:
        scheme = Scheme.parse(text)
    except SchemeInvalid:
        return
    assert Scheme.parse(str(scheme)) == scheme
    assert 1 <= scheme.threshold <= len(scheme.groups) <= MOST


def test_members_have_names() -> None:
    assert Scheme.parse("2of3").members == ("share-1", "share-2", "share-3")
    assert Scheme.parse("1: ops=2of2 board=1of1").members == ("ops-1", "ops-2", "board-1")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "2",
            "3of2",
            "0of1",
            "1of2",
            "2of17",
            "17of17",
            "2of3 2of3",
            "2 of 3",
            "٢of٣",
            "02of3",
            "2of3:",
            "ops=2of3",
        ),
        *("1:", "0: a=1of1", "2: a=1of1", "1: a=1of1 a=1of1", "1: A=1of1", "1: a b=1of1", "1: a=2of3x", "x: a=1of1"),
        *("1: -a=1of1", "1: a/b=1of1", "1: ../x=1of1", "1: =1of1", f"1: {'a' * 33}=1of1", "1: a=1of1: b=1of1"),
        "1: " + " ".join(f"g{number}=1of1" for number in range(17)),
        "1: a=2of2 a-1=2of2 a=2of3",
    ],
)
def test_what_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(SchemeInvalid):
        Scheme.parse(text)
