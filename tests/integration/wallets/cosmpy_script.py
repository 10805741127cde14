"""What somebody with cosmpy writes: two transfers, one by ``send_tokens``, one built by hand. Run as a program."""

from __future__ import annotations

import argparse
import json
import sys

from cosmpy.aerial.client import LedgerClient, NetworkConfig
from cosmpy.aerial.client.bank import create_bank_send_msg
from cosmpy.aerial.tx import SigningCfg, Transaction, TxFee
from cosmpy.crypto.address import Address

from keyring_plugin.client import KeyringClient
from keyring_plugin.cosmpy_wallet import BridgeWallet


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--grpc", "--chain-id", "--key", "--to"):
        parser.add_argument(name, required=True)
    parser.add_argument("--agent", action="store_true")
    arguments = parser.parse_args()

    network = NetworkConfig(
        chain_id=arguments.chain_id,
        url=f"grpc+http://{arguments.grpc}",
        fee_minimum_gas_price=0,
        fee_denomination="uve",
        staking_denomination="uve",
    )
    ledger = LedgerClient(network, query_interval_secs=1)
    recipient = Address(arguments.to)
    plugin = [sys.executable, "-m", "keyring_plugin"]
    with KeyringClient.agent() if arguments.agent else KeyringClient.spawn(plugin) as client:
        wallet = BridgeWallet(client, arguments.key)

        sent = ledger.send_tokens(recipient, 1000, "uve", wallet, memo="by send_tokens")
        sent.wait_to_complete()

        account = ledger.query_account(wallet.address())
        tx = Transaction()
        tx.add_message(create_bank_send_msg(wallet.address(), recipient, 200, "uve"))
        tx.add_message(create_bank_send_msg(wallet.address(), recipient, 30, "uve"))
        fee = TxFee(amount="50uve", gas_limit=200_000)
        tx.seal(SigningCfg.direct(wallet.public_key(), account.sequence), fee=fee, memo="by hand")
        tx.sign(wallet.signer(), arguments.chain_id, account.number)
        built = ledger.broadcast_tx(tx.complete())
        built.wait_to_complete()

    hashes = {"send_tokens": sent.tx_hash, "by_hand": built.tx_hash}
    sys.stdout.write(json.dumps({"sender": str(wallet.address()), **hashes}))


if __name__ == "__main__":
    main()
