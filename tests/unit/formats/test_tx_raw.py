"""``TxRaw``, and the signers in a transaction's auth info."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.errors import FormatError
from cosmos_formats.schema import default_schema
from cosmos_formats.signing.transaction import TxParts
from cosmos_formats.tx import InvalidTx, Transaction, TxSigner

SCHEMA = default_schema()
KEY = AnyValue("/cosmos.crypto.secp256k1.PubKey", b"\x0a\x01\x02")
FEE = bytes.fromhex("120410c09a0c")

SIGNERS = st.lists(
    st.builds(
        TxSigner,
        st.none() | st.just(KEY),
        st.none() | st.binary(max_size=6),
        st.integers(0, 2**64 - 1),
        st.binary(max_size=6),
    ),
    max_size=4,
)


@given(st.binary(max_size=9), st.binary(max_size=9), st.lists(st.binary(max_size=9), max_size=4))
def test_raw_transactions_survive(body: bytes, auth: bytes, signatures: list[bytes]) -> None:
    transaction = Transaction(TxParts(body, auth), tuple(signatures))
    assert Transaction.decode(transaction.encode()) == transaction
    message = SCHEMA.message("cosmos.tx.v1beta1.TxRaw").FromString(transaction.encode())
    assert (message.body_bytes, message.auth_info_bytes, list(message.signatures)) == (body, auth, signatures)


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        transaction = Transaction.decode(data)
    except InvalidTx:
        return
    assert transaction.encode() == data
    try:
        signers = transaction.signers
    except FormatError:
        return
    assert transaction.with_signers(signers).parts == transaction.parts


@given(SIGNERS)
def test_signers_survive_and_fee_and_tip_stay(signers: list[TxSigner]) -> None:
    before = Transaction(TxParts(b"body", FEE + bytes.fromhex("1a03120161")))
    after = before.with_signers(signers)
    assert after.signers == tuple(signers)
    assert after.parts.body_bytes == b"body"
    assert after.parts.auth_info_bytes.endswith(before.parts.auth_info_bytes)
    assert after.with_signers(()) == before


def test_signer_infos_are_those_of_the_sdk() -> None:
    signer = TxSigner.single(KEY, 127, 5)
    info = SCHEMA.message("cosmos.tx.v1beta1.SignerInfo").FromString(signer.encode())
    assert (info.public_key.type_url, info.mode_info.single.mode, info.sequence) == (KEY.type_url, 127, 5)
    assert info.SerializeToString(deterministic=True) == signer.encode()


def test_what_does_not_fit_together() -> None:
    with pytest.raises(InvalidTx, match="1 signatures, but 0 signer infos"):
        _ = Transaction(TxParts(b"", b""), (b"x",)).signers
    with pytest.raises(InvalidTx, match="signer info 0"):
        _ = Transaction(TxParts(b"", b"\x0a\x02\x22\x00")).signers
    with pytest.raises(InvalidTx, match="auth info"):
        Transaction(TxParts(b"", b"\x22\x00")).with_signers(())


def test_unknown_fields_follow_adr_020() -> None:
    """Non-critical ones (bit 11 of the number) are tolerated in the body, and are not in the JSON."""
    critical, non_critical = bytes.fromhex("a00601"), bytes.fromhex("80c00101")
    assert '"memo":""' in Transaction(TxParts(non_critical, FEE)).to_json(SCHEMA)
    for body, auth in ((critical, FEE), (b"", non_critical), (b"", critical)):
        with pytest.raises(InvalidTx):
            Transaction(TxParts(body, auth)).to_json(SCHEMA)
    with pytest.raises(InvalidTx):
        Transaction.decode(bytes.fromhex("2200"))


def test_the_repr_has_no_bytes() -> None:
    assert "feed" not in repr(Transaction(TxParts(b"feed", b"feed"), (b"feed",)))
