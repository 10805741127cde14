"""The agent's process: from taking its seat to giving it up."""

from __future__ import annotations

import os
import select
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from keyring_plugin.agent import place
from keyring_plugin.agent.core import Agent

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyring_bridge.config import Config
    from keyring_plugin.agent.seat import Seat

DRAIN_SECONDS = 10.0
"""How long the end waits for requests that are being served."""

LOG_NAME = "agent.log"
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def say(text: str) -> None:
    """Write a line to standard error: a terminal, a log file or the journal."""
    with suppress(OSError, ValueError, AttributeError):  # it may be closed
        sys.stderr.write(f"keyring-plugin agent: {text}\n")
        sys.stderr.flush()


def serve(seat: Seat, config: Config, ready: Callable[[], None]) -> None:
    """Serve until a signal comes or a client asks for the end.

    Args:
        seat: Where to listen.
        config: The configuration.
        ready: Called when clients are served.
    """
    waking, wake = os.pipe()

    def ask_to_end(*_: object) -> None:
        # A handler may do little more than write a byte: the locks it would need may be held by what it interrupted.
        with suppress(BlockingIOError):  # it has been asked often enough
            os.write(wake, b"\0")

    for number in _SIGNALS:
        signal.signal(number, ask_to_end)
    # The kernel may hand a signal to a thread in a device's library; the main thread, where handlers run, sleeps on.
    # The interpreter writes to this descriptor at once.
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    agent = Agent(config, seat.path, say, ask_to_end)
    agent.start()
    say(f"listens on {seat.path}, locked")
    ready()
    _accept(seat, agent, waking)
    signal.set_wakeup_fd(-1)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)  # a second one ends the process at once
    say("ends")
    seat.leave()
    agent.end(DRAIN_SECONDS)


def _accept(seat: Seat, agent: Agent, waking: int) -> None:
    poll = select.poll()
    poll.register(seat.listener, select.POLLIN)
    poll.register(waking, select.POLLIN)
    seat.listener.setblocking(False)
    while True:
        ready = [descriptor for descriptor, _ in poll.poll()]
        if waking in ready:
            return
        try:
            stream, _ = seat.listener.accept()
        except BlockingIOError:
            continue  # whoever knocked went away
        except OSError as error:
            # No descriptors left, perhaps; those in use are given back by and by.
            say(f"cannot accept a connection: {error.strerror}")
            select.select([waking], [], [], 0.2)
            continue
        stream.setblocking(True)
        agent.serve(stream)


def into_background(path: str) -> int:
    """Go on as a process without a terminal, whose standard error is a file beside the socket.

    Returns:
        In the new process: a descriptor to write a byte to when it serves. The old process does not return before that
        or before the new one has ended; then it gets -1 or, if it failed, -2.
    """
    waiting, told = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork():
        os.close(told)
        served = os.read(waiting, 1)
        os.close(waiting)
        return -1 if served else -2
    os.close(waiting)
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    folder = place.open_folder(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    log = os.open(LOG_NAME, flags, 0o600, dir_fd=folder)
    for descriptor, replaced in ((null, 0), (null, 1), (log, 2)):
        os.dup2(descriptor, replaced)
    for descriptor in (null, log, folder):
        os.close(descriptor)
    return told
