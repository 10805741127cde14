"""Splitting and combining in the child: the specification's vectors, our own shares, and what is said of bad ones."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyring_bridge.ceremony import errors, frames, shares, shares_child
from keyring_bridge.ceremony.scheme import Scheme
from keyring_bridge.errors import InvalidRequest
from keyring_bridge.secrets import SecretBytes

VECTORS = json.loads((Path(__file__).parents[3] / "fixtures" / "vectors" / "slip39.json").read_text())
SECRET = bytes(range(32))


def texts(made: list[SecretBytes]) -> list[str]:
    return [share.reveal().decode() for share in made]


def brought(made: list[SecretBytes], passphrase: SecretBytes | None = None) -> SecretBytes:
    return shares.combine([shares.Given(words) for words in made], passphrase)


@pytest.fixture(scope="module")
def made() -> list[str]:
    """Shares of two groups of three, both of which are needed: ops 2of3, board 1of1; and far 2of2."""
    return shares_child.split(2, [(2, 3), (1, 1), (2, 2)], SECRET, b"")


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["name"])
def test_the_vectors_of_the_specification(vector: dict[str, Any]) -> None:
    passphrase = VECTORS["passphrase"].encode()
    if "error" not in vector:
        assert shares_child.combine(vector["shares"], passphrase).hex() == vector["secret"]
        return
    with pytest.raises(errors.ShareError) as caught:
        shares_child.combine(vector["shares"], passphrase)
    assert caught.value.code == vector["error"]
    tell_nothing(caught.value, vector["shares"])


def tell_nothing(error: errors.CeremonyError, given: list[str]) -> None:
    """No two neighbouring words that were given are in what is told; a single one may be there by chance."""
    said = f"{error.message} {error.hint} {error.detail}"
    assert "zebras" not in said
    words = [text.split() for text in given]
    assert not [one for text in words for one in pairwise(text) if " ".join(one) in said]


def test_the_child_splits_and_combines() -> None:
    with SecretBytes(SECRET) as secret:
        made = shares.split(Scheme.parse("2: ops=2of3 board=1of1"), secret, [shares.Custody()] * 4)
        assert len(made) == 4
        assert all(len(text.split()) == 33 for text in texts(made))
        for chosen in ((0, 1, 3), (3, 2, 1), (0, 1, 2, 3, 3)):
            assert brought([made[number] for number in chosen]) == secret
        with SecretBytes(b"correct horse") as passphrase:
            other = shares.split(Scheme.parse("2of2"), secret, [shares.Custody()] * 2, passphrase)
            assert brought(other, passphrase) == secret
            assert brought(other) != secret
        with pytest.raises(errors.SharesMixed), SecretBytes(b"zwei") as passphrase:
            brought([made[0], other[0]], passphrase)
        with pytest.raises(InvalidRequest), SecretBytes("ü".encode()) as passphrase:
            brought(other, passphrase)


def test_a_mistyped_word_is_told_by_its_place(made: list[str]) -> None:
    words = made[0].split()
    for place, wrong, told in (
        (4, "zebras", "share 2: word 5 is not in the word list"),
        (32, words[31], "share 2: its checksum does not fit"),
    ):
        spoilt = " ".join([*words[:place], wrong, *words[place + 1 :]])
        with pytest.raises(errors.ShareMistyped, match=told) as caught:
            shares_child.combine([made[1], spoilt, made[3]], b"")
        tell_nothing(caught.value, [spoilt])
    for text, told in (
        ("", "share 1 has 0 words"),
        (" ".join(words[:32]), "share 1 has 32 words"),
        (made[0] * 2, "word 33"),
    ):
        with pytest.raises(errors.ShareMistyped, match=told):
            shares_child.combine([text], b"")


def test_case_and_spaces_do_not_matter(made: list[str]) -> None:
    untidy = [f"  {made[0].upper()}\n", made[1].replace(" ", " \t "), made[3]]
    assert shares_child.combine(untidy, b"") == SECRET


def test_too_few_are_counted(made: list[str]) -> None:
    for chosen, told in (
        ((0,), "2 groups are needed, group 1: 1 of the 2"),
        ((0, 1), "2 groups are needed, group 1: 2 of the 2"),
        ((0, 0, 0, 3), "group 1: 1 of the 2 that it needs; group 2: 1 of the 1"),
        ((0, 4), "group 1: 1 of the 2 that it needs; group 3: 1 of the 2"),
        ((), "no shares"),
    ):
        with pytest.raises(errors.SharesTooFew, match=told):
            shares_child.combine([made[number] for number in chosen], b"")


def test_any_enough_of_them_do(made: list[str]) -> None:
    for chosen in ((0, 2, 3), (3, 4, 5), (1, 2, 4, 5), (0, 1, 2, 3, 4, 5)):
        assert shares_child.combine([made[number] for number in chosen], b"") == SECRET


def test_shares_of_another_set_are_named(made: list[str]) -> None:
    other = shares_child.split(2, [(2, 3), (1, 1), (2, 2)], SECRET, b"")
    with pytest.raises(errors.SharesMixed, match=r"of another than most: share 3\b"):
        shares_child.combine([made[0], made[1], other[3]], b"")


def test_shares_that_pretend_to_be_of_one_set_do_not_fit(made: list[str]) -> None:
    from dataclasses import replace

    from shamir_mnemonic.share import Share

    def forged(text: str, **changes: object) -> str:
        share = Share.from_mnemonic(text)
        return str(replace(share, **changes).mnemonic())  # type: ignore[type-var]  # a dataclass without types

    with pytest.raises(errors.SharesSpoilt, match="do not fit each other"):
        shares_child.combine([made[0], forged(made[1], value=bytes(32)), made[3]], b"")
    with pytest.raises(errors.SharesSpoilt, match="share 2 has the mark of another one"):
        shares_child.combine([made[0], forged(made[0], value=bytes(32)), made[3]], b"")
    with pytest.raises(errors.SharesMixed, match="share 2 says otherwise"):
        shares_child.combine([made[0], forged(made[1], member_threshold=3), made[3]], b"")


def test_what_the_child_answers_to_nonsense() -> None:
    child = [sys.executable, "-P", "-m", "keyring_bridge.ceremony.shares_child"]
    for sent in (b"", b"\x00\x00\x00\x02{}", b"\xff\xff\xff\xff"):
        done = subprocess.run(child, input=sent, capture_output=True, check=True)
        assert b"ceremony_failed" in done.stdout
        assert done.stderr == b""


def test_a_message_that_ends_early_is_none(tmp_path: Path) -> None:
    path = tmp_path / "message"
    with path.open("wb") as out:
        frames.send(out.fileno(), {"do": "x"}, [b"secret", SecretBytes(b"more")])
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with path.open("rb") as file, pytest.raises(frames.Torn):
            frames.receive(file.fileno())
    path.write_bytes(whole)
    with path.open("rb") as file:
        facts, secrets = frames.receive(file.fileno())
    assert facts == {"do": "x"}
    assert texts(secrets) == ["secret", "more"]


@st.composite
def splits(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    counts = st.integers(1, 4).flatmap(
        lambda count: st.tuples(st.just(1) if count == 1 else st.integers(2, count), st.just(count))
    )
    groups = draw(st.lists(counts, min_size=1, max_size=3))
    return draw(st.integers(1, len(groups))), groups


# Each example stretches a passphrase several times, as SLIP-39 wants it.
@settings(max_examples=10)
@given(splits(), st.binary(min_size=32, max_size=32), st.randoms(use_true_random=False))
def test_just_enough_shares_do_and_one_less_does_not(
    scheme: tuple[int, list[tuple[int, int]]], secret: bytes, dice: Random
) -> None:
    threshold, groups = scheme
    made = iter(shares_child.split(threshold, groups, secret, b"xyz"))
    by_group = [[next(made) for _ in range(count)] for _, count in groups]
    chosen = [
        share
        for place in dice.sample(range(len(groups)), threshold)
        for share in dice.sample(by_group[place], groups[place][0])
    ]
    dice.shuffle(chosen)
    assert shares_child.combine(chosen, b"xyz") == secret
    with pytest.raises(errors.SharesTooFew):
        shares_child.combine(chosen[1:], b"xyz")
