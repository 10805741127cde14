"""Where output goes: results to standard output, everything else to standard error.

With ``--output json`` standard output carries exactly one JSON document, also when the command fails. Notes and
progress stay on standard error, so they never mix with it.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from keyring_bridge.cli.errors import NotConfirmed
from keyring_bridge.cli.render import Style, to_json, visible
from keyring_bridge.errors import Exit

if TYPE_CHECKING:
    from keyring_bridge.errors import BridgeError


@dataclass(frozen=True, slots=True)
class Result:
    """What a command answers.

    Attributes:
        data: The answer for programs, ready for JSON.
        text: Makes the answer for people; not called for JSON. An empty text prints nothing.
        exit_code: How the process ends; not every bad finding is an error.
    """

    data: object
    text: Callable[[Style], str]
    exit_code: Exit = Exit.OK


class Console:
    """The two output streams and the person who may sit behind them.

    Args:
        json: Answer in JSON.
        verbosity: How often ``-v`` was given.
        out: Standard output unless given.
        err: Standard error unless given.
    """

    def __init__(
        self, *, json: bool = False, verbosity: int = 0, out: TextIO | None = None, err: TextIO | None = None
    ) -> None:
        self.json = json
        self.verbosity = verbosity
        self._out = _tolerant(out or sys.stdout)
        self._err = _tolerant(err or sys.stderr)

    def result(self, result: Result) -> None:
        """Print the answer of a command."""
        text = to_json(result.data) if self.json else result.text(_style(self._out))
        if text:
            self._out.write(text + "\n")
            self._out.flush()

    def line(self, text: str) -> None:
        """Print one line of an answer that comes bit by bit; the caller has made it visible."""
        self._out.write(text + "\n")
        self._out.flush()

    def flush(self) -> None:
        """Write out what somebody else has printed to standard output."""
        self._out.flush()

    def error(self, error: BridgeError) -> None:
        """Print an error: with JSON to standard output, as ``{"error": {…}}``, else for people to standard error."""
        if self.json:
            self._out.write(to_json({"error": error_fields(error)}) + "\n")
            self._out.flush()
            return
        style = _style(self._err)
        lines = [f"{style.bad('error:')} {visible(error.message)} [{error.code}]"]
        if error.detail:
            lines.append(f"detail: {visible(error.detail)}")
        if error.hint:
            lines.append(f"hint: {visible(error.hint)}")
        if error.correlation_id:
            lines.append(f"audit: {visible(error.correlation_id)}")
        self._err.write("\n".join(lines) + "\n")
        self._err.flush()

    def note(self, text: str) -> None:
        """Tell a person something on standard error."""
        self._err.write(visible(text) + "\n")
        self._err.flush()

    def warn(self, text: str) -> None:
        """Tell a person something that needs attention on standard error."""
        self._err.write(warning_line(text, _style(self._err)) + "\n")
        self._err.flush()

    def progress(self, text: str, *, ended: bool = False) -> None:
        """Show how far something is, on one line of a terminal that the next call writes over."""
        if _is_terminal(self._err):
            self._err.write(f"\r\x1b[K{'' if ended else visible(text)}")
            self._err.flush()

    @property
    def interactive(self) -> bool:
        """Whether a person can be asked: standard input and standard error are a terminal."""
        return _is_terminal(sys.stdin) and _is_terminal(self._err)

    def confirm(self, question: str, *, answer: str = "yes", assume: bool = False) -> None:
        """Let a person confirm something destructive by typing ``answer``.

        Args:
            question: What is about to happen.
            answer: What has to be typed.
            assume: ``--yes`` was given; nobody is asked.

        Raises:
            NotConfirmed: The answer was another, or nobody can be asked.
        """
        if assume:
            return
        if not self.interactive:
            raise NotConfirmed("this needs a confirmation, and there is no terminal to ask on", hint="add --yes")
        self._err.write(f"{visible(question)}\nType {visible(answer)} to go on: ")
        self._err.flush()
        if sys.stdin.readline().rstrip("\r\n") != answer:
            raise NotConfirmed("not confirmed; nothing was changed")


def warning_line(text: str, style: Style) -> str:
    """Return a warning for people; one that is loud by itself is not announced twice."""
    loud, _, rest = text.partition("WARNING: ")
    if not loud and rest:
        return f"{style.bad('WARNING:')} {visible(rest)}"
    return f"{style.warning('warning:')} {visible(text)}"


def error_fields(error: BridgeError) -> dict[str, object]:
    """Return an error as its JSON object; the fields ``detail`` and ``correlation_id`` are there when known."""
    fields: dict[str, object] = {"code": error.code, "message": error.message, "hint": error.hint}
    if error.detail:
        fields["detail"] = error.detail
    if error.correlation_id:
        fields["correlation_id"] = error.correlation_id
    return fields


def _style(stream: TextIO) -> Style:
    # https://no-color.org: any non-empty value switches colour off.
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Style(wanted and _is_terminal(stream))


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def _tolerant(stream: TextIO | None) -> TextIO:
    """Let a stream print characters that its encoding does not have, as escapes, instead of failing."""
    if stream is None:
        # The process was started with this stream closed.
        return io.StringIO()
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream
