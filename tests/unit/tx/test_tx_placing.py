"""Where signers go, and which signatures they would break."""

from __future__ import annotations

import pytest

from cosmos_formats import address
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.signing import SignMode
from cosmos_formats.signing.transaction import TxParts
from cosmos_formats.tx import Transaction, TxSigner
from keyring_bridge.tx.errors import TxConflict
from keyring_bridge.tx.placing import place_signer

KEYS = [PublicKey(KeyType.ED25519, bytes([number] * 32)) for number in (1, 2, 3)]
ORDER = [address.encode("ve", key.address) for key in KEYS]
AMINO = SignMode.LEGACY_AMINO_JSON
EMPTY = Transaction(TxParts(b"body", b""))


def entry(number: int, mode: SignMode = AMINO, signature: bytes = b"") -> TxSigner:
    return TxSigner.single(KEYS[number].to_any(), mode, number, signature)


def place(
    transaction: Transaction, number: int, mode: SignMode = SignMode.LEGACY_AMINO_JSON, **how: bool
) -> Transaction:
    placed, at = place_signer(transaction, entry(number, mode), KEYS[number].address, ORDER, **how)
    signatures = list(placed.signatures)
    signatures[at] = b"signature of %d" % number
    return Transaction(placed.parts, tuple(signatures))


@pytest.mark.parametrize("turn", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
def test_everybody_ends_up_in_place(turn: tuple[int, ...]) -> None:
    transaction = EMPTY
    for number in turn:
        transaction = place(transaction, number)
    assert [signer.sequence for signer in transaction.signers] == [0, 1, 2]
    assert transaction.signatures == (b"signature of 0", b"signature of 1", b"signature of 2")


def test_nobody_signs_twice_unawares() -> None:
    once = place(place(EMPTY, 0), 1)
    with pytest.raises(TxConflict, match="already"):
        place(once, 0)
    again = place(once, 0, SignMode.DIRECT_AUX, amend=True)
    assert again.signatures[1] == once.signatures[1]
    assert again.signers[0].mode_info != once.signers[0].mode_info
    assert place(once, 2, overwrite=True).signatures == (b"signature of 2",)


@pytest.mark.parametrize("mode", [SignMode.DIRECT, SignMode.TEXTUAL])
def test_who_covers_the_signers_signs_last(mode: SignMode) -> None:
    first = place(EMPTY, 1, mode)
    with pytest.raises(TxConflict, match="signature 1 covers"):
        place(first, 0)
    last = place(place(EMPTY, 0), 1, mode)
    assert len(last.signers) == 2


def test_infos_that_were_complete_before_let_several_sign_direct() -> None:
    infos = EMPTY.with_signers(entry(number, SignMode.DIRECT) for number in (0, 1))
    both = place(place(infos, 1, SignMode.DIRECT), 0, SignMode.DIRECT)
    assert both.parts == infos.parts
    assert all(both.signatures)


def test_an_entry_without_a_key_belongs_to_its_place() -> None:
    nameless = TxSigner(None, entry(1).mode_info, 1)
    transaction = EMPTY.with_signers((entry(0, signature=b"x"), nameless))
    placed = place(transaction, 1)
    assert [signer.signature for signer in placed.signers] == [b"x", b"signature of 1"]


def test_entries_that_cannot_be_read_are_in_nobodys_way() -> None:
    strange = TxSigner(None, b"\xff", 0, b"x")
    with pytest.raises(TxConflict):
        place(EMPTY.with_signers((strange,)), 1)
    assert len(place(EMPTY.with_signers((TxSigner(None, None, 9, b"x"),)), 1).signers) == 2
