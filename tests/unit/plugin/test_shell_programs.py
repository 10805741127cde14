"""Which commands go on to the chain's program at once."""

import pytest

from keyring_plugin.shell.programs import is_plain


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VE_KEYRING_BACKEND", "OTHER_KEYRING_BACKEND"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["query", "bank", "balances"],
        ["keys", "list", "--keyring-backend", "test"],
        ["keys", "list", "--keyring-backend=hsm", "--keyring-backend=os"],
        ["keys", "list", "--", "--keyring-backend=hsm"],
        ["__complete", "tx", "--keyring-backend=hsm"],
        ["__completeNoDesc", "hsm", ""],
        ["tx", "bank", "send", "--keyring-backend"],
    ],
)
def test_plain(arguments: list[str]) -> None:
    assert is_plain(arguments, "VE")


@pytest.mark.parametrize(
    "arguments",
    [
        ["hsm", "status"],
        ["--home", "/h", "hsm", "status"],
        ["--home=/h", "hsm"],
        ["keys", "list", "--keyring-backend", "hsm"],
        ["keys", "list", "--keyring-backend=hsm"],
        ["--keyring-backend=os", "keys", "list", "--keyring-backend", "hsm", "--"],
    ],
)
def test_perhaps_for_the_bridge(arguments: list[str]) -> None:
    assert not is_plain(arguments, "VE")


def test_the_variable_counts_where_no_flag_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_KEYRING_BACKEND", "hsm")
    assert is_plain(["keys", "list"], "VE")
    assert not is_plain(["keys", "list"], "")
    monkeypatch.setenv("VE_KEYRING_BACKEND", "hsm")
    assert not is_plain(["keys", "list"], "VE")
    assert is_plain(["keys", "list", "--keyring-backend=test"], "VE")
    monkeypatch.setenv("VE_KEYRING_BACKEND", "file")
    assert is_plain(["keys", "list"], "VE")
