"""The methods ``keyring.*``: each maps its parameters to the keyring and the answer back.

A handler gets parameters that were checked already and returns what JSON can carry. It raises errors of the tree;
what they become on the wire is :mod:`keyring_plugin.dispatch`'s part.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from cosmos_formats.quickclass import dataclass
from keyring_plugin.records import entry

if TYPE_CHECKING:
    from keyring_bridge.model import SignResult
    from keyring_bridge.secrets import SecretBytes
    from keyring_bridge.store.base import StoredRecord
    from keyring_plugin.service import Session


@dataclass(frozen=True, slots=True)
class Context:
    """What a handler knows about its request.

    Attributes:
        session: The connection's view of the bridge.
        deadline: Moment of ``time.monotonic()`` after which nobody waits for the answer any more.
        request_id: The request's id as text, for the audit log; empty for a notification.
    """

    session: Session
    deadline: float
    request_id: str = ""


# The values were checked against the protocol's types, which a type checker cannot see.
Params: TypeAlias = dict[str, Any]
Handler: TypeAlias = Callable[[Context, Params], object]


def _entry(context: Context, record: StoredRecord) -> dict[str, object]:
    return entry(record, context.session.prefix)


# --- reading and signing --------------------------------------------------------------------------------


def backend(context: Context, params: Params) -> object:
    """``keyring.backend``."""
    return context.session.keyring.backend()


def list_keys(context: Context, params: Params) -> object:
    """``keyring.list``."""
    prefix = context.session.prefix
    return [entry(record, prefix) for record in context.session.keyring.list()]


def migrate_all(context: Context, params: Params) -> object:
    """``keyring.migrateAll``."""
    prefix = context.session.prefix
    return [entry(record, prefix) for record in context.session.keyring.migrate_all()]


def supported_algorithms(context: Context, params: Params) -> object:
    """``keyring.supportedAlgorithms``."""
    tokens, ledger = context.session.keyring.supported_algorithms()
    return {"keyring": list(tokens), "ledger": list(ledger)}


def key(context: Context, params: Params) -> object:
    """``keyring.key``."""
    return _entry(context, context.session.keyring.key(params["uid"]))


def key_by_address(context: Context, params: Params) -> object:
    """``keyring.keyByAddress``."""
    return _entry(context, context.session.keyring.key_by_address(params["address"]))


def sign(context: Context, params: Params) -> object:
    """``keyring.sign``."""
    return _signature(context.session.keyring.sign(params["uid"], **_signing(context, params)))


def sign_by_address(context: Context, params: Params) -> object:
    """``keyring.signByAddress``."""
    return _signature(context.session.keyring.sign_by_address(params["address"], **_signing(context, params)))


def _signing(context: Context, params: Params) -> dict[str, Any]:
    """Return what both ways to sign a transaction take besides the key."""
    parts = params.get("transaction")
    if parts is not None:
        from cosmos_formats.signing.transaction import TxParts

        parts = TxParts(**parts)
    return {
        "message": params["msg"],
        "mode": params["mode"],
        "transaction": parts,
        "metadata": params.get("coin_metadata"),
        "request_id": context.request_id,
        "deadline": context.deadline,
    }


def sign_arbitrary(context: Context, params: Params) -> object:
    """``keyring.signArbitrary``."""
    result = context.session.keyring.sign_arbitrary(
        params["uid"],
        params["data"],
        prefix=params.get("prefix"),
        request_id=context.request_id,
        deadline=context.deadline,
    )
    return _signature(result)


def sign_digest(context: Context, params: Params) -> object:
    """``keyring.signDigest``."""
    result = context.session.keyring.sign_digest(
        params["uid"], params["digest"], request_id=context.request_id, deadline=context.deadline
    )
    return _signature(result)


def _signature(result: SignResult) -> object:
    return {
        "signature": b2a_base64(result.signature, newline=False).decode("ascii"),
        "pub_key": result.public_key.to_proto_json(),
        "correlation_id": result.correlation_id,
    }


# --- changing records -----------------------------------------------------------------------------------


def delete(context: Context, params: Params) -> object:
    """``keyring.delete``."""
    context.session.keyring.delete(params["uid"])
    return None


def delete_by_address(context: Context, params: Params) -> object:
    """``keyring.deleteByAddress``."""
    context.session.keyring.delete_by_address(params["address"])
    return None


def rename(context: Context, params: Params) -> object:
    """``keyring.rename``."""
    return _entry(context, context.session.keyring.rename(params["old"], params["new"]))


def save_ledger_key(context: Context, params: Params) -> object:
    """``keyring.saveLedgerKey``."""
    return _entry(
        context,
        context.session.keyring.save_ledger_key(
            params["uid"], params["algo"], params["hrp"], params["coin_type"], params["account"], params["index"]
        ),
    )


def save_offline_key(context: Context, params: Params) -> object:
    """``keyring.saveOfflineKey``."""
    return _entry(context, context.session.keyring.save_offline_key(params["uid"], params["pub_key"]))


def save_multisig(context: Context, params: Params) -> object:
    """``keyring.saveMultisig``."""
    return _entry(context, context.session.keyring.save_multisig(params["uid"], params["pub_key"]))


def new_mnemonic(context: Context, params: Params) -> object:
    """``keyring.newMnemonic``."""
    return _with_mnemonic(
        context,
        context.session.keyring.new_mnemonic(
            params["uid"], params["language"], params["hd_path"], params.get("passphrase"), params["algo"]
        ),
    )


def _with_mnemonic(context: Context, made: tuple[StoredRecord, SecretBytes]) -> dict[str, object]:
    record, mnemonic = made
    # The answer has to be text; no other copy is made.
    with mnemonic:
        return {"key": _entry(context, record), "mnemonic": mnemonic.reveal().decode("ascii")}


def new_account(context: Context, params: Params) -> object:
    """``keyring.newAccount``."""
    return _entry(
        context,
        context.session.keyring.new_account(
            params["uid"], params["mnemonic"], params.get("passphrase"), params["hd_path"], params["algo"]
        ),
    )


# --- import and export ----------------------------------------------------------------------------------


def import_priv_key(context: Context, params: Params) -> object:
    """``keyring.importPrivKey``."""
    return _entry(
        context, context.session.keyring.import_priv_key(params["uid"], params["armor"], params["passphrase"])
    )


def import_priv_key_hex(context: Context, params: Params) -> object:
    """``keyring.importPrivKeyHex``."""
    return _entry(context, context.session.keyring.import_priv_key_hex(params["uid"], params["hex"], params["algo"]))


def import_pub_key(context: Context, params: Params) -> object:
    """``keyring.importPubKey``."""
    return _entry(context, context.session.keyring.import_pub_key(params["uid"], params["armor"]))


def export_pub_key_armor(context: Context, params: Params) -> object:
    """``keyring.exportPubKeyArmor``."""
    return context.session.keyring.export_pub_key_armor(params["uid"])


def export_pub_key_armor_by_address(context: Context, params: Params) -> object:
    """``keyring.exportPubKeyArmorByAddress``."""
    return context.session.keyring.export_pub_key_armor_by_address(params["address"])


def export_priv_key_armor(context: Context, params: Params) -> object:
    """``keyring.exportPrivKeyArmor``."""
    return context.session.keyring.export_priv_key_armor(params["uid"], params["passphrase"])


def export_priv_key_armor_by_address(context: Context, params: Params) -> object:
    """``keyring.exportPrivKeyArmorByAddress``."""
    return context.session.keyring.export_priv_key_armor_by_address(params["address"], params["passphrase"])


KEYRING_HANDLERS: Mapping[str, Handler] = {
    "keyring.backend": backend,
    "keyring.list": list_keys,
    "keyring.supportedAlgorithms": supported_algorithms,
    "keyring.key": key,
    "keyring.keyByAddress": key_by_address,
    "keyring.delete": delete,
    "keyring.deleteByAddress": delete_by_address,
    "keyring.rename": rename,
    "keyring.newMnemonic": new_mnemonic,
    "keyring.newAccount": new_account,
    "keyring.saveLedgerKey": save_ledger_key,
    "keyring.saveOfflineKey": save_offline_key,
    "keyring.saveMultisig": save_multisig,
    "keyring.sign": sign,
    "keyring.signByAddress": sign_by_address,
    "keyring.signArbitrary": sign_arbitrary,
    "keyring.signDigest": sign_digest,
    "keyring.importPrivKey": import_priv_key,
    "keyring.importPrivKeyHex": import_priv_key_hex,
    "keyring.importPubKey": import_pub_key,
    "keyring.exportPubKeyArmor": export_pub_key_armor,
    "keyring.exportPubKeyArmorByAddress": export_pub_key_armor_by_address,
    "keyring.exportPrivKeyArmor": export_priv_key_armor,
    "keyring.exportPrivKeyArmorByAddress": export_priv_key_armor_by_address,
    "keyring.migrateAll": migrate_all,
}
"""The handler of every method ``keyring.*``."""
