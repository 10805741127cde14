"""Properties of reading and writing the configuration."""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyring_bridge.config import Config, Table, build, load, write
from keyring_bridge.config.build import key_path
from keyring_bridge.config.hsm_json import read_masked
from keyring_bridge.config.load import parse
from keyring_bridge.errors import ConfigError
from keyring_bridge.secrets import SecretBytes, parse_source

T = TypeVar("T")
FILE = Path("/etc/bridge/config.toml")

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
toml_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
known_keys = st.sampled_from(
    [
        "version",
        "chain_id",
        "prefix",
        "state_dir",
        "policy",
        "audit",
        "default_provider",
        "outside_providers",
        "providers",
        "rpc",
        "backend",
        "workers",
        "main",
        "pin",
        "library",
    ]
)
tables = st.dictionaries(known_keys | text, toml_value, max_size=6)


# Every step is synced to disk, so an example may take long on a busy machine.
on_disk = settings(deadline=None, max_examples=50)


def result(call: Callable[[], T]) -> T | ConfigError:
    """What a call returns, or the error that it is allowed to raise."""
    try:
        return call()
    except ConfigError as error:
        return error


@given(st.binary(max_size=200) | text.map(str.encode))
def test_any_bytes_load_or_are_refused_by_name(content: bytes) -> None:
    found = result(lambda: parse(content, FILE))
    assert isinstance(found, Config) or str(found).startswith(f"{FILE}: ")


@dataclass(frozen=True)
class Everything:
    version: int
    chain_id: str | None = None
    workers: float = 1.0
    rpc: dict[str, int] | None = None
    outside_providers: tuple[str, ...] = ()
    policy: Path | None = None


@given(tables)
def test_any_table_builds_or_is_refused_by_name(table: dict[str, Any]) -> None:
    built = result(lambda: build(Everything, Table(table, FILE), "top"))
    if isinstance(built, ConfigError):
        assert str(built).startswith(f"{FILE}: top")
        return
    assert set(table) <= set(vars(built))
    assert type(built.version) is int
    assert isinstance(built.workers, float)
    assert all(isinstance(name, str) for name in built.outside_providers)


option = st.one_of(
    text.filter(lambda value: "\0" not in value),
    st.integers(-(2**53), 2**53),
    st.booleans(),
    st.floats(allow_nan=False),
)
option_name = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True).filter(
    lambda name: name not in {"backend", "pin", "user_pin", "so_pin", "password", "passphrase", "secret"}
)


@on_disk
@given(
    chain_id=st.none() | st.from_regex(r"[a-z0-9]+-[0-9]{1,5}", fullmatch=True).filter(lambda text: len(text) <= 50),
    provider=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}", fullmatch=True),
    options=st.dictionaries(option_name, option, max_size=5),
    more=st.dictionaries(option_name, option, max_size=5),
)
def test_what_is_written_is_read(
    chain_id: str | None, provider: str, options: dict[str, object], more: dict[str, object]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.toml"
        write.create(path, provider=provider, backend="pkcs11", options=options, chain_id=chain_id)
        config = load(path)
        assert config.chain_id == chain_id
        assert config.providers[provider].options == options
        write.add_provider(path, "added", "software", more)
        for key, value in more.items():
            write.set_value(path, ["providers", "added", key], value)
        config = load(path)
        assert config.providers["added"].options == more
        if provider != "added":
            assert config.providers[provider].options == options


@on_disk
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40), st.booleans(), st.booleans())
def test_any_pin_is_cut_out_of_hsm_json(pin: str, ascii_only: bool, compact: bool) -> None:
    section = {"library": "/x.so", "pin": pin, "token_label": pin}
    separators = (",", ":") if compact else (", ", ": ")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hsm.json"
        written = json.dumps({"pkcs11": section}, ensure_ascii=ascii_only, separators=separators)
        path.write_bytes(written.encode())
        path.chmod(0o600)
        table, secret = read_masked(path)
        assert secret is not None
        assert secret == pin.encode()
        found = table["pkcs11"]
        assert isinstance(found, dict)
        assert set(found["pin"]) == {"*"}
        # Everything else is as it was, a label that looks like the PIN included.
        assert (found["library"], found["token_label"]) == ("/x.so", pin)
        with parse_source(str(load(path).providers["pkcs11"].options["pin_source"])).read(None, "PIN") as given_pin:
            assert given_pin == pin.encode()


@on_disk
@given(st.binary(max_size=300))
def test_any_bytes_as_hsm_json_load_or_are_refused_by_name(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hsm.json"
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(ConfigError, match=r"hsm\.json: "):
            load(path)


# The mark keeps what is said from being a word of the message by chance.
@given(text.map(lambda said: f"{said}Zq7"))
def test_the_text_of_a_source_is_never_repeated(said: str) -> None:
    source = result(lambda: parse_source(said))
    if isinstance(source, ConfigError):
        assert said not in f"{source} {source.hint} {source.detail}"
    else:
        assert source.describe()


@given(st.binary(max_size=100))
def test_secrets_keep_bytes_and_lose_them(content: bytes) -> None:
    buffer = bytearray(content)
    secret = SecretBytes(buffer)
    assert bytes(secret.reveal()) == content
    assert secret == content
    assert len(content) < 3 or content.decode("latin-1") not in f"{secret!r} {secret} {secret:>9}"
    secret.wipe()
    assert buffer == bytes(len(content))


@given(text)
def test_paths_of_keys_stay_on_one_line(key: str) -> None:
    path = key_path("providers", key)
    assert path.isprintable()
    assert path == f"providers.{key_path('', key)}"
