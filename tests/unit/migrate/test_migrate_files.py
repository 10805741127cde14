"""Files of a source: what may be removed, and what is left of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from keyring_bridge.migrate.errors import RetirementRefused, SourceChanged
from keyring_bridge.migrate.files import Folder, digest, hidden_name

SECRET = b"what nobody may read again" * 40
HIDDEN = hidden_name("0123456789abcdef", "key")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "key"
    found.touch(0o600)
    found.write_bytes(SECRET)
    return found


@pytest.fixture
def folder(path: Path) -> Iterator[Folder]:
    with Folder(path.parent) as opened:
        yield opened


def test_a_file_is_overwritten_before_it_is_gone(folder: Folder, path: Path) -> None:
    held = os.open(path, os.O_RDONLY)
    try:
        looked = folder.look("key")
        assert looked.sha256 == digest(path).sha256
        folder.set_aside(looked, HIDDEN)
        assert folder.names() == [HIDDEN]
        folder.erase(HIDDEN)
        left = os.pread(held, len(SECRET) * 2, 0)
    finally:
        os.close(held)
    assert folder.names() == []
    assert len(left) == len(SECRET)
    # What the disk has in its place is random: no longer run of the secret is in it.
    assert not any(SECRET[at : at + 6] in left for at in range(len(SECRET) - 6))


def test_a_file_that_its_owner_cannot_write_is_erased_too(folder: Folder, path: Path) -> None:
    path.chmod(0o400)
    folder.set_aside(folder.look("key"), HIDDEN)
    folder.erase(HIDDEN)
    assert folder.names() == []


@pytest.mark.parametrize("change", ["content", "file"])
def test_a_file_that_changed_is_left_as_it_is(folder: Folder, path: Path, change: str) -> None:
    looked = folder.look("key")
    if change == "content":
        path.write_bytes(SECRET[:-1] + b"!")
    else:
        other = path.with_name("other")
        other.write_bytes(SECRET)
        other.rename(path)
    now = path.read_bytes()
    with pytest.raises(SourceChanged):
        folder.set_aside(looked, HIDDEN)
    assert (folder.names(), path.read_bytes()) == (["key"], now)


def test_a_file_that_was_replaced_at_the_last_moment_gets_its_name_back(
    folder: Folder, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = folder.look("key")
    rename = os.rename

    def replaced(source: str, target: str, **more: int) -> None:
        monkeypatch.setattr(os, "rename", rename)
        path.unlink()
        path.write_bytes(b"another key")
        rename(source, target, **more)

    monkeypatch.setattr(os, "rename", replaced)
    with pytest.raises(SourceChanged):
        folder.set_aside(looked, HIDDEN)
    assert (folder.names(), path.read_bytes()) == (["key"], b"another key")


def test_links_and_other_things_are_refused(folder: Folder, path: Path) -> None:
    path.with_name("hard").hardlink_to(path)
    with pytest.raises(RetirementRefused, match="2 names"):
        folder.look("key")
    path.with_name("hard").unlink()
    path.with_name("link").symlink_to(path)
    with pytest.raises(RetirementRefused, match="symbolic link"):
        folder.look("link")
    path.with_name("pipe").mkdir()
    with pytest.raises(RetirementRefused, match="regular"):
        folder.look("pipe")
    os.mkfifo(path.with_name("fifo"))
    with pytest.raises(RetirementRefused, match="regular"):
        folder.look("fifo")


def test_a_second_name_that_came_late_keeps_the_file_whole(folder: Folder, path: Path) -> None:
    folder.set_aside(folder.look("key"), HIDDEN)
    path.with_name("hard").hardlink_to(path.with_name(HIDDEN))
    with pytest.raises(RetirementRefused, match="2 names"):
        folder.erase(HIDDEN)
    assert path.with_name("hard").read_bytes() == SECRET


def test_what_is_read_is_what_was_looked_at(folder: Folder, path: Path) -> None:
    looked = folder.look("key")
    assert folder.read(looked) == SECRET
    path.write_bytes(b"x")
    with pytest.raises(SourceChanged):
        folder.read(looked)
