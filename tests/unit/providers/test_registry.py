from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from keyring_bridge.config import ProviderConfig
from keyring_bridge.errors import BackendUnknown, ConfigError, ExtraMissing, NotAvailable, ProviderError
from keyring_bridge.providers import (
    ALIASES,
    BACKENDS,
    BackendRow,
    capability_matrix,
    open_provider,
    provider_class,
    resolve,
)
from keyring_bridge.providers.base import CAPABILITIES, ProviderBase, ProviderContext
from keyring_bridge.providers.pkcs11.presets import PRESETS
from keyring_bridge.testing import context_for_tests

HERE = [row for row in BACKENDS.values() if row.target is not None]
LATER = [row for row in BACKENDS.values() if row.target is None]


@pytest.fixture
def context(tmp_path: Path) -> ProviderContext:
    return context_for_tests(tmp_path, "main")


@pytest.mark.parametrize("row", HERE, ids=lambda row: row.name)
def test_a_row_leads_to_its_class(row: BackendRow) -> None:
    backend = provider_class(row.name)
    assert issubclass(backend, ProviderBase)
    assert backend.scheme == row.name


@pytest.mark.parametrize("row", LATER, ids=lambda row: row.name)
def test_a_backend_that_comes_later_says_so(row: BackendRow) -> None:
    with pytest.raises(NotAvailable, match=row.name) as caught:
        provider_class(row.name)
    assert caught.value.code == "not_available"


@pytest.mark.parametrize(("alias", "stands_for"), ALIASES.items())
def test_an_alias_stands_for_a_row(alias: str, stands_for: tuple[str, str | None]) -> None:
    name, preset = stands_for
    assert resolve(alias) == stands_for
    assert name in BACKENDS
    assert alias not in BACKENDS
    assert preset is None or preset in PRESETS
    assert resolve(name) == (name, None)


def test_extras_are_those_of_the_project(project_root: Path) -> None:
    project = tomllib.loads((project_root / "pyproject.toml").read_text())["project"]
    assert {row.extra for row in BACKENDS.values()} - {None} <= set(project["optional-dependencies"])


@pytest.mark.parametrize(
    ("name", "near"), [("pkcs", "pkcs11"), ("softwar", "software"), ("sofhsm", "softhsm"), ("xyz", None)]
)
def test_an_unknown_backend_is_an_error_that_helps(name: str, near: str | None) -> None:
    with pytest.raises(BackendUnknown) as caught:
        provider_class(name)
    assert (f"did you mean {near!r}?" if near else "there are pkcs11, software") in str(caught.value)


def test_a_name_of_any_length_is_shown_in_part() -> None:
    with pytest.raises(BackendUnknown) as caught:
        provider_class("x" * 10_000)
    assert len(str(caught.value)) < 300


def test_opens_without_connecting(context: ProviderContext) -> None:
    provider = open_provider(ProviderConfig("main", "software", {"passphrase_source": "prompt"}), context)
    assert provider.status().state == "disconnected"
    assert provider.context is context


def test_an_alias_brings_its_preset(context: ProviderContext) -> None:
    provider = open_provider(ProviderConfig("main", "softhsm", {"token_label": "x"}), context)
    assert provider.options.preset == "softhsm"  # type: ignore[attr-defined]
    same = open_provider(ProviderConfig("main", "softhsm", {"preset": "softhsm"}), context)
    assert same.options.preset == "softhsm"  # type: ignore[attr-defined]


def test_an_alias_and_another_preset_contradict_each_other(context: ProviderContext) -> None:
    with pytest.raises(ConfigError, match=r"providers\.main\.preset"):
        open_provider(ProviderConfig("main", "softhsm", {"preset": "luna"}), context)


def test_options_are_checked_when_it_is_opened(context: ProviderContext) -> None:
    with pytest.raises(ConfigError, match=r"providers\.main\.fil: unknown key; did you mean 'file'"):
        open_provider(ProviderConfig("main", "software", {"fil": "x"}), context)


def test_a_missing_dependency_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {**BACKENDS, "cloud": BackendRow("cloud", "nowhere_to_be_found.kms:Cloud", "aws", "a cloud")}
    monkeypatch.setattr("keyring_bridge.providers.BACKENDS", rows)
    with pytest.raises(ExtraMissing) as caught:
        provider_class("cloud")
    assert caught.value.hint == "pip install 'keyring-bridge[aws]'"
    info = next(info for info in capability_matrix() if info.name == "cloud")
    assert not info.available
    assert "pip install" in info.problem


def test_a_mistake_of_our_own_is_not_blamed_on_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {**BACKENDS, "cloud": BackendRow("cloud", "keyring_bridge.providers.nowhere:Cloud", "aws", "a cloud")}
    monkeypatch.setattr("keyring_bridge.providers.BACKENDS", rows)
    with pytest.raises(ProviderError):
        provider_class("cloud")


def test_the_matrix_tells_what_the_classes_can() -> None:
    matrix = {info.name: info for info in capability_matrix()}
    assert list(matrix) == list(BACKENDS)
    for row in HERE:
        info = matrix[row.name]
        backend = provider_class(row.name)
        assert info.available
        assert info.hardware is backend.hardware
        assert info.capabilities == {name for name, what in CAPABILITIES.items() if issubclass(backend, what)}
    for row in LATER:
        info = matrix[row.name]
        assert (info.available, info.hardware, info.capabilities) == (False, None, frozenset())
        assert row.name in info.problem
    assert not matrix["software"].hardware
    assert matrix["pkcs11"].aliases == ("softhsm", "aws_cloudhsm")


def test_the_table_is_read_only() -> None:
    with pytest.raises(TypeError):
        BACKENDS["pkcs11"] = BACKENDS["software"]  # type: ignore[index]


def test_looking_at_the_table_imports_no_backend() -> None:
    from tests.processes import output

    loaded = output(
        "import sys, keyring_bridge.providers as p; p.resolve('softhsm')\n"
        "print(*[name for name in sys.modules if name.startswith('keyring_bridge.providers.')])"
    )
    assert loaded.split() == ["keyring_bridge.providers.base"]
