"""A process that signs is killed at any moment; the next one never signs anything else at the same place."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from cosmos_formats.privval.canonical import Canonical
from keyring_bridge.validator.watermark import Place, Request
from tests.consensus import new_file, open_file

ROOT = Path(__file__).parents[2]

SIGNER = """
import os, sys
from keyring_bridge.validator.guard import Guard
from tests.consensus import CHAIN, NOW, Device, open_file, vote
from cosmos_formats.privval.model import BlockId, Timestamp

folder, name = sys.argv[1:]
device = Device()
log = os.open(os.path.join(folder, "signed"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def sign(message):
    # What the device signed is known, whatever becomes of this process.
    os.write(log, message.hex().encode() + b"\\n")
    print("signed", flush=True)
    return device(message)

from pathlib import Path
file = open_file(Path(folder) / "watermark")
guard = Guard(file, device.public_key, CHAIN)
print("open", flush=True)
height = max(1, file.current().place.height)
while True:
    try:
        # Every process would vote for a block of its own.
        guard.vote(vote(height, block=BlockId(name.encode() * 32, 1, bytes(32))), sign, NOW)
    except Exception as refused:
        assert "conflicting data" in str(refused), refused
    height += 1
"""


def test_killed_signers(tmp_path: Path) -> None:
    path = new_file(tmp_path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    for name in "abcdef":
        process = subprocess.Popen(
            [sys.executable, "-c", SIGNER, str(tmp_path), name], env=environment, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        with process.stdout:
            assert process.stdout.readline() == b"open\n"
            for _ in range(random.randint(1, 40)):  # noqa: S311 - any number will do
                assert process.stdout.readline() == b"signed\n"
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
    messages: dict[Place, set[bytes]] = {}
    for line in (tmp_path / "signed").read_text().splitlines():
        message = bytes.fromhex(line)
        messages.setdefault(Request(Canonical.from_sign_bytes(message), message).place, set()).add(message)
    assert len(messages) > 6
    assert all(len(at_this_place) == 1 for at_this_place in messages.values())
    file = open_file(path)
    assert file.current().place >= max(messages)
    file.close()
