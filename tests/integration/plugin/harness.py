"""Runs the real ``keyring-plugin`` in a process of its own, and speaks to it in bytes."""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomlkit

from cosmos_formats.pubkeys import PublicKey
from tests.unit.bridge.sign_docs import send_doc

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli

COMMAND = (sys.executable, "-m", "keyring_plugin")
CHAIN = "testchain-1"
PATIENCE = 30.0


class Plugin:
    """One process. Everything that it prints is read, and must be messages of the protocol.

    Args:
        env: Its environment.
        errors: Where its standard error goes.
        prefix: Words before the command, such as a shell that opens a terminal.
    """

    def __init__(self, env: Mapping[str, str], errors: Path, prefix: Sequence[str] = ()) -> None:
        self.errors = errors
        with errors.open("ab") as sink:
            self.process = subprocess.Popen(
                [*prefix, *COMMAND],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                env=dict(env),
                start_new_session=True,
                bufsize=0,
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.input = self.process.stdin
        self.output = self.process.stdout
        self._buffer = b""
        self._next = 0

    def send(self, *messages: object) -> None:
        """Write messages, a line each."""
        self.send_raw(b"".join(json.dumps(message).encode() + b"\n" for message in messages))

    def send_raw(self, data: bytes) -> None:
        """Write bytes."""
        view = memoryview(data)
        while view:
            view = view[self.input.write(view) :]

    def receive(self) -> Any:
        """Return the next message."""
        end = time.monotonic() + PATIENCE
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self.output], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"no answer; {self.errors.read_text()}"
            data = os.read(self.output.fileno(), 1 << 16)
            assert data, f"ended; {self.errors.read_text()}"
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return json.loads(line)

    def request(self, method: str, **params: object) -> int:
        """Send a request; return its id."""
        self._next += 1
        self.send({"jsonrpc": "2.0", "id": self._next, "method": method, "params": params})
        return self._next

    def ask(self, method: str, **params: object) -> Any:
        """Send a request and return its answer, which must be the next message."""
        identifier = self.request(method, **params)
        answer = self.receive()
        assert answer["id"] == identifier, answer
        return answer

    def result(self, method: str, **params: object) -> Any:
        """As :meth:`ask`, for a request that must succeed: return its result."""
        answer = self.ask(method, **params)
        assert "result" in answer, answer
        return answer["result"]

    def code(self, method: str, **params: object) -> str:
        """As :meth:`ask`, for a request that must fail: return the error's code."""
        return code_of(self.ask(method, **params))

    def sign(self, uid: str, document: bytes, **params: object) -> Any:
        """Ask for a signature of a DIRECT document; return the answer."""
        return self.ask("keyring.sign", uid=uid, msg=b64(document), mode="SIGN_MODE_DIRECT", **params)

    def status_lines(self) -> dict[str, str]:
        """What the kernel says of the process."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}

    def end(self) -> int:
        """Close the input; return the exit status. Nothing but whole messages may be left in the output."""
        self.input.close()
        status = self.process.wait(PATIENCE)
        self.drain()
        return status

    def drain(self) -> list[Any]:
        """Return the messages that are left, once the process has ended."""
        rest = self._buffer + self.output.read()
        self._buffer = b""
        self.output.close()
        assert rest == b"" or rest.endswith(b"\n"), rest
        return [json.loads(line) for line in rest.splitlines()]

    def close(self) -> None:
        """End it in whatever state it is."""
        self.process.kill()
        self.process.wait()
        for stream in (self.input, self.output):
            stream.close()


def code_of(answer: Any) -> str:
    """Return the stable code of an error response."""
    assert "error" in answer, answer
    return str(answer["error"]["data"]["code"])


def b64(data: bytes) -> str:
    """Return bytes as they travel."""
    return base64.b64encode(data).decode()


def public_key(plugin: Plugin, uid: str) -> PublicKey:
    """Return the public key of a key."""
    return PublicKey.from_proto_json(plugin.result("keyring.key", uid=uid)["record"]["pub_key"])


def document(plugin: Plugin, uid: str, chain: str = CHAIN, memo: str = "") -> bytes:
    """Return a bank send of a key."""
    return send_doc(public_key(plugin, uid), chain, memo)


def change_policy(user: Cli, key: str, **changes: object) -> None:
    """Set values in the policy of a key."""
    path = user.folder / "policy.toml"
    policy = tomlkit.parse(path.read_text())
    policy["keys"][key].update(changes)  # type: ignore[index,union-attr]  # tomlkit types every value as an item
    path.write_text(tomlkit.dumps(policy))
