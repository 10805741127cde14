"""The installation's name: made once, also when several processes start for the first time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from keyring_bridge.bridge_id import bridge_id
from keyring_bridge.errors import StoreFailed


def test_many_first_starts_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(lambda _: bridge_id(tmp_path), range(32)))
    (name,) = names
    assert len(name) == 16
    assert bridge_id(tmp_path) == name
    assert (tmp_path / "bridge-id").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"0123456789abcdef", b"0123456789abcdeg\n", b"x" * 40])
def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bridge-id").write_bytes(content)
    with pytest.raises(StoreFailed, match="damaged"):
        bridge_id(tmp_path)
