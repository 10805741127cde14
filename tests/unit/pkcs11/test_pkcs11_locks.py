"""The lock between searches and changes."""

from __future__ import annotations

import threading
import time

import pytest

from keyring_bridge.errors import DeadlineExceeded
from keyring_bridge.providers.pkcs11.locks import ReadWriteLock


def test_readers_share_and_a_writer_is_alone() -> None:
    lock = ReadWriteLock()
    with lock.reading(1), lock.reading(1), pytest.raises(DeadlineExceeded), lock.writing(0.01):
        pass
    with lock.writing(1):
        with pytest.raises(DeadlineExceeded), lock.reading(0.01):
            pass
        with pytest.raises(DeadlineExceeded), lock.writing(0.01):
            pass
    with lock.reading(0), lock.reading(0):
        pass


def test_a_waiting_writer_goes_before_new_readers() -> None:
    lock = ReadWriteLock()
    order: list[str] = []

    def write() -> None:
        with lock.writing(5):
            order.append("writer")

    def read() -> None:
        with lock.reading(5):
            order.append("reader")

    threads = [threading.Thread(target=work) for work in (write, read)]
    with lock.reading(1):
        for thread in threads:
            thread.start()
            time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert order == ["writer", "reader"]


def test_a_writer_that_gives_up_lets_readers_in() -> None:
    lock = ReadWriteLock()
    entered = threading.Event()

    def read() -> None:
        with lock.reading(5):
            entered.set()

    def write() -> None:
        with pytest.raises(DeadlineExceeded), lock.writing(0.1):
            pass

    with lock.reading(1):
        writer = threading.Thread(target=write)
        writer.start()
        time.sleep(0.03)
        reader = threading.Thread(target=read)
        reader.start()
        assert entered.wait(2)
        writer.join()
        reader.join()


def test_it_is_given_back_after_an_error() -> None:
    lock = ReadWriteLock()
    for hold in (lock.reading, lock.writing):
        with pytest.raises(ZeroDivisionError), hold(1):
            _ = 1 / 0
    with lock.writing(0):
        pass
