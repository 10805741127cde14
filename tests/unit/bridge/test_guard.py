"""The policy while the bridge runs: changes, what they leave in the audit log, and what else is done with keys."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cosmos_formats.pubkeys import PublicKey
from cosmos_formats.signing import SignMode
from keyring_bridge.bridge import Bridge
from keyring_bridge.errors import BridgeError, PolicyDenied, PolicyInvalid
from keyring_bridge.guard import ACTIONS, action_of
from keyring_bridge.keyring import Keyring
from keyring_bridge.live_policy import LivePolicy
from keyring_bridge.model import Action, Caller, SignRequest
from keyring_bridge.policy import Policy
from keyring_bridge.secrets import SecretBytes
from tests.unit.bridge.pipeline import CALLER, CHAIN, Setup
from tests.unit.bridge.sign_docs import send_doc

ROOT = Caller("uid:0")


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    made = Setup(tmp_path)
    yield made
    made.bridge.close()


def put(setup: Setup, text: str) -> None:
    path = setup.config.policy_path
    new = path.with_suffix(".new")
    new.write_text(f"version = 1\n{text}")
    new.chmod(0o600)
    new.replace(path)


def sign(setup: Setup, public_key: PublicKey) -> None:
    setup.bridge.sign(SignRequest("ops", send_doc(public_key, CHAIN), SignMode.DIRECT), CALLER)


# --- changes -----------------------------------------------------------------------------------------------------


def test_a_change_is_audited_once_with_both_digests_before_it_counts(setup: Setup) -> None:
    public_key = setup.keyring.generate("ops").record.public_key
    assert isinstance(public_key, PublicKey)
    setup.allow("ops")
    sign(setup, public_key)
    first = setup.bridge.policy.digest
    put(setup, setup.config.policy_path.read_text().removeprefix("version = 1\n") + "max_gas = 1000000\n")
    for _ in range(2):
        sign(setup, public_key)
    second = setup.bridge.policy.digest
    reopened = Bridge.open(setup.config)
    assert reopened.policy.digest == second
    reopened.close()
    entries = setup.entries()
    changes = [entry for entry in entries if entry["kind"] == "policy.changed"]
    # The empty policy of the time before the file is one too.
    empty = Policy.empty().digest
    assert [(change["before"], change["policy"]) for change in changes] == [
        (None, empty),
        (empty, first),
        (first, second),
    ]
    (intent, _) = (entry for entry in entries if entry["kind"] == "sign.intent" and entry["policy"] == second)
    assert int(str(changes[-1]["seq"])) < int(str(intent["seq"]))


def test_a_note_that_was_removed_hides_no_change(setup: Setup) -> None:
    digest = setup.bridge.policy.digest
    (setup.config.state_dir / "policy.noted").unlink()
    put(setup, "[manage]\n")
    assert setup.bridge.policy.digest != digest
    changes = [entry for entry in setup_entries(setup) if entry["kind"] == "policy.changed"]
    assert [change["before"] for change in changes] == [None, None]


def test_a_change_that_cannot_be_audited_does_not_count(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    from keyring_bridge.errors import AuditFailed

    public_key = setup.keyring.generate("ops").record.public_key
    assert isinstance(public_key, PublicKey)
    setup.allow("ops")
    sign(setup, public_key)

    def broken(*_: object, **__: object) -> None:
        raise AuditFailed("no")

    monkeypatch.setattr(setup.bridge.audit, "note", broken)
    put(setup, setup.config.policy_path.read_text().removeprefix("version = 1\n") + "max_gas = 1000000\n")
    with pytest.raises(AuditFailed):
        setup.bridge._guard.current()


def test_half_of_a_file_that_is_rewritten_in_its_place_is_not_taken_up(tmp_path: Path) -> None:
    """An editor stops between two writes: what stands there then parses, and allows more."""
    path = tmp_path / "policy.toml"
    key = f'[keys.ops]\nfingerprint = "{"ab" * 32}"\nchains = []\nsign_modes = []\nmessages = []\n'
    path.write_text(f"version = 1\n{key}max_gas = 1\n")
    path.chmod(0o600)
    seen: list[int | None] = []
    live = LivePolicy(path, lambda policy: seen.append(policy.keys["ops"].max_gas))
    live.current()
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    started = threading.Event()
    half_written = threading.Event()

    def read() -> None:
        started.set()
        half_written.wait()
        live.current()

    reader = threading.Thread(target=read)
    reader.start()
    started.wait()
    os.write(fd, f"version = 1\n{key}".encode())
    half_written.set()
    time.sleep(0.05)  # the reader looks at the half, if it is one that does
    os.write(fd, b"max_gas = 2\n")
    os.close(fd)
    reader.join()
    assert seen == [1, 2]


def test_a_file_that_replaces_another_counts_at_once(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    live = LivePolicy(path)
    for name in ("one", "two", "three"):
        new = tmp_path / "new"
        new.write_text(
            f'version = 1\n[keys.{name}]\nfingerprint = "{"ab" * 32}"\nchains = []\nsign_modes = []\nmessages = []\n'
        )
        new.chmod(0o600)
        new.replace(path)
        assert list(live.current().keys) == [name]
    path.unlink()
    assert live.current().keys == {}


def test_a_file_that_never_comes_to_rest_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from keyring_bridge import live_policy

    path = tmp_path / "policy.toml"
    path.write_text("version = 1\n")
    path.chmod(0o600)
    live = LivePolicy(path)
    live.current()
    monkeypatch.setattr(live_policy, "_PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(live_policy, "SETTLED_SECONDS", 3600.0)
    path.write_text("version = 1\n# more\n")
    with pytest.raises(PolicyInvalid, match="being written"):
        live.current()


# --- what else is done with keys ---------------------------------------------------------------------------------

MANAGE = {
    Action.GENERATE: lambda keyring: keyring.generate("new"),
    Action.IMPORT: lambda keyring: keyring.import_secret("new", SecretBytes(b"\x07" * 32), "secp256k1"),
    Action.EXPORT_PUBLIC: lambda keyring: keyring.export_pub_key_armor("ops"),
    Action.DELETE: lambda keyring: keyring.delete("ops"),
    Action.RENAME: lambda keyring: keyring.rename("ops", "other"),
}


@pytest.mark.parametrize("action", MANAGE, ids=str)
def test_manage_says_who_may_do_what(setup: Setup, action: Action) -> None:
    setup.keyring.generate("ops")
    do: Callable[[Keyring], object] = MANAGE[action]
    others = [one for one in Action if one is not action]
    put(setup, "[manage]\n" + "\n".join(f'{one} = ["*"]' for one in others) + f'\n{action} = ["uid:0"]')
    made = setup.provider.made
    with pytest.raises(PolicyDenied, match=r"policy denies this \(manage\): the caller uid:1000 may not"):
        do(setup.keyring)
    assert setup.provider.made == made
    refused = [entry for entry in setup_entries(setup) if str(entry["kind"]).endswith(".refused")]
    assert [entry["code"] for entry in refused] == ["policy_denied"]
    do(Keyring(setup.bridge, ROOT))


def setup_entries(setup: Setup) -> list[dict[str, object]]:
    import json

    # What is written late is there after the next durable entry.
    setup.bridge.audit.note("test.mark", "", {})
    return [json.loads(line) for line in setup.config.audit_path.read_text().splitlines()]


def test_what_manage_does_not_list_nobody_may(setup: Setup) -> None:
    put(setup, '[manage]\nrename = ["*"]')
    for caller in (CALLER, ROOT):
        with pytest.raises(PolicyDenied):
            Keyring(setup.bridge, caller).generate("ops")


def test_without_manage_everybody_may(setup: Setup) -> None:
    for do in MANAGE.values():
        setup.keyring.generate("ops")
        do(setup.keyring)
        for name in ("ops", "other", "new"):
            try:
                setup.keyring.destroy(name)
            except BridgeError:
                continue
    setup.provider.keys.clear()


def test_a_keys_own_operations_hold_besides(setup: Setup) -> None:
    record = setup.keyring.generate("ops")
    table = f'[keys.ops]\nfingerprint = "{record.fingerprint}"\nchains = []\nsign_modes = []\nmessages = []\n'
    put(setup, f'{table}operations = ["sign", "export_public"]\n')
    setup.keyring.export_pub_key_armor("ops")
    with pytest.raises(PolicyDenied, match=r"\(operations\): the operation rename is not allowed"):
        setup.keyring.rename("ops", "other")
    put(setup, f'{table}[[keys.ops.any_of]]\ncallers = ["uid:0"]\noperations = ["delete"]\n')
    with pytest.raises(PolicyDenied):
        setup.keyring.delete("ops")
    with pytest.raises(PolicyDenied):
        Keyring(setup.bridge, ROOT).rename("ops", "other")
    Keyring(setup.bridge, ROOT).delete("ops")


def test_callers_alone_say_nothing_about_other_operations(setup: Setup) -> None:
    """As in policies of earlier releases."""
    record = setup.keyring.generate("ops")
    put(
        setup,
        f'[keys.ops]\nfingerprint = "{record.fingerprint}"\nchains = []\nsign_modes = []\nmessages = []\n'
        'callers = ["uid:7"]\n',
    )
    setup.keyring.rename("ops", "other")


def test_every_operation_on_keys_has_a_name_in_policies() -> None:
    """Whatever is audited as something done to a key is asked about."""
    sources = Path(__file__).resolve().parents[3] / "keyring_bridge"
    kinds = set()
    for path in sources.rglob("*.py"):
        for part in path.read_text().split("administer(")[1:]:
            kind = part.lstrip().split(",")[0].strip()
            if kind.startswith('"'):
                kinds.add(kind.strip('"'))
    asked = {kind for kind in kinds if kind.startswith(("key.", "backup."))}
    assert asked >= {"key.generate", "key.import", "key.delete", "key.destroy", "key.rename", "key.save", "key.adopt"}
    for kind in asked:
        assert action_of(kind) is not None, kind
    assert action_of("key.something-new") is Action.DELETE
    assert action_of("login.unlock") is None
    assert set(ACTIONS.values()) | {Action.BACKUP, Action.EXPORT_PUBLIC, Action.DELETE} == set(Action)
