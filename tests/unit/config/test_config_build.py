from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

import pytest

from keyring_bridge.config import Table, build
from keyring_bridge.errors import ConfigError, PolicyInvalid


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


@dataclass(frozen=True, slots=True)
class Inner:
    size: int
    ratio: float = 1.0


@dataclass(frozen=True, slots=True)
class Outer:
    name: str
    flag: bool = False
    place: Path | None = None
    colour: Colour = Colour.RED
    word: Literal["one", "two"] = "one"
    numbers: tuple[int, ...] = ()
    inner: Inner | None = None
    many: Mapping[str, Inner] = field(default_factory=dict)
    anything: Mapping[str, object] = field(default_factory=dict)
    either: str | int = 0
    derived: int = field(init=False, default=7)

    def __post_init__(self) -> None:
        if self.name == "bad":
            raise ValueError("the name is bad")
        if self.name == "worse":
            raise ConfigError("the name is worse", hint="take another", detail="inside")


FILE = Path("/etc/bridge/config.toml")


def make(path: str = "", **content: object) -> Outer:
    return build(Outer, Table({"name": "x", **content}, FILE), path)


def test_every_supported_type() -> None:
    built = make(
        flag=True,
        place="lib/module.so",
        colour="green",
        word="two",
        numbers=[1, 2],
        inner={"size": 3},
        many={"a b": {"size": 4, "ratio": 2}},
        anything={"x": [1, "y"]},
        either="text",
    )
    assert built == Outer(
        name="x",
        flag=True,
        place=Path("/etc/bridge/lib/module.so"),
        colour=Colour.GREEN,
        word="two",
        numbers=(1, 2),
        inner=Inner(3),
        many={"a b": Inner(4, 2.0)},
        anything={"x": [1, "y"]},
        either="text",
    )
    assert isinstance(built.colour, Colour)
    assert isinstance(built.many["a b"].ratio, float)
    assert make(either=5).either == 5


def test_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/op")
    assert make(place="~/x").place == Path("/home/op/x")
    assert make(place="/abs/x").place == Path("/abs/x")
    assert build(Outer, {"name": "x", "place": "rel"}, "").place == Path("rel")


def test_nested_tables_know_their_file() -> None:
    table = Table({"a": {"b": [{"c": {}}]}}, FILE)
    assert table["a"]["b"][0]["c"].file == FILE  # type: ignore[index]  # the literal above


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"nam": 1}, "/etc/bridge/config.toml: providers.main.nam: unknown key; did you mean 'name'?"),
        ({"zzzz": 1}, "providers.main.zzzz: unknown key; known are anything, colour, "),
        ({"derived": 1}, "providers.main.derived: unknown key"),
        ({"a key": 1}, 'providers.main."a key": unknown key'),
        ({"name": 1}, "providers.main.name: expected a string, got an integer"),
        ({"flag": 1}, "providers.main.flag: expected true or false, got an integer"),
        ({"flag": "true"}, "expected true or false, got a string"),
        ({"place": 1}, "expected a path, got an integer"),
        ({"place": ""}, "expected a path, got an empty or impossible one"),
        ({"place": "a\0b"}, "expected a path, got an empty or impossible one"),
        ({"colour": "gren"}, "providers.main.colour: is 'gren', expected one of 'red', 'green'; did you mean 'green'?"),
        ({"colour": 1}, "expected a string, got an integer"),
        ({"word": "three"}, "is 'three', expected one of 'one', 'two'"),
        ({"numbers": 1}, "providers.main.numbers: expected a list, got an integer"),
        ({"numbers": [1, "2"]}, "providers.main.numbers[1]: expected an integer, got a string"),
        ({"numbers": [True]}, "providers.main.numbers[0]: expected an integer, got true or false"),
        ({"inner": []}, "providers.main.inner: expected a table, got a list"),
        ({"inner": {}}, "providers.main.inner.size: is missing"),
        ({"inner": {"size": 1, "ratio": "2"}}, "providers.main.inner.ratio: expected a number, got a string"),
        ({"inner": {"size": 1, "ratio": True}}, "expected a number, got true or false"),
        ({"inner": {"size": 1, "ratio": float("nan")}}, "expected a finite number"),
        ({"inner": {"size": 1, "ratio": float("inf")}}, "expected a finite number"),
        ({"inner": {"size": 1, "ratio": 10**400}}, "expected a finite number"),
        ({"inner": {"size": 1.0}}, "expected an integer, got a number"),
        ({"many": {"x.y": {"sise": 1}}}, "providers.main.many.\"x.y\".sise: unknown key; did you mean 'size'?"),
        ({"many": {"x": 1}}, "providers.main.many.x: expected a table, got an integer"),
        ({"either": []}, "expected an integer, got a list"),
        ({"name": None}, "expected a string, got null"),
        ({"name": "bad"}, "/etc/bridge/config.toml: providers.main: the name is bad"),
    ],
)
def test_what_is_wrong_is_named(content: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make("providers.main", **content)
    assert message in str(caught.value)
    assert str(caught.value).startswith("/etc/bridge/config.toml: providers.main")


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^name: is missing$"):
        build(Outer, {}, "")


def test_an_error_of_the_class_itself_keeps_its_hint() -> None:
    with pytest.raises(ConfigError) as caught:
        make("providers.main", name="worse")
    assert str(caught.value) == "/etc/bridge/config.toml: providers.main: the name is worse"
    assert (caught.value.hint, caught.value.detail) == ("take another", "inside")


def test_the_class_of_errors_can_be_chosen() -> None:
    with pytest.raises(PolicyInvalid):
        build(Outer, {"name": 1}, "", error=PolicyInvalid)


@pytest.mark.parametrize("key", ["name", "flag", "place", "numbers", "inner", "many", "either"])
def test_a_value_of_a_wrong_type_is_never_repeated(key: str) -> None:
    for value in ("hunter2", ["hunter2"], {"hunter": "hunter2"}, 47114711):
        try:
            make(**{key: value})
        except ConfigError as error:
            text = str(error).replace(".hunter", "")
            assert "hunter2" not in text
            assert "4711" not in text


def test_a_type_that_no_configuration_has_is_a_mistake_of_the_program() -> None:
    @dataclass(frozen=True)
    class Wrong:
        when: bytes

    with pytest.raises(TypeError, match="bytes"):
        build(Wrong, {"when": "x"}, "")
