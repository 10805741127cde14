"""Fixtures for tests of the PKCS#11 provider."""

from tests.shim.shim import shim, shim_library
from tests.softhsm import softhsm

__all__ = ["shim", "shim_library", "softhsm"]
