"""Importing python-pkcs11 without its helpers for certificates and for keys of other kinds, which are half of it."""

from __future__ import annotations

import sys
from functools import cache

from cosmos_formats.hollow import left_out

_HELPERS = ("dh", "dsa", "ec", "rsa", "x509")


@cache
def load_bindings() -> None:
    """Import the package. Its helpers can be imported by their own names afterwards."""
    if "pkcs11" in sys.modules:
        return
    with left_out(*(f"pkcs11.util.{name}" for name in _HELPERS)):
        import pkcs11
    for name in _HELPERS:
        vars(pkcs11).pop(name, None)
