"""Where a PIN or a passphrase comes from.

A source is written as one text, such as ``file:/etc/keyring-bridge/pin``. Reading it again gives the secret again
where that is possible (file, credential, command); an environment variable and a file descriptor give it once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Protocol

from cosmos_formats.quickclass import dataclass
from keyring_bridge.config.files import check_code_file
from keyring_bridge.errors import ConfigError, PinRequired
from keyring_bridge.secrets.reading import WAIT_SECONDS, nonempty, read_file, read_stream
from keyring_bridge.secrets.secret_bytes import SecretBytes

Prompt = Callable[[str], SecretBytes]

_KINDS = ("file:", "env:", "fd:", "credential:", "command:", "prompt")
_FORMS = "file:/PATH, env:NAME, fd:N, credential:NAME, command:/PROGRAM ARGUMENTS, prompt"

# A command gets these and nothing else: the environment may hold another provider's PIN.
_COMMAND_ENVIRONMENT = (
    *("HOME", "USER", "LOGNAME", "PATH", "LANG", "LC_ALL", "TZ", "TMPDIR"),
    *("XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DBUS_SESSION_BUS_ADDRESS", "GNUPGHOME", "PASSWORD_STORE_DIR"),
)


class SecretSource(Protocol):
    """Gives a secret when it is needed.

    Attributes:
        interactive: Whether a person has to be there.
        repeatable: Whether it can be read more than once.
    """

    interactive: ClassVar[bool]
    repeatable: ClassVar[bool]

    def describe(self) -> str:
        """Return the source as text, safe to log: never the secret, nor arguments that could hold one."""
        ...

    def read(self, prompt: Prompt | None, what: str) -> SecretBytes:
        """Return the secret; the caller wipes it.

        Args:
            prompt: Asks a person, or None where nobody can be asked.
            what: What is asked for, such as ``PIN for token demo``.

        Raises:
            PinRequired: The source has nothing to give.
            InsecureFile: Others could have read or written what it reads.
        """
        ...


def parse_source(text: str) -> SecretSource:
    """Return the source that ``text`` names.

    Args:
        text: ``file:/path`` (0600 or 0400, ours or root's), ``env:NAME``, ``fd:N`` (from 3), ``credential:NAME``
            (systemd), ``command:/program arguments`` (no shell), or ``prompt``.

    Raises:
        ConfigError: It names none. The text is not repeated: it could be the PIN itself.
    """
    kind, _, value = text.partition(":")
    if text == "prompt":
        return PromptSource()
    if kind == "file":
        path = Path(os.path.expanduser(value))
        if not path.is_absolute() or "\0" in value:
            raise ConfigError("a file source needs an absolute path, such as file:/etc/keyring-bridge/pin")
        return FileSource(path)
    if kind == "env":
        if not value or "=" in value or "\0" in value:
            raise ConfigError("an env source needs the name of a variable, such as env:HSM_PIN")
        return EnvSource(value)
    if kind == "fd":
        if not (value.isascii() and value.isdigit() and len(value) <= 6 and int(value) > 2):
            raise ConfigError("an fd source needs a number from 3 on: 0, 1 and 2 have other uses")
        return FdSource(int(value))
    if kind == "credential":
        if not value or "/" in value or "\0" in value or value in (".", ".."):
            raise ConfigError("a credential source needs the credential's name, such as credential:hsm-pin")
        return CredentialSource(value)
    if kind == "command":
        return CommandSource(_split_command(value))
    if kind == "memory" and value in _KEPT:
        return MemorySource(value)
    raise ConfigError(_unknown_source(kind), hint=f"one of: {_FORMS}")


def _unknown_source(kind: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(f"{kind}:", _KINDS, n=1)
    return "this is not a secret source" + (f"; did you mean {near[0]}?" if near else "")


def _split_command(value: str) -> tuple[str, ...]:
    import shlex

    try:
        words = tuple(shlex.split(value))
    except ValueError:
        raise ConfigError("the quotation marks of the command source do not match") from None
    if not words or not os.path.isabs(words[0]) or "\0" in value:
        raise ConfigError(
            "a command source needs the absolute path of a program, such as command:/usr/bin/pass show hsm"
        )
    return words


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file of ours or root's that nobody else has access to; one newline at its end is not part of the secret."""

    interactive: ClassVar[bool] = False
    repeatable: ClassVar[bool] = True
    path: Path

    def describe(self) -> str:
        """Return ``file:`` and the path."""
        return f"file:{self.path}"

    def read(self, prompt: Prompt | None, what: str) -> SecretBytes:
        """See :class:`SecretSource`."""
        return read_file(self.path, what, forbidden=0o077)


@dataclass(frozen=True, slots=True)
class CredentialSource:
    """A credential that systemd puts into ``$CREDENTIALS_DIRECTORY`` for this service."""

    interactive: ClassVar[bool] = False
    repeatable: ClassVar[bool] = True
    name: str

    def describe(self) -> str:
        """Return ``credential:`` and the name."""
        return f"credential:{self.name}"

    def read(self, prompt: Prompt | None, what: str) -> SecretBytes:
        """See :class:`SecretSource`."""
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        if not folder or not os.path.isabs(folder):
            raise PinRequired(f"no {what}: this is not a systemd service with credentials")
        # systemd may grant access by an ACL, which shows as group bits, on files of root in a closed folder.
        return read_file(Path(folder, self.name), what, forbidden=0o007)


@dataclass(frozen=True, slots=True)
class EnvSource:
    """An environment variable. It is removed when it is read, so it serves one login."""

    interactive: ClassVar[bool] = False
    repeatable: ClassVar[bool] = False
    name: str

    def describe(self) -> str:
        """Return ``env:`` and the variable's name."""
        return f"env:{self.name}"

    def read(self, prompt: Prompt | None, what: str) -> SecretBytes:
        """See :class:`SecretSource`."""
        name = os.fsencode(self.name)
        value = os.environb.get(name)
        if value is None:
            raise PinRequired(f"no {what}: the environment variable is not set (it is removed once it was read)")
        _overwrite_variable(name)
        del os.environb[name]
        return nonempty(bytearray(value), what)


def _overwrite_variable(name: bytes) -> None:
    """Blank the variable where the kernel put it, which ``/proc/PID/environ`` goes on showing after an unset."""
    import ctypes

    getenv = ctypes.CDLL(None).getenv
    getenv.argtypes, getenv.restype = [ctypes.c_char_p], ctypes.c_void_p
    place = getenv(name)
    if place:
        ctypes.memset(place, 0, len(ctypes.string_at(place)))


@dataclass(frozen=True, slots=True)
class FdSource:
    """An inherited file descriptor: its first line, read once; then it is closed."""

    interactive: ClassVar[bool] = False
    repeatable: ClassVar[bool] = False
    number: int

    def describe(self) -> str:
        """Return ``fd:`` and the number."""
        return f"fd:{self.number}"

    def read(self, prompt: Prompt | None, what: str) -> SecretBytes:
        """See :class:`SecretSource`."""
        try:
            secret = read_stream(self.number, what, first_line=True)
            os.close(self.number)
        except OSError as error:
            raise PinRequired(
                f"no {what}: the file descriptor is not open (it is closed once it was read)", detail=str(error)
            ) from None
        return secret


@dataclass(frozen=True, slots=True)
class CommandSource:
    """What a program prints. It is started without a shell, in a session of its own, with a small environment."""

    interactive: ClassVar[bool] = False
    repeatable: ClassVar[bool] = True
    words: tuple[str, ...]

    def describe(self) -> str:
        """Return ``command:`` and the program's path; its arguments are left out."""
        return f"command:{self.words[0]}"

    def read(self, prompt: Prompt | None, what: str) -> SecretBytes:
        """See :class:`SecretSource`. The program has 30 seconds; its standard error is left alone."""
        import signal
        import subprocess

        try:
            check_code_file(Path(self.words[0]), what="command")
            process = subprocess.Popen(  # noqa: S603 - the configured program, without a shell, checked above
                self.words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                env={name: os.environ[name] for name in _COMMAND_ENVIRONMENT if name in os.environ},
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            raise PinRequired(f"no {what}: the command cannot be run", detail=str(error)) from None
        with process:
            try:
                if process.stdout is None:
                    raise PinRequired(f"no {what}: the command has no output")
                secret = read_stream(process.stdout.fileno(), what, first_line=False)
                if process.wait(timeout=WAIT_SECONDS) != 0:
                    secret.wipe()
                    raise PinRequired(f"no {what}: the command failed", detail=f"exit status {process.returncode}")
            except subprocess.TimeoutExpired:
                raise PinRequired(f"no {what}: the command did not end in {WAIT_SECONDS:.0f} seconds") from None
            finally:
                # Until it is waited for, its number cannot be another group's.
                if process.returncode is None:
                    os.killpg(process.pid, signal.SIGKILL)
        return secret


@dataclass(frozen=True, slots=True)
class PromptSource:
    """A person at a terminal. What was typed is not kept."""

    interactive: ClassVar[bool] = True
    repeatable: ClassVar[bool] = False

    def describe(self) -> str:
        """Return ``prompt``."""
        return "prompt"

    def read(self, prompt: Prompt | None, what: str) -> SecretBytes:
        """See :class:`SecretSource`."""
        if prompt is None:
            raise PinRequired(f"no {what}: nobody can be asked here")
        return prompt(f"{what}: ")


# --- secrets that a file of another program brought in ---------------------------------------------------------------

_KEPT: dict[str, SecretBytes] = {}


def keep_in_memory(name: str, secret: SecretBytes) -> str:
    """Keep a secret for this process's life and return the text of a source that gives it.

    Only for VirtEngine's ``hsm.json``, which may hold a PIN in clear.

    Args:
        name: What the secret is called; one kept under the same name before is wiped.
        secret: Taken over.
    """
    earlier = _KEPT.get(name)
    _KEPT[name] = secret
    if earlier is not None:
        earlier.wipe()
    return f"memory:{name}"


@dataclass(frozen=True, slots=True)
class MemorySource:
    """A secret that :func:`keep_in_memory` keeps."""

    interactive: ClassVar[bool] = False
    repeatable: ClassVar[bool] = True
    name: str

    def describe(self) -> str:
        """Return ``memory:`` and the name."""
        return f"memory:{self.name}"

    def read(self, prompt: Prompt | None, what: str) -> SecretBytes:
        """See :class:`SecretSource`."""
        return _KEPT[self.name].copy()
