"""The program of another chain, for what the test chain cannot do: messages that nobody knows, nodes that lie, delays.

It is a program of its own, with the commands that the shell relies on. What it does besides comes from variables:
``SAY_*`` what it says, ``BREAK`` which of its commands fails, ``WAIT`` which of them does not end, ``SENT`` where it
writes what it is to broadcast.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any


def field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(data)) + data


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def unsigned() -> dict[str, Any]:
    return {
        "body": {"messages": [{"@type": "/otherchain.v1.MsgDo", "what": "this"}], "memo": "<&>é"},
        "auth_info": {"signer_infos": [], "fee": {"amount": json.loads(os.environ.get("SAY_FEE", "[]")), "gas": "1"}},
        "signatures": [],
    }


def encoded(document: dict[str, Any]) -> bytes:
    message = field(1, b"/otherchain.v1.MsgDo") + field(2, field(1, b"this"))
    body = field(1, message) + field(2, document["body"]["memo"].encode())
    coins = [field(1, coin["denom"].encode()) + field(2, coin["amount"].encode()) for coin in fee_of(document)]
    fee = b"".join(field(1, coin) for coin in coins) + b"\x10\x01"
    return field(1, body) + field(2, field(2, fee))


def fee_of(document: dict[str, Any]) -> list[dict[str, str]]:
    coins: list[dict[str, str]] = document["auth_info"]["fee"]["amount"]
    return coins


def main(words: list[str]) -> int:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if words == ["--help"]:
        sys.stdout.write(os.environ.get("SAY_HELP", ""))
        return 0
    command = "make" if words[0] == "tx" and words[1] not in ("encode", "broadcast") else words[1]
    if command == "broadcast" and "WAIT" not in os.environ:
        Path(os.environ["SENT"]).write_text(json.dumps([words, json.load(sys.stdin)]))
    if command == os.environ.get("BREAK"):
        sys.stderr.write("Error: it is broken\n")
        return 9
    if command == os.environ.get("WAIT"):
        Path(os.environ["SENT"]).with_name("waiting").touch()
        signal.pause()
    if command == "make":
        sys.stdout.write(os.environ.get("SAY_MADE") or json.dumps(unsigned(), ensure_ascii=False) + "\n")
    elif command == "encode":
        said = os.environ.get("SAY_ENCODED")
        sys.stdout.write(said or b64encode(encoded(json.load(sys.stdin))).decode() + "\n")
    elif command == "auth":
        account = {"address": words[3], "account_number": "7", "sequence": "3"}
        sys.stdout.write(os.environ.get("SAY_ACCOUNT") or json.dumps({"account": {"value": account}}))
    elif command == "broadcast":
        sys.stdout.write("sent\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
