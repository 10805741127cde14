"""Writing the configuration. Comments and order of a file are kept; nothing is written that would not load."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.config.files import make_folders, write_atomic
from keyring_bridge.config.load import LIMIT, VERSION, load, parse
from keyring_bridge.config.toml_file import TomlFile
from keyring_bridge.errors import ConfigError, ConfigExists

if TYPE_CHECKING:
    from tomlkit import TOMLDocument
    from tomlkit.items import Table as TomlTable

    from keyring_bridge.config.model import Config
    from keyring_bridge.secrets.secret_bytes import SecretBytes

_RELATIVE_OPTIONS = ("library", "credentials_file")


@dataclass(frozen=True, slots=True)
class Migration:
    """What :func:`migrate_json` did.

    Attributes:
        config: The new configuration.
        pin_file: Where the PIN went, or None if there was none in the old file.
        warnings: What the operator should be told.
    """

    config: Config
    pin_file: Path | None
    warnings: tuple[str, ...]


def create(
    path: Path,
    *,
    provider: str,
    backend: str,
    options: Mapping[str, object],
    chain_id: str | None = None,
    prefix: str = "ve",
    state_dir: Path | None = None,
    policy: Path | None = None,
    audit: Path | None = None,
    overwrite: bool = False,
) -> Config:
    """Write a new configuration with one provider (0600; missing folders are made as 0700).

    Args:
        path: The file.
        provider: Name of the provider.
        backend: Its backend.
        options: The backend's options; those that are None are left out.
        chain_id: The chain that new keys get a policy for.
        prefix: Prefix of account addresses.
        state_dir: Where the state goes, if not beside the file.
        policy: The policy file, if not beside the file.
        audit: The audit log, if not in the state directory.
        overwrite: Whether an existing file may be replaced.

    Returns:
        The configuration as it loads now.

    Raises:
        ConfigError: The file exists, cannot be written, or would not load.
    """
    import tomlkit

    document = tomlkit.document()
    document.add(tomlkit.comment("Keyring bridge. Every key is described in docs/configuration.md."))
    document["version"] = VERSION
    if chain_id is not None:
        document["chain_id"] = chain_id
    document["prefix"] = prefix
    for key, value in (("state_dir", state_dir), ("policy", policy), ("audit", audit)):
        if value is not None:
            document[key] = str(value)
    document["default_provider"] = provider
    _put_provider(document, provider, backend, options)
    file = _file(path)
    with file.writing(make_folder=True) as real:
        if real.exists() and not overwrite:
            raise ConfigExists(f"{real}: exists already", hint="choose another file, or change this one")
        file.write(real, document)
    return load(path)


def add_provider(
    path: Path, provider: str, backend: str, options: Mapping[str, object], *, make_default: bool = False
) -> Config:
    """Add a provider to a configuration, or replace the one of that name.

    Raises:
        ConfigError: The file cannot be read or written, or would not load.
    """
    with _file(path).changing() as document:
        _put_provider(document, provider, backend, options)
        if make_default:
            document["default_provider"] = provider
    return load(path)


def set_value(path: Path, key: str | Sequence[str], value: object) -> Config:
    """Set one value of a configuration.

    Args:
        path: The file.
        key: Its path, ``rpc.workers``, or its parts where one has a dot in it.
        value: A string, number, boolean, path, or list of strings. None removes the key.

    Returns:
        The configuration as it loads now.

    Raises:
        ConfigError: The file cannot be read or written, or would not load with this value; it is unchanged then.
    """
    import tomlkit

    parts = key.split(".") if isinstance(key, str) else list(key)
    with _file(path).changing() as document:
        table: Mapping[str, object] = document
        for part in parts[:-1]:
            if part not in table and value is not None:
                _set(table, part, tomlkit.table())
            inner = table.get(part)
            if not isinstance(inner, Mapping):
                raise ConfigError(f"{path}: {'.'.join(parts)}: there is no table {part!r}")
            table = inner
        if value is None:
            if parts[-1] in table:
                del table[parts[-1]]  # type: ignore[attr-defined]  # every mapping of a document can be changed
        else:
            _set(table, parts[-1], _item(value))
    return load(path)


def migrate_json(json_path: Path, toml_path: Path, *, pin_file: Path | None = None) -> Migration:
    """Turn VirtEngine's ``hsm.json`` into a TOML configuration, and move the PIN in it to a file of its own.

    The new files are written and checked before the PIN is removed from the old one, so a crash loses nothing; run it
    again then. State, policy and audit log stay where they are. What the old file's disk blocks and backups hold
    cannot be undone: change the PIN afterwards.

    Args:
        json_path: The old file. It is kept, without the PIN.
        toml_path: The new file.
        pin_file: Where the PIN goes (0600); by default ``pin`` beside the new file.

    Raises:
        ConfigMissing: There is no such file.
        ConfigError: Something in it is wrong, a file exists already or cannot be written.
    """
    from keyring_bridge.config.hsm_json import read_masked

    old = load(json_path)
    (provider,) = old.providers.values()
    options = dict(provider.options)
    for key in _RELATIVE_OPTIONS:
        value = options.get(key)
        if isinstance(value, str):
            options[key] = str(old.path.parent / Path(value).expanduser())
    pin_path = Path(os.path.abspath(toml_path.parent / "pin" if pin_file is None else pin_file))
    with _file(old.path).writing():
        _, pin = read_masked(old.path)
        if pin is not None:
            with pin:
                make_folders(pin_path.parent)
                _write_pin(pin_path, pin)
            if "pin_source" in options:
                options["pin_source"] = f"file:{pin_path}"
        if pin is not None and _is_migrated(toml_path, provider.name, options):
            # A migration that was interrupted right before its last step.
            config = load(toml_path)
        else:
            config = create(
                toml_path,
                provider=provider.name,
                backend=provider.backend,
                options=options,
                prefix=old.prefix,
                state_dir=old.state_dir,
                policy=old.policy_path,
                audit=old.audit_path,
            )
        if pin is not None:
            _remove_pin(old.path)
    warnings = [text for text in old.warnings if not text.startswith("WARNING")]
    if pin is not None:
        warnings.append(f"{old.path} no longer holds the PIN, but disk blocks and backups may: change the PIN")
    return Migration(config, pin_path if pin is not None else None, tuple(warnings))


def _is_migrated(path: Path, name: str, options: Mapping[str, object]) -> bool:
    """Whether the new file exists and says of the provider what a migration would make it say."""
    if not path.exists():
        return False
    found = load(path).providers.get(name)
    return found is not None and dict(found.options) == dict(options)


def _write_pin(path: Path, pin: SecretBytes) -> None:
    from keyring_bridge.secrets.sources import FileSource

    if path.exists():
        # A migration that was interrupted has written it already.
        with FileSource(path).read(None, "PIN") as found:
            if found != pin:
                raise ConfigError(f"{path}: exists already, with another content", hint="name another file for the PIN")
        return
    write_atomic(path, pin.reveal())


def _remove_pin(path: Path) -> None:
    import json

    from keyring_bridge.config.hsm_json import read_masked

    table, pin = read_masked(path)
    if pin is not None:
        pin.wipe()
    section = table.get("pkcs11")
    if isinstance(section, dict):
        section.pop("pin", None)
    write_atomic(path, json.dumps(table, indent=2, ensure_ascii=False).encode() + b"\n")


# --- documents -------------------------------------------------------------------------------------------------------


def _put_provider(document: TOMLDocument, name: str, backend: str, options: Mapping[str, object]) -> None:
    import tomlkit

    if "providers" not in document:
        document["providers"] = tomlkit.table(is_super_table=True)
    table: TomlTable = tomlkit.table()
    table["backend"] = backend
    for key, value in options.items():
        if value is not None:
            table[key] = _item(value)
    _set(document["providers"], name, table)


def _item(value: object) -> object:
    import tomlkit

    return tomlkit.item(str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value)


def _set(table: Mapping[str, object], key: str, value: object) -> None:
    table[key] = value  # type: ignore[index]  # every mapping of a document can be changed


def _file(path: Path) -> TomlFile:
    return TomlFile(path, "configuration", LIMIT, parse, ConfigError, "[providers.NAME]")
