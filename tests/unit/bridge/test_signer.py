"""The signer that Python programs hold: bound to one public key."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from cosmos_formats import address
from cosmos_formats.pubkeys import PublicKey
from cosmos_formats.verify import verify
from keyring_bridge.errors import CannotSign, KeyNotFound, NoPolicy, PolicyDenied
from keyring_bridge.signer import Signer
from tests.unit.bridge.pipeline import CHAIN, Setup
from tests.unit.bridge.sign_docs import send_doc


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    made = Setup(tmp_path)
    yield made
    made.bridge.close()


def test_signs_through_the_pipeline(setup: Setup) -> None:
    public_key = setup.keyring.generate("ops").record.public_key
    assert isinstance(public_key, PublicKey)
    signer = Signer(setup.keyring, "ops")
    assert signer.public_key == public_key
    assert signer.name == "ops"
    assert address.decode(signer.address("ve"), "ve")[1] == public_key.address
    doc = send_doc(public_key, CHAIN)
    with pytest.raises(NoPolicy):
        signer.sign(doc)
    setup.allow("ops")
    assert verify(public_key, doc, signer.sign(doc))
    with pytest.raises(PolicyDenied):
        signer.sign_digest(sha256(doc).digest())


def test_a_name_that_means_another_key_later_gives_nothing(setup: Setup) -> None:
    setup.keyring.generate("ops")
    signer = Signer(setup.keyring, "ops")
    setup.keyring.destroy("ops")
    other = setup.keyring.generate("ops").record.public_key
    assert isinstance(other, PublicKey)
    setup.allow("ops")
    with pytest.raises(CannotSign, match="another key"):
        signer.sign(send_doc(other, CHAIN))


def test_needs_a_private_key(setup: Setup) -> None:
    with pytest.raises(KeyNotFound):
        Signer(setup.keyring, "nobody")
    made = setup.keyring.generate("ops")
    setup.keyring.delete("ops")
    setup.keyring.save_offline_key("cold", made.record.public_key)
    with pytest.raises(CannotSign):
        Signer(setup.keyring, "cold")
