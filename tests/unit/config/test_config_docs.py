"""docs/configuration.md is true to the code."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from keyring_bridge.config import RpcConfig, load
from keyring_bridge.config.hsm_json import HsmJson, _Cloud, _Ledger, _Pkcs11
from keyring_bridge.config.load import _File
from keyring_bridge.providers import resolve
from keyring_bridge.secrets import parse_source
from keyring_bridge.secrets.sources import _COMMAND_ENVIRONMENT


@pytest.fixture(scope="module")
def document() -> str:
    return (Path(__file__).resolve().parents[3] / "docs" / "configuration.md").read_text()


def section(document: str, title: str) -> str:
    """The text of one section, without its subsections."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#)", document + "\n# end", re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def example(document: str, title: str) -> str:
    found = re.search(r"```toml\n(.*?)```", section(document, title), re.DOTALL)
    assert found is not None, title
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The rows of all tables, their cells without back quotes."""
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip().replace("`", "") for cell in line] for line in lines if not set(line[0]) <= set("- ")]


def put(tmp_path: Path, name: str, content: str) -> Path:
    path = tmp_path / name
    path.write_text(content)
    path.chmod(0o600)
    return path


def test_the_example_of_the_configuration_loads(document: str, tmp_path: Path) -> None:
    config = load(put(tmp_path, "config.toml", example(document, "The configuration")))
    assert config.default_provider == "hsm"
    assert config.policy_path == tmp_path / "policy.toml"
    assert config.rpc.workers == 4
    for provider in config.providers.values():
        resolve(provider.backend)
        options = provider.options
        parse_source(str(options.get("pin_source") or options["passphrase_source"]))


def test_the_examples_options_are_options_of_their_backends(document: str, tmp_path: Path) -> None:
    from keyring_bridge.config import build
    from keyring_bridge.providers.pkcs11.options import Options as Pkcs11Options
    from keyring_bridge.providers.software.options import Options as SoftwareOptions

    config = load(put(tmp_path, "config.toml", example(document, "The configuration")))
    build(Pkcs11Options, config.providers["hsm"].options, "providers.hsm")
    build(SoftwareOptions, config.providers["trial"].options, "providers.trial")
    described = {row[0] for row in rows(section(document, "The configuration"))}
    assert {field.name for field in fields(SoftwareOptions)} - described == {"pin_source"}


def test_every_key_is_described(document: str) -> None:
    described = {row[0] for row in rows(section(document, "The configuration"))}
    assert {field.name for field in fields(_File)} - described == {"providers"}
    assert {field.name for field in fields(RpcConfig)} <= described


def test_limits_are_described_as_they_are(document: str) -> None:
    limits = {row[0]: row for row in rows(section(document, "The configuration")) if len(row) == 5}
    for field in fields(RpcConfig):
        _, _, default, span, _ = limits[field.name]
        assert float(default) == field.default
        low, high = (float(number) for number in span.split("–"))
        for value, fits in ((low, True), (high, True), (low - 1, False), (high + 1, False)):
            if fits:
                RpcConfig(**{field.name: value})  # type: ignore[arg-type]  # a float where an integer will do
            else:
                with pytest.raises(ValueError, match=field.name):
                    RpcConfig(**{field.name: value})  # type: ignore[arg-type]  # as above


def test_every_source_is_described(document: str) -> None:
    text = section(document, "Sources of PINs and passphrases")
    sources = [row[0] for row in rows(text)][1:]
    assert len(sources) == 6
    for source in sources:
        found = parse_source(source.replace("fd:N", "fd:3"))
        assert found.describe().startswith(source.partition(":")[0])
        (read,) = [row[1] for row in rows(text) if row[0] == source]
        assert (read == "at each login") == found.repeatable
    for name in _COMMAND_ENVIRONMENT:
        assert f"`{name}`" in text


def test_every_key_of_hsm_json_is_described(document: str) -> None:
    described = " ".join(row[0] for row in rows(section(document, "VirtEngine's hsm.json")))
    for field in fields(HsmJson):
        assert field.name in described
    for name, table in (("pkcs11", _Pkcs11), ("ledger", _Ledger)):
        for field in fields(table):
            assert f"{name}.{field.name}" in described
    assert "cloud.*" in described
    assert {field.name for field in fields(_Cloud)} >= {"provider"}
