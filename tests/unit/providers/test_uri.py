from __future__ import annotations

import pytest

from keyring_bridge.errors import InvalidUri
from keyring_bridge.uri import LONGEST_URI, Pkcs11Uri, SoftwareUri, scheme_of

STORE, KEY = "00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # RFC 7512, section 3, without their query parts.
        ("pkcs11:", Pkcs11Uri()),
        ("pkcs11:object=my-pubkey;type=public", Pkcs11Uri(object="my-pubkey", type="public")),
        (
            "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;"
            "object=my-certificate;type=cert;id=%69%95%3E%5C%F4%BD%EC%91;serial=",
            Pkcs11Uri(
                token="The Software PKCS#11 Softtoken",
                manufacturer="Snake Oil, Inc.",
                model="1.0",
                object="my-certificate",
                type="cert",
                id=bytes.fromhex("69953e5cf4bdec91"),
                serial="",
            ),
        ),
        ("pkcs11:slot-description=Sun%20Metaslot", Pkcs11Uri(slot_description="Sun Metaslot")),
        (
            "pkcs11:library-manufacturer=Snake%20Oil,%20Inc.;library-description=Soft%20Token%20Library;"
            "library-version=1.23",
            Pkcs11Uri(
                library_manufacturer="Snake Oil, Inc.", library_description="Soft Token Library", library_version="1.23"
            ),
        ),
        (
            "pkcs11:token=My%20token%25%20created%20by%20Joe;library-version=3;id=%01%02%03%Ba%dd%Ca%fe%04%05%06",
            Pkcs11Uri(token="My token% created by Joe", library_version="3", id=bytes.fromhex("010203baddcafe040506")),
        ),
        ("pkcs11:token=A%20name%20with%20a%20substring%20%25%3B", Pkcs11Uri(token="A name with a substring %;")),
        ("pkcs11:token=Name%20with%20a%20small%20A%20with%20acute:%20%C3%A1", None),
        ("PKCS11:slot-id=18446744073709551615", Pkcs11Uri(slot_id=2**64 - 1)),
        ("pkcs11:slot-manufacturer=a&b=c", Pkcs11Uri(slot_manufacturer="a&b=c")),
    ],
)
def test_reads_pkcs11_uris(text: str, expected: Pkcs11Uri | None) -> None:
    if expected is None:
        expected = Pkcs11Uri(token="Name with a small A with acute: \u00e1")
    assert Pkcs11Uri.parse(text) == expected
    assert Pkcs11Uri.parse(expected.format()) == expected


def test_writes_what_the_standard_recommends() -> None:
    uri = Pkcs11Uri(token="a b", object="50%; é/?#", id=b"\x00A", type="private", slot_id=7)
    assert str(uri) == "pkcs11:token=a%20b;object=50%25%3B%20%C3%A9%2F%3F%23;id=%00%41;type=private;slot-id=7"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pkcs11",
        "object=a",
        "pkcs12:object=a",
        "pkcs11:object",
        "pkcs11:=a",
        "pkcs11:;",
        "pkcs11:object=a;",
        "pkcs11:object=a;object=a",
        "pkcs11:Object=a",
        "pkcs11:unknown=a",
        "pkcs11:x-vendor=a",
        "pkcs11:object=a b",
        "pkcs11:object=a/b",
        "pkcs11:object=é",
        "pkcs11:object=%",
        "pkcs11:object=%1",
        "pkcs11:object=%GG",
        "pkcs11:object=%FF",
        "pkcs11:object=a#fragment",
        "pkcs11:object=a\n",
        "pkcs11:type=secret",
        "pkcs11:slot-id=",
        "pkcs11:slot-id=-1",
        "pkcs11:slot-id=1_0",
        "pkcs11:slot-id=٣",
        "pkcs11:slot-id=18446744073709551616",
        "pkcs11:library-version=1.",
        "pkcs11:library-version=1.2.3",
        "pkcs11:object=a?pin-source=file:/etc/token",
        "pkcs11:object=a?",
        "pkcs11:object=" + "a" * LONGEST_URI,
    ],
)
def test_refuses_what_is_no_pkcs11_uri(text: str) -> None:
    with pytest.raises(InvalidUri):
        Pkcs11Uri.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "pkcs11:object=a?pin-value=hunter2",
        "pkcs11:object=a?module-name=x&pin-value=hunter2",
        "pkcs11:object=a;pin-value=hunter2",
        "pkcs11:hunter2",
        "pkcs11:object=hunter2 ",
        "hunter2:",
    ],
)
def test_an_error_never_repeats_a_value(text: str) -> None:
    with pytest.raises(InvalidUri) as caught:
        Pkcs11Uri.parse(text)
    error = caught.value
    assert "hunter2" not in f"{error} {error.hint} {error.detail}"


def test_an_attribute_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(InvalidUri):
        Pkcs11Uri(object="\ud800")
    with pytest.raises(InvalidUri):
        Pkcs11Uri(object="a" * LONGEST_URI)


def test_reads_and_writes_software_uris() -> None:
    text = f"software:store={STORE};id={KEY}"
    uri = SoftwareUri.parse(text)
    assert uri == SoftwareUri(bytes.fromhex(STORE), bytes.fromhex(KEY))
    assert str(uri) == uri.format() == text
    assert SoftwareUri.parse(f"Software:id={KEY};store={STORE}") == uri


@pytest.mark.parametrize(
    "text",
    [
        "software:",
        f"software:store={STORE}",
        f"software:store={STORE};id={KEY};id={KEY}",
        f"software:store={STORE};id={KEY[:-2]}",
        f"software:store={STORE};id={KEY}00",
        f"software:store={STORE.upper()};id={KEY}",
        f"software:store={STORE};id={KEY[:-1]}g",
        f"software:store={STORE};id=%20{KEY[1:]}",
        f"software:store={STORE};id={KEY};name=x",
        f"pkcs11:store={STORE};id={KEY}",
    ],
)
def test_refuses_what_is_no_software_uri(text: str) -> None:
    with pytest.raises(InvalidUri):
        SoftwareUri.parse(text)
    with pytest.raises(InvalidUri):
        SoftwareUri(b"short", bytes(16))


@pytest.mark.parametrize(
    ("text", "scheme"), [("pkcs11:", "pkcs11"), ("AWSkms:arn:x", "awskms"), ("a+b-c.d:", "a+b-c.d"), ("x:\n", "x")]
)
def test_finds_the_scheme(text: str, scheme: str) -> None:
    assert scheme_of(text) == scheme


@pytest.mark.parametrize("text", ["", ":", "1a:b", "a b:c", "no-colon", " a:b", "ä:b"])
def test_refuses_what_has_no_scheme(text: str) -> None:
    with pytest.raises(InvalidUri):
        scheme_of(text)
