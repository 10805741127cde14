"""Standard input and output belong to the protocol."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from keyring_bridge.errors import PeerFailed
from keyring_plugin.sockets import connect, peer_uid
from keyring_plugin.stdio import parent


def run(script: str, **streams: object) -> subprocess.CompletedProcess[bytes]:
    program = "from keyring_plugin.stdio import take_over\n" + textwrap.dedent(script)
    return subprocess.run(  # type: ignore[call-overload,no-any-return]  # the streams vary
        [sys.executable, "-c", program], **{"capture_output": True, "check": True, **streams}
    )


def test_nothing_else_can_print_or_read() -> None:
    done = run(
        """
        import ctypes, os, subprocess, sys
        connection = take_over()
        print("from Python")
        os.write(1, b"from the descriptor\\n")
        libc = ctypes.CDLL(None)
        libc.puts(b"from C")
        libc.fflush(None)
        subprocess.run(["sh", "-c", "echo from a child; cat"], check=True)
        print(repr(sys.stdin.read()))
        sys.stdout.flush()
        connection.write(b"protocol: " + connection.read())
        """,
        input=b"request",
    )
    assert done.stdout == b"protocol: request"
    errors = done.stderr.decode()
    for source in ("from Python", "from the descriptor", "from C", "from a child", "''"):
        assert source in errors


def test_children_do_not_inherit_the_protocol() -> None:
    done = run(
        """
        import os, subprocess
        connection = take_over()
        listing = "ls -l /proc/self/fd"
        subprocess.run(["sh", "-c", listing], check=True, close_fds=False)
        connection.write(b"done")
        """
    )
    assert done.stdout == b"done"
    assert b"pipe:[" in done.stderr  # standard error itself
    numbers = [line.split()[-3] for line in done.stderr.decode().splitlines() if "pipe:[" in line]
    assert set(numbers) <= {"1", "2"}


@pytest.mark.parametrize("closing", ["<&-", ">&-", "<&- >&-"])
def test_closed_standard_streams_are_told(closing: str) -> None:
    command = f"{sys.executable} -m keyring_plugin {closing}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False, text=True)
    assert done.returncode == 2
    assert "closed" in done.stderr
    assert "Traceback" not in done.stderr


def test_closed_standard_error_is_no_obstacle() -> None:
    command = f"""echo '{{"jsonrpc":"2.0","id":1,"method":"bridge.ping"}}' | {sys.executable} -m keyring_plugin 2>&-"""
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=True, text=True)
    assert done.stdout == '{"jsonrpc":"2.0","result":"pong","id":1}\n'


def test_the_parent_is_the_caller() -> None:
    peer = parent()
    assert peer.name == f"uid:{os.getuid()}"
    assert dict(peer.hints)["pid"] == str(os.getppid())
    assert dict(peer.hints)["transport"] == "stdio"


def test_connecting_to_a_socket(tmp_path: Path) -> None:
    path = tmp_path / "bridge.sock"
    with pytest.raises(PeerFailed, match="no bridge listens"):
        connect(path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        with pytest.raises(PeerFailed, match="no bridge listens"):
            connect(path)
        listener.listen()
        connection = connect(path)
        served, _ = listener.accept()
        with served:
            assert peer_uid(served) in (None, os.getuid())
            connection.write(b"hello")
            assert served.recv(5) == b"hello"
            connection.finish_writing()
            assert served.recv(1) == b""
            served.sendall(b"bye")
            assert connection.read() == b"bye"
        assert connection.read() == b""
        connection.close()
        connection.close()


def test_a_socket_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bridge.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        monkeypatch.setattr("keyring_plugin.sockets.peer_uid", lambda _: 4711)
        with pytest.raises(PeerFailed, match="4711"):
            connect(path)
