import os
import threading
from pathlib import Path

import pytest

from keyring_bridge.config import check_code_file, private_dir, write_atomic
from keyring_bridge.config.files import locked, read_trusted, remove_durably
from keyring_bridge.errors import InsecureFile


def test_write_replaces_whole_with_the_mode_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old and long")
    path.chmod(0o666)
    before = os.umask(0)
    try:
        write_atomic(path, b"new")
    finally:
        os.umask(before)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    write_atomic(path, bytearray(b"x" * 100_000), mode=0o640)
    assert path.stat().st_size == 100_000
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["file"]


def test_write_replaces_a_link_instead_of_following_it(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("kept")
    link = tmp_path / "link"
    link.symlink_to(target)
    write_atomic(link, b"new")
    assert target.read_text() == "kept"
    assert not link.is_symlink()


def test_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomic(folder, b"x")
    assert os.listdir(tmp_path) == ["folder"]
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "none" / "file", b"x")


def test_readers_see_the_old_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = {b"a" * 10_000, b"b" * 20_000}
    write_atomic(path, b"a" * 10_000)
    done = threading.Event()

    def write() -> None:
        for _ in range(20):
            for content in contents:
                write_atomic(path, content)
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    seen = set()
    while not done.is_set():
        seen.add(path.read_bytes())
    thread.join()
    assert seen <= contents


def test_remove(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    remove_durably(path)
    remove_durably(path)
    assert not path.exists()


def test_private_dir_is_made_with_its_parents(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert private_dir(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    finally:
        os.umask(before)
    for folder in (tmp_path / "a", tmp_path / "a" / "b"):
        assert folder.stat().st_mode & 0o777 == 0o700
    private_dir(tmp_path / "a" / "b")


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701, 0o777, 0o1777])
def test_private_dir_neither_takes_nor_changes_a_shared_one(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(InsecureFile, match="others have access"):
        private_dir(folder)
    assert folder.stat().st_mode & 0o7777 == mode


def test_private_dir_that_is_a_file_or_somebody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InsecureFile, match="not a directory"):
        private_dir(tmp_path / "file")
    folder = private_dir(tmp_path / "folder")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(InsecureFile, match="belongs to uid"):
        private_dir(folder)


def test_trusted_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    path.chmod(0o644)
    assert read_trusted(path, what="policy", limit=7) == b"content"
    (tmp_path / "link").symlink_to(path)
    assert read_trusted(tmp_path / "link", what="policy", limit=7) == b"content"
    with pytest.raises(OSError, match="larger than 6"):
        read_trusted(path, what="policy", limit=6)
    with pytest.raises(InsecureFile, match="read the policy"):
        read_trusted(path, what="policy", limit=7, private=True)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_file_that_others_can_write_is_not_trusted(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(mode)
    with pytest.raises(InsecureFile, match=f"others can write the policy {path}"):
        read_trusted(path, what="policy", limit=10)
    with pytest.raises(InsecureFile):
        check_code_file(path, what="module")


def test_file_of_another_user_or_kind_is_not_trusted(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    with pytest.raises(InsecureFile, match="not a regular file"):
        read_trusted(tmp_path / "fifo", what="policy", limit=10)
    with pytest.raises(InsecureFile, match="not a regular file"):
        read_trusted(tmp_path, what="policy", limit=10)
    with pytest.raises(FileNotFoundError):
        read_trusted(tmp_path / "none", what="policy", limit=10)
    with pytest.raises(FileNotFoundError):
        check_code_file(tmp_path / "none", what="module")


def test_file_in_a_folder_that_anybody_can_write_is_not_trusted(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "file"
    path.touch(0o600)
    (tmp_path / "link").symlink_to(path)
    for mode, trusted in ((0o777, False), (0o1777, True), (0o775, True)):
        folder.chmod(mode)
        for name in (path, tmp_path / "link"):
            if trusted:
                read_trusted(name, what="policy", limit=10)
            else:
                with pytest.raises(InsecureFile, match="replace"):
                    read_trusted(name, what="policy", limit=10)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """``outer/inner/program``, with the links ``far/hop`` to it and ``near`` to that, and ``folder`` to ``inner``."""
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    (inner / "program").touch(0o700)
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "hop").symlink_to("../outer/inner/program")
    (tmp_path / "near").symlink_to(tmp_path / "far" / "hop")
    (tmp_path / "far" / "folder").symlink_to(inner)
    return inner / "program"


NAMES = ("outer/inner/program", "near", "far/folder/program", "far/../outer/inner/program")


@pytest.mark.parametrize("name", NAMES)
def test_code_is_reached_through_links(tmp_path: Path, program: Path, name: str) -> None:
    check_code_file(tmp_path / name, what="module")
    check_code_file(Path(os.path.relpath(tmp_path / name)), what="module")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("place", "mode"), [("outer/inner", 0o777), ("outer/inner", 0o1777), ("outer", 0o777), ("outer", 0o757)]
)
def test_code_that_somebody_could_have_put_there_is_not_trusted(
    tmp_path: Path, program: Path, name: str, place: str, mode: int
) -> None:
    (tmp_path / place).chmod(mode)
    with pytest.raises(InsecureFile, match=r"anybody can .*module") as caught:
        check_code_file(tmp_path / name, what="module")
    assert caught.value.hint


@pytest.mark.parametrize("mode", [0o777, 0o1777])
@pytest.mark.parametrize("name", ["near", "far/folder/program"])
def test_links_to_code_are_as_good_as_their_folders(tmp_path: Path, program: Path, name: str, mode: int) -> None:
    (tmp_path / "far").chmod(mode)
    with pytest.raises(InsecureFile, match="anybody can"):
        check_code_file(tmp_path / name, what="module")


def test_a_folder_of_our_own_in_a_shared_one_is_fine(tmp_path: Path, program: Path) -> None:
    (tmp_path / "outer").chmod(0o1777)
    check_code_file(program, what="module")


def test_a_folder_of_somebody_else_in_a_shared_one_is_not(
    tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outer").chmod(0o1777)
    if os.geteuid() == 0:
        os.chown(program.parent, 12345, 12345)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(InsecureFile, match="anybody can"):
        check_code_file(program, what="module")


def test_code_behind_a_circle_of_links_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OSError, match="symbolic links"):
        check_code_file(tmp_path / "a", what="module")


def test_lock_keeps_threads_apart(tmp_path: Path) -> None:
    path = tmp_path / "counter"
    path.write_text("0")

    def count() -> None:
        for _ in range(5):
            with locked(path):
                write_atomic(path, str(int(path.read_text()) + 1).encode())

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() == "20"


@pytest.mark.parametrize("level", [0, 1])
def test_code_in_a_folder_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: int
) -> None:
    """Its owner may put another file there after it was looked at, although the file itself is root's or ours."""
    folder = tmp_path / "outer" / "inner"
    folder.mkdir(parents=True)
    program = folder / "module.so"
    program.write_bytes(b"x")
    program.chmod(0o700)
    check_code_file(program, what="library")
    theirs = [folder, folder.parent][level]
    real = Path.stat

    def stat_(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        found = real(path, follow_symlinks=follow_symlinks)
        if path != theirs:
            return found
        changed = list(found)
        changed[4] = 54321
        return os.stat_result(changed)

    monkeypatch.setattr(Path, "stat", stat_)
    with pytest.raises(InsecureFile, match="uid 54321 can replace"):
        check_code_file(program, what="library")
