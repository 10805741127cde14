"""What the token itself says about a private key, asked without the bridge.

    python examples/token_attributes.py --token demo --key alice --pin-file PIN

Uses python-pkcs11 alone: it logs in, reads the attributes that decide whether the key can leave, and tries to read
the key.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pkcs11
from pkcs11 import Attribute, ObjectClass


def main() -> None:
    """Print the attributes and what became of the attempt."""
    parser = argparse.ArgumentParser(description="What the token itself says about a private key.")
    parser.add_argument("--library", default="/usr/lib/softhsm/libsofthsm2.so")
    parser.add_argument("--token", required=True, help="the token's label")
    parser.add_argument("--key", required=True, help="the key's label")
    parser.add_argument("--pin-file", type=Path, required=True)
    arguments = parser.parse_args()

    token = pkcs11.lib(arguments.library).get_token(token_label=arguments.token)
    with token.open(user_pin=arguments.pin_file.read_text().strip()) as session:
        key = session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=arguments.key)
        for name in ("EXTRACTABLE", "NEVER_EXTRACTABLE", "SENSITIVE", "ALWAYS_SENSITIVE", "LOCAL"):
            print(f"CKA_{name:<18} {str(key[Attribute[name]]).lower()}")
        try:
            print(f"CKA_VALUE              {len(key[Attribute.VALUE])} bytes: THE KEY CAN BE READ")
        except pkcs11.AttributeSensitive:
            print("CKA_VALUE              refused by the token")


if __name__ == "__main__":
    main()
