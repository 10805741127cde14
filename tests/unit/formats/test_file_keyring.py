"""Items of keyring directories: what opens, and the one error that each kind of bad file gives."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from cosmos_formats import bcrypt_text, file_keyring
from cosmos_formats.bcrypt_text import InvalidBcrypt
from cosmos_formats.errors import FormatError, WrongPassword
from cosmos_formats.file_keyring import (
    MOST_ROUNDS,
    DamagedItem,
    InvalidKeyringFile,
    NotAnItem,
    TooManyRounds,
    UnsupportedItem,
    open_item,
)
from tests.keyring_files import CONTENT_KEY, PASSWORD, SALT, base64url, header, item, jwe, payload

DATA = b"\x0a\x05alice\x00\xff"


@pytest.mark.parametrize(
    ("key", "file"),
    [
        ("alice.info", "alice.info"),
        ("a/b.info", "a%2Fb.info"),
        ("100%.info", "100%25.info"),
        ("a%2Fb.info", "a%252Fb.info"),
        ("two words \t.info", "two words \t.info"),
        ("鍵 🔑 é.info", "鍵 🔑 é.info"),
        ("%%//.info", "%25%25%2F%2F.info"),
    ],
)
def test_names_of_files(key: str, file: str) -> None:
    assert file_keyring.file_name(key) == file
    assert file_keyring.item_key(file) == key


@pytest.mark.parametrize("file", ["a/b", "100%", "%2f", "%2", "%41.info", "%25%"])
def test_names_that_no_item_has(file: str) -> None:
    with pytest.raises(NotAnItem):
        file_keyring.item_key(file)


@pytest.mark.parametrize("data", [b"", b"x", DATA, bytes(range(256)) * 40])
@pytest.mark.parametrize("key", ["alice.info", 'q"uo\\te.info', '"Data":"AAAA"', "鍵.info"])
def test_an_item_opens(key: str, data: bytes) -> None:
    for password in (PASSWORD, bytearray(PASSWORD)):
        opened = open_item(item(key, data), password)
        assert (opened.key, opened.data) == (key, data)
        assert repr(opened) == f"Item(key={key!r})"
        opened.wipe()
        assert opened.data == bytes(len(data))
    assert password == PASSWORD, "the password is the caller's to wipe"


def test_a_newline_behind_it_does_no_harm() -> None:
    assert open_item(item("alice.info", DATA) + b"\n", PASSWORD).data == DATA


def test_members_may_stand_in_another_order_and_be_more() -> None:
    inner = json.dumps({"New": [1], "Data": base64.b64encode(DATA).decode(), "Key": "k"}, indent=1).encode()
    opened = open_item(jwe(inner), PASSWORD)
    assert (opened.key, opened.data) == ("k", DATA)


@pytest.mark.parametrize("rounds", [1, 8192])
def test_rounds(rounds: int) -> None:
    assert open_item(item("k", DATA, rounds=rounds), PASSWORD).data == DATA


@pytest.mark.parametrize("rounds", [MOST_ROUNDS + 1, 10_000_000, 1 << 70])
def test_too_many_rounds_are_refused_without_running_them(rounds: int) -> None:
    with pytest.raises(TooManyRounds, match=f"the file wants {rounds} rounds.*at most 600000"):
        open_item(item("k", DATA, head=header(p2c=rounds)), PASSWORD)


@pytest.mark.parametrize("password", [b"", b"correct horsf", PASSWORD + b" ", PASSWORD + b"\0x"])
def test_a_wrong_password(password: bytes) -> None:
    with pytest.raises(WrongPassword, match=r"^wrong password, or the file is damaged$"):
        open_item(item("k", DATA), password)


def flip(part: int, at: int = 0) -> Any:
    def change(parts: list[bytes]) -> None:
        data = bytearray(parts[part])
        data[at] ^= 1
        parts[part] = bytes(data)

    return change


@pytest.mark.parametrize("at", [0, 7, 8, 39])
def test_a_damaged_key(at: int) -> None:
    with pytest.raises(WrongPassword):
        open_item(item("k", DATA, change=flip(1, at)), PASSWORD)


@pytest.mark.parametrize(("part", "at"), [(2, 0), (3, 0), (3, -1), (4, 0), (4, 15)])
def test_damaged_content(part: int, at: int) -> None:
    with pytest.raises(DamagedItem, match="the password is right"):
        open_item(item("k", DATA, change=flip(part, at)), PASSWORD)


def test_the_header_is_protected() -> None:
    whole = item("k", DATA)
    other = header(created="2026-11-29 03:00:01 +0000 UTC m=+0.021")
    swapped = base64url(json.dumps(other).encode()).encode() + whole[whole.index(b".") :]
    with pytest.raises(DamagedItem):
        open_item(swapped, PASSWORD)


@pytest.mark.parametrize(
    "changes",
    [
        {"alg": "PBES2-HS512+A256KW"},
        {"alg": "dir"},
        {"alg": None},
        {"enc": "A128CBC-HS256"},
        {"enc": None},
        {"zip": "DEF"},
        {"crit": ["exp"]},
    ],
)
def test_other_algorithms(changes: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedItem):
        open_item(item("k", DATA, head=header(**changes)), PASSWORD)


@pytest.mark.parametrize(
    "changes",
    [
        {"p2c": None},
        {"p2c": 0},
        {"p2c": -1},
        {"p2c": "8192"},
        {"p2c": True},
        {"p2c": 8192.0},
        {"p2s": None},
        {"p2s": 7},
        {"p2s": ""},
        {"p2s": "AAAA"},
        {"p2s": "é"},
        {"p2s": "A" * 2000},
    ],
)
def test_a_header_without_a_key_derivation(changes: dict[str, Any]) -> None:
    with pytest.raises(NotAnItem):
        open_item(item("k", DATA, head=header(**changes)), PASSWORD)


@pytest.mark.parametrize(
    "head", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 50000, b'{"alg":"a","alg":"b"}', b'{"p2c":1e999}']
)
def test_a_header_that_is_no_object(head: bytes) -> None:
    with pytest.raises(InvalidKeyringFile):
        open_item(item("k", DATA, head=head), PASSWORD)


WHOLE = item("alice.info", DATA)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"....",
        b"$2a$10$" + b"a" * 53,
        b"{}",
        WHOLE[: len(WHOLE) // 2],
        WHOLE[: WHOLE.rindex(b".")],
        WHOLE[: WHOLE.rindex(b".") + 1],
        WHOLE[:-3],
        WHOLE + b".AAAA",
        WHOLE + b"=",
        WHOLE.replace(b".", b".+", 1),
        WHOLE.replace(b".", b". ", 1),
        WHOLE.replace(b".", b".\xff", 1),
        b"A" * (file_keyring.LARGEST + 1),
    ],
)
def test_files_that_are_no_items(content: bytes) -> None:
    with pytest.raises(NotAnItem):
        open_item(content, PASSWORD)


def test_every_cut_is_an_error() -> None:
    for end in range(len(WHOLE)):
        with pytest.raises(FormatError):
            open_item(WHOLE[:end], PASSWORD)


@pytest.mark.parametrize(
    "inner",
    [
        b"null",
        b"[]",
        b'"Data":"AAAA"',
        b'{"Key":"k"}',
        b'{"Data":"AAAA"}',
        b'{"Key":1,"Data":"AAAA"}',
        b'{"Key":"k","Data":null}',
        b'{"Key":"k","Data":7}',
        b'{"Key":"k","Data":"AAA"}',
        b'{"Key":"k","Data":"AAB="}',
        b'{"Key":"k","Data":"AA AA"}',
        b'{"Key":"k","Data":"AAAA","Data":"BBBB"}',
        b'{"Key":"k","Key":"l","Data":"AAAA"}',
        b'{"Key":"k","Data":"AAAA"',
        b'{"Key":"\xff","Data":"AAAA"}',
        b'{"Key":"k","New":{"Data":"AAAA"}}',
        b'{"Key":"k","Data":"AAAA"} ' * 2,
    ],
)
def test_what_is_inside_must_be_an_item(inner: bytes) -> None:
    with pytest.raises(InvalidKeyringFile, match="is not an item"):
        open_item(jwe(inner), PASSWORD)


def test_no_error_tells_a_secret() -> None:
    secret = b"a very secret scalar"
    inner = payload("k", secret)[:-1] + b"!"
    for content, password in ((jwe(inner), PASSWORD), (item("k", secret), b"hunter2hunter2")):
        with pytest.raises(FormatError) as caught:
            open_item(content, password)
        shown = repr(caught.value) + str(caught.value.__cause__)
        for text in (
            secret.decode(),
            base64.b64encode(secret).decode(),
            "hunter2",
            PASSWORD.decode(),
            CONTENT_KEY.hex(),
        ):
            assert text not in shown


def test_salts_of_eight_bytes_and_more() -> None:
    for salt in (SALT[:8], SALT * 10):
        head = header(p2s=base64url(salt))
        assert open_item(item("k", DATA, head=head, salt=salt), PASSWORD).data == DATA
    short = header(p2s=base64url(SALT[:7]))
    with pytest.raises(NotAnItem, match="salt has 7 bytes"):
        open_item(item("k", DATA, head=short, salt=SALT[:7]), PASSWORD)


# --- the keyhash file ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "password"),
    [
        # Vectors of OpenBSD's and Openwall's test suites, with the prefix that Go writes.
        (b"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", b"U*U"),
        (b"$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy", b""),
        (
            b"$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
            b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored",
        ),
    ],
)
def test_passwords_are_compared(text: bytes, password: bytes) -> None:
    assert bcrypt_text.check(text, password)
    assert bcrypt_text.check(text + b"\n", bytearray(password))
    assert not bcrypt_text.check(text, b"x" + password)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"$2a$10$short",
        b"$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        b"$2a$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        b"$2a$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        b"$2a$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        b"$2a$0x$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        b"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeWW",
        b"$2a$05$CCCCCCCCCCCCCCCCCCCCC\xffE5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    ],
)
def test_texts_that_are_not_checked(text: bytes) -> None:
    with pytest.raises(InvalidBcrypt):
        bcrypt_text.check(text, b"U*U")
