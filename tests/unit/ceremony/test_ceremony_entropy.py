"""Mixing, and the table of words: pure functions of ceremonies."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from keyring_bridge.ceremony import terminal
from keyring_bridge.ceremony.entropy import gather, mix
from keyring_bridge.device import Device
from keyring_bridge.secrets import SecretBytes


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32) | st.none())
def test_it_is_hkdf(system: bytes, token: bytes | None) -> None:
    wanted = HKDF(SHA512(), 32, b"keyring-bridge key ceremony v1", b"entropy of a mnemonic").derive(
        system + (token or b"")
    )
    mixed = mix(SecretBytes(system), None if token is None else SecretBytes(token))
    assert mixed == wanted


class _Source:
    scheme = "test"

    def __init__(self) -> None:
        self.given: list[SecretBytes] = []

    def random_bytes(self, count: int) -> SecretBytes:
        self.given.append(SecretBytes(bytes(count)))
        return self.given[-1]


def test_the_devices_bytes_are_used_and_wiped() -> None:
    source = _Source()
    device = Device("test", source)  # type: ignore[arg-type]  # all that is asked of it
    first, sources = gather(device)
    second, _ = gather(device)
    assert sources == ("system", "token")
    assert first != second
    assert len(first) == 32
    assert all(given.wiped for given in source.given)


def test_without_a_device_that_makes_any_the_system_is_alone() -> None:
    _, sources = gather(Device("test", object()))  # type: ignore[arg-type]  # it has no capability
    assert sources == ("system",)


@pytest.mark.parametrize("count", [12, 24, 33])
def test_words_stand_numbered_in_columns(count: int) -> None:
    words = [f"word{chr(97 + number % 26)}{number}" for number in range(count)]
    table = terminal._table(SecretBytes(" ".join(words).encode())).decode()
    found = {}
    for line in table.splitlines():
        pieces = line.split()
        found.update(zip(pieces[::2], pieces[1::2], strict=True))
    assert found == {f"{number}.": word for number, word in enumerate(words, 1)}
