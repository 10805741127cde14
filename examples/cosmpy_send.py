"""A bank send with cosmpy whose key stays in its token.

    python examples/cosmpy_send.py --key alice --chain-id demo-1

The script starts ``keyring-plugin``, builds the transaction with cosmpy, has it signed through the bridge, and checks
the signature with another library. It talks to no node: account number and sequence are given, and the completed
transaction is printed instead of broadcast.
"""

from __future__ import annotations

import argparse
import sys
from hashlib import sha256
from typing import TYPE_CHECKING

import ecdsa
from cosmpy.aerial.client.bank import create_bank_send_msg
from cosmpy.aerial.tx import SigningCfg, Transaction, TxFee
from cosmpy.protos.cosmos.tx.v1beta1.tx_pb2 import SignDoc

from keyring_bridge.errors import PolicyDenied
from keyring_plugin.client import KeyringClient
from keyring_plugin.cosmpy_wallet import BridgeWallet

if TYPE_CHECKING:
    from cosmpy.aerial.wallet import Wallet


def send(wallet: Wallet, recipient: str, amount: int, chain_id: str, account_number: int, sequence: int) -> Transaction:
    """Build, sign and complete a transfer of ``amount`` uve."""
    tx = Transaction()
    tx.add_message(create_bank_send_msg(wallet.address(), recipient, amount, "uve"))
    tx.seal(SigningCfg.direct(wallet.public_key(), sequence), fee=TxFee(amount="5000uve", gas_limit=200_000))
    tx.sign(wallet.signer(), chain_id, account_number)
    return tx.complete()


def verify(tx: Transaction, public_key: bytes, chain_id: str, account_number: int) -> None:
    """Check the signature as a node would, with a library that had no part in making it.

    Raises:
        ecdsa.BadSignatureError: It is not one of ``public_key`` over this transaction.
    """
    document = SignDoc(
        body_bytes=tx.tx.body.SerializeToString(),
        auth_info_bytes=tx.tx.auth_info.SerializeToString(),
        chain_id=chain_id,
        account_number=account_number,
    )
    verifier = ecdsa.VerifyingKey.from_string(public_key, curve=ecdsa.SECP256k1)
    verifier.verify(tx.tx.signatures[0], document.SerializeToString(), hashfunc=sha256)


def main() -> None:
    """Send, verify, and print what came out."""
    parser = argparse.ArgumentParser(description="A bank send with cosmpy whose key stays in its token.")
    parser.add_argument("--config", help="the bridge's configuration (default: as for hsm)")
    parser.add_argument("--key", required=True, help="name of the key")
    parser.add_argument("--chain-id", required=True)
    parser.add_argument("--to", help="recipient (default: the sender itself)")
    parser.add_argument("--amount", type=int, default=250_000, help="in uve")
    parser.add_argument("--account-number", type=int, default=7)
    parser.add_argument("--sequence", type=int, default=0)
    arguments = parser.parse_args()

    command = ["keyring-plugin", *(["--config", arguments.config] if arguments.config else [])]
    with KeyringClient.spawn(command) as client:
        wallet = BridgeWallet(client, arguments.key)
        recipient = arguments.to or str(wallet.address())
        chain_id, account_number = arguments.chain_id, arguments.account_number
        try:
            tx = send(wallet, recipient, arguments.amount, chain_id, account_number, arguments.sequence)
        except PolicyDenied as refusal:
            sys.exit(f"not signed: {refusal} [{refusal.code}]")
        verify(tx, wallet.public_key().public_key_bytes, chain_id, account_number)

    completed = tx.tx.SerializeToString()
    print(f"address    {wallet.address()}")
    print(f"signature  {tx.tx.signatures[0].hex()}")
    print("           verified by the package ecdsa, which had no part in making it")
    print(f"tx hash    {sha256(completed).hexdigest().upper()}")
    print(f"tx size    {len(completed)} bytes, complete, not broadcast")


if __name__ == "__main__":
    main()
