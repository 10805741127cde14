"""VirtEngine's ``hsm.json``: what ``virtengine hsm init`` writes.

Its durations are integers in nanoseconds, its ``slot`` is the index in the list of slots that hold a token, and it may
hold the PIN in clear. The PIN never becomes a Python string: it is cut out of the file's bytes before they are parsed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, NoReturn

from keyring_bridge.config.build import Table, build
from keyring_bridge.config.files import read_trusted
from keyring_bridge.config.model import Config, ProviderConfig
from keyring_bridge.errors import ConfigError, InsecureFile
from keyring_bridge.secrets.secret_bytes import SecretBytes, wipe

_LIMIT = 1 << 20
_PIN = re.compile(rb'"pin"\s*:\s*"((?:[^"\\]|\\.)*)"')
_MASK = b"*"
_NANOSECONDS = 1_000_000_000

_CLOUD_BACKENDS = frozenset({"aws", "gcp", "gcp_cloudhsm", "azure", "azure_hsm"})


@dataclass(frozen=True, slots=True)
class _Pkcs11:
    library: str = ""
    slot: int = 0
    pin: str = ""
    token_label: str = ""

    def __post_init__(self) -> None:
        if self.slot < 0:
            raise ValueError("slot must not be negative")


@dataclass(frozen=True, slots=True)
class _Ledger:
    derivation_path: str = ""
    hrp: str = ""


@dataclass(frozen=True, slots=True)
class _Cloud:
    provider: Literal["", "aws", "gcp", "azure"] = ""
    region: str = ""
    cluster_id: str = ""
    key_vault_name: str = ""
    key_ring_name: str = ""
    project_id: str = ""
    credentials_file: str = ""


@dataclass(frozen=True, slots=True)
class HsmJson:
    """The file, key by key; ``pin`` is masked. Durations are in nanoseconds, 0 standing for the default."""

    backend: str = "pkcs11"
    pkcs11: _Pkcs11 | None = None
    ledger: _Ledger | None = None
    cloud: _Cloud | None = None
    connection_timeout: int = 0
    operation_timeout: int = 0
    max_retries: int | None = None
    audit_log: bool = True

    def __post_init__(self) -> None:
        for name in ("connection_timeout", "operation_timeout"):
            value = getattr(self, name)
            if value < 0 or 0 < value < 1_000_000:
                raise ValueError(f"{name} is in nanoseconds: 10 seconds are 10000000000")


def load_hsm_json(file: Path) -> Config:
    """Read ``hsm.json`` as a configuration with one provider, named after its backend.

    A PIN in it is kept in memory as wipeable bytes, with a warning. State and policy live in the folder
    ``keyring-bridge`` beside the file.

    Raises:
        FileNotFoundError: There is no such file.
        InsecureFile: Others can write it, or read it and there is a PIN in it.
        ConfigError: Something in it is wrong.
        OSError: It cannot be read.
    """
    from keyring_bridge.secrets.sources import keep_in_memory

    table, pin = read_masked(file)
    try:
        said = build(HsmJson, table, "")
        options, warnings = _options(said, file)
    except ConfigError:
        if pin is not None:
            pin.wipe()
        raise
    if pin is not None:
        if "library" in options:
            options["pin_source"] = keep_in_memory(str(file), pin)
        else:
            pin.wipe()
        warnings.insert(
            0,
            f"WARNING: {file} holds the PIN in clear; whoever reads the file, or a backup of it, has the PIN. "
            "Run `hsm config migrate`, which moves it out of there, and then change the PIN",
        )
    folder = file.parent / "keyring-bridge"
    try:
        return Config(
            path=file,
            state_dir=folder / "state",
            policy_path=folder / "policy.toml",
            audit_path=folder / "state" / "audit.jsonl",
            prefix=(said.ledger.hrp if said.ledger else "") or "ve",
            default_provider=said.backend,
            providers={said.backend: ProviderConfig(said.backend, said.backend, Table(options, file))},
            warnings=tuple(warnings),
        )
    except ValueError as error:
        raise ConfigError(f"{file}: {error}") from None


def read_masked(file: Path) -> tuple[Table, SecretBytes | None]:
    """Read the file's table with its PIN replaced by asterisks, and the PIN.

    Raises:
        InsecureFile: Others can write it, or read it and there is a PIN in it.
        ConfigError: It is not JSON.
        OSError: It cannot be read.
    """
    content = read_trusted(file, what="configuration", limit=_LIMIT)
    try:
        pin = _cut_pin(content)
        try:
            if pin is not None and file.stat().st_mode & 0o077:
                raise InsecureFile(f"others can read {file}, which holds a PIN", hint=f"chmod 600 {file}")
            return _parse(content, file), pin
        except BaseException:
            if pin is not None:
                pin.wipe()
            raise
    finally:
        wipe(content)


def _cut_pin(content: bytearray) -> SecretBytes | None:
    """Overwrite every PIN in the file's bytes; return the last one that is not empty."""
    pin = None
    for match in _PIN.finditer(content):
        start, end = match.span(1)
        if start == end:
            continue
        if pin is not None:
            pin.wipe()
        with memoryview(content) as view:
            pin = SecretBytes(_unescaped(bytearray(view[start:end])))
            view[start:end] = _MASK * (end - start)
    return pin


def _unescaped(raw: bytearray) -> bytearray:
    if b"\\" not in raw:
        return raw
    # A PIN with quotation marks or backslashes is rare enough to go through a string.
    try:
        return bytearray(json.loads(b'"' + raw + b'"').encode())
    except ValueError:
        return raw
    finally:
        wipe(raw)


def _parse(content: bytearray, file: Path) -> Table:
    problem = ""
    try:
        table = json.loads(content.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
        if isinstance(table, dict):
            return Table(table, file)
        problem = "expected an object"
    except json.JSONDecodeError as error:
        problem = f"{error.msg} (line {error.lineno}, column {error.colno})"
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 at byte {error.start}"
    except RecursionError:
        problem = "nested too deeply"
    except ValueError as error:
        problem = str(error)
    # Raised here, so that the parser's error, which holds the text, is not its context.
    raise ConfigError(f"{file}: {problem}")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return table


def _no_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _options(said: HsmJson, file: Path) -> tuple[dict[str, object], list[str]]:
    """Return the options of the backend, and what is to be said about settings that have no counterpart here."""
    warnings = []
    if not said.audit_log:
        warnings.append(f"{file}: audit_log is false, but the audit log cannot be switched off")
    if said.backend == "ledger":
        return _set_ones(asdict(said.ledger or _Ledger())), warnings
    if said.backend in _CLOUD_BACKENDS:
        options = _set_ones(asdict(said.cloud or _Cloud()))
        options.pop("provider", None)
        return options, warnings
    section = said.pkcs11 or _Pkcs11()
    if section.pin.strip("*"):
        raise ConfigError(f'{file}: pkcs11.pin: write the key plainly as "pin", so that its value can be kept apart')
    if not section.library:
        raise ConfigError(f"{file}: pkcs11.library: is missing")
    options = _set_ones({"library": section.library, "token_label": section.token_label})
    # VirtEngine always writes a slot, 0 if nobody chose one; beside a label that says nothing.
    if section.slot or not section.token_label:
        options["slot"] = section.slot
    if said.operation_timeout:
        options["operation_timeout"] = said.operation_timeout / _NANOSECONDS
    return options, warnings


def _set_ones(options: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in options.items() if value != ""}
