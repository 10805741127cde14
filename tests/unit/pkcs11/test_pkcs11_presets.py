"""PIN forms and options of known vendors."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from keyring_bridge.providers.pkcs11.options import Options
from keyring_bridge.providers.pkcs11.presets import PRESETS, PinForm, pin_problem


@pytest.mark.parametrize(
    ("form", "pin", "fine"),
    [
        ("plain", b"1", True),
        ("plain", b"", False),
        ("user:password", b"crypto_user:ge:heim", True),
        ("user:password", b"geheim", False),
        ("user:password", b":geheim", False),
        ("user:password", b"geheim:", False),
        ("user:password", b"", False),
        ("authkey+password", b"0001password", True),
        ("authkey+password", b"00fFpassword", True),
        ("authkey+password", b"0001passwor", False),
        ("authkey+password", b"000gpassword", False),
        ("authkey+password", b"", False),
    ],
)
def test_pin_forms(form: PinForm, pin: bytes, fine: bool) -> None:
    problem = pin_problem(form, bytearray(pin))
    assert (problem is None) is fine
    if problem is not None and pin:
        assert pin.decode() not in problem


def test_every_vendor_of_the_issue_has_a_preset() -> None:
    assert set(PRESETS) == {"softhsm", "cloudhsm", "luna", "yubihsm", "opencryptoki"}
    for preset in PRESETS.values():
        assert preset.libraries
        assert all(place.startswith("/") for place in preset.libraries)


def test_the_document_names_every_option_and_preset() -> None:
    text = (Path(__file__).parents[3] / "docs" / "pkcs11.md").read_text()
    for field in dataclasses.fields(Options):
        assert f"| `{field.name}` |" in text
    for name in PRESETS:
        assert f"| `{name}` |" in text
