"""What is particular about the modules of known vendors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from cosmos_formats.quickclass import dataclass

PinForm = Literal["plain", "user:password", "authkey+password"]


@dataclass(frozen=True, slots=True)
class Preset:
    """One vendor's module.

    Attributes:
        libraries: Where the vendor's packages put the module, looked at in this order.
        pin_form: What C_Login wants: ``user:password`` on CloudHSM, four hexadecimal digits (the id of the
            authentication key) and a password on YubiHSM. A PIN of another form is not sent.
        key_id_length: Bytes of CKA_ID for new keys.
        data_objects: Whether the token keeps CKO_DATA objects, where the bridge notes a key's purpose and age.
        environment: A variable that the module wants, for the hint when it cannot be initialised.
    """

    libraries: tuple[str, ...] = ()
    pin_form: PinForm = "plain"
    key_id_length: int = 16
    data_objects: bool = True
    environment: str | None = None


def _places(*names: str) -> tuple[str, ...]:
    """Return each file name below the library folders of the usual distributions."""
    folders = ("/usr/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/local/lib")
    return tuple(f"{folder}/{name}" for name in names for folder in folders)


GENERIC = Preset()

PRESETS: Mapping[str, Preset] = {
    "softhsm": Preset(
        libraries=(
            *_places("softhsm/libsofthsm2.so", "pkcs11/libsofthsm2.so"),
            "/opt/homebrew/lib/softhsm/libsofthsm2.so",
            "/usr/local/opt/softhsm/lib/softhsm/libsofthsm2.so",
        ),
        environment="SOFTHSM2_CONF",
    ),
    "cloudhsm": Preset(
        libraries=("/opt/cloudhsm/lib/libcloudhsm_pkcs11.so",),
        pin_form="user:password",
    ),
    "luna": Preset(
        libraries=(
            "/usr/safenet/lunaclient/lib/libCryptoki2_64.so",
            "/usr/safenet/lunaclient/libs/64/libCryptoki2.so",
            "/usr/lunasa/lib/libCryptoki2_64.so",
        ),
        environment="ChrystokiConfigurationPath",
    ),
    "yubihsm": Preset(
        libraries=_places("pkcs11/yubihsm_pkcs11.so", "yubihsm_pkcs11.so"),
        pin_form="authkey+password",
        # CKA_ID is the device's own object id of 16 bits.
        key_id_length=2,
        # They become opaque objects, which have no CKA_APPLICATION to be found by.
        data_objects=False,
        environment="YUBIHSM_PKCS11_CONF",
    ),
    "opencryptoki": Preset(
        libraries=_places("opencryptoki/libopencryptoki.so", "pkcs11/libopencryptoki.so", "libopencryptoki.so"),
    ),
}
"""Name in the configuration (``preset = "…"``) to what it stands for."""


def pin_problem(form: PinForm, pin: bytearray) -> str | None:
    """Say what is wrong with the form of a PIN, so that a doomed one is never sent; None if nothing is."""
    if len(pin) == 0:
        return "the PIN is empty"
    if form == "user:password" and (b":" not in pin or pin.startswith(b":") or pin.endswith(b":")):
        return "the PIN must have the form user:password"
    if form == "authkey+password":
        digits = bytes(pin[:4])
        if len(pin) < 12 or any(digit not in b"0123456789abcdefABCDEF" for digit in digits):
            return "the PIN must be the authentication key's id (4 hexadecimal digits) and its password (8 or more)"
    return None
