"""What describes one method of the protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from cosmos_formats.quickclass import dataclass
from keyring_bridge.errors import BridgeError, InvalidRequest
from keyring_plugin.fields import FieldType, Integer, Schema, read_members

DEADLINE = "deadline_ms"
"""Every request may say by this parameter how long it may take, in milliseconds."""

MAX_DEADLINE_MS = 3_600_000
DEADLINE_TYPE = Integer(1, MAX_DEADLINE_MS)


@dataclass(frozen=True, slots=True)
class Param:
    """One named parameter; by position they count in the order of the method's list."""

    name: str
    type: FieldType
    summary: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """What a method answers: a word for it, and its JSON Schema."""

    name: str
    schema: Schema

    @classmethod
    def of(cls, name: str, component: str) -> Result:
        """Refer to a component of the OpenRPC document."""
        return cls(name, {"$ref": f"#/components/schemas/{component}"})


NOTHING = Result("nothing", {"type": "null"})


@dataclass(frozen=True, slots=True)
class Example:
    """One request's parameters, and what they are answered with."""

    params: Mapping[str, object] = field(default_factory=dict)
    result: object = None


@dataclass(frozen=True, slots=True)
class Method:
    """One method.

    Attributes:
        name: As it is called.
        summary: What it does, a sentence or two.
        params: What it takes, besides :data:`DEADLINE`, which every request takes by name.
        result: What it answers.
        errors: What it may answer with besides what any method may.
        example: One use of it.
        notification: Only ever sent as a notification.
    """

    name: str
    summary: str
    params: tuple[Param, ...] = ()
    result: Result = NOTHING
    errors: tuple[type[BridgeError], ...] = ()
    example: Example = Example()
    notification: bool = False

    def read_params(self, given: Mapping[str, object] | list[object]) -> dict[str, object]:
        """Check and convert parameters, given by name or by position.

        Returns:
            The values by name, without those that were not given and without the deadline.

        Raises:
            InvalidRequest: One is unknown, missing, of another type, or too long.
        """
        if isinstance(given, list):
            if len(given) > len(self.params):
                raise InvalidRequest(f"{len(given)} parameters, at most {len(self.params)} are known")
            given = {param.name: value for param, value in zip(self.params, given, strict=False)}
        types: dict[str, FieldType] = {param.name: param.type for param in self.params}
        if not self.notification:
            types[DEADLINE] = DEADLINE_TYPE
        members = read_members(given, types, tuple(param.name for param in self.params if param.required))
        members.pop(DEADLINE, None)
        return members
