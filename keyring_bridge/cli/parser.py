"""The tree of commands and its argument parser.

The tree is a table, so that ``hsm --help`` imports no command: a command's module is imported, and its options are
defined, when its parser is asked to parse or to explain itself.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple, NoReturn

from keyring_bridge import __version__
from keyring_bridge.cli.errors import EXIT_MEANINGS, UsageError


class Command(NamedTuple):
    """One command.

    Attributes:
        name: Its word on the command line.
        summary: One line for the list of commands.
        module: Module under ``keyring_bridge.cli.commands`` whose function ``configure_<name>`` (with ``_`` for ``-``)
            defines the options; empty for a group.
        members: The commands of a group. Beside a module: commands of a command that also works by itself.
    """

    name: str
    summary: str
    module: str = ""
    members: tuple[Command, ...] = ()


COMMANDS: tuple[Command, ...] = (
    Command("init", "write a configuration and a policy; make a SoftHSM2 token if asked", "init"),
    Command("keygen", "generate a key in a token, prove it and give it a policy", "keygen"),
    Command(
        "keys",
        "list and change the keyring's records",
        members=(
            Command("list", "list the records", "keys_read"),
            Command("show", "show one record", "keys_read"),
            Command("add", "make a key from a mnemonic, or add a public key or a key that is in a token", "keys_write"),
            Command("import", "import a private key, or keep a public key, from its armor", "keys_import"),
            Command("import-hex", "import a private key from hexadecimal digits", "keys_import"),
            Command("export", "write the armor of a public key", "keys_import"),
            Command("parse", "turn an address into its other forms", "keys_parse"),
            Command("delete", "delete a record, and with --destroy its key", "keys_write"),
            Command("rename", "rename a record and its key", "keys_write"),
            Command("recover", "make a lost key again from its words or shares", "keys_recover"),
            Command("rotate", "let a key take the place of another, and say what the chain needs", "keys_rotate"),
            Command("sync", "make records for keys that are in a token without one", "keys_write"),
        ),
    ),
    Command(
        "migrate",
        "move the keys of a keyring or a file into a token, with a plan and proofs",
        "migrate",
        members=(
            Command("list", "list the migrations that are known here", "migrations"),
            Command(
                "verify", "compare source, journal, records and token; every key proves itself again", "migrations"
            ),
            Command("report", "write a signed report of a migration, or check one", "migration_report"),
            Command("retire", "remove the source's copies of what was migrated", "migration_end"),
            Command("unpack", "open the archive of a retired source", "migration_end"),
            Command("undo", "remove what a migration made, while the source is still there", "migration_end"),
        ),
    ),
    Command(
        "chain",
        "know a chain's own messages and coins",
        members=(
            Command("add", "read a chain's messages and coins from its node or a file, and accept them", "chain"),
            Command("list", "list the chains", "chain"),
            Command("show", "show one chain, and check what is stored of it", "chain"),
            Command("update", "read a chain again, show what changed, and accept it", "chain"),
            Command("remove", "forget a chain", "chain"),
        ),
    ),
    Command(
        "backup",
        "write one sealed bundle of records, policy and keys",
        "backup",
        members=(
            Command("verify", "open a bundle, check everything in it, and remember that it is good", "backup_verify"),
            Command("wrapping-key", "make or bring a trusted wrapping key into a token", "wrapping_key"),
        ),
    ),
    Command("restore", "bring a bundle back, with a plan and proofs", "restore"),
    Command("sign", "sign the sign bytes of a transaction", "sign"),
    Command(
        "arbitrary",
        "sign and verify data that is no transaction (ADR-036)",
        members=(
            Command("sign", "sign data in the envelope of ADR-036", "arbitrary"),
            Command("verify", "verify such a signature", "arbitrary"),
        ),
    ),
    Command(
        "tx",
        "show, sign, combine and verify transactions in files",
        members=(
            Command("show", "show what a transaction says", "tx_show"),
            Command("sign", "sign a transaction, or a file of many, that was made with --generate-only", "tx_sign"),
            Command("multisign", "combine the signatures of a multisig account's members", "tx_multisig"),
            Command("combine", "the same for many transactions at once (the SDK's multisign-batch)", "tx_multisig"),
            Command("verify", "check who must sign a transaction, and the signatures it has", "tx_verify"),
            Command("encode", "turn a transaction from JSON into its bytes", "tx_convert"),
            Command("decode", "turn the bytes of a transaction into JSON", "tx_convert"),
        ),
    ),
    Command("status", "show providers, tokens, keys, policy and audit log as they are now", "status"),
    Command("backends", "show which backends exist and what each can do", "backends"),
    Command(
        "audit",
        "read and verify the audit log",
        members=(
            Command("tail", "print the last entries", "audit"),
            Command("verify", "check the whole chain of entries", "audit"),
        ),
    ),
    Command(
        "config",
        "show, check and migrate the configuration",
        members=(
            Command("show", "print the configuration in force", "config"),
            Command("check", "check configuration, policy, libraries and PIN files", "config"),
            Command("migrate", "turn VirtEngine's hsm.json into a configuration", "config"),
        ),
    ),
    Command(
        "policy",
        "check, explain and try out what keys may do",
        members=(
            Command("check", "load the policy, and tell what is odd about it", "policy"),
            Command("explain", "tell what the policy answers to a transaction, and why", "policy"),
            Command("messages", "list the types of messages that a policy can name", "policy"),
            Command("test", "compare what a policy answers with what a file of cases expects", "policy"),
        ),
    ),
    Command("unlock", "allow one new login after a refused PIN, and try it", "unlock"),
    Command("completion", "print a completion script for bash or zsh", "completion"),
)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Help that looks the same under every Python version: ``-o, --output FORMAT``."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32)

    def _split_lines(self, text: str, width: int) -> list[str]:
        # Paths and names of options must not be broken at their hyphens.
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, action.dest.upper())
        return f"{', '.join(action.option_strings)} {value}"


class Parser(argparse.ArgumentParser):
    """A parser that is defined when it is used, and that raises instead of ending the process.

    Args:
        prog: The words that lead here, such as ``hsm keys list``.
        command: What is parsed.
    """

    def __init__(self, *, prog: str, command: Command) -> None:
        super().__init__(
            prog=prog,
            description=f"{command.summary[0].upper()}{command.summary[1:]}.",
            formatter_class=_Formatter,
            allow_abbrev=False,
            add_help=False,
        )
        self._command = command
        self._complete = False
        self._members: dict[str, Parser] = {}

    def complete(self) -> None:
        """Define the options, if that has not been done."""
        if self._complete:
            return
        self._complete = True
        if self._command.members and not self._command.module:
            self.usage = f"{self.prog} COMMAND [options]"
            adder = self.add_subparsers(title="commands", metavar="COMMAND", required=True)
            for member in self._command.members:
                adder.add_parser(member.name, help=member.summary, prog=f"{self.prog} {member.name}", command=member)
        else:
            module = import_module(f"keyring_bridge.cli.commands.{self._command.module}")
            getattr(module, f"configure_{self._command.name.replace('-', '_')}")(self)
            self._add_members()
        _add_common(self)

    def _add_members(self) -> None:
        """Make the commands of a command that also works by itself; its help lists them."""
        for member in self._command.members:
            self._members[member.name] = Parser(prog=f"{self.prog} {member.name}", command=member)
        if self._members:
            width = max(map(len, self._members)) + 2
            lines = [f"  {member.name:{width}}{member.summary}" for member in self._command.members]
            self.epilog = "commands:\n" + "\n".join(lines)

    @property
    def children(self) -> dict[str, Parser]:
        """The sub-commands by name; empty until the parser is complete."""
        if self._members:
            return dict(self._members)
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                return dict(action.choices)
        return {}

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]  # overloads upstream
        """As upstream, after the options are defined."""
        self.complete()
        if self._members:
            words = list(sys.argv[1:] if args is None else args)
            first = _first_word(words)
            if first < len(words) and words[first] in self._members:
                member = self._members[words[first]]
                return member.parse_known_args([*words[:first], *words[first + 1 :]], namespace)  # type: ignore[no-untyped-call]  # this method
        return super().parse_known_args(args, namespace)

    def format_help(self) -> str:
        """As upstream, after the options are defined."""
        self.complete()
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Raise a usage error.

        Raises:
            UsageError: Always.
        """
        raise UsageError(message, hint=f"see `{self.prog} --help`")


def build_parser() -> Parser:
    """Return the parser of the whole command line; commands are defined when they are reached."""
    summary = "a Cosmos SDK keyring whose keys live in hardware security modules"
    parser = Parser(prog="hsm", command=Command("hsm", summary, members=COMMANDS))
    parser.epilog = _exit_codes()
    parser.add_argument("--version", action="version", version=f"hsm {__version__}", help="print the version and exit")
    return parser


def define_all(parser: Parser) -> None:
    """Define every command below ``parser`` now, for completion scripts and documentation."""
    parser.complete()
    for child in parser.children.values():
        define_all(child)


def _first_word(words: Sequence[str]) -> int:
    """Return where the first word stands that is no common option nor the value of one."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        if words[at] in ("-o", "--output", "--config"):
            at += 1
        elif not _COMMON.fullmatch(words[at]):
            break
        at += 1
    return at


_COMMON = re.compile(r"-o.+|--(?:output|config)=.*|-v+|--verbose", re.DOTALL)


def _add_common(parser: Parser) -> None:
    # SUPPRESS: what was said before the command must not be reset by the command's own defaults.
    group = parser.add_argument_group("common options")
    # `hsm backup` writes to what its own --output names, as `virtengine hsm backup` does.
    if "--output" not in parser._option_string_actions:
        group.add_argument(
            "-o",
            "--output",
            choices=("text", "json"),
            metavar="FORMAT",
            default=argparse.SUPPRESS,
            help="text for people (default), or json: one document on standard output, errors included",
        )
    group.add_argument(
        "--config",
        metavar="FILE",
        default=argparse.SUPPRESS,
        help="configuration (default: $KEYRING_BRIDGE_CONFIG, else ~/.config/keyring-bridge/config.toml, "
        "else ~/.virtengine/hsm.json)",
    )
    group.add_argument(
        "-v", "--verbose", action="count", default=argparse.SUPPRESS, help="say more on standard error; twice for all"
    )
    group.add_argument("-h", "--help", action="help", default=argparse.SUPPRESS, help="show this help and exit")


def _exit_codes() -> str:
    lines = "\n".join(f"  {int(code):>3}  {meaning}" for code, meaning in EXIT_MEANINGS)
    return f"exit codes:\n{lines}"
