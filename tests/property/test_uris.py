from __future__ import annotations

import string
from contextlib import suppress
from urllib.parse import unquote_to_bytes

from hypothesis import given
from hypothesis import strategies as st

from keyring_bridge.errors import InvalidUri
from keyring_bridge.uri import Pkcs11Uri, SoftwareUri, scheme_of

TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
URIS = st.builds(
    Pkcs11Uri,
    token=TEXTS,
    manufacturer=TEXTS,
    serial=TEXTS,
    model=TEXTS,
    object=TEXTS,
    id=st.none() | st.binary(max_size=40),
    type=st.none() | st.sampled_from(sorted(Pkcs11Uri.TYPES)),
    slot_id=st.none() | st.integers(0, 2**64 - 1),
    slot_description=TEXTS,
    slot_manufacturer=TEXTS,
    library_description=TEXTS,
    library_manufacturer=TEXTS,
    library_version=st.none() | st.from_regex(r"\A[0-9]{1,3}(\.[0-9]{1,3})?\Z"),
)
NEARLY = st.text(st.sampled_from(string.printable + "é٣\ud800"), max_size=60)


@given(URIS)
def test_every_pkcs11_uri_reads_back(uri: Pkcs11Uri) -> None:
    text = uri.format()
    assert text.isascii()
    assert text.isprintable()
    assert " " not in text
    assert Pkcs11Uri.parse(text) == uri


@given(URIS)
def test_others_unescape_the_same(uri: Pkcs11Uri) -> None:
    path = uri.format().removeprefix("pkcs11:")
    values = {name: unquote_to_bytes(value) for name, _, value in (part.partition("=") for part in path.split(";"))}
    for name in ("token", "object", "model"):
        value = getattr(uri, name)
        assert values.get(name) == (None if value is None else value.encode())
    assert values.get("id") == uri.id


@given(NEARLY, st.sampled_from(["", "pkcs11:", "pkcs11:object=", "pkcs11:id=%", "software:store=", "software:"]))
def test_what_is_read_has_one_form(text: str, start: str) -> None:
    with suppress(InvalidUri):
        uri = Pkcs11Uri.parse(start + text)
        assert Pkcs11Uri.parse(uri.format()) == uri
    with suppress(InvalidUri):
        assert SoftwareUri.parse(start + text).format()
    with suppress(InvalidUri):
        assert (start + text).lower().startswith(scheme_of(start + text) + ":")


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_every_software_uri_reads_back(store: bytes, key: bytes) -> None:
    uri = SoftwareUri(store, key)
    assert SoftwareUri.parse(uri.format()) == uri
