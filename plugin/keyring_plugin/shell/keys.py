"""``keys …``: the SDK's commands about keys, answered by the bridge with the SDK's flags, shapes and texts.

What makes or brings in a key is ``hsm keys add``, ``import`` and ``import-hex``, which give it a starter policy.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Final

from keyring_bridge.errors import KeyExists, KeyNotFound
from keyring_plugin.shell import new_keys
from keyring_plugin.shell.access import find
from keyring_plugin.shell.errors import ShellFailed
from keyring_plugin.shell.key_output import key_output, write_record, write_records
from keyring_plugin.shell.prompts import confirm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from keyring_bridge.store.base import StoredRecord
    from keyring_plugin.shell.access import Access
    from keyring_plugin.shell.app import App


def run(app: App, access: Access) -> int:
    """Answer the command; return the exit code."""
    _, command, *words = (*app.line.words, "")
    words = [word for word in words if word]
    access.enter_chain(access.chain_id(app))
    handler = _COMMANDS.get(command)
    if handler is None:
        # Such as `keys` alone: the program explains itself.
        app.become(app.line.without("keyring-backend", "keyring-dir").argv())
    handler(app, access, words)
    return 0


def _list(app: App, access: Access, _: Sequence[str]) -> None:
    records, form = access.records(), _form(app)
    if not records and form == "text":
        sys.stdout.write("No records were found in keyring\n")
    elif app.line.switch("list-names"):
        sys.stdout.write("".join(f"{record.name}\n" for record in records))
    else:
        write_records(records, access.config.prefix, form)


def _show(app: App, access: Access, words: Sequence[str]) -> None:
    line, records = app.line, access.records()
    if not words:
        raise ShellFailed("requires at least 1 arg(s), only received 0")
    record = _fetch(records, words[0]) if len(words) == 1 else _together(app, records, words)
    only_address, only_key = line.switch("address"), line.switch("pubkey")
    if only_address and only_key:
        raise ShellFailed("cannot use both --address and --pubkey at once")
    if line.has("output") and (only_address or only_key):
        raise ShellFailed("cannot use --output with --address or --pubkey")
    if line.switch("device"):
        raise ShellFailed("the device flag (-d) can only be used for accounts stored in devices")
    bech = line.value("bech") or "acc"
    shown = key_output(record, access.config.prefix, bech)
    if only_address or only_key:
        sys.stdout.write(shown["address" if only_address else "pubkey"] + "\n")
    else:
        write_record(record, access.config.prefix, _form(app), bech)


def _fetch(records: Sequence[StoredRecord], name: str) -> StoredRecord:
    record = find(records, name)
    if record is None:
        from cosmos_formats import address
        from cosmos_formats.errors import FormatError

        try:
            address.decode(name)
            why = f"key with address {name} not found: key not found"
        except FormatError as error:
            why = f"decoding bech32 failed: {error}"
        raise KeyNotFound(f"{name} is not a valid name or address: {why}")
    return record


def _together(app: App, records: Sequence[StoredRecord], names: Sequence[str]) -> StoredRecord:
    """Return the record of a multisig key of several, which is shown and not kept."""
    from dataclasses import replace

    from cosmos_formats.multisig import MultisigPublicKey
    from cosmos_formats.record import Multi, Record

    members = [_fetch(records, name) for name in names]
    threshold = new_keys.threshold(app.line, len(members))
    key = MultisigPublicKey(threshold, tuple(member.record.public_key for member in members))
    return replace(
        members[0],
        name=members[-1].name,
        record=Record(members[-1].name, key, Multi()),
        address=key.address,
        provider=None,
        uri=None,
        key_type=None,
        fingerprint=None,
        hardware=None,
        extractable=None,
    )


def _add(app: App, access: Access, words: Sequence[str]) -> None:
    if len(words) != 1:
        raise ShellFailed(f"accepts 1 arg(s), received {len(words)}")
    (name,) = words
    if not name.strip():
        raise ShellFailed("the provided name is invalid or empty after trimming whitespace")
    form = _form(app)
    old = next((record for record in access.records() if record.name == name), None)
    if old is not None:
        if old.provider is not None:
            raise KeyExists(
                f"{name}: key already exists", hint="a key in a token is not written over; rename or delete it first"
            )
        if not confirm(f"override the existing name {name}"):
            raise ShellFailed("aborted")
        with access.keyring() as keyring:
            keyring.delete(name)
    try:
        made = new_keys.add(app, access, name)
    except BaseException:
        if old is not None:
            new_keys.put_back(access, old)
        raise
    write_record(made, access.config.prefix, form)


def _delete(app: App, access: Access, words: Sequence[str]) -> None:
    if not words:
        raise ShellFailed("requires at least 1 arg(s), only received 0")
    for name in words:
        record = next((one for one in access.records() if one.name == name), None)
        if record is None:
            sys.stderr.write(f"key {name} not found\n")
            continue
        if not app.line.switch("yes") and not confirm("Key reference will be deleted. Continue?"):
            continue
        with access.keyring() as keyring:
            keyring.delete(name)
        if record.provider is None:
            sys.stderr.write("Public key reference deleted\n")
        else:
            # Not "deleted forever", as the SDK says of keys that it has itself.
            sys.stderr.write(f"Key reference deleted; the key stays in {record.provider}\n")


def _rename(app: App, access: Access, words: Sequence[str]) -> None:
    if len(words) != 2:
        raise ShellFailed(f"accepts 2 arg(s), received {len(words)}")
    old, new = words
    if not new.strip():
        raise ShellFailed("the new name cannot be empty or consist solely of whitespace")
    record = next((one for one in access.records() if one.name == old), None)
    if record is None:
        raise KeyNotFound(f"{old}.info: key not found")
    question = f"Key reference will be renamed from {old} to {new}. Continue?"
    if not app.line.switch("yes") and not confirm(question):
        return
    new_keys.command(access, "rename", ["--", old, new])
    if record.provider is None:
        sys.stderr.write("Public key reference renamed\n")
    else:
        sys.stderr.write(f"Key was successfully renamed from {old} to {new}\n")


def _import(app: App, access: Access, words: Sequence[str]) -> None:
    if len(words) != 2:
        raise ShellFailed(f"accepts 2 arg(s), received {len(words)}")
    with new_keys.typed("Enter passphrase to decrypt your key:") as source:
        new_keys.command(access, "import", ["--passphrase", source, "--", *words])


def _import_hex(app: App, access: Access, words: Sequence[str]) -> None:
    if len(words) != 1:
        raise ShellFailed(
            "a private key does not belong on the command line: other users can see it there"
            if len(words) == 2
            else f"accepts between 1 and 2 arg(s), received {len(words)}",
            hint="it is asked for",
        )
    kind = app.line.value("key-type") or app.line.value("algo") or "secp256k1"
    with new_keys.typed("Enter hex private key:") as source:
        new_keys.command(access, "import-hex", ["--source", source, "--key-type", kind, "--", *words])


def _export(app: App, access: Access, words: Sequence[str]) -> None:
    if len(words) != 1:
        raise ShellFailed(f"accepts 1 arg(s), received {len(words)}")
    line = app.line
    unarmored, unsafe = line.switch("unarmored-hex"), line.switch("unsafe")
    if unarmored != unsafe:
        raise ShellFailed("the flags unsafe and unarmored-hex must be used together")
    with access.keyring(ask=False) as keyring:
        keyring.export_priv_key_armor(words[0])


def _list_key_types(_app: App, access: Access, _words: Sequence[str]) -> None:
    from keyring_bridge.key_kinds import SIGNING_TYPES

    names = " ".join(json.dumps(str(kind)) for kind in SIGNING_TYPES)
    sys.stdout.write(f"Supported key types/algos:\n[{names}]\n")


def _migrate(_app: App, _access: Access, _words: Sequence[str]) -> None:
    sys.stderr.write("Keys are up to date; there is nothing to migrate in this keyring.\n")


def _form(app: App) -> str:
    form = app.setting("output") or "text"
    if form not in ("text", "json"):
        raise ShellFailed(f"invalid output format {form}")
    return form


_COMMANDS: Final[dict[str, Callable[[App, Access, Sequence[str]], None]]] = {
    "add": _add,
    "delete": _delete,
    "export": _export,
    "import": _import,
    "import-hex": _import_hex,
    "list": _list,
    "list-key-types": _list_key_types,
    "migrate": _migrate,
    "rename": _rename,
    "show": _show,
}
