import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from keyring_bridge.errors import ConfigError, InsecureFile, PinRequired
from keyring_bridge.secrets import SecretBytes, keep_in_memory, parse_source, reading

PIN = b"hunter2-4711"
WHAT = "PIN for token demo"


def read(text: str) -> bytes:
    with parse_source(text).read(None, WHAT) as secret:
        return bytes(secret.reveal())


@pytest.fixture
def pin_file(tmp_path: Path) -> Path:
    path = tmp_path / "pin"
    path.write_bytes(PIN + b"\n")
    path.chmod(0o600)
    return path


# --- file ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_file_of_ours_is_read_again_and_again(pin_file: Path, mode: int) -> None:
    pin_file.chmod(mode)
    source = parse_source(f"file:{pin_file}")
    assert source.repeatable
    assert not source.interactive
    assert source.describe() == f"file:{pin_file}"
    assert read(f"file:{pin_file}") == PIN
    assert read(f"file:{pin_file}") == PIN


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"1234", b"1234"),
        (b"1234\n", b"1234"),
        (b"1234\r\n", b"1234"),
        (b"1234\n\n", b"1234\n"),
        (b" 1234 ", b" 1234 "),
        (b"\x00\xff", b"\x00\xff"),
        (b"x" * 4096, b"x" * 4096),
    ],
)
def test_only_one_newline_at_the_end_is_not_part_of_it(pin_file: Path, content: bytes, secret: bytes) -> None:
    pin_file.write_bytes(content)
    assert read(f"file:{pin_file}") == secret


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n", b"x" * 4097])
def test_empty_and_oversized_files_give_nothing(pin_file: Path, content: bytes) -> None:
    pin_file.write_bytes(content)
    with pytest.raises(PinRequired, match=WHAT):
        read(f"file:{pin_file}")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o602, 0o601, 0o666])
def test_file_that_others_have_access_to_is_refused(pin_file: Path, mode: int) -> None:
    pin_file.chmod(mode)
    with pytest.raises(InsecureFile, match=f"{mode:04o}") as caught:
        read(f"file:{pin_file}")
    assert caught.value.detail == str(pin_file)
    assert PIN.decode() not in str(caught.value)


def test_symbolic_link_is_refused(pin_file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(pin_file)
    with pytest.raises(InsecureFile, match="symbolic link"):
        read(f"file:{link}")


def test_dangling_link_directory_and_fifo_are_refused(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "fifo", 0o600)
    for name in ("dangling", "fifo"):
        with pytest.raises(InsecureFile):
            read(f"file:{tmp_path / name}")
    with pytest.raises(InsecureFile, match="not a regular file"):
        read(f"file:{tmp_path}")


def test_file_of_another_user_is_refused(pin_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        os.chown(pin_file, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(InsecureFile, match="belongs to uid"):
        read(f"file:{pin_file}")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(PinRequired, match="cannot be opened") as caught:
        read(f"file:{tmp_path / 'none'}")
    assert str(tmp_path) not in str(caught.value)


def test_home_is_expanded(pin_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(pin_file.parent))
    assert read("file:~/pin") == PIN


# --- env -------------------------------------------------------------------------------------------------------------


def test_variable_is_removed_when_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KB_TEST_PIN", PIN.decode())
    source = parse_source("env:KB_TEST_PIN")
    assert not source.repeatable
    assert source.describe() == "env:KB_TEST_PIN"
    assert read("env:KB_TEST_PIN") == PIN
    assert "KB_TEST_PIN" not in os.environ
    child = subprocess.run(
        [sys.executable, "-c", "import os; print(dict(os.environ))"], capture_output=True, check=True
    )
    assert PIN not in child.stdout
    with pytest.raises(PinRequired, match="not set"):
        read("env:KB_TEST_PIN")


def test_variable_leaves_the_kernels_copy_of_the_environment() -> None:
    program = (
        "import pathlib\n"
        "from keyring_bridge.secrets import parse_source\n"
        "before = pathlib.Path('/proc/self/environ').read_bytes()\n"
        "secret = parse_source('env:KB_TEST_PIN').read(None, 'PIN')\n"
        "after = pathlib.Path('/proc/self/environ').read_bytes()\n"
        "value = bytes(secret.reveal())\n"
        "assert value in before and value not in after, (before, after)\n"
        "assert b'KB_OTHER=stays' in after\n"
    )
    environment = {
        **os.environ,
        "KB_TEST_PIN": PIN.decode(),
        "KB_OTHER": "stays",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def test_variable_of_arbitrary_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environb, b"KB_TEST_PIN", b"\xffpin")
    assert read("env:KB_TEST_PIN") == b"\xffpin"


def test_empty_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KB_TEST_PIN", "")
    with pytest.raises(PinRequired, match="empty"):
        read("env:KB_TEST_PIN")


# --- fd --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [PIN, PIN + b"\n", PIN + b"\r\n", PIN + b"\nsecond line"])
def test_descriptor_gives_its_first_line_and_is_closed(content: bytes) -> None:
    reader, writer = os.pipe()
    os.write(writer, content)
    os.close(writer)
    assert read(f"fd:{reader}") == PIN
    with pytest.raises(PinRequired, match="not open"):
        read(f"fd:{reader}")


def test_a_line_is_enough_though_the_writer_stays() -> None:
    reader, writer = os.pipe()
    os.write(writer, PIN + b"\n")
    assert read(f"fd:{reader}") == PIN
    os.close(writer)


def test_descriptor_that_gives_its_line_in_pieces() -> None:
    reader, writer = os.pipe()

    def write_slowly() -> None:
        for byte in PIN + b"\n":
            os.write(writer, bytes([byte]))
            time.sleep(0.001)

    thread = threading.Thread(target=write_slowly)
    thread.start()
    assert read(f"fd:{reader}") == PIN
    thread.join()
    os.close(writer)


def test_silent_descriptor_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "WAIT_SECONDS", 0.05)
    reader, writer = os.pipe()
    with pytest.raises(PinRequired, match="nothing came"):
        read(f"fd:{reader}")
    os.close(writer)
    os.close(reader)


# --- systemd credential ----------------------------------------------------------------------------------------------


def test_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    path = tmp_path / "hsm-pin"
    path.write_bytes(PIN)
    for mode in (0o400, 0o440):
        path.chmod(mode)
        assert read("credential:hsm-pin") == PIN
    path.chmod(0o444)
    with pytest.raises(InsecureFile):
        read("credential:hsm-pin")
    with pytest.raises(PinRequired):
        read("credential:other")


@pytest.mark.parametrize("folder", [None, "", "relative"])
def test_credential_outside_a_service(monkeypatch: pytest.MonkeyPatch, folder: str | None) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    if folder is not None:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", folder)
    with pytest.raises(PinRequired, match="systemd"):
        read("credential:hsm-pin")


# --- command ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "give pin"
    path.write_text('#!/bin/sh\nprintf "%s\\n" "$1"\n')
    path.chmod(0o700)
    return path


def test_command_runs_without_a_shell(script: Path) -> None:
    text = f"command:'{script}' 'a b;$(id)`id`'"
    assert read(text) == b"a b;$(id)`id`"
    source = parse_source(text)
    assert source.describe() == f"command:{script}"
    assert source.repeatable


def test_command_gets_a_small_environment(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KB_OTHER_PIN", PIN.decode())
    script.write_text("#!/bin/sh\nenv\n")
    seen = read(f"command:'{script}'")
    assert PIN not in seen
    assert b"PATH=" in seen


def test_command_has_no_input_and_no_terminal(script: Path) -> None:
    script.write_text("#!/bin/sh\ncat; (exec </dev/tty) 2>/dev/null && echo terminal; echo done\n")
    assert read(f"command:'{script}'") == b"done"


@pytest.mark.parametrize("body", ["exit 3", "echo secret; exit 1", "kill -9 $$", "exit 0", "head -c 5000 /dev/zero"])
def test_command_that_fails_or_gives_nothing_usable(script: Path, body: str) -> None:
    script.write_text(f"#!/bin/sh\n{body}\n")
    with pytest.raises(PinRequired, match=WHAT) as caught:
        read(f"command:'{script}'")
    assert "secret" not in f"{caught.value} {caught.value.detail}"


def test_command_that_hangs_is_killed_with_its_children(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "WAIT_SECONDS", 0.3)
    script.write_text(f"#!/bin/sh\nsleep 600 &\necho $! > '{tmp_path}/child'\nwait\n")
    with pytest.raises(PinRequired, match="nothing came"):
        read(f"command:'{script}'")
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if not _running(child):
            break
        time.sleep(0.02)
    assert not _running(child)


def _running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("mode", [0o722, 0o770, 0o702])
def test_command_that_others_can_write_is_not_run(script: Path, mode: int) -> None:
    script.chmod(mode)
    with pytest.raises(InsecureFile, match="command"):
        read(f"command:'{script}' x")


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_command_in_a_folder_that_others_can_write_is_not_run(script: Path, mode: int) -> None:
    script.parent.chmod(mode)
    with pytest.raises(InsecureFile, match="anybody can"):
        read(f"command:'{script}' x")


def test_command_that_is_missing_or_not_executable(script: Path) -> None:
    with pytest.raises(PinRequired, match="cannot be run"):
        read("command:/nonexistent/program")
    script.chmod(0o600)
    with pytest.raises(PinRequired, match="cannot be run"):
        read(f"command:'{script}'")


# --- prompt and memory -----------------------------------------------------------------------------------------------


def test_prompt_asks_with_the_name_of_what_it_wants() -> None:
    asked = []

    def ask(text: str) -> SecretBytes:
        asked.append(text)
        return SecretBytes(PIN)

    source = parse_source("prompt")
    assert source.interactive
    assert not source.repeatable
    assert source.describe() == "prompt"
    assert source.read(ask, WHAT) == PIN
    assert asked == [f"{WHAT}: "]


def test_prompt_with_nobody_to_ask() -> None:
    with pytest.raises(PinRequired, match="nobody") as caught:
        parse_source("prompt").read(None, WHAT)
    assert caught.value.code == "pin_required"


def test_kept_secret_is_given_as_copies_and_wiped_when_replaced() -> None:
    first = bytearray(PIN)
    text = keep_in_memory("test", SecretBytes(first))
    source = parse_source(text)
    with source.read(None, WHAT) as given:
        assert given == PIN
    assert source.read(None, WHAT) == PIN
    assert PIN.decode() not in repr(source) + source.describe() + text
    keep_in_memory("test", SecretBytes(b"other"))
    assert first == bytes(len(PIN))
    assert read(text) == b"other"


# --- the text of a source --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1234",
        "hunter2-4711",
        "hunter2-4711:x",
        "file:",
        "file:relative/pin",
        "file:/a\0b",
        "env:",
        "env:A=B",
        "fd:",
        "fd:0",
        "fd:1",
        "fd:2",
        "fd:-1",
        "fd:x",
        "fd:٣",
        "fd:99999999999999999999",
        "credential:",
        "credential:../pin",
        "credential:..",
        "credential:a/b",
        "command:",
        "command:pass show",
        "command:'/bin/x",
        "prompt:x",
        "memory:nothing-kept",
        "FILE:/pin",
    ],
)
def test_what_is_no_source_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_source(text)
    assert "hunter2" not in f"{caught.value} {caught.value.hint} {caught.value.detail}"


def test_a_misspelt_kind_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean file:"):
        parse_source("fille:/etc/pin")
