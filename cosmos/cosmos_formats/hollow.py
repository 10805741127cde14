"""Imports that leave out what an imported library loads and nobody here uses.

A chain's command starts a process for one signature and waits for its imports. Some libraries import at their top what
is needed for other things than ours: classes in pure Python beside those in C, parsers of certificates.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from types import ModuleType


@contextmanager
def left_out(*names: str) -> Iterator[None]:
    """Let modules be imported while those of these names, unless they are loaded, are empty.

    Afterwards it is as if the empty ones had never been imported: whoever imports them later gets them whole.
    """
    hollow = {name: ModuleType(name) for name in names if name not in sys.modules}
    sys.modules.update(hollow)
    try:
        yield
    finally:
        for name, module in hollow.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


_POOL = ("google.protobuf.descriptor_pool", "google.protobuf.internal.builder", "google.protobuf.descriptor_pb2")


@cache
def load_protobuf() -> None:
    """Import protobuf's descriptors without the message classes in pure Python, where those in C are used."""
    from google.protobuf.internal import api_implementation

    if api_implementation.Type() == "python":
        return
    present = [name for name in _POOL if name in sys.modules]
    try:
        with left_out("google.protobuf.internal.python_message"):
            for name in _POOL:
                import_module(name)
    except (AttributeError, ImportError):  # a release that uses them at its top: it gets them
        for name in set(_POOL).difference(present):
            sys.modules.pop(name, None)
