"""One key takes the place of another: what is linked, what is refused, and what a chain is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cosmos_formats import address, protojson
from cosmos_formats.pubkeys import ETH_TYPE_URLS, KeyType, PublicKey
from cosmos_formats.schema import default_schema
from cosmos_formats.signing import SignMode
from keyring_bridge.errors import CannotSign, KeyExists, KeyNotFound, SignatureRejected
from keyring_bridge.model import Purpose
from keyring_bridge.rotation import RotatedKeys, RotationRefused, links
from keyring_bridge.rotation_steps import ROTATE_CONSENSUS_KEY, steps
from tests.unit.bridge.pipeline import CALLER, CHAIN, Setup
from tests.unit.bridge.sign_docs import send_doc

if TYPE_CHECKING:
    from keyring_bridge.store.base import StoredRecord


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    made = Setup(tmp_path)
    yield made
    made.bridge.close()


@pytest.fixture
def keys(setup: Setup) -> RotatedKeys:
    return RotatedKeys(setup.bridge, CALLER)


def single(record: StoredRecord) -> PublicKey:
    assert isinstance(record.record.public_key, PublicKey)
    return record.record.public_key


def test_a_successor_of_the_same_kind_is_made_and_linked(setup: Setup, keys: RotatedKeys) -> None:
    setup.keyring.generate("ops", KeyType.ETH_SECP256K1, url=ETH_TYPE_URLS[1])
    rotation = keys.rotate("ops", "ops-2")
    assert rotation.made
    old, new = setup.keyring.key("ops"), setup.keyring.key("ops-2")
    assert (rotation.old, rotation.new) == (old, new)
    assert old.successor == new.fingerprint
    assert single(new).type_url == ETH_TYPE_URLS[1]
    assert old.verify_only_from is None
    everything = setup.keyring.list()
    assert links(old, everything) == {"successor_name": "ops-2"}
    assert links(new, everything) == {"replaces": ["ops"]}
    assert list((setup.config.state_dir / "rotations").iterdir()) == []


def test_the_same_call_again_changes_nothing(setup: Setup, keys: RotatedKeys) -> None:
    setup.keyring.generate("ops")
    first = keys.rotate("ops", "ops-2")
    written = len(setup.entries())
    for existing in (False, True):
        again = keys.rotate("ops", "ops-2", existing=existing)
        assert (again.old, again.new, again.made) == (first.old, first.new, False)
    assert len(setup.entries()) == written
    assert len(setup.provider.keys) == 2


def test_a_date_ends_the_old_keys_signatures(setup: Setup, keys: RotatedKeys) -> None:
    public_key = single(setup.keyring.generate("ops"))
    setup.allow("ops")
    later = datetime.now(UTC) + timedelta(days=1)
    assert keys.rotate("ops", "ops-2", until=later).old.verify_only_from == later
    document = send_doc(public_key, CHAIN)
    assert setup.keyring.sign("ops", document, SignMode.DIRECT).signature
    # Without a date the one that is there stays.
    assert keys.rotate("ops", "ops-2").old.verify_only_from == later
    keys.rotate("ops", "ops-2", until=datetime.now(UTC))
    with pytest.raises(CannotSign, match="only verifies since"):
        setup.keyring.sign("ops", document, SignMode.DIRECT)
    with pytest.raises(RotationRefused, match="signs nothing any more"):
        keys.rotate("ops", "ops-2", until=later)
    keys.rotate("ops", "ops-2")


def test_an_existing_key_takes_the_place_if_it_is_said(setup: Setup, keys: RotatedKeys) -> None:
    setup.keyring.generate("ops")
    setup.keyring.generate("spare")
    with pytest.raises(KeyExists):
        keys.rotate("ops", "spare")
    assert not keys.rotate("ops", "spare", existing=True).made
    assert setup.keyring.key("ops").successor == setup.keyring.key("spare").fingerprint


def test_what_cannot_take_a_place_is_refused(setup: Setup, keys: RotatedKeys) -> None:
    for name in ("ops", "spare", "last"):
        setup.keyring.generate(name)
    setup.keyring.generate("val", KeyType.ED25519, Purpose.CONSENSUS)
    setup.keyring.generate("other", KeyType.ED25519, Purpose.ACCOUNT)
    setup.keyring.save_offline_key("watched", key(9))
    before = setup.keyring.list()
    for successor in ("val", "other", "watched", "ops"):
        with pytest.raises(RotationRefused):
            keys.rotate("ops", successor, existing=True)
    with pytest.raises(KeyNotFound):
        keys.rotate("ops", "nobody", existing=True)
    with pytest.raises(KeyNotFound):
        keys.rotate("nobody", "ops")
    with pytest.raises(CannotSign):
        keys.rotate("watched", "new")
    assert setup.keyring.list() == before
    keys.rotate("ops", "spare", existing=True)
    with pytest.raises(RotationRefused, match="another successor"):
        keys.rotate("ops", "last", existing=True)
    with pytest.raises(RotationRefused, match="a successor already"):
        keys.rotate("ops", "new")
    with pytest.raises(RotationRefused, match="was replaced itself"):
        keys.rotate("last", "ops", existing=True)
    # So no line of successors comes back to where it began.
    with pytest.raises(RotationRefused):
        keys.rotate("spare", "ops", existing=True)
    keys.rotate("spare", "last", existing=True)


def test_a_rotation_that_was_cut_off_is_continued(
    setup: Setup, keys: RotatedKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup.keyring.generate("ops")

    def cut(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(setup.bridge.store, "update", cut)
        with pytest.raises(KeyboardInterrupt):
            keys.rotate("ops", "ops-2")
    assert setup.keyring.key("ops").successor is None
    # Somebody else's wish is not taken for its continuation.
    setup.keyring.generate("ops-3")
    with pytest.raises(KeyExists):
        keys.rotate("ops", "ops-3")
    rotation = keys.rotate("ops", "ops-2")
    assert not rotation.made
    assert rotation.old.successor == setup.keyring.key("ops-2").fingerprint
    assert len(setup.provider.keys) == 3


def test_a_successor_that_cannot_be_made_links_nothing(setup: Setup, keys: RotatedKeys) -> None:
    record = setup.keyring.generate("ops")
    setup.provider.bend = lambda _: bytes(63)
    with pytest.raises(SignatureRejected):
        keys.rotate("ops", "ops-2")
    assert setup.keyring.list() == [record]
    assert len(setup.provider.keys) == 1
    # A key of that name that is made later is not taken for what was begun.
    setup.provider.bend = lambda signature: signature
    setup.keyring.generate("ops-2")
    with pytest.raises(KeyExists):
        keys.rotate("ops", "ops-2")


# --- what the chain is told ------------------------------------------------------------------------------------------


def key(number: int, key_type: KeyType = KeyType.SECP256K1) -> PublicKey:
    from keyring_bridge.providers.private_keys import public_key_for
    from keyring_bridge.secrets import SecretBytes

    return public_key_for(key_type, SecretBytes(bytes([number]) * 32))


def messages(todo: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [step.message for step in todo if step.message is not None]


def test_the_messages_are_ones_that_the_sdk_reads() -> None:
    schema = default_schema()
    seen = set()
    old, new = key(1), key(2)
    consensus = key(1, KeyType.ED25519), key(2, KeyType.ED25519)
    for purpose, pair in ((Purpose.ACCOUNT, (old, new)), (Purpose.CONSENSUS, consensus)):
        todo = steps(purpose, *pair, "ve", ["/cosmos.bank.v1beta1.MsgSend"], lambda _: False)
        for message in messages(todo):
            url = message["@type"]
            seen.add(url.rpartition(".")[2])
            found = schema.find(url)
            assert found is not None
            fields = {name: value for name, value in message.items() if name != "@type"}
            protojson.decoder.decode(fields, found, schema)
    assert seen == {"MsgGrant", "MsgGrantAllowance", "MsgEditValidator", "MsgCreateValidator"}


def test_an_account_grants_and_moves() -> None:
    old, new = key(1), key(2)
    todo = steps(Purpose.ACCOUNT, old, new, "ve", ["/a.B", "/c.D"], lambda _: False)
    grants = [one for one in messages(todo) if one["@type"].endswith("MsgGrant")]
    assert [one["grant"]["authorization"]["msg"] for one in grants][:2] == ["/a.B", "/c.D"]
    before, after = (address.encode("ve", one.address) for one in (old, new))
    assert all((one["granter"], one["grantee"]) == (before, after) for one in grants)
    assert f"authz grants-by-granter {before}" in [step.query for step in todo]
    (edit,) = [one for one in messages(todo) if one["@type"].endswith("MsgEditValidator")]
    assert edit["validator_address"] == address.encode("vevaloper", old.address)


def test_a_consensus_key_is_rotated_where_the_chain_can() -> None:
    old, new = key(1, KeyType.ED25519), key(2, KeyType.ED25519)
    (message,) = messages(steps(Purpose.CONSENSUS, old, new, "ve", [], lambda url: url == ROTATE_CONSENSUS_KEY))
    assert message["@type"] == ROTATE_CONSENSUS_KEY
    assert message["new_pubkey"] == new.to_proto_json()
    without = steps(Purpose.CONSENSUS, old, new, "ve", [], lambda _: False)
    assert "has no message that changes" in without[0].what
    assert messages(without)[0]["pubkey"] == new.to_proto_json()
    assert messages(steps(Purpose.AUDIT, old, new, "ve", [], lambda _: True)) == []


def test_links_do_not_invent(setup: Setup) -> None:
    record = setup.keyring.generate("ops")
    assert links(record, setup.keyring.list()) == {}
    assert links(replace(record, successor="ab" * 32), setup.keyring.list()) == {}
