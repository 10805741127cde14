"""The quick decorator against the standard one: the same class made by both behaves the same."""

import copy
import dataclasses
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import field
from typing import Any, ClassVar

import pytest

from cosmos_formats import quickclass

Decorator = Callable[[type], Any]
# To type checkers both are the standard library's.
STANDARD: Any = dataclasses.dataclass
QUICK: Any = quickclass.dataclass


def both(**options: bool) -> list[Decorator]:
    return [STANDARD(slots=True, **options), QUICK(slots=True, **options)]


@pytest.fixture(params=["standard", "quick"])
def decorated(request: pytest.FixtureRequest) -> Callable[..., Decorator]:
    return lambda **options: both(**options)[request.param == "quick"]


def point(decorator: Decorator) -> Any:
    class Point:
        """A point."""

        kind: ClassVar[str] = "point"
        x: int
        y: int = 2
        secret: str = field(default="s", repr=False)
        memo: str = field(default="", compare=False)
        parts: list[int] = field(default_factory=list)
        fixed: int = field(init=False, default=7)

    return decorator(Point)


def test_it_is_another_decorator() -> None:
    assert QUICK is not STANDARD


def test_objects_are_made(decorated: Callable[..., Decorator]) -> None:
    cls = point(decorated(frozen=True))
    made = cls(1, memo="m")
    assert (made.x, made.y, made.secret, made.memo, made.parts, made.fixed) == (1, 2, "s", "m", [], 7)
    assert cls(1).parts is not cls(1).parts
    assert cls.kind == made.kind == "point"
    assert cls.__doc__ == "A point."
    assert cls.__match_args__ == ("x", "y", "secret", "memo", "parts")
    assert not hasattr(made, "__dict__")


@pytest.mark.parametrize("arguments", [(), (1, 2, "", "", [], 7)])
def test_wrong_arguments_are_refused_at_the_first_call_and_later(
    decorated: Callable[..., Decorator], arguments: tuple[Any, ...]
) -> None:
    cls = point(decorated(frozen=True))
    for _ in range(2):
        with pytest.raises(TypeError, match="__init__"):
            cls(*arguments)
        with pytest.raises(TypeError, match="unknown"):
            cls(1, unknown=2)


def test_what_is_frozen_stays(decorated: Callable[..., Decorator]) -> None:
    made = point(decorated(frozen=True))(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'x'"):
        made.x = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'x'"):
        del made.x
    assert made.x == 1


def test_what_is_not_frozen_can_be_changed(decorated: Callable[..., Decorator]) -> None:
    cls = point(decorated())
    made = cls(1)
    made.x = 5
    assert made == cls(5)
    with pytest.raises(TypeError, match="unhashable"):
        hash(made)


def test_comparing_and_showing(decorated: Callable[..., Decorator]) -> None:
    cls, other = point(decorated(frozen=True)), point(decorated(frozen=True))
    assert cls(1) == cls(1, memo="not compared")
    assert cls(1) != cls(2)
    assert cls(1) != other(1)
    assert cls(1, parts=[]) != (1, 2, "s", [], 7)
    assert repr(cls(1)) == "point.<locals>.Point(x=1, y=2, memo='', parts=[], fixed=7)"
    with pytest.raises(TypeError, match="unhashable"):
        hash(cls(1))  # a list is in it
    with pytest.raises(TypeError, match="<"):
        _ = cls(1) < cls(2)


def test_hashes_of_what_is_equal_are_equal(decorated: Callable[..., Decorator]) -> None:
    class One:
        x: int
        memo: str = field(default="", compare=False)

    class Empty:
        pass

    one, empty = decorated(frozen=True)(One), decorated(frozen=True)(Empty)
    assert {one(1), one(1, "m"), one(2)} == {one(1), one(2)}
    assert {empty(), empty()} == {empty()}
    assert repr(empty()).endswith("Empty()")


def test_order_and_names_only(decorated: Callable[..., Decorator]) -> None:
    class Place:
        height: int
        round: int = 0

    cls = decorated(frozen=True, order=True, kw_only=True)(Place)
    low, high = cls(height=1, round=9), cls(height=2)
    assert low < high <= high
    assert high > low >= low
    assert sorted([high, low]) == [low, high]
    with pytest.raises(TypeError, match="positional"):
        cls(1)


def test_methods_of_ones_own_are_kept(decorated: Callable[..., Decorator]) -> None:
    class Own:
        x: int

        def __post_init__(self) -> None:
            if self.x < 0:
                raise ValueError("negative")

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 3

    cls = decorated(frozen=True)(Own)
    assert (repr(cls(1)), cls(1) == cls(2), hash(cls(1))) == ("own", True, 3)
    for _ in range(2):
        with pytest.raises(ValueError, match="negative"):
            cls(-1)


def test_the_standard_functions_work(decorated: Callable[..., Decorator]) -> None:
    cls = point(decorated(frozen=True))
    made = cls(1, memo="m")
    assert [item.name for item in dataclasses.fields(made)] == ["x", "y", "secret", "memo", "parts", "fixed"]
    assert dataclasses.replace(made, x=4) == cls(4, memo="m")
    assert dataclasses.asdict(made)["memo"] == "m"
    assert dataclasses.is_dataclass(cls)
    again = copy.deepcopy(made)
    assert again == made
    assert again.memo == "m"
    assert again.parts is not made.parts


@quickclass.dataclass(frozen=True, slots=True)
class Packed:
    """At the top of a module, where pickle finds it."""

    x: int
    y: str = ""


def test_pickles_come_back() -> None:
    packed = pickle.dumps(Packed(1, "z"))
    assert pickle.loads(packed) == Packed(1, "z")  # noqa: S301  # packed by the line before


def test_a_class_without_text_gets_some_without_looking_at_its_signature() -> None:
    class Bare:
        x: int

    assert QUICK(frozen=True)(Bare).__doc__ == "Bare"


def test_slots_are_not_optional() -> None:
    with pytest.raises(TypeError, match="slots"):
        QUICK(slots=False)


def test_the_first_signature_makes_its_classes_quickly() -> None:
    program = """
import sys
import keyring_bridge.bridge, keyring_bridge.config, keyring_bridge.keyring, keyring_bridge.store.sqlite
import keyring_bridge.audit, keyring_bridge.manager, keyring_bridge.login_guard, keyring_bridge.policy.load
import keyring_bridge.providers.pkcs11.connector, keyring_bridge.providers.pkcs11.provider
import cosmos_formats.signing.views, keyring_plugin.dispatch, keyring_plugin.server, keyring_plugin.stdio
found = 0
for name, module in list(sys.modules.items()):
    for cls in list(vars(module).values()):
        parameters = getattr(cls, "__dataclass_params__", None)
        if isinstance(cls, type) and cls.__module__ == name and parameters is not None:
            found += 1
            if parameters.eq:
                print(name, cls.__name__)
print("looked at", found > 50)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "looked at True\n", "the standard decorator made these"
