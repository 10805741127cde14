"""ADR-036 documents: what is read determines the bytes, and anything else only ever is an InvalidSignDoc."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosmos_formats import address
from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.signing.adr036 import parse, sign_doc

signers = st.builds(address.encode, st.sampled_from(["ve", "cosmos", "a1b"]), st.binary(min_size=20, max_size=20))
documents = st.builds(sign_doc, signers, st.binary(min_size=1, max_size=60))


@given(signers, st.binary(min_size=1, max_size=60))
def test_round_trip(signer: str, data: bytes) -> None:
    found = parse(sign_doc(signer, data))
    assert (found.signer, found.data) == (signer, data)


@given(documents, st.data())
def test_a_changed_document_is_refused_or_another(document: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(document) - 1))
    inserted = data.draw(st.binary(max_size=2))
    removed = data.draw(st.integers(0, 2))
    changed = document[:at] + inserted + document[at + removed :]
    try:
        found = parse(changed)
    except InvalidSignDoc:
        return
    assert sign_doc(found.signer, found.data) == changed


@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    with pytest.raises(InvalidSignDoc):
        parse(data)
