import subprocess
import sys

import pytest

from keyring_bridge.cli.errors import EXIT_MEANINGS, UsageError
from keyring_bridge.cli.main import wants_json
from keyring_bridge.cli.parser import COMMANDS, build_parser, define_all
from keyring_bridge.errors import Exit


def leaves() -> list[list[str]]:
    return [
        [command.name, *([member.name] if member else [])]
        for command in COMMANDS
        for member in (command.members or (None,))
    ]


@pytest.mark.parametrize("words", leaves(), ids=" ".join)
def test_every_command_is_defined_and_explains_itself(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        build_parser().parse_args([*words, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: hsm {' '.join(words)}")
    assert "--output" in text


def test_every_option_is_explained() -> None:
    parser = build_parser()
    define_all(parser)

    def walk(one: object) -> None:
        for action in one._actions:  # type: ignore[attr-defined]
            assert action.help or action.choices, f"{one.prog}: {action.dest}"  # type: ignore[attr-defined]
        for child in one.children.values():  # type: ignore[attr-defined]
            walk(child)

    walk(parser)


@pytest.mark.parametrize(
    "argv",
    [[], ["nothing"], ["keys"], ["keys", "nothing"], ["keygen"], ["keys", "show"], ["--output", "yaml", "status"],
     ["status", "--unknown"], ["keys", "list", "--list-name"], ["audit", "tail", "-n", "many"]],
    ids=" ".join,
)  # fmt: skip
def test_wrong_arguments_are_an_error_of_the_tree(argv: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        build_parser().parse_args(argv)
    assert "--help" in (caught.value.hint or "")


def test_common_options_are_taken_before_and_after_the_command() -> None:
    before = build_parser().parse_args(["--output", "json", "--config", "x", "keys", "list"])
    after = build_parser().parse_args(["keys", "list", "-o", "json", "--config", "x"])
    assert (before.output, before.config) == (after.output, after.config) == ("json", "x")


@pytest.mark.parametrize(
    ("argv", "json"),
    [
        (["--output", "json"], True), (["status", "--output=json"], True), (["-o", "json", "x"], True),
        (["-ojson"], True), (["--output", "text"], False), (["--output"], False), ([], False),
        (["keys", "add", "--", "--output", "json"], False),
    ],
)  # fmt: skip
def test_the_wish_for_json_is_seen_before_anything_parses(argv: list[str], json: bool) -> None:
    assert wants_json(argv) is json


def test_every_exit_code_has_a_meaning() -> None:
    assert {code for code, _ in EXIT_MEANINGS} >= {int(code) for code in Exit}


def test_help_imports_no_command_and_nothing_heavy() -> None:
    program = (
        "import sys; from keyring_bridge.cli.main import main; main(['--help']); "
        "print([m for m in sys.modules if m.startswith(('keyring_bridge.cli.commands.', 'pkcs11', 'google', "
        "'cryptography', 'coincurve', 'sqlite3', 'tomlkit', 'shtab', 'cosmos_formats'))], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=None)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("argv", "handler", "named"),
    [
        (["migrate", "/home/keyring-file"], "migrate", "/home/keyring-file"),
        (["migrate", "--dry-run", "x"], "migrate", "x"),
        (["migrate", "--mnemonic", "prompt"], "migrate", None),
        (["migrate", "verify"], "verify", None),
        (["migrate", "-o", "json", "-v", "--config=x", "verify", "abcd"], "verify", "abcd"),
        (["-o", "json", "migrate", "list"], "list_migrations", None),
        (["migrate", "retire", "abcd", "--yes"], "retire", "abcd"),
        # A source that is called like one of the commands.
        (["migrate", "./verify"], "migrate", "./verify"),
        (["migrate", "--", "verify"], "migrate", "verify"),
        (["migrate", "--key", "verify", "list"], "migrate", "list"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_migrate_is_a_command_and_has_commands(argv: list[str], handler: str, named: str | None) -> None:
    arguments = build_parser().parse_args(argv)
    assert arguments.handler.__name__ == handler
    assert getattr(arguments, "source", getattr(arguments, "migration", None)) == named
