"""VirtEngine's hsm.json, as `virtengine hsm init` writes it."""

import json
from pathlib import Path

import pytest

from keyring_bridge.config import Config, load
from keyring_bridge.config.hsm_json import read_masked
from keyring_bridge.errors import ConfigError, InsecureFile
from keyring_bridge.secrets import parse_source

PIN = "hunter2-4711"

WRITTEN: dict[str, object] = {
    "backend": "pkcs11",
    "pkcs11": {"library": "/usr/lib/softhsm/libsofthsm2.so", "slot": 1, "pin": PIN, "token_label": "demo"},
    "connection_timeout": 30000000000,
    "operation_timeout": 10000000000,
    "max_retries": 3,
    "audit_log": True,
}


def put(tmp_path: Path, content: object, mode: int = 0o600) -> Path:
    path = tmp_path / "hsm.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2))
    path.chmod(mode)
    return path


def loaded(tmp_path: Path, **changes: object) -> Config:
    return load(put(tmp_path, {**WRITTEN, **changes}))


def read_pin(config: Config) -> bytes:
    source = config.providers[config.default_provider].options["pin_source"]
    with parse_source(str(source)).read(None, "PIN") as pin:
        return bytes(pin.reveal())


def test_the_file_that_init_writes(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    assert config.default_provider == "pkcs11"
    provider = config.providers["pkcs11"]
    assert provider.backend == "pkcs11"
    options = dict(provider.options)
    assert str(options.pop("pin_source")).startswith("memory:")
    assert options == {
        "library": "/usr/lib/softhsm/libsofthsm2.so",
        "slot": 1,
        "token_label": "demo",
        "operation_timeout": 10.0,
    }
    assert read_pin(config) == PIN.encode()
    assert config.prefix == "ve"
    assert config.chain_id is None
    assert config.state_dir == tmp_path / "keyring-bridge" / "state"
    assert config.policy_path == tmp_path / "keyring-bridge" / "policy.toml"
    assert config.audit_path == tmp_path / "keyring-bridge" / "state" / "audit.jsonl"


def test_a_pin_in_it_is_taken_with_a_loud_warning(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    assert len(config.warnings) == 1
    assert config.warnings[0].startswith(f"WARNING: {tmp_path / 'hsm.json'} holds the PIN in clear")
    assert "hsm config migrate" in config.warnings[0]
    assert PIN not in repr(config)


def test_a_file_without_a_pin_has_no_warning_and_no_source(tmp_path: Path) -> None:
    for section in ({"library": "/x.so"}, {"library": "/x.so", "pin": ""}):
        config = loaded(tmp_path, pkcs11=section)
        assert config.warnings == ()
        assert config.providers["pkcs11"].options == {"library": "/x.so", "slot": 0, "operation_timeout": 10.0}


@pytest.mark.parametrize(
    "pin",
    ["1234", 'quo"ted', "back\\slash", "\\", "ünïcödé", "***", "a\nb", "\U0001f511", 'x","slot":9,"y":"'],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_any_pin_that_json_can_hold(tmp_path: Path, pin: str, ascii_only: bool) -> None:
    section = {"library": "/x.so", "pin": pin}
    text = json.dumps({"backend": "pkcs11", "pkcs11": section}, ensure_ascii=ascii_only)
    config = load(put(tmp_path, text))
    assert read_pin(config) == pin.encode()
    assert config.providers["pkcs11"].options["slot"] == 0


def test_the_pin_is_cut_out_before_the_text_is_parsed(tmp_path: Path) -> None:
    table, secret = read_masked(put(tmp_path, WRITTEN))
    assert secret == PIN.encode()
    assert table["pkcs11"]["pin"] == "*" * len(PIN)  # type: ignore[index]  # a table, as written above


def test_malformed_json_does_not_show_the_pin(tmp_path: Path) -> None:
    for text in (
        '{"pkcs11": {"pin": "hunter2-4711"',
        '{"pkcs11": {"pin": "hunter2-4711}}',
        '{"pkcs11": {"pin": "hunter2-4711", "pin": "hunter2-4711"}}',
        '{"pkcs11": {"p\\u0069n": "hunter2-4711", "library": "/x.so"}}',
        '{"pkcs11": {"pin": ["hunter2-4711"]}}',
        '{"pkcs11": {"pins": "hunter2-4711"}}',
        '{"pkcs11": "hunter2-4711"}',
    ):
        with pytest.raises(ConfigError) as caught:
            load(put(tmp_path, text))
        error: BaseException | None = caught.value
        while error is not None:
            assert PIN not in f"{error!r} {vars(error)}"
            error = error.__cause__ or error.__context__


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_with_a_pin_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = put(tmp_path, WRITTEN, mode)
    with pytest.raises(InsecureFile, match="holds a PIN"):
        load(path)
    load(put(tmp_path, {**WRITTEN, "pkcs11": {"library": "/x.so"}}, mode))


def test_a_file_that_others_can_write_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path, {**WRITTEN, "pkcs11": {"library": "/x.so"}}, 0o666)
    with pytest.raises(InsecureFile, match="others can write"):
        load(path)


def test_the_slot_that_nobody_chose_does_not_contradict_a_label(tmp_path: Path) -> None:
    def slot(**section: object) -> object:
        return loaded(tmp_path, pkcs11={"library": "/x.so", **section}).providers["pkcs11"].options.get("slot")

    assert slot(slot=0, token_label="demo") is None
    assert slot(slot=2, token_label="demo") == 2
    assert slot(slot=0, token_label="") == 0
    assert slot() == 0


@pytest.mark.parametrize(
    ("nanoseconds", "seconds"), [(10_000_000_000, 10.0), (1_500_000_000, 1.5), (1_000_000, 0.001), (0, None)]
)
def test_durations_are_nanoseconds(tmp_path: Path, nanoseconds: int, seconds: float | None) -> None:
    config = loaded(tmp_path, operation_timeout=nanoseconds)
    assert config.providers["pkcs11"].options.get("operation_timeout") == seconds


@pytest.mark.parametrize("name", ["operation_timeout", "connection_timeout"])
@pytest.mark.parametrize("value", [10, 30, 999_999, -1])
def test_durations_that_look_like_seconds_are_refused(tmp_path: Path, name: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"{name} is in nanoseconds: 10 seconds are 10000000000"):
        loaded(tmp_path, **{name: value})


def test_ledger(tmp_path: Path) -> None:
    config = loaded(
        tmp_path, backend="ledger", pkcs11=None, ledger={"derivation_path": "m/44'/118'/0'/0/0", "hrp": "cosmos"}
    )
    assert config.prefix == "cosmos"
    assert config.providers["ledger"].options == {"derivation_path": "m/44'/118'/0'/0/0", "hrp": "cosmos"}


@pytest.mark.parametrize("backend", ["gcp_cloudhsm", "azure_hsm", "gcp", "azure", "aws"])
def test_clouds(tmp_path: Path, backend: str) -> None:
    section = {
        "provider": "gcp",
        "region": "eu",
        "cluster_id": "",
        "key_vault_name": "",
        "key_ring_name": "ring",
        "project_id": "project",
        "credentials_file": "creds.json",
    }
    config = loaded(tmp_path, backend=backend, cloud=section)
    assert config.providers[backend].backend == backend
    assert config.providers[backend].options == {
        "region": "eu",
        "key_ring_name": "ring",
        "project_id": "project",
        "credentials_file": "creds.json",
    }


@pytest.mark.parametrize("backend", ["softhsm", "aws_cloudhsm", "pkcs11"])
def test_backends_behind_pkcs11(tmp_path: Path, backend: str) -> None:
    config = loaded(tmp_path, backend=backend)
    assert config.providers[backend].backend == backend
    assert config.providers[backend].options["library"] == "/usr/lib/softhsm/libsofthsm2.so"


def test_the_audit_log_cannot_be_switched_off(tmp_path: Path) -> None:
    config = loaded(tmp_path, audit_log=False, pkcs11={"library": "/x.so"})
    assert config.warnings == (
        f"{tmp_path / 'hsm.json'}: audit_log is false, but the audit log cannot be switched off",
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pkcs11": {"librari": "/x"}}, "pkcs11.librari: unknown key; did you mean 'library'?"),
        ({"pkcs11": {}}, "pkcs11.library: is missing"),
        ({"pkcs11": None}, "pkcs11.library: is missing"),
        ({"pkcs11": {"library": "/x", "slot": "0"}}, "pkcs11.slot: expected an integer, got a string"),
        ({"pkcs11": {"library": "/x", "slot": -1}}, "pkcs11: slot must not be negative"),
        ({"pkcs11": {"library": "/x", "pin": 1234}}, "pkcs11.pin: expected a string, got an integer"),
        ({"operation_timeout": "10s"}, "operation_timeout: expected an integer, got a string"),
        ({"operation_timeout": 1e10}, "operation_timeout: expected an integer, got a number"),
        ({"audit_log": "yes"}, "audit_log: expected true or false, got a string"),
        ({"cloud": {"provider": "ibm"}}, "cloud.provider: is 'ibm', expected one of"),
        ({"backend": ""}, "'' is no name for a provider"),
        ({"backend": 5}, "backend: expected a string, got an integer"),
        ({"ledger": {"hrp": "VE"}, "backend": "ledger"}, "prefix must be lower-case"),
        ({"retries": 3}, "retries: unknown key; did you mean 'max_retries'?"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, **changes)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "hsm.json"))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '"x"', "null", '{"audit_log": NaN}', "[" * 100_000, '{"backend": "a", "backend": "b"}']
)
def test_what_is_no_json_object(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"hsm\.json: "):
        load(put(tmp_path, text))


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = put(tmp_path, "")
    path.write_bytes(b'{"backend": "\xff"}')
    with pytest.raises(ConfigError, match="not UTF-8 at byte 13"):
        load(path)
