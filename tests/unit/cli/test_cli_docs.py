import pytest

from scripts.build_cli_docs import DOCUMENT, with_helps


def test_the_documented_help_is_what_the_commands_print(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    document = DOCUMENT.read_text(encoding="utf-8")
    assert with_helps(document) == document, "run: python scripts/build_cli_docs.py"


def test_a_command_without_documentation_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    document = DOCUMENT.read_text(encoding="utf-8").replace("<!-- help: hsm keygen -->", "")
    with pytest.raises(SystemExit, match="hsm keygen"):
        with_helps(document)
