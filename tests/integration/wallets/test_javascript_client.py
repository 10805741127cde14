"""The client and the signers of plugin/js over real plugins and agents, and their bytes against those of @cosmjs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.signing import amino_json
from cosmos_formats.signing.direct import SignDoc
from keyring_plugin.framing import Framing
from keyring_plugin.framing import frame as framed
from tests.integration.agent.conftest import with_place
from tests.integration.agent.harness import Agent, socket_of
from tests.integration.plugin.conftest import with_keys, with_software
from tests.integration.plugin.harness import CHAIN, COMMAND, change_policy
from tests.integration.wallets.driver import FOLDER, PACKAGE, Driver, JsError
from tests.processes import stopped
from tests.unit.bridge.sign_docs import auth_info, field, msg_send

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

FRAMINGS = ("newline", "content-length")
MODES = {"direct": 1, "amino-json": 127}


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """Somebody with the keys ``ops`` and ``val`` in a file."""
    user = with_place(with_keys(with_software(tmp_path_factory.mktemp("user"))))
    change_policy(user, "ops", sign_modes=["direct", "amino-json"])
    user.env["KEYRING_BRIDGE_AGENT"] = "off"
    return user


@pytest.fixture(scope="module")
def js(user: Cli) -> Iterator[Driver]:
    """For what needs no bridge."""
    made = Driver(user.env)
    yield made
    made.close()


@pytest.fixture
def open_client(user: Cli) -> Iterator[Callable[..., Driver]]:
    """Starts programs with a client each."""
    running: list[Driver] = []

    def begin(op: str = "spawn", **request: object) -> Driver:
        made = Driver(user.env)
        running.append(made)
        made.ask(op, **({"command": COMMAND, **request} if op == "spawn" else request))
        return made

    yield begin
    for made in running:
        made.close()


@pytest.fixture
def agent(user: Cli) -> Iterator[Agent]:
    """The user's agent."""
    running = Agent(user).ready()
    yield running
    running.kill()


def document(user: Cli, sequence: int = 0) -> tuple[str, dict[str, Any]]:
    """The address of ``ops``, and a bank send of its own as the driver takes it."""
    shown = user.json("keys", "show", "ops")
    key = PublicKey(KeyType.SECP256K1, PublicKey.from_proto_json(json.loads(shown["pubkey"])).data)
    own = str(shown["address"])
    body, info = field(1, msg_send(own, own)), auth_info(key, sequence)
    return own, {"body": body.hex(), "info": info.hex(), "chain": CHAIN, "number": 7}


def amino_document(own: str, chain: str = CHAIN) -> dict[str, Any]:
    """A bank send in amino JSON."""
    value = {"from_address": own, "to_address": own, "amount": [{"denom": "uve", "amount": "1"}]}
    return {
        "chain_id": chain,
        "account_number": "7",
        "sequence": "0",
        "fee": {"amount": [{"denom": "uve", "amount": "500"}], "gas": "200000"},
        "msgs": [{"type": "cosmos-sdk/MsgSend", "value": value}],
        "memo": "<é & \u2028>",
    }


# --- calls -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", FRAMINGS)
def test_over_a_process(open_client: Callable[..., Driver], framing: str) -> None:
    js = open_client(framing=framing)
    assert js.ask("handshake")["prefix"] == "ve"
    names = [entry["record"]["name"] for entry in js.ask("call", method="keyring.list")]
    assert names == ["ops", "val"]
    js.ask("close")
    assert js.code("call", method="bridge.ping") == "peer_failed"


@pytest.mark.parametrize("framing", FRAMINGS)
def test_over_a_socket(open_client: Callable[..., Driver], user: Cli, agent: Agent, framing: str) -> None:
    js = open_client("attach", path=str(socket_of(user)), framing=framing)
    assert js.ask("call", method="agent.status")["pid"] == agent.process.pid
    js.ask("close")


def test_over_a_socket_with_a_long_path(open_client: Callable[..., Driver], user: Cli, tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir(mode=0o700)
    path = str(folder / "agent.sock")
    agent = Agent(user, prefix=("env", f"KEYRING_BRIDGE_SOCKET={path}"))
    try:
        agent.ready()
        js = open_client("attach", path=path)
        assert js.ask("call", method="agent.status")["socket"] == path
    finally:
        agent.kill()


def test_calls_side_by_side(open_client: Callable[..., Driver]) -> None:
    calls = [["keyring.key", {"uid": name}] for name in ("ops", "nobody", "val") * 8]
    answers = open_client().ask("together", calls=calls)
    for (_, params), answer in zip(calls, answers, strict=True):
        name = params["uid"]  # type: ignore[index]  # the second of each is a mapping
        if name == "nobody":
            assert answer["error"]["code"] == "key_not_found"
        else:
            assert answer["answer"]["record"]["name"] == name


def test_errors_are_the_bridges_own(open_client: Callable[..., Driver]) -> None:
    with pytest.raises(JsError, match="key not found") as caught:
        open_client().ask("call", method="keyring.key", params={"uid": "nobody"})
    assert caught.value.told["code"] == "key_not_found"
    assert caught.value.told["retryable"] is False


def test_a_plugin_that_cannot_be_started(js: Driver, user: Cli) -> None:
    assert js.code("spawn", command=["/nowhere/keyring-plugin"]) == "peer_failed"
    with pytest.raises(JsError, match="ended with exit status 3") as caught:
        js.ask("spawn", command=[sys.executable, "-c", "raise SystemExit(3)"])
    assert caught.value.code == "peer_failed"
    talkative = "import sys; sys.stdin.readline(); print('hello', flush=True)"
    assert js.code("spawn", command=[sys.executable, "-c", talkative]) == "peer_failed"


def answering(version: int, then: str) -> list[str]:
    """A plugin that answers the handshake, reads another request and does something else."""
    source = (
        "import json, os, sys\n"
        "asked = json.loads(sys.stdin.readline())\n"
        f"answer = {{'jsonrpc': '2.0', 'id': asked['id'], 'result': {{'protocol_version': {version}}}}}\n"
        "print(json.dumps(answer), flush=True)\n"
        f"sys.stdin.readline()\n{then}\n"
    )
    return [sys.executable, "-c", source]


def test_a_plugin_of_another_version(js: Driver) -> None:
    assert js.code("spawn", command=answering(2, "")) == "version_unsupported"


@pytest.mark.parametrize(
    ("then", "why"),
    [
        ("os.kill(os.getpid(), 9)", "was killed by SIGKILL; .*the audit log"),
        ("os._exit(1)", "ended with exit status 1; .*the audit log"),
        ("print('[]', flush=True)", "does not follow the protocol"),
    ],
)
def test_a_plugin_that_ends_in_the_middle(open_client: Callable[..., Driver], then: str, why: str) -> None:
    js = open_client(command=answering(1, then))
    for _ in range(2):  # also the calls that come later
        with pytest.raises(JsError, match=why) as caught:
            js.ask("call", method="keyring.sign", params={})
        assert caught.value.code == "peer_failed"
    js.ask("close")


def test_an_agent_that_hangs(open_client: Callable[..., Driver], user: Cli, agent: Agent) -> None:
    js = open_client("attach", path=str(socket_of(user)))
    with stopped(agent.process.pid):
        assert js.code("call", method="bridge.ping", deadlineMs=50) == "deadline_exceeded"
    assert js.ask("call", method="bridge.ping") == "pong"


def test_an_agent_that_is_restarted(open_client: Callable[..., Driver], user: Cli, agent: Agent) -> None:
    js = open_client("attach", path=str(socket_of(user)))
    agent.kill()
    assert js.code("call", method="bridge.ping") == "peer_failed"
    assert js.code("call", method="bridge.ping") == "peer_failed"
    second = Agent(user).ready()
    try:
        answers = js.ask("together", calls=[["agent.status", {}]] * 3)
        assert [answer["answer"]["pid"] for answer in answers] == [second.process.pid] * 3
        # They came over one connection.
        assert answers[0]["answer"]["clients"] == 1
    finally:
        second.kill()


# --- signers ---------------------------------------------------------------------------------------------------------


def test_accounts(open_client: Callable[..., Driver], user: Cli) -> None:
    js = open_client()
    own, _ = document(user)
    key = json.loads(user.json("keys", "show", "ops")["pubkey"])
    expected = PublicKey.from_proto_json(key).data.hex()
    assert js.ask("accounts", keys=["ops"]) == [{"address": own, "algo": "secp256k1", "pubkey": expected}]
    assert js.code("accounts", keys=["ops", "val"]) == "invalid_key"
    assert js.code("accounts", keys=["nobody"]) == "key_not_found"


def test_the_policy_counts_in_both_modes(open_client: Callable[..., Driver], user: Cli) -> None:
    js = open_client()
    own, doc = document(user)
    signed = js.ask("signDirect", key="ops", address=own, doc=doc)
    assert signed["pub_key"]["type"] == "tendermint/PubKeySecp256k1"
    assert js.ask("signAmino", key="ops", address=own, doc=amino_document(own))["pub_key"] == signed["pub_key"]
    other = "other-chain"
    assert js.code("signDirect", key="ops", address=own, doc={**doc, "chain": other}) == "policy_denied"
    assert js.code("signAmino", key="ops", address=own, doc=amino_document(own, other)) == "policy_denied"


def test_another_address_is_refused_before_anything_is_signed(open_client: Callable[..., Driver], user: Cli) -> None:
    _, doc = document(user)
    assert open_client().code("signDirect", key="ops", address="ve1other", doc=doc) == "key_not_found"


# --- sign bytes ------------------------------------------------------------------------------------------------------

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(body=st.binary(max_size=300), info=st.binary(max_size=20), chain=text, number=st.integers(0, 2**53 - 1))
@example(b"a", b"b", CHAIN, 0)
@example(b"a", b"b", CHAIN, 2**31)
@example(b"a", b"b", CHAIN, 2**53 - 1)
@settings(deadline=None, max_examples=60)
def test_direct_sign_bytes_are_those_of_cosmjs(js: Driver, body: bytes, info: bytes, chain: str, number: int) -> None:
    doc = {"body": body.hex(), "info": info.hex(), "chain": chain, "number": number}
    made = js.ask("direct", doc=doc)
    assert bytes.fromhex(made["ours"]) == SignDoc(body, info, chain, number).encode()
    if not 2**31 <= number < 2**32:  # cosmjs-types 0.10.1 writes zeros for these
        assert made["ours"] == made["cosmjs"]


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)


@given(doc=st.dictionaries(text, values, max_size=4))
@example({"10": 0, "9": 0, "\uffff": 0, "\U0001f600": "\u2028\u2029\x7f\x08"})
@settings(deadline=None, max_examples=60)
def test_amino_sign_bytes_are_those_of_the_sdk(js: Driver, doc: dict[str, Any]) -> None:
    assert bytes.fromhex(js.ask("ours", doc=doc)) == amino_json.canonical(doc)


def test_amino_sign_bytes_are_those_of_cosmjs(js: Driver) -> None:
    doc = amino_document("ve1own")
    made = js.ask("amino", doc={**doc, "memo": "<é & >"})
    assert made["ours"] == made["cosmjs"]
    # Go escapes these two; cosmjs forgets to.
    made = js.ask("amino", doc=doc)
    assert bytes.fromhex(made["ours"]) == amino_json.canonical(doc) != bytes.fromhex(made["cosmjs"])


@pytest.mark.parametrize("doc", [{"a": 1.5}, {"a": 2**53}, json.loads("[" * 70 + "]" * 70)])
def test_what_amino_json_does_not_have(js: Driver, doc: Any) -> None:
    assert js.code("ours", doc=doc) == "sign_doc_invalid"


# --- framing ---------------------------------------------------------------------------------------------------------


@given(
    messages=st.lists(st.dictionaries(text, text, max_size=3), max_size=4),
    framing=st.sampled_from(FRAMINGS),
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
@settings(deadline=None, max_examples=80)
def test_messages_come_in_any_pieces(js: Driver, messages: list[Any], framing: str, cuts: list[int]) -> None:
    stream = b"".join(bytes.fromhex(js.ask("frame", message=one, framing=framing)) for one in messages)
    places = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    pieces = [stream[start:end].hex() for start, end in pairwise(places)]
    assert js.ask("read", framing=framing, pieces=pieces) == messages


@pytest.mark.parametrize("framing", FRAMINGS)
def test_frames_are_those_of_the_protocol(js: Driver, framing: str) -> None:
    assert bytes.fromhex(js.ask("frame", message={"a": "é\n"}, framing=framing)) == framed(
        '{"a":"é\\n"}'.encode(), Framing(framing)
    )


@pytest.mark.parametrize(
    ("framing", "stream"),
    [
        ("newline", b"hello\n"),
        ("newline", b'{"a":"\xff"}\n'),
        ("content-length", b"Content-Length: 2 x\r\n\r\n{}"),
        ("content-length", b"Length: 2\r\n\r\n{}"),
        ("content-length", b"Content-Length: 999999999\r\n\r\n{}"),
        ("content-length", b"Content-Length: 2" + b" " * 5000),
    ],
)
def test_streams_that_cannot_be_read(js: Driver, framing: str, stream: bytes) -> None:
    assert js.code("read", framing=framing, pieces=[stream.hex()]) == "peer_failed"


# --- the place of the socket -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "place"),
    [
        ({"KEYRING_BRIDGE_SOCKET": "/a/b.sock", "XDG_RUNTIME_DIR": "/run"}, "/a/b.sock"),
        ({"XDG_RUNTIME_DIR": "/run/user/1", "XDG_STATE_HOME": "/s"}, "/run/user/1/keyring-bridge/agent.sock"),
        ({"XDG_RUNTIME_DIR": "run", "XDG_STATE_HOME": "/s"}, "/s/keyring-bridge/agent.sock"),
        ({"HOME": "/home/ops"}, "/home/ops/.local/state/keyring-bridge/agent.sock"),
    ],
)
def test_where_the_socket_is(js: Driver, env: dict[str, str], place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from keyring_plugin.agent.place import socket_path

    assert js.ask("place", env=env) == place
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert socket_path() == place


def test_a_relative_place_is_refused(js: Driver) -> None:
    assert js.code("place", env={"KEYRING_BRIDGE_SOCKET": "agent.sock"}) == "config_invalid"


def test_places_that_are_not_safe(js: Driver, user: Cli, agent: Agent, tmp_path: Path) -> None:
    socket = socket_of(user)
    js.ask("openPlace", path=str(socket), user=os.geteuid())

    def refused(path: Path, why: str, uid: int = os.geteuid()) -> None:
        with pytest.raises(JsError, match=why) as caught:
            js.ask("openPlace", path=str(path), user=uid)
        assert caught.value.code == "peer_failed"

    (tmp_path / "elsewhere").symlink_to(socket.parent)
    refused(tmp_path / "elsewhere" / socket.name, "is a symbolic link")
    folder = tmp_path / "own"
    folder.mkdir(mode=0o700)
    (folder / "link.sock").symlink_to(socket)
    refused(folder / "link.sock", "link.sock is a symbolic link")
    (folder / "file.sock").touch()
    refused(folder / "file.sock", "is not a socket")
    refused(folder / "none.sock", "no bridge listens")
    socket.parent.chmod(0o750)
    try:
        refused(socket, "others have access")
    finally:
        socket.parent.chmod(0o700)
    if os.geteuid() != 0:  # root's places are everybody's
        refused(socket, "belongs to uid", os.geteuid() + 1)
    else:
        os.chown(folder, 4711, -1)
        refused(folder / "file.sock", "belongs to uid 4711")


# --- the package -----------------------------------------------------------------------------------------------------


def test_the_package_needs_nothing_but_node() -> None:
    package = json.loads((PACKAGE / "package.json").read_text())
    assert not {name for name in package if "ependencies" in name or name == "scripts"}
    for path in (PACKAGE / "src").iterdir():
        lines = [line for line in path.read_text().splitlines() if line.startswith(("import ", "export "))]
        sources = [line.split('"')[1] for line in lines if " from " in line]
        assert all(source.startswith(("node:", "./")) for source in sources), path.name


def test_the_lock_file_pins_contents_and_names_no_registry() -> None:
    packages = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    assert len(packages) > 20
    for path, package in packages.items():
        if path:
            assert package["integrity"].startswith("sha512-"), path
            assert "resolved" not in package, path
