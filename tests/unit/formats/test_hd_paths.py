"""Derivation paths as the SDK reads them, with its texts, and what needs a flag here."""

from __future__ import annotations

import pytest

from cosmos_formats.hd import HARDENED, Bip44Path, HdPath, InvalidPath

COSMOS = (44 + HARDENED, 118 + HARDENED, HARDENED, 0, 0)


@pytest.mark.parametrize("text", ["m/44'/118'/0'/0/0", "44'/118'/0'/0/0", " m/44'/118'/0'/0/0", "m/44'/118'/0'/0/0//"])
def test_paths_that_the_sdk_reads(text: str) -> None:
    path = HdPath.parse(text)
    assert path.indexes == COSMOS
    assert str(path) == "m/44'/118'/0'/0/0"


def test_leading_zeros_and_the_highest_index() -> None:
    assert HdPath.parse("m/044'/0118'/00'/2147483647'/1").indexes == (
        44 + HARDENED,
        118 + HARDENED,
        HARDENED,
        2 * HARDENED - 1,
        1,
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("m", "path 'm' doesn't contain '/' separators"),
        ("m/", "path 'm' doesn't contain '/' separators"),
        ("m//", "path 'm' doesn't contain '/' separators"),
        ("/", "path '' doesn't contain '/' separators"),
        ("0'", "path '0'' doesn't contain '/' separators"),
        ("m/44h/118'/0'", "invalid BIP 32 path m/44h/118'/0': strconv.ParseUint: parsing \"44h\": invalid syntax"),
        ("M/44'/0'/0'", "invalid BIP 32 path M/44'/0'/0': strconv.ParseUint: parsing \"M\": invalid syntax"),
        ("m/44'//0'/0", 'path "" with split element #1 is an empty string'),
        ("/44'/118'/0'", 'path "" with split element #0 is an empty string'),
        (
            "m/44'/118'/2147483648'",
            "invalid BIP 32 path m/44'/118'/2147483648': strconv.ParseUint: parsing \"2147483648\": value out of range",
        ),
        ("m/44'/'/0'", "invalid BIP 32 path m/44'/'/0': strconv.ParseUint: parsing \"\": invalid syntax"),
        ("m/44'/-1'/0'", "invalid BIP 32 path m/44'/-1'/0': strconv.ParseUint: parsing \"-1\": invalid syntax"),
        ("m/44'/+1'/0'", "invalid BIP 32 path m/44'/+1'/0': strconv.ParseUint: parsing \"+1\": invalid syntax"),
        ("m/44'/1_0'/0'", "invalid BIP 32 path m/44'/1_0'/0': strconv.ParseUint: parsing \"1_0\": invalid syntax"),
        ("m/44''/1'/0'", "invalid BIP 32 path m/44''/1'/0': strconv.ParseUint: parsing \"44'\": invalid syntax"),
        (
            "m/\u0664'/1'/0'",
            "invalid BIP 32 path m/\u0664'/1'/0': strconv.ParseUint: parsing \"\u0664\": invalid syntax",
        ),
        (
            "m/44'/0'/0'/\x1b",
            "invalid BIP 32 path m/44'/0'/0'/\x1b: strconv.ParseUint: parsing \"\\x1b\": invalid syntax",
        ),
    ],
)
def test_paths_that_the_sdk_refuses(text: str, says: str) -> None:
    for flag in (False, True):
        with pytest.raises(InvalidPath) as caught:
            HdPath.parse(text, allow_unhardened=flag)
        assert str(caught.value) == says


@pytest.mark.parametrize(
    "text",
    ["", "m/0/0", "m/44/118'/0'/0/0", "m/44'/118/0'/0/0", "m/44'/118'/0/0/0", "m/44'/118'", "m/44'"],
)
def test_paths_that_need_a_flag(text: str) -> None:
    with pytest.raises(InvalidPath, match="does not begin with a hardened purpose, coin type and account"):
        HdPath.parse(text)
    assert not HdPath.parse(text, allow_unhardened=True).keeps_to_its_account


@pytest.mark.parametrize("text", ["m/" + "9" * 10_000, "m/44'" * 5_000, "m/0'" + "/0" * 300])
def test_long_paths_end_early(text: str) -> None:
    with pytest.raises(InvalidPath, match="at most 256"):
        HdPath.parse(text)
    with pytest.raises(InvalidPath, match="at most 256"):
        Bip44Path.parse(text)


@pytest.mark.parametrize("text", ["m/44'/118'/0'/0/0", "44'/118'/0'/0/0"])
def test_bip44(text: str) -> None:
    assert Bip44Path.parse(text) == Bip44Path()
    assert Bip44Path.parse("m/44'/60'/7'/1/4294967295") == Bip44Path(44, 60, 7, True, 4294967295)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("44'", "path 44' doesn't contain '/' separators"),
        (
            "/44'/118'/0'/0/0",
            "ambiguous path /44'/118'/0'/0/0: use 'm/' prefix for absolute paths, or no leading '/' for relative ones",
        ),
        ("m/44'/118'/0'/0", "invalid path length m/44'/118'/0'/0"),
        ("m/44'/118'/0'/0/0/0", "invalid path length m/44'/118'/0'/0/0/0"),
        ("m/44/118'/0'/0/0", "first field in path must be 44', got 44"),
        ("m/43'/118'/0'/0/0", "first field in path must be 44', got 43'"),
        (
            "m/44'/118/0'/0/0",
            "second and third field in path must be hardened (ie. contain the suffix ', got 118 and 0'",
        ),
        (
            "m/44'/118'/0'/0'/0",
            "fourth and fifth field in path must not be hardened (ie. not contain the suffix ', got 0' and 0",
        ),
        ("m/44'/118'/0'/2/0", "change field can only be 0 or 1"),
        ("m/x'/118'/0'/0/0", 'invalid HD path purpose x\': strconv.ParseUint: parsing "x": invalid syntax'),
        ("m/44'/118'/0'/0/-1", 'invalid HD path address index -1: strconv.ParseUint: parsing "-1": invalid syntax'),
        (
            "m/44'/4294967296'/0'/0/0",
            'invalid HD path coin type 4294967296\': strconv.ParseUint: parsing "4294967296": value out of range',
        ),
    ],
)
def test_what_is_no_bip44_path(text: str, says: str) -> None:
    with pytest.raises(InvalidPath) as caught:
        Bip44Path.parse(text)
    assert str(caught.value) == says


def test_a_path_has_its_limits() -> None:
    with pytest.raises(InvalidPath):
        HdPath((0,) * 256)
    with pytest.raises(InvalidPath):
        HdPath((2 * HARDENED,))
    assert str(HdPath(())) == "m"
