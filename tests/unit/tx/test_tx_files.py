"""Results are there whole or not at all, and replace nothing by themselves."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from keyring_bridge.errors import InvalidRequest
from keyring_bridge.tx.batch import BatchStopped, sign_all
from keyring_bridge.tx.errors import TxConflict
from keyring_bridge.tx.files import PartFile, write_new


def test_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_new(path, b"one")
    with pytest.raises(TxConflict):
        write_new(path, b"two")
    assert path.read_bytes() == b"one"
    write_new(path, b"two", replace=True)
    assert path.read_bytes() == b"two"
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]
    with pytest.raises(OSError, match="No such file"):
        write_new(tmp_path / "none" / "a", b"")


def test_a_file_that_grows(tmp_path: Path) -> None:
    path, part = tmp_path / "a", tmp_path / "a.part"
    first = PartFile(path)
    first.put(b"1")
    first.put(b"2\xe2\x80\xa8\r2")
    first.close()
    assert not path.exists()
    with part.open("ab") as file:
        file.write(b"torn")
    with pytest.raises(TxConflict):
        PartFile(path)
    second = PartFile(path, resume=True)
    assert second.lines == [b"1", b"2\xe2\x80\xa8\r2"]
    second.put(b"3")
    second.finish()
    assert path.read_bytes() == b"1\n2\xe2\x80\xa8\r2\n3\n"
    assert not part.exists()
    with pytest.raises(TxConflict):
        PartFile(path, resume=True)
    fresh = PartFile(path, replace=True)
    assert fresh.lines == []
    fresh.finish()
    assert path.read_bytes() == b""


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order(workers: int) -> None:
    lines = [b"%d" % number for number in range(50)]
    assert list(sign_all(lines, lambda place, line: f"{place} {line.decode()}", workers=workers)) == [
        f"{number} {number}" for number in range(50)
    ]


def test_a_failure_comes_behind_everything_before_it() -> None:
    asked: list[int] = []
    gate = threading.Lock()

    def sign_line(place: int, line: bytes) -> str:
        with gate:
            asked.append(place)
        if place == 7:
            raise InvalidRequest("no")
        return str(place)

    results = sign_all([b""] * 500, sign_line, workers=3)
    done = [next(results) for _ in range(7)]
    with pytest.raises(BatchStopped) as stopped:
        next(results)
    assert done == [str(number) for number in range(7)]
    assert stopped.value.place == 7
    assert len(asked) < 100  # the rest is not signed for nothing
