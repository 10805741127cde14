"""One chain's program: what it is called, and what its settings say where a command does not.

A chain's program takes a setting from the flag, else from the variable ``<PREFIX>_<NAME>``, else from ``client.toml``
in its home.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from keyring_plugin.shell import children
from keyring_plugin.shell.errors import Ended

if TYPE_CHECKING:
    from keyring_plugin.shell.command_line import CommandLine


@dataclass(frozen=True, slots=True)
class Preset:
    """What is different with a chain's program.

    Attributes:
        env_prefix: Of its variables; empty for the program's name in capitals, as the SDK's template has it.
        interactive: Commands below ``tx`` that ask a person instead of making a transaction.
    """

    env_prefix: str = ""
    interactive: frozenset[tuple[str, ...]] = frozenset({("gov", "draft-proposal"), ("group", "draft-proposal")})


_DEFAULT_HOME: Final = re.compile(r'--home string .*\(default "(/[^"\n]+)"\)')
"""In the help of a program of the SDK."""

GENERIC: Final = Preset()
PRESETS: Final = {"virtengine": Preset(env_prefix="VE")}
"""Programs that need more than the generic treatment, by name."""


def env_prefix_of(name: str) -> str:
    """Return the prefix of a program's variables."""
    return PRESETS.get(name, GENERIC).env_prefix or "".join(c if c.isalnum() else "_" for c in name).upper()


@dataclass(frozen=True)
class App:
    """A chain's program, and the command line that it was called with.

    Attributes:
        program: Its path.
        line: The arguments.
        env_prefix: Of its variables.
        environment: Ours.
    """

    program: str
    line: CommandLine
    env_prefix: str
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def name(self) -> str:
        """How the program is called."""
        return os.path.basename(self.program)

    @property
    def preset(self) -> Preset:
        """What is different with it."""
        return PRESETS.get(self.name, GENERIC)

    @cached_property
    def home(self) -> Path:
        """The program's home: as named, else as usual if that is there, else as its help says (gaiad: ``~/.gaia``)."""
        named = self._named("home")
        if named:
            return Path(named)
        usual = Path.home() / f".{self.name}"
        if usual.is_dir():
            return usual
        told = _DEFAULT_HOME.search(children.told(self.program, ["--help"], self.child_environment))
        return Path(told[1]) if told else usual

    @cached_property
    def _client(self) -> Mapping[str, object]:
        """What client.toml says; nothing if it is not there. The program itself complains of a broken one."""
        import tomllib

        try:
            return tomllib.loads((self.home / "config" / "client.toml").read_text("utf-8"))
        except (OSError, ValueError):
            return {}

    def setting(self, name: str) -> str:
        """Return a setting as the program would find it; empty if nothing says it."""
        named = self._named(name)
        if named is not None:
            return named
        found = self._client.get(name)
        return found if isinstance(found, str) else ""

    def _named(self, name: str) -> str | None:
        value = self.line.value(name)
        if value is not None:
            return value
        return self.environment.get(self._variable(name)) or None

    @property
    def backend(self) -> str:
        """The keyring's backend. That of client.toml the program reads itself, and knows none of ours."""
        return self._named("keyring-backend") or ""

    def switched(self, name: str) -> bool:
        """Return whether a switch is on, by flag or variable."""
        if self.line.has(name):
            return self.line.switch(name)
        return self.environment.get(self._variable(name), "").lower() in ("1", "t", "true")

    def _variable(self, name: str) -> str:
        return f"{self.env_prefix}_{name.upper().replace('-', '_')}"

    @cached_property
    def child_environment(self) -> dict[str, str]:
        """The program's variables when we run it: without those that name our backend, which it does not know."""
        ours = {self._variable("keyring-backend"), self._variable("keyring-dir")}
        return {name: value for name, value in self.environment.items() if name not in ours}

    @cached_property
    def common(self) -> list[str]:
        """The flags of the command that every command of the program needs: where its files and its log are."""
        names = ("home", "log_level", "log_format", "log_no_color", "trace")
        return [raw for token in self.line.tokens if token.name in names for raw in token.raw]

    def flags(self, *names: str) -> list[str]:
        """Return those of the flags with values that the command has, for another command."""
        return [f"--{name}={value}" for name in names if (value := self.line.value(name)) is not None]

    def become(self, arguments: Sequence[str]) -> NoReturn:
        """Become the program."""
        children.replace_us(self.program, arguments, self.child_environment)

    def ask(self, arguments: Sequence[str], *, stdin: bytes | None = None) -> bytes:
        """Run the program and return its output.

        Raises:
            Ended: It failed, and has said on standard error why.
        """
        done = children.run(self.program, arguments, self.child_environment, stdin=stdin)
        if done.status:
            raise Ended(done.status)
        return done.output
