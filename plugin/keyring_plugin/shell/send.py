"""``tx …``: the chain's program makes the transaction and sends it, the bridge signs it.

In order: the program makes the transaction (``--generate-only``) and its bytes (``tx encode``), so that no message has
to be known here; the account is asked for; the fee is held to its ceiling; the person confirms; the key signs; the
program sends (``tx broadcast``). Whatever ends this early says what was done by then.
"""

from __future__ import annotations

import json
import sys
from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from keyring_plugin.shell import fees
from keyring_plugin.shell.access import find, require
from keyring_plugin.shell.account import ask_account, given_account
from keyring_plugin.shell.errors import ShellFailed
from keyring_plugin.shell.prompts import confirm
from keyring_plugin.shell.stage import MAY_BE_SIGNED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cosmos_formats.multisig import AnyPublicKey
    from cosmos_formats.schema import Schema
    from cosmos_formats.signing import SignMode
    from cosmos_formats.signing.tx_view import TxView
    from cosmos_formats.tx import Transaction
    from keyring_bridge.node import Account
    from keyring_bridge.store.base import StoredRecord
    from keyring_plugin.shell.access import Access
    from keyring_plugin.shell.app import App
    from keyring_plugin.shell.private_keyring import PrivateKeyring
    from keyring_plugin.shell.stage import Stage

_TO_SEND: Final = ("node", "chain-id", "broadcast-mode", "output", "grpc-addr")
_OURS: Final = ("yes", "keyring-backend", "keyring-dir", "hsm-max-fee", "broadcast-mode", "dry-run", "generate-only")


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A transaction that the chain's program made.

    Attributes:
        document: Its JSON.
        transaction: Its bytes.
    """

    document: dict[str, Any]
    transaction: Transaction


class Sending:
    """One transaction on its way.

    Args:
        app: The chain's program and the command.
        access: The bridge.
        keyring: Has the bridge's public keys, for the program.
        stage: Is kept up to date.
    """

    def __init__(self, app: App, access: Access, keyring: PrivateKeyring, stage: Stage) -> None:
        self._app = app
        self._access = access
        self._keyring = keyring
        self._stage = stage
        self._records: Sequence[StoredRecord] = ()

    def run(self) -> int:
        """Do what the command says; return the exit code."""
        app = self._app
        if app.switched("aux"):
            raise ShellFailed(
                "--aux is not available with keys in the bridge",
                hint="--generate-only, then `tx sign --sign-mode direct-aux --signature-only`",
            )
        self._records = self._access.records()
        self._keyring.hold(self._records)
        made = self._make()
        if made is None:
            return 0
        schema = self._schema()
        view = _view(made.transaction, schema)
        record = self._sender(view)
        account = self._account(record)
        self._check_fee(view)
        if not app.switched("yes") and not self._confirmed(made.document):
            return 0
        signed = self._sign(made.transaction, view, record, account, schema)
        return self._send(made.document, record.record.public_key, signed)

    # --- making --------------------------------------------------------------------------------------------------

    def _make(self) -> Unsigned | None:
        """Let the program make the transaction; None if it printed something else, which is passed on."""
        app, line = self._app, self._app.line.without(*_OURS)
        if app.switched("offline"):
            # The program refuses a chain id here, and does not need one.
            line = line.adding(chain_id="")
        line = self._naming_sender(line.adding(generate_only=True))
        backend = dict(flag.removeprefix("--").split("=", 1) for flag in self._keyring.flags)
        text = app.ask(line.adding(**backend).argv())
        document = _document(text)
        if document is None:
            sys.stdout.buffer.write(text)
            sys.stdout.buffer.flush()
            return None
        from cosmos_formats.tx import Transaction
        from keyring_bridge.tx.documents import format_errors

        encoded = app.ask(["tx", "encode", "-", *self._keyring.flags, *app.common], stdin=text)
        try:
            data = b64decode(encoded.strip(), validate=True)
        except ValueError:
            raise ShellFailed(f"`{app.name} tx encode` wrote something that is no base64") from None
        with format_errors():
            return Unsigned(document, Transaction.decode(data))

    def _naming_sender(self, line: Any) -> Any:
        """Let the program know the sender by name where it simulates: it looks the key up by that alone."""
        if self._app.setting("gas") != "auto":
            return line
        for given in (line.value("from"), *line.words):
            record = None if given is None else find(self._records, given)
            if record is not None and record.name != given:
                return (
                    line.adding(**{"from": record.name})
                    if given == line.value("from")
                    else line.renaming(given, record.name)
                )
            if record is not None:
                return line
        return line

    def _sender(self, view: TxView) -> StoredRecord:
        """Return the key that signs: that of the first signer. Who signs unknown messages only ``--from`` says."""
        from cosmos_formats.signing.signers import required_signers

        required = required_signers(view)
        if required.complete:
            for address in required.addresses[:1]:
                return require(self._records, address)
        name = self._app.setting("from") or self._app.setting("keyring-default-keyname")
        return require(self._records, name)

    # --- asking --------------------------------------------------------------------------------------------------

    def _schema(self) -> Schema:
        chain_id = self._chain_id()
        self._access.enter_chain(chain_id)
        return self._access.chains.schema(chain_id)

    def _chain_id(self) -> str:
        chain_id = self._access.chain_id(self._app)
        if not chain_id:
            raise ShellFailed("chain ID required but not specified")
        return chain_id

    def _account(self, record: StoredRecord) -> Account:
        if self._app.switched("offline"):
            return given_account(self._app)
        return ask_account(self._app, self._address(record))

    def _address(self, record: StoredRecord) -> str:
        from cosmos_formats import address

        return address.encode(self._access.config.prefix, record.address)

    def _check_fee(self, view: TxView) -> None:
        app, chain = self._app, self._access.chain(self._chain_id())
        ceiling = (
            app.line.value("hsm-max-fee")
            or app.environment.get(fees.VARIABLE)
            or ("" if chain is None else chain.settings.max_fee)
        )
        exponents = self._access.chains.exponents(self._chain_id())
        named = fees.named_fee(app.setting("fees"), app.setting("gas-prices"), app.setting("gas"))
        fees.check_fee(view.fee, named, ceiling, exponents)

    def _confirmed(self, document: Mapping[str, Any]) -> bool:
        if self._app.setting("output") == "text":
            from keyring_plugin.shell.yaml import to_yaml

            sys.stdout.write(to_yaml(document))
        else:
            # On a terminal nothing in it may act; escaped it says the same.
            sys.stdout.write(_compact(document, ascii_only=sys.stdout.isatty()) + "\n")
        sys.stdout.flush()
        try:
            agreed = confirm("confirm transaction before signing and broadcasting")
        except ShellFailed as error:
            sys.stderr.write(f"error: {error}\ncanceled transaction\n")
            raise
        if not agreed:
            sys.stderr.write("canceled transaction\n")
        return agreed

    # --- signing and sending -------------------------------------------------------------------------------------

    def _sign(
        self, transaction: Transaction, view: TxView, record: StoredRecord, account: Account, schema: Schema
    ) -> Transaction:
        from cosmos_formats.signing import SignMode
        from cosmos_formats.signing.transaction import SignerData
        from cosmos_formats.tx import TxSigner
        from keyring_bridge.errors import CannotSign
        from keyring_bridge.tx.documents import format_errors
        from keyring_bridge.tx.signing import sign_bytes

        if record.uri is None:
            raise CannotSign("cannot sign with offline keys")
        mode = self._mode()
        key, sequence = record.record.public_key, 0 if view.unordered else account.sequence
        coins = self._coins() if mode is SignMode.TEXTUAL else None
        with format_errors():
            placed = transaction.with_signers((TxSigner.single(key.to_any(), mode, sequence),))
            signer = SignerData(self._address(record), self._chain_id(), account.number, sequence, key)
            payload = sign_bytes(mode, placed.parts, signer, schema, _metadata(coins))
        self._stage.text = MAY_BE_SIGNED
        beside = placed.parts if mode is SignMode.TEXTUAL else None
        signature = self._access.signature(record.name, payload, mode, beside, coins)
        return replace(placed, signatures=(signature,))

    def _mode(self) -> SignMode:
        from keyring_bridge.cli.commands.sign import sign_mode
        from keyring_bridge.cli.commands.tx_sign import MODES

        name = self._app.setting("sign-mode") or "direct"
        if name not in MODES:
            raise ShellFailed(f"invalid sign mode {name!r}", hint=f"with keys in the bridge it is {', '.join(MODES)}")
        return sign_mode(name)

    def _coins(self) -> list[dict[str, Any]]:
        """Return what TEXTUAL calls the coins: as the chain was added with, else as the program's node says."""
        known = self._access.chains.coin_metadata(self._chain_id())
        if known or self._app.switched("offline"):
            return [dict(coin) for coin in known.values()]
        where = [*self._app.common, *self._app.flags("node", "grpc-addr")]
        answer = json.loads(self._app.ask(["query", "bank", "denoms-metadata", "--output=json", *where]))
        found = answer.get("metadatas") if isinstance(answer, dict) else None
        return [coin for coin in found or [] if isinstance(coin, dict)]

    def _send(self, document: dict[str, Any], key: AnyPublicKey, signed: Transaction) -> int:
        from hashlib import sha256

        from keyring_plugin.shell import children

        app = self._app
        tx_hash = sha256(signed.encode()).hexdigest().upper()
        look = f"`{app.name} query tx {tx_hash}` tells"
        self._stage.text = f"the transaction is signed and may have been sent; {look}"
        text = _compact(_with_signature(document, key, signed)).encode()
        sending = ["tx", "broadcast", "-", *self._keyring.flags, *app.common, *app.flags(*_TO_SEND)]
        done = children.run(app.program, sending, app.child_environment, stdin=text, capture=False)
        if done.status:
            sys.stderr.write(f"the transaction was signed, and nothing says that a node has taken it; {look}\n")
        return done.status


def _document(text: bytes) -> dict[str, Any] | None:
    """Return the JSON of a transaction; None if the text is something else."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_one = isinstance(document, dict) and all(isinstance(document.get(name), dict) for name in ("body", "auth_info"))
    return document if is_one else None


def _compact(document: object, *, ascii_only: bool = False) -> str:
    """Return JSON as the SDK prints it: in one line, with ``<``, ``>`` and ``&`` escaped."""
    text = json.dumps(document, ensure_ascii=ascii_only, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _view(transaction: Transaction, schema: Schema) -> TxView:
    from cosmos_formats.signing import SignMode
    from keyring_bridge.tx.documents import format_errors
    from keyring_bridge.tx.signing import view_of

    with format_errors():
        return view_of(transaction.parts, SignMode.DIRECT, schema)


def _with_signature(document: dict[str, Any], key: AnyPublicKey, signed: Transaction) -> dict[str, Any]:
    """Return the document with the signature that its bytes have."""
    (signer,) = signed.signers
    info = {
        "public_key": key.to_proto_json(),
        "mode_info": {"single": {"mode": _mode_name(signer.mode_info)}},
        "sequence": str(signer.sequence),
    }
    auth_info = {**document["auth_info"], "signer_infos": [info]}
    signatures = [b64encode(signature).decode("ascii") for signature in signed.signatures]
    return {**document, "auth_info": auth_info, "signatures": signatures}


def _mode_name(mode_info: bytes | None) -> str:
    from cosmos_formats.multisig_signature import decode_mode_info

    (mode,) = decode_mode_info(mode_info or b"").modes()
    return f"SIGN_MODE_{mode.name}"


def _metadata(coins: Sequence[Mapping[str, Any]] | None) -> Any:
    if coins is None:
        return None
    from cosmos_formats.signing.textual import CoinMetadata

    return {str(coin["base"]): CoinMetadata.from_json(coin) for coin in coins}
