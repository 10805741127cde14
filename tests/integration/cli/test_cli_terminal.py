"""What a person sees: colours, questions, and names that try to deceive."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli


def test_colour_is_for_terminals_and_can_be_switched_off(settled: Cli) -> None:
    assert "\x1b[1m" in settled.on_terminal("keys", "list", answers={}).out
    assert "\x1b" not in settled.on_terminal("keys", "list", answers={}, env={"NO_COLOR": "1"}).out
    assert "\x1b" not in settled.on_terminal("keys", "list", answers={}, env={"TERM": "dumb"}).out
    assert "\x1b" not in settled.ok("keys", "list")
    assert "\x1b" not in settled.on_terminal("keys", "list", "-o", "json", answers={}).out


def test_destroying_a_key_wants_its_name_typed(cli: Cli) -> None:
    cli.ok("keygen", "--label", "ops")
    command = ["keys", "delete", "ops", "--destroy"]
    for answer in ("yes", "", "OPS"):
        done = cli.on_terminal(*command, answers={"Type ops": answer})
        assert done.code == 2, done
        assert "nothing was changed" in done.out
    assert cli.json("keys", "list", "-n") == ["ops"]
    assert cli.on_terminal(*command, answers={"Type ops": "ops"}).code == 0
    assert cli.json("keys", "list") == []


def test_scripts_have_to_say_yes(cli: Cli) -> None:
    cli.ok("keygen", "--label", "ops")
    for command in (["keys", "delete", "ops"], ["keys", "delete", "ops", "--destroy"]):
        error = cli.fails(*command, code=2, error="not_confirmed", stdin=b"yes\nops\n")
        assert "--yes" in error["hint"]
    assert cli.json("keys", "list", "-n") == ["ops"]
    assert cli.on_terminal("keys", "delete", "ops", answers={"Type yes": "yes"}).code == 0


def test_sign_on_a_terminal_does_not_wait_for_input(settled: Cli) -> None:
    done = settled.on_terminal("sign", "ops", answers={})
    assert done.code == 2
    assert "nothing to sign" in done.out


def test_texts_from_outside_cannot_deceive(settled: Cli) -> None:
    hostile = "\x1b[2J\u202eevil"
    for form in ("text", "json"):
        done = settled.run("keys", "show", hostile, "-o", form)
        assert done.code == 4
        assert "\x1b" not in done.out + done.err
        assert "\u202e" not in done.out + done.err
    log = settled.home / "hostile.jsonl"
    log.write_bytes(b"\x1b[31m" * 100 + b"\n")
    assert "\x1b" not in settled.ok("audit", "tail", str(log))


def test_help_goes_to_standard_output(nobody: Cli) -> None:
    done = nobody.run("--help")
    assert (done.code, done.err) == (0, "")
    assert "exit codes:" in done.out
    assert nobody.run("--version").out.startswith("hsm ")
