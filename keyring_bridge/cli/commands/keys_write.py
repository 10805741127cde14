"""``hsm keys add|delete|rename|sync``: the commands that change records, and keys with them.

``add`` without a public key or a key in a token makes one from a mnemonic (:mod:`.keys_derive`), as the SDK's does.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from cosmos_formats.pubkeys import KeyType
from keyring_bridge.cli.chain_defaults import chain_of_keys, key_type_of
from keyring_bridge.cli.commands.keys_derive import add_derive_options, add_derived
from keyring_bridge.cli.console import Result
from keyring_bridge.cli.errors import UsageError
from keyring_bridge.cli.providers import add_provider_options, chosen_provider
from keyring_bridge.cli.render import Style, details, table, visible
from keyring_bridge.cli.starter import add_policy_options, check_starter, write_starter
from keyring_bridge.errors import PolicyInvalid
from keyring_bridge.model import Purpose

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.keyring import Keyring
    from keyring_bridge.model import KeyInfo
    from keyring_bridge.store.base import StoredRecord

_PURPOSES = [str(purpose) for purpose in Purpose]


def configure_add(parser: Parser) -> None:
    """Define ``hsm keys add``."""
    parser.usage = "hsm keys add NAME [--recover | --pubkey JSON | --uri URI | --label LABEL] [options]"
    parser.add_argument("name", metavar="NAME", help="name of the new record")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--pubkey", metavar="JSON", help="a public key in proto-JSON; the record is an offline one and cannot sign"
    )
    what.add_argument("--uri", metavar="URI", help="the place of a key that is in a token already")
    what.add_argument("--label", metavar="LABEL", help="the label of a key that is in a token already")
    parser.add_argument(
        "--purpose",
        metavar="PURPOSE",
        choices=_PURPOSES,
        help="what the token's key is for, if the token does not tell",
    )
    add_provider_options(parser)
    add_derive_options(parser)
    add_policy_options(parser)
    parser.set_defaults(handler=add)


def add(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the new record."""
    from keyring_bridge.cli.records import record_json, record_text

    policy: dict[str, object] | None = None
    more: dict[str, object] = {}
    if arguments.pubkey is not None:
        _refuse_derive_options(arguments, "--pubkey")
        record = _add_offline(arguments, session)
    elif arguments.uri is not None or arguments.label is not None:
        _refuse_derive_options(arguments, "--uri and --label")
        record, policy = _add_from_token(arguments, session)
    else:
        if arguments.purpose not in (None, Purpose.ACCOUNT):
            raise UsageError("a mnemonic gives account keys", hint="`hsm keygen` makes keys for other purposes")
        record, policy, more = add_derived(arguments, session)
    prefix = session.config.prefix
    data = record_json(record, prefix) | {"policy": policy} | more

    def text(style: Style) -> str:
        lines = [record_text(record, prefix, style)]
        if policy is not None:
            lines.append(details({"policy": policy["path"], "chains": policy["chains"]}, style))
        return "\n".join(lines)

    return Result(data, text)


def _refuse_derive_options(arguments: argparse.Namespace, beside: str) -> None:
    given = (
        *(arguments.recover, arguments.no_backup, arguments.allow_unhardened, arguments.account, arguments.index),
        *(arguments.source, arguments.bip39_passphrase, arguments.hd_path, arguments.coin_type),
    )
    if any(given):
        raise UsageError(f"options about mnemonics do not go with {beside}")


def _add_offline(arguments: argparse.Namespace, session: Session) -> StoredRecord:
    import json

    from cosmos_formats.multisig import pubkey_from_proto_json

    try:
        description = json.loads(arguments.pubkey)
    except (ValueError, RecursionError):
        raise UsageError("--pubkey is not JSON", hint='{"@type":"/cosmos.crypto.secp256k1.PubKey","key":"…"}') from None
    public_key = pubkey_from_proto_json(description)
    with session.keyring(ask=False) as keyring:
        return keyring.save_offline_key(arguments.name, public_key)


def _add_from_token(arguments: argparse.Namespace, session: Session) -> tuple[StoredRecord, dict[str, object] | None]:
    provider = chosen_provider(arguments, session.config)
    purpose = Purpose(arguments.purpose) if arguments.purpose is not None else None
    check_starter(session.config.policy_path, arguments.chain_id, arguments.message)
    matches = _matcher(arguments.uri, arguments.label)
    with session.keyring() as keyring:
        info = _token_key(keyring, provider, matches)
        # On the curve of secp256k1 the token cannot tell what the key is used as.
        algorithm = _used_as(arguments, session, info, purpose) if info.key_type is KeyType.SECP256K1 else None
        record = keyring.adopt(info, provider, name=arguments.name, purpose=purpose, algorithm=algorithm)
    return record, write_starter(session, record, arguments.chain_id, arguments.message)


def _used_as(arguments: argparse.Namespace, session: Session, info: KeyInfo, purpose: Purpose | None) -> str | None:
    """Return what a key on the curve of secp256k1 is used as: what was said, or what the chain's account keys are."""
    if arguments.key_type is not None or (info.purpose or purpose) is not Purpose.ACCOUNT:
        return cast("str | None", arguments.key_type)
    return key_type_of(chain_of_keys(session, arguments.chain_id))


def _matcher(uri: str | None, label: str | None) -> Callable[[str, str], bool]:
    """Return what tells of a key's URI and label whether the key is meant.

    A ``pkcs11:`` URI means every key that has the attributes it names (RFC 7512, section 2.4); a URI of another
    backend means one key.

    Raises:
        InvalidUri: It is not one, or has parts that nobody here understands.
    """
    if uri is None:
        return lambda _, key_label: key_label == label
    from dataclasses import fields

    from keyring_bridge.uri import Pkcs11Uri, SoftwareUri, scheme_of

    scheme = scheme_of(uri)
    if scheme == Pkcs11Uri.SCHEME:
        wanted = Pkcs11Uri.parse(uri)
        given = [one.name for one in fields(wanted) if getattr(wanted, one.name) is not None]

        def has_all(key_uri: str, _: str) -> bool:
            if scheme_of(key_uri) != Pkcs11Uri.SCHEME:
                return False
            key = Pkcs11Uri.parse(key_uri)
            return all(getattr(key, name) == getattr(wanted, name) for name in given)

        return has_all
    if scheme == SoftwareUri.SCHEME:
        SoftwareUri.parse(uri)
    return lambda key_uri, _: key_uri == uri


def _token_key(keyring: Keyring, provider: str, matches: Callable[[str, str], bool]) -> KeyInfo:
    """Return the one key without a record that is meant."""
    from keyring_bridge.errors import KeyAmbiguous, KeyExists, ObjectNotFound

    comparison = keyring.compare(provider)

    found = [info for info in comparison.only_in_token if matches(info.uri, info.label)]
    if len(found) > 1:
        hint = "name one by its whole URI, as `hsm keys sync --dry-run` prints it"
        raise KeyAmbiguous(f"{len(found)} keys in {provider} match", hint=hint)
    if not found:
        for record in comparison.in_both:
            if matches(record.uri or "", record.name):
                raise KeyExists(f"{record.name}: the key has a record already")
        raise ObjectNotFound(f"{provider} has no such key without a record", hint="`hsm status` lists them")
    return found[0]


def configure_delete(parser: Parser) -> None:
    """Define ``hsm keys delete``."""
    parser.usage = "hsm keys delete NAME_OR_ADDRESS [--destroy] [--yes] [options]"
    parser.add_argument("name", metavar="NAME_OR_ADDRESS", help="name of the record, or its address")
    parser.add_argument(
        "--destroy",
        action="store_true",
        help="destroy the key in its token too, for ever; without it the key stays and `hsm keys sync` finds it again",
    )
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask; scripts need it")
    parser.set_defaults(handler=delete)


def delete(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer what was deleted, after a confirmation."""
    from keyring_bridge.cli.records import find

    with session.keyring() as keyring:
        record = find(keyring, arguments.name)
        if arguments.destroy:
            session.console.confirm(
                f"The key {record.name} will be destroyed in {record.provider}. Nobody can bring it back.",
                answer=record.name,
                assume=arguments.yes,
            )
            keyring.destroy(record.name)
        else:
            session.console.confirm(
                f"The record {record.name} will be deleted ({_what_stays(record)}).", assume=arguments.yes
            )
            keyring.delete(record.name)
    if arguments.destroy:
        from keyring_bridge.policy.write import remove_key

        remove_key(session.config.policy_path, record.name)
    data = {"name": record.name, "deleted": "record_and_key" if arguments.destroy else "record"}
    what = "record and key" if arguments.destroy else "record"
    return Result(data, lambda _style: f"deleted {what} {visible(record.name)}")


def _what_stays(record: StoredRecord) -> str:
    if record.provider is None:
        return "it has no private key"
    return f"the key stays in {record.provider}, its policy stays too"


def configure_rename(parser: Parser) -> None:
    """Define ``hsm keys rename``."""
    parser.usage = "hsm keys rename OLD NEW [options]"
    parser.add_argument("old", metavar="OLD", help="name of the record now")
    parser.add_argument("new", metavar="NEW", help="its new name, and the key's new label")
    parser.add_argument("-y", "--yes", action="store_true", help="taken for compatibility; nothing is asked")
    parser.set_defaults(handler=rename)


def rename(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the record under its new name; the policy follows it."""
    from keyring_bridge.cli.records import record_json, record_text
    from keyring_bridge.policy.write import rename_key

    with session.keyring() as keyring:
        old = keyring.key(arguments.old).name
        if arguments.new not in (record.name for record in keyring.list()):
            _check_policy_can_follow(session.config.policy_path, old, arguments.new)
        record = keyring.rename(old, arguments.new)
    rename_key(session.config.policy_path, old, record.name)
    prefix = session.config.prefix
    return Result(record_json(record, prefix), lambda style: record_text(record, prefix, style))


def _check_policy_can_follow(path: Path, old: str, new: str) -> None:
    """Refuse a rename before it is done, if the policy could not take part in it."""
    from keyring_bridge.policy import Policy

    if not path.exists():
        return
    named = Policy.load(path).keys
    if old in named and new in named:
        raise PolicyInvalid(f"{path}: the key {new!r} has a policy already", hint="remove one of the two")


def configure_sync(parser: Parser) -> None:
    """Define ``hsm keys sync``."""
    parser.usage = "hsm keys sync [--purpose PURPOSE] [--dry-run] [options]"
    parser.add_argument(
        "--purpose", metavar="PURPOSE", choices=_PURPOSES, help="what keys are for about which the token does not tell"
    )
    parser.add_argument("--dry-run", action="store_true", help="show the differences and change nothing")
    add_provider_options(parser)
    parser.set_defaults(handler=sync)


def sync(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the records that were made, and the differences that stay."""
    from keyring_bridge.cli.token_view import comparison_json, key_json

    provider = chosen_provider(arguments, session.config)
    purpose = Purpose(arguments.purpose) if arguments.purpose is not None else None
    with session.keyring() as keyring:
        before = keyring.compare(provider)
        if arguments.dry_run:
            data = comparison_json(before)
            return Result(data, lambda style: _differences(data, style))
        outcome = keyring.sync(provider, purpose=purpose)
    data = {
        "provider": provider,
        "added": [record.name for record in outcome.added],
        "skipped": [key_json(info) | {"reason": reason} for info, reason in outcome.skipped],
        "only_in_store": [record.name for record in before.only_in_store],
    }
    if any(record.purpose is Purpose.ACCOUNT for record in outcome.added):
        session.console.note("new records have no policy yet, so they sign nothing: see docs/policy.md")

    def text(style: Style) -> str:
        lines = [f"{len(outcome.added)} records made, {len(before.in_both)} keys had one"]
        lines += [f"made: {visible(record.name)}" for record in outcome.added]
        lines += [
            style.warning(f"skipped: {visible(info.uri)} ({visible(reason)})") for info, reason in outcome.skipped
        ]
        lines += [
            style.warning(f"no key in the token for: {visible(record.name)} (left as it is)")
            for record in before.only_in_store
        ]
        return "\n".join(lines)

    return Result(data, text)


def _differences(data: dict[str, object], style: Style) -> str:
    rows: list[tuple[object, ...]] = []
    for where in ("only_in_store", "only_in_token"):
        entries = data[where]
        assert isinstance(entries, list)  # noqa: S101 - comparison_json's own shape
        rows += [(where.replace("_", " "), one.get("name") or one.get("label"), one.get("uri")) for one in entries]
    return table(("WHERE", "NAME", "URI"), rows, style) if rows else "store and token agree"
