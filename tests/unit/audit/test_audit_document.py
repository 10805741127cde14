"""docs/audit.md is true: its independent check accepts our logs, and no changed one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from keyring_bridge.audit import AuditLog, verify


def test_the_documented_check_works_without_this_project(tmp_path: Path, project_root: Path) -> None:
    text = (project_root / "docs" / "audit.md").read_text(encoding="utf-8")
    [script] = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "hashlib" in block]
    path = tmp_path / "audit.log"
    with AuditLog(path, "bridge") as log:
        for _ in range(3):
            log.conclude(log.intend("sign.intent", "a", {"key": "ключ"}), {"result": "signed"})

    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-I", "-c", script, path], capture_output=True, text=True, check=False)

    head = verify(path).head
    assert check().stdout == f"{head.seq} {head.hash}\n"
    path.write_bytes(path.read_bytes().replace(b"signed", b"failed", 1))
    assert check().returncode == 1
