"""PKCS#11 modules: found, checked, loaded and initialised once per process.

A module's state belongs to the whole process. So there is one :class:`Module` per real path, shared by all
providers that name it, initialised for several threads, and re-initialised only while nobody uses it.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

from cosmos_formats.quickclass import dataclass
from keyring_bridge.config.files import check_code_file
from keyring_bridge.errors import ConfigError, LibraryInvalid, LibraryMissing, ProviderError
from keyring_bridge.providers.pkcs11.bindings import load_bindings
from keyring_bridge.providers.pkcs11.faults import TokenFault
from keyring_bridge.providers.pkcs11.locks import ReadWriteLock

if TYPE_CHECKING:
    from pkcs11._pkcs11 import lib

    from keyring_bridge.providers.pkcs11.connection import Connection
    from keyring_bridge.providers.pkcs11.cryptoki import Cryptoki
    from keyring_bridge.providers.pkcs11.options import Options

_modules: dict[str, Module] = {}
_lock = threading.RLock()


@dataclass(slots=True)
class SharedSlot:
    """What all connections of this process to one slot share: the login and the objects.

    Attributes:
        lock: Held while somebody logs in or out.
        users: Connections that rely on the login.
        objects: Held while objects are looked up, and alone while they are made, changed or destroyed.
    """

    lock: threading.RLock = field(default_factory=threading.RLock)
    users: int = 0
    objects: ReadWriteLock = field(default_factory=ReadWriteLock)


class Module:
    """One initialised module.

    Attributes:
        path: Its real path.
        cryptoki: Its functions for :mod:`.cryptoki`'s few calls.
        started: Moment of ``time.monotonic()`` when it was initialised last.
        forked: Whether it belongs to the parent of this process, and must not be used here.
        finalized: Whether it is of no use any more.
    """

    def __init__(self, path: str, cryptoki: Cryptoki) -> None:
        self.path = path
        self.cryptoki = cryptoki
        self.started = time.monotonic()
        self.forked = False
        self.finalized = False
        self._connections = 0
        self._open: WeakSet[Connection] = WeakSet()
        self._slots: dict[int, SharedSlot] = {}

    @cached_property
    def binding(self) -> lib:
        """python-pkcs11's object for this module; it never initialises or finalises it."""
        from pkcs11._pkcs11 import lib

        # Its __init__ would call C_Initialize(NULL), which promises the module that there is one thread.
        return lib.__new__(lib, self.path)  # type: ignore[call-arg]  # its __cinit__ takes the path

    def shared(self, slot_id: int) -> SharedSlot:
        """Return what connections to a slot share."""
        with _lock:
            return self._slots.setdefault(slot_id, SharedSlot())

    def enter(self) -> None:
        """Count a connection in: the module stays initialised until :meth:`leave`.

        Raises:
            ProviderError: The process was forked after the module was initialised.
        """
        with _lock:
            if self.finalized:
                raise ProviderError("the PKCS#11 library was finalised meanwhile")
            if self.forked:
                raise ProviderError(
                    "a PKCS#11 library does not survive a fork",
                    hint="start new processes (spawn), or connect after the fork",
                )
            self._connections += 1

    def opened(self, connection: Connection) -> None:
        """Keep an eye on a connection, for :meth:`abandon`."""
        self._open.add(connection)

    def abandon(self) -> None:
        """Give the module up in a forked child, without touching it: it is the parent's."""
        self.forked = True
        for connection in list(self._open):
            connection.abandon()

    def leave(self) -> None:
        """Count a connection out."""
        with _lock:
            self._connections -= 1

    def reinitialize(self) -> bool:
        """Start the module afresh, so that it sees tokens that came back; False if a connection uses it.

        Raises:
            TokenFault: The module cannot be initialised any more.
        """
        with _lock:
            if self._connections or self.forked or self.finalized:
                return False
            self.cryptoki.finalize()
            self._slots.clear()
            self.cryptoki.initialize()
            self.started = time.monotonic()
            return True

    def _finalize(self) -> None:
        self.cryptoki.finalize()
        self.finalized = True


def find_library(options: Options) -> Path:
    """Return the configured library, or the one that the preset finds.

    Raises:
        LibraryMissing: The preset finds none.
        ConfigError: The preset finds several different ones.
    """
    if options.library is not None:
        return options.library
    found = {os.path.realpath(place) for place in options.vendor.libraries if os.path.isfile(place)}
    if not found:
        raise LibraryMissing(
            f"no PKCS#11 library of preset {options.preset!r} is installed in a usual place",
            hint="install the vendor's package, or set `library`",
            detail=", ".join(options.vendor.libraries),
        )
    if len(found) > 1:
        raise ConfigError(
            f"preset {options.preset!r} finds several PKCS#11 libraries; set `library` to the one to use",
            detail=", ".join(sorted(found)),
        )
    return Path(found.pop())


def load(path: Path, *, environment: str | None = None) -> Module:
    """Return the module at ``path``, loading and initialising it on first use.

    Args:
        path: The configured file; symbolic links are followed, and only the real file is loaded.
        environment: A variable that the module wants to be set, for the hint.

    Raises:
        LibraryMissing: There is no such file.
        InsecureFile: Others could have written it, or put it there.
        LibraryInvalid: It is not a PKCS#11 module, or cannot be initialised.
    """
    load_bindings()
    try:
        check_code_file(path, what="PKCS#11 library")
    except FileNotFoundError:
        raise LibraryMissing("the configured PKCS#11 library does not exist", detail=str(path)) from None
    except OSError as error:
        raise LibraryMissing("the configured PKCS#11 library cannot be opened", detail=str(error)) from None
    real = os.path.realpath(path)
    with _lock:
        module = _modules.get(real)
        if module is None:
            module = _modules[real] = _initialized(real, environment)
        return module


def _initialized(real: str, environment: str | None) -> Module:
    from keyring_bridge.providers.pkcs11.cryptoki import Cryptoki

    cryptoki = Cryptoki(real)
    try:
        ours = cryptoki.initialize()
    except TokenFault as fault:
        hint = None
        if environment is not None and environment not in os.environ:
            hint = f"{environment} is not set; the library may need it"
        raise LibraryInvalid("the PKCS#11 library cannot be initialised", hint=hint, detail=fault.detail) from fault
    if not ours:
        raise LibraryInvalid(
            "other code in this process has initialised the PKCS#11 library already",
            hint="use the bridge in a process of its own: a module that was set up for one thread crashes with several",
        )
    return Module(real, cryptoki)


def finalize_all() -> None:
    """Finalise every module of this process, whatever uses it. Providers that are still open fail afterwards."""
    with _lock:
        modules = list(_modules.values())
        _modules.clear()
        for module in modules:
            module._finalize()


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()
    for module in _modules.values():
        module.abandon()


os.register_at_fork(after_in_child=_after_fork)
