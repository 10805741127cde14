"""Limits under whole bridges in eight processes that sign at once and are killed: never too many, none forgotten."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from keyring_bridge import audit as audit_log
from tests.integration.cli.harness import Cli
from tests.processes import running

if TYPE_CHECKING:
    from pathlib import Path

CHAIN = "testchain-1"
LIMIT = 25
AMOUNT = 501
"""What one of the worker's transactions moves, its fee included."""

WORKER = """
import os, sys
from pathlib import Path
from keyring_bridge.bridge import Bridge
from keyring_bridge.config import load
from keyring_bridge.errors import LimitReached
from keyring_bridge.model import Caller, SignRequest
from cosmos_formats.signing import SignMode
from tests.unit.bridge.sign_docs import send_doc

config = load(Path(sys.argv[1]))
with Bridge.open(config) as bridge:
    public_key = bridge.store.get("ops").record.public_key
    # A process that dies while it logs in lets nobody in after it, which is not what is tried here.
    bridge.log_in("software", forget_failure=False)
    request = SignRequest("ops", send_doc(public_key, "testchain-1", sys.argv[2]), SignMode.DIRECT)
    os.write(1, b"ready\\n")
    while True:
        try:
            bridge.sign(request, Caller("uid:" + sys.argv[2]))
        except LimitReached:
            os.write(1, b"full\\n")
            break
        os.write(1, b"signed\\n")
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    cli = Cli(tmp_path / "home")
    cli.ok("init", "--backend", "software", "--chain-id", CHAIN)
    cli.ok("keygen", "--label", "ops")
    policy = cli.folder / "policy.toml"
    limits = f'{{ signatures = {LIMIT}, per = "31d" }}, {{ amount = {{ uve = {LIMIT * AMOUNT} }}, per = "31d" }}'
    policy.write_text(policy.read_text() + f"limits = [{limits}]\n")
    return cli.config


def work(config: Path, names: list[str], *, kill_after: float | None = None) -> int:
    """Let processes sign until the limit is reached or they are killed; return how many signatures came out."""
    told: list[str] = []
    with running(WORKER, *((str(config), name) for name in names)) as children:
        for child in children:
            assert child.stdout is not None
            # Not by readline, which would take what follows into a buffer that communicate does not look at.
            assert os.read(child.stdout.fileno(), 6) == b"ready\n"
        if kill_after is not None:
            time.sleep(kill_after)  # whenever that is, it is a moment worth dying at
            for child in children:
                child.kill()
        for child in children:
            text, _ = child.communicate(timeout=120)
            assert child.returncode in (0, -signal.SIGKILL)
            assert child.returncode != 0 or text.endswith("full\n")
            told += text.splitlines()
    return told.count("signed")


def test_eight_processes_share_a_limit(config: Path) -> None:
    assert work(config, [str(number) for number in range(8)]) == LIMIT


@pytest.mark.parametrize("lost", [False, True])
def test_killed_at_any_moment(config: Path, lost: bool) -> None:
    """Rounds of processes that are killed; every other loss takes the counters with it, as a power cut does."""
    signed = 0
    for delay in (0.0, 0.01, 0.03, 0.1):
        signed += work(config, ["1", "2", "3"], kill_after=delay)
        for path in config.parent.rglob("store-limits-*") if lost else ():
            path.unlink()
    signed += work(config, ["1", "2"])
    log = next(config.parent.rglob("audit.jsonl"))
    entries = [entry for _, entry in audit_log.read(log) if isinstance(entry, audit_log.Entry)]
    intents = [entry for entry in entries if entry.kind == "sign.intent"]
    # A killed process may have signed what nobody saw, or reserved what it did not sign; never the other way round.
    assert signed <= len(intents) <= LIMIT
    assert len(intents) >= LIMIT - 4 * 3
    assert {entry.fields["spend"]["uve"] for entry in intents} == {str(AMOUNT)}  # type: ignore[index]  # it is a table
    assert audit_log.verify(log).ok
