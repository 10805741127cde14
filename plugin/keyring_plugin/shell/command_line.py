"""A chain's command line, understood as far as that is possible without knowing all of the chain's flags.

The chain's program parses with pflag: flags and words in any order, ``--name=value`` or ``--name value``, ``--`` before
words alone. Flags that are not known here stay as they are; one that is followed by a word is taken to have it as its
value, one that is followed by a flag to have none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from keyring_plugin.shell.errors import ShellFailed


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags that a group of commands has.

    Attributes:
        values: Names of flags with a value.
        switches: Names of flags without one (``--name=false`` switches them off).
        short: Names by their letter.
    """

    values: frozenset[str] = frozenset()
    switches: frozenset[str] = frozenset()
    short: Mapping[str, str] = field(default_factory=dict)

    def __or__(self, other: Flags) -> Flags:
        return Flags(self.values | other.values, self.switches | other.switches, {**self.short, **other.short})


ROOT: Final = Flags(
    frozenset({"home", "log_level", "log_format", "keyring-backend", "keyring-dir", "node", "chain-id", "output"}),
    frozenset({"help", "trace", "log_no_color"}),
    {"h": "help"},
)
TX: Final = ROOT | Flags(
    frozenset(
        {
            *("account-number", "broadcast-mode", "fee-granter", "fee-payer", "fees", "from", "gas", "gas-adjustment"),
            *("gas-prices", "multisig", "note", "output-document", "sequence", "sign-mode", "timeout-duration"),
            *("timeout-height", "tip", "hsm-max-fee"),
        }
    ),
    frozenset(
        {
            *("amend", "append", "aux", "dry-run", "generate-only", "ledger", "no-auto-increment", "offline"),
            *("overwrite", "signature-only", "skip-signature-verification", "unordered", "yes"),
        }
    ),
    {"a": "account-number", "b": "broadcast-mode", "o": "output", "s": "sequence", "y": "yes"},
)
KEYS: Final = ROOT | Flags(
    frozenset(
        {
            *("account", "algo", "bech", "coin-type", "hd-path", "index", "key-type", "multisig"),
            *("multisig-threshold", "pubkey", "pubkey-base64", "source"),
        }
    ),
    frozenset(
        {
            *("address", "device", "dry-run", "force", "interactive", "ledger", "list-names", "no-backup", "nosort"),
            *("qrcode", "recover", "unarmored-hex", "unsafe", "yes"),
        }
    ),
    {"a": "address", "d": "device", "f": "force", "i": "interactive", "n": "list-names", "y": "yes"},
)
KEYS_SHOW: Final = replace(
    KEYS, values=KEYS.values - {"pubkey"}, switches=KEYS.switches | {"pubkey"}, short={**KEYS.short, "p": "pubkey"}
)

_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})


@dataclass(frozen=True, slots=True)
class Token:
    """One word, or one flag with its value.

    Attributes:
        name: Of the flag; empty for a word.
        value: The word, or the flag's value; None for a flag without one.
        raw: As it was written.
    """

    name: str
    value: str | None
    raw: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CommandLine:
    """The arguments of a chain's program.

    Attributes:
        tokens: What stands before ``--``, or all.
        rest: Words after ``--``.
    """

    tokens: tuple[Token, ...]
    rest: tuple[str, ...] = ()

    @classmethod
    def parse(cls, arguments: Sequence[str], flags: Flags) -> CommandLine:
        """Read arguments, without the program's name."""
        before = list(arguments)
        tokens: list[Token] = []
        place = 0
        while place < len(before):
            word = before[place]
            place += 1
            if word == "--":
                return cls(tuple(tokens), tuple(before[place:]))
            follower = before[place] if place < len(before) else None
            if word.startswith("--"):
                tokens.append(_long(word, follower, flags))
            elif word.startswith("-") and len(word) > 1:
                tokens += _short(word, follower, flags)
            else:
                tokens.append(Token("", word, (word,)))
            place += len(tokens[-1].raw) - 1
        return cls(tuple(tokens))

    @property
    def words(self) -> tuple[str, ...]:
        """What is no flag: the command and its arguments."""
        return (*(token.raw[0] for token in self.tokens if not token.name), *self.rest)

    def argv(self) -> list[str]:
        """Return the arguments, ready for the program."""
        rest = ("--", *self.rest) if self.rest else ()
        return [*(raw for token in self.tokens for raw in token.raw), *rest]

    def has(self, name: str) -> bool:
        """Whether a flag is there."""
        return any(token.name == name for token in self.tokens)

    def value(self, name: str) -> str | None:
        """Return a flag's value, the last one if there are several; None if it is not there."""
        return next((token.value for token in reversed(self.tokens) if token.name == name), None)

    def switch(self, name: str) -> bool:
        """Return whether a switch is on.

        Raises:
            ShellFailed: Its value is no truth value.
        """
        found = next((token for token in reversed(self.tokens) if token.name == name), None)
        if found is None or found.value in _FALSE:
            return False
        if found.value is None or found.value in _TRUE:
            return True
        raise ShellFailed(f'invalid argument "{found.value}" for "--{name}" flag')

    def without(self, *names: str) -> CommandLine:
        """Return the line without these flags."""
        return replace(self, tokens=tuple(token for token in self.tokens if token.name not in names))

    def adding(self, **values: str | bool) -> CommandLine:
        """Return the line with these flags (``_`` in a name stands for ``-``) in place of those of the same names."""
        names = {name.replace("_", "-"): value for name, value in values.items()}
        added = [Token(name, _text(value), (f"--{name}={_text(value)}",)) for name, value in names.items()]
        return replace(self, tokens=(*self.without(*names).tokens, *added))

    def renaming(self, old: str, new: str) -> CommandLine:
        """Return the line with the first word that is ``old`` replaced."""
        tokens = list(self.tokens)
        for place, token in enumerate(tokens):
            if not token.name and token.value == old:
                tokens[place] = Token("", new, (new,))
                return replace(self, tokens=tuple(tokens))
        rest = list(self.rest)
        if old in rest:
            rest[rest.index(old)] = new
        return replace(self, rest=tuple(rest))


def _text(value: str | bool) -> str:
    return value if isinstance(value, str) else str(value).lower()


def _long(word: str, follower: str | None, flags: Flags) -> Token:
    name, separator, value = word[2:].partition("=")
    if separator:
        return Token(name, value, (word,))
    if name in flags.switches or follower is None:
        return Token(name, None, (word,))
    if name in flags.values or not follower.startswith("-"):
        return Token(name, follower, (word, follower))
    return Token(name, None, (word,))


def _short(word: str, follower: str | None, flags: Flags) -> Iterator[Token]:
    """Take letters apart: ``-yojson`` is ``-y -o json``."""
    letters = word[1:]
    for place, letter in enumerate(letters):
        name = flags.short.get(letter)
        after = letters[place + 1 :]
        if name is None:
            # Whatever follows may be its value.
            yield Token(f"-{letter}", after or None, (f"-{letters[place:]}",))
            return
        if name in flags.switches:
            if after.startswith("="):
                yield Token(name, after[1:], (f"--{name}{after}",))
                return
            yield Token(name, None, (f"--{name}",))
            continue
        if after:
            value = after.removeprefix("=")
            yield Token(name, value, (f"--{name}={value}",))
        elif follower is not None:
            yield Token(name, follower, (f"-{letter}", follower))
        else:
            yield Token(name, None, (f"-{letter}",))
        return
