"""Errors of transactions in files."""

from __future__ import annotations

from keyring_bridge.errors import BridgeError, Exit, InvalidRequest


class InvalidTx(InvalidRequest):
    """Bytes or a file that is not a transaction, or a transaction whose parts do not fit together."""

    code = "tx_invalid"


class InvalidTxJson(InvalidTx):
    """JSON that is not a transaction; the message names the field."""

    code = "tx_json_invalid"


class TxConflict(BridgeError):
    """A transaction that this key cannot sign: it is none of its signers, has signed, or would break a signature."""

    code = "tx_conflict"
    rpc_code = -32012
    exit_code = Exit.CONFLICT
