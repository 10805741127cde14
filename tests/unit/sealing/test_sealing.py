"""Sealed files: what goes in comes out, for whoever it was sealed for, and for nobody else."""

from __future__ import annotations

import errno
import io
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pyrage
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyring_bridge.errors import BridgeError
from keyring_bridge.sealing import (
    Identities,
    Passphrase,
    Recipients,
    new_file,
    seal,
    seal_bytes,
    unseal,
    unseal_bytes,
)
from keyring_bridge.sealing.errors import (
    IdentityInvalid,
    RecipientInvalid,
    SealedDamaged,
    SealedFileExists,
    SealedIdentityWrong,
    SealedNewer,
    SealedNotWritten,
    SealedOtherKind,
    SealedOtherLock,
    SealedPassphraseIncorrect,
    SealedTooLarge,
    SealedUnknown,
)
from keyring_bridge.sealing.header import Argon2Parameters, Header, check_line, read_front
from keyring_bridge.secrets import SecretBytes

ALICE, BOB, EVE = (pyrage.x25519.Identity.generate() for _ in range(3))
FOR_BOTH = Recipients.parse([str(ALICE.to_public()), str(BOB.to_public())])
CONTENT = bytes(range(256)) * 600


def identity(key: pyrage.x25519.Identity) -> Identities:
    return Identities.parse(SecretBytes(b"# made by a test\n\n" + str(key).encode() + b"\n"))


def passphrase(text: bytes = b"correct horse") -> Passphrase:
    return Passphrase(SecretBytes(text))


@pytest.fixture(scope="module")
def sealed() -> bytes:
    return seal_bytes("backup", CONTENT, FOR_BOTH)


@pytest.fixture(scope="module")
def under_passphrase() -> bytes:
    return seal_bytes("backup", CONTENT, passphrase())


def opened(sealed: bytes, key: Identities | Passphrase, kind: str = "backup") -> bytes:
    with unseal_bytes(kind, sealed, key) as content:
        return bytes(content.reveal())


def with_check(first: bytes, sealed: bytes) -> bytes:
    """The file with another first line, and a checksum that fits it."""
    rest = sealed.split(b"\n", 2)[2]
    return first + check_line(first, rest[: rest.index(b"\n", rest.index(b"\n--- ") + 1) + 1]) + rest


def test_each_recipient_opens_it(sealed: bytes) -> None:
    assert opened(sealed, identity(ALICE)) == CONTENT
    assert opened(sealed, identity(BOB)) == CONTENT


def test_the_passphrase_opens_it(under_passphrase: bytes) -> None:
    assert opened(under_passphrase, passphrase()) == CONTENT


def test_what_is_in_it_cannot_be_seen(sealed: bytes) -> None:
    assert CONTENT[:64] not in sealed
    assert seal_bytes("backup", CONTENT, FOR_BOTH) != sealed


def test_nobody_else_opens_it(sealed: bytes, under_passphrase: bytes) -> None:
    with pytest.raises(SealedIdentityWrong):
        opened(sealed, identity(EVE))
    with pytest.raises(SealedPassphraseIncorrect):
        opened(under_passphrase, passphrase(b"correct hors"))
    with pytest.raises(SealedOtherLock, match="recipients"):
        opened(sealed, passphrase())
    with pytest.raises(SealedOtherLock, match="passphrase"):
        opened(under_passphrase, identity(ALICE))


def test_age_opens_the_rest_of_the_file(sealed: bytes) -> None:
    first, _, age = sealed.split(b"\n", 2)
    content = pyrage.decrypt(age, [ALICE])
    assert content == sha256(first + b"\n").hexdigest().encode() + b"\n" + CONTENT


def test_a_passphrase_is_an_identity_that_argon2id_makes(under_passphrase: bytes) -> None:
    header, _, _ = read_front(io.BytesIO(under_passphrase).read)
    assert header.argon2 == Argon2Parameters(header.argon2.salt, 64 << 10, 3, 4)
    key = passphrase().identity(Argon2Parameters(b"somesaltsomesalt", 64 << 10, 3, 4))
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    raw = Argon2id(
        salt=b"somesaltsomesalt", length=32, iterations=3, lanes=4, memory_cost=64 << 10
    ).derive(b"correct horse")  # fmt: skip
    point = X25519PrivateKey.from_private_bytes(raw).public_key().public_bytes_raw()
    from bech32 import bech32_encode, convertbits

    assert str(key.to_public()) == bech32_encode("age", convertbits(point, 8, 5))


@settings(max_examples=150)
@given(st.data())
def test_any_flipped_bit_is_found(sealed: bytes, data: st.DataObject) -> None:
    # The front more often than its size would have it.
    at = data.draw(st.one_of(st.integers(0, 700), st.integers(0, len(sealed) - 1)))
    damaged = bytearray(sealed)
    damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises((SealedDamaged, SealedUnknown, SealedNewer)) as caught:
        opened(bytes(damaged), identity(ALICE))
    line = sealed.index(b"\n")
    if caught.type is SealedUnknown:
        assert at <= line
    if caught.type is SealedNewer:
        assert at == sealed.index(b" ") + 1


@settings(max_examples=60)
@given(st.data())
def test_a_file_that_is_cut_off_is_found(sealed: bytes, data: st.DataObject) -> None:
    end = data.draw(st.one_of(st.integers(0, 700), st.integers(0, len(sealed) - 1)))
    with pytest.raises((SealedDamaged, SealedUnknown)):
        opened(sealed[:end], identity(ALICE))


def test_a_cut_between_two_chunks_is_found() -> None:
    sealed = seal_bytes("backup", bytes(3 * 65536 - 65), FOR_BOTH)
    with pytest.raises(SealedDamaged):
        opened(sealed[: -(65536 + 16)], identity(ALICE))


@pytest.mark.parametrize("more", [b"x", b"\n", bytes(100_000)])
def test_nothing_can_be_added(sealed: bytes, more: bytes) -> None:
    with pytest.raises(SealedDamaged):
        opened(sealed + more, identity(ALICE))


def test_a_first_line_that_somebody_changed_is_found(sealed: bytes, under_passphrase: bytes) -> None:
    # The plain checksum protects against accidents only; what was sealed with the content decides.
    changed = with_check(b"keyring-bridge-sealed 1 other-kind recipients\n", sealed)
    with pytest.raises(SealedDamaged, match="not the one"):
        opened(changed, identity(ALICE), "other-kind")
    line = under_passphrase[: under_passphrase.index(b"\n") + 1]
    weaker = with_check(line.replace(b"iterations=3", b"iterations=1"), under_passphrase)
    with pytest.raises(SealedPassphraseIncorrect):
        opened(weaker, passphrase())


def test_a_newer_version_is_said_to_be_one(sealed: bytes) -> None:
    with pytest.raises(SealedNewer, match="version 2"):
        opened(sealed.replace(b"sealed 1 ", b"sealed 2 ", 1), identity(ALICE))
    with pytest.raises(SealedNewer, match="version 17"):
        opened(b"keyring-bridge-sealed 17 whatever comes\nmore\n", identity(ALICE))


def test_another_kind_is_not_opened(sealed: bytes) -> None:
    with pytest.raises(SealedOtherKind, match="a backup in it, not a share"):
        opened(sealed, identity(ALICE), "share")


@pytest.mark.parametrize("content", [b"", b"\n", b"x" * 10_000, b"age-encryption.org/v1\n", b"keyring"])
def test_other_files_are_not_sealed_ones(content: bytes) -> None:
    with pytest.raises((SealedUnknown, SealedDamaged)):
        opened(content, identity(ALICE))


@pytest.mark.parametrize(
    "changes",
    [{"memory": 10**8}, {"memory": 8}, {"iterations": 1000}, {"lanes": 200}, {"memory": (1 << 20) + 1}],
)
def test_no_file_makes_its_reader_spend_more_than_it_has(under_passphrase: bytes, changes: dict[str, int]) -> None:
    line = under_passphrase[: under_passphrase.index(b"\n") + 1]
    for name, value in changes.items():
        line = re.sub(rf"{name}=\d+".encode(), f"{name}={value}".encode(), line)
    with pytest.raises(SealedDamaged, match="out of range"):
        opened(with_check(line, under_passphrase), passphrase())
    with pytest.raises(ValueError, match="out of range"):
        replace(Argon2Parameters(bytes(16)), **changes)


@given(
    st.from_regex(r"[a-z][a-z0-9-]{0,31}", fullmatch=True),
    st.none()
    | st.builds(
        Argon2Parameters,
        st.binary(min_size=16, max_size=16),
        st.integers(19 << 10, 1 << 20),
        st.integers(1, 16),
        st.integers(1, 16),
    ),
)
def test_first_lines_are_read_as_they_were_written(kind: str, argon2: Argon2Parameters | None) -> None:
    header = Header(kind, argon2)
    assert Header.parse(header.line()) == header
    assert len(header.line()) <= 256


@given(st.binary(max_size=300))
def test_no_first_line_does_harm(line: bytes) -> None:
    for text in (line, b"keyring-bridge-sealed 1 " + line):
        with pytest.raises((SealedUnknown, SealedDamaged, SealedNewer)):
            read_front(io.BytesIO(text).read)


@pytest.mark.parametrize("sizes", [(1,), (65536, 1, 0, 7), (200_000,), ()])
def test_content_may_come_in_pieces_of_any_size(sizes: tuple[int, ...]) -> None:
    pieces = [os.urandom(size) for size in sizes]
    out = bytearray()
    digest = seal("backup", iter(pieces), out.extend, FOR_BOTH)
    assert digest == sha256(out).hexdigest()
    read, content = io.BytesIO(out), bytearray()
    # A pipe gives less than it is asked for.
    assert unseal("backup", lambda size: read.read(min(size, 13)), content.extend, identity(BOB)) == digest
    assert content == b"".join(pieces)


def test_a_large_content_does_not_need_memory() -> None:
    # In a process of its own, whose memory is limited to less than the content.
    script = """
import io, os, resource, sys, threading
import pyrage
from keyring_bridge.sealing import Identities, Recipients, seal, unseal
from keyring_bridge.secrets import SecretBytes
key = pyrage.x25519.Identity.generate()
piece = os.urandom(1 << 20)
reading, writing = os.pipe()
def fill():
    with os.fdopen(writing, "wb", buffering=0) as out:
        seal("backup", (piece for _ in range(96)), out.write, Recipients.parse([str(key.to_public())]))
total = 0
def count(data):
    global total
    total += len(data)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
thread = threading.Thread(target=fill)
thread.start()
unseal("backup", lambda size: os.read(reading, size), count, Identities.parse(SecretBytes(str(key).encode())))
thread.join()
print(total, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    total, grown = map(int, answer.stdout.split())
    assert total == 96 << 20
    assert grown < 32 << 10  # KiB


class Interrupted(BaseException):
    pass


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "full"), Interrupted(), ValueError("own")])
@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_what_a_writer_raises_comes_out(sealed: bytes, failure: BaseException, after: int) -> None:
    def failing() -> Callable[[bytes], None]:
        left = iter(range(after))

        def write(_: bytes) -> None:
            if next(left, None) is None:
                raise failure

        return write

    with pytest.raises(type(failure)) as caught:
        seal("backup", (CONTENT, CONTENT), failing(), FOR_BOTH)
    assert caught.value is failure
    with pytest.raises(type(failure)) as caught:
        unseal("backup", io.BytesIO(sealed).read, failing(), identity(ALICE))
    assert caught.value is failure


@pytest.mark.parametrize("failure", [OSError(errno.EIO, "bad disk"), Interrupted()])
def test_what_a_source_raises_comes_out(sealed: bytes, failure: BaseException) -> None:
    def chunks() -> Iterator[bytes]:
        yield CONTENT
        raise failure

    with pytest.raises(type(failure)) as caught:
        seal("backup", chunks(), lambda _: None, FOR_BOTH)
    assert caught.value is failure
    source = io.BytesIO(sealed)

    def read(size: int) -> bytes:
        if source.tell() > 70_000:
            raise failure
        return source.read(size)

    with pytest.raises(type(failure)) as caught:
        unseal("backup", read, lambda _: None, identity(ALICE))
    assert caught.value is failure


def test_small_content_has_a_limit(sealed: bytes) -> None:
    with pytest.raises(SealedTooLarge):
        unseal_bytes("backup", sealed, identity(ALICE), limit=len(CONTENT) - 1)


@pytest.mark.parametrize(
    "texts", [["age1xyz"], ["ssh-ed25519 AAAA"], ["AGE-SECRET-KEY-1"], [], ["# nobody"], ["age1pq1"]]
)
def test_what_is_no_recipient_is_refused(texts: list[str]) -> None:
    texts = [str(ALICE) if text.startswith("AGE-SECRET") else text for text in texts]
    with pytest.raises(RecipientInvalid) as caught:
        Recipients.parse(texts)
    # Somebody who gives the identity in its place does not find it in a log.
    assert "AGE-SECRET" not in str(caught.value)


def test_recipients_are_kept_once() -> None:
    alice = str(ALICE.to_public())
    assert Recipients.parse(["# team", "", alice, f" {alice}\n"]).texts == (alice,)


@pytest.mark.parametrize("content", [b"", b"# empty\n", b"AGE-SECRET-KEY-1QQQ", b"age1qqq", b"\xff"])
def test_what_is_no_identity_is_refused(content: bytes) -> None:
    with pytest.raises(IdentityInvalid) as caught:
        Identities.parse(SecretBytes(content))
    assert "QQQ" not in str(caught.value)


def test_errors_have_codes_of_their_own() -> None:
    errors = [
        SealedDamaged,
        SealedUnknown,
        SealedNewer,
        SealedOtherKind,
        SealedOtherLock,
        SealedPassphraseIncorrect,
        SealedIdentityWrong,
        SealedTooLarge,
        SealedFileExists,
        SealedNotWritten,
    ]
    codes = {error.code for error in errors}
    assert len(codes) == len(errors)
    assert all(code.startswith("sealed_") for code in codes)


class TestNewFile:
    def test_it_is_private_and_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "bundle"
        previous = os.umask(0)
        try:
            with new_file(path) as out:
                assert not path.exists()
                out.write(b"con")
                out.write(b"tent")
        finally:
            os.umask(previous)
        assert path.read_bytes() == b"content"
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.stat().st_nlink == 1
        assert list(tmp_path.iterdir()) == [path]

    def test_nothing_stays_of_one_that_failed(self, tmp_path: Path) -> None:
        def write() -> None:
            with new_file(tmp_path / "bundle") as out:
                out.write(b"begun")
                raise FileExistsError(errno.EEXIST, "somewhere else")

        with pytest.raises(FileExistsError, match="somewhere else"):
            write()
        assert not list(tmp_path.iterdir())

    def test_nothing_is_overwritten(self, tmp_path: Path) -> None:
        (tmp_path / "there").write_bytes(b"old")
        (tmp_path / "link").symlink_to("nowhere")
        for name in ("there", "link"):
            with pytest.raises(SealedFileExists), new_file(tmp_path / name):
                pass
        assert (tmp_path / "there").read_bytes() == b"old"

    def test_one_that_comes_meanwhile_is_not_overwritten(self, tmp_path: Path) -> None:
        def write() -> None:
            with new_file(tmp_path / "bundle") as out:
                out.write(b"ours")
                (tmp_path / "bundle").write_bytes(b"theirs")

        with pytest.raises(SealedFileExists):
            write()
        assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"theirs"]

    def test_a_missing_folder_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(SealedNotWritten, match="No such file"), new_file(tmp_path / "no" / "bundle"):
            pass

    def test_a_full_disk_leaves_nothing(self, tmp_path: Path) -> None:
        # A limit of the process's file sizes answers as a full disk does.
        import signal

        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            with pytest.raises(SealedNotWritten), new_file(tmp_path / "bundle") as out:
                seal("backup", (CONTENT,), out.write, FOR_BOTH)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, previous)
        assert not list(tmp_path.iterdir())

    def test_a_file_system_without_links_will_do(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
        with new_file(tmp_path / "bundle") as out:
            out.write(b"content")
        assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"content"]


def test_the_documented_way_without_this_program_works(tmp_path: Path, sealed: bytes) -> None:
    """``tail -n +3 FILE | age -d … | tail -n +2``, with the library in the place of ``age``."""
    assert shutil.which("tail")
    (tmp_path / "bundle").write_bytes(sealed)
    age = subprocess.run(["tail", "-n", "+3", str(tmp_path / "bundle")], capture_output=True, check=True).stdout
    clear = pyrage.decrypt(age, [ALICE])
    assert subprocess.run(["tail", "-n", "+2"], input=clear, capture_output=True, check=True).stdout == CONTENT


def test_errors_are_in_the_tree() -> None:
    assert issubclass(SealedDamaged, BridgeError)
