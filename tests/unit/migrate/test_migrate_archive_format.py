"""The tar file inside an archive: every name comes back, and nothing but files of one folder is taken."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from pyrage import x25519

from keyring_bridge.migrate.archive import KIND, SealedArchive, _members, _tar, read, unpack
from keyring_bridge.migrate.errors import ArchiveInvalid, RetirementRefused
from keyring_bridge.migrate.files import Folder
from keyring_bridge.sealing import Identities, Recipients, seal_bytes
from keyring_bridge.sealing.errors import SealedError

NAMES = ("alice.info", "a%2Fb.info", "鍵 🔑.info", "x" * 200 + ".info", "empty")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        (folder / name).write_bytes(b"" if name == "empty" else bytes([number]) * (500 + number))
    return folder


@pytest.fixture
def key() -> Identities:
    return Identities((x25519.Identity.generate(),))


@pytest.fixture
def lock(key: Identities) -> Recipients:
    return Recipients.parse(str(one.to_public()) for one in key.keys)


def test_what_goes_in_comes_out(source: Path) -> None:
    with Folder(source) as folder:
        content = bytearray(b"".join(map(bytes, _tar(folder, [folder.look(name) for name in NAMES]))))
    assert {name: bytes(view) for name, view in _members(content)} == {
        path.name: path.read_bytes() for path in source.iterdir()
    }
    # Any other program reads it too.
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert archive.getnames() == list(NAMES)


def tar_of(name: str, kind: bytes = tarfile.REGTYPE, times: int = 1) -> bytearray:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for _ in range(times):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "elsewhere" if kind == tarfile.SYMTYPE else ""
            member.size = 3 if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(b"abc"))
    return bytearray(out.getvalue())


@pytest.mark.parametrize(
    "content",
    [
        tar_of("../up"),
        tar_of("/etc/passwd"),
        tar_of("a/b"),
        tar_of(".."),
        tar_of("link", tarfile.SYMTYPE),
        tar_of("folder", tarfile.DIRTYPE),
        tar_of("pipe", tarfile.FIFOTYPE),
        tar_of("twice", times=2),
        bytearray(b"no tar file" * 100),
        tar_of("cut")[:514],
    ],
)
def test_anything_but_files_of_one_folder_is_refused(
    content: bytearray, key: Identities, lock: Recipients, tmp_path: Path
) -> None:
    (tmp_path / "archive").write_bytes(seal_bytes(KIND, content, lock))
    with pytest.raises(ArchiveInvalid):
        unpack(tmp_path / "archive", key, tmp_path / "to")
    assert not (tmp_path / "to").exists()
    assert not (tmp_path / "up").exists()


def test_another_kind_of_sealed_file_is_no_archive(key: Identities, lock: Recipients, tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(seal_bytes("backup", tar_of("a"), lock))
    with pytest.raises(SealedError):
        read(tmp_path / "archive", key)


def test_an_archive_that_lacks_a_file_is_refused(
    source: Path, key: Identities, lock: Recipients, tmp_path: Path
) -> None:
    archive = SealedArchive(tmp_path / "archive", lock, key)
    with Folder(source) as folder:
        looked = [folder.look(name) for name in NAMES]
        archive.write(folder, looked[:2], looked[2:3])
        archive.write(folder, looked[:3], ())
        with pytest.raises(RetirementRefused, match="does not hold"):
            archive.write(folder, looked, ())


def test_a_file_that_changed_meanwhile_leaves_no_archive(
    source: Path, key: Identities, lock: Recipients, tmp_path: Path
) -> None:
    archive = SealedArchive(tmp_path / "archive", lock, key)
    with Folder(source) as folder:
        looked = [folder.look(name) for name in NAMES]
        (source / "alice.info").write_bytes(b"another")
        with pytest.raises(Exception, match="changed"):
            archive.write(folder, looked, ())
    assert list(tmp_path.iterdir()) == [source]
