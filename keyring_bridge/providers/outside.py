"""Backends from other packages.

A package offers one by an entry point of the group ``keyring_bridge.providers``, whose name is the backend's. A
provider sees every payload and answers every signature, so none is loaded for being installed: the configuration must
name it (``outside_providers``), and nobody but its owner, who is this user or root, may be able to change its code.
That is checked for every file of the package before the first of them is run.
"""

from __future__ import annotations

import os
import stat
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keyring_bridge.config.files import check_code_file
from keyring_bridge.errors import BackendUnknown, BridgeError, ConfigError, InsecureFile
from keyring_bridge.providers.base import ProviderBase

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP: Final = "keyring_bridge.providers"
"""The entry-point group."""


def installed() -> frozenset[str]:
    """Return the names of the backends that installed packages offer. Nothing of them is imported."""
    from importlib.metadata import entry_points

    return frozenset(point.name for point in entry_points(group=GROUP))


def load_outside(name: str) -> type[ProviderBase]:
    """Import the class of an outside backend. The caller made sure that the configuration names it.

    Raises:
        BackendUnknown: No installed package offers it.
        InsecureFile: Others could have changed its code.
        ConfigError: Several packages offer it, it cannot be imported, or it is not a provider of that name.
    """
    point = _entry_point(name)
    try:
        _check_code(point.module)
        loaded = point.load()
    except BridgeError:
        raise
    except Exception as error:
        raise ConfigError(
            f"the outside provider {name!r} cannot be loaded", detail=f"{type(error).__name__}: {error}"
        ) from error
    if not isinstance(loaded, type) or not issubclass(loaded, ProviderBase):
        raise ConfigError(f"the outside provider {name!r} is not a subclass of ProviderBase", detail=point.value)
    if getattr(loaded, "scheme", None) != name:
        raise ConfigError(f"the outside provider {name!r} has another name as its scheme", detail=point.value)
    return loaded


def _entry_point(name: str) -> EntryPoint:
    from importlib.metadata import entry_points

    points = {point.value: point for point in entry_points(group=GROUP, name=name)}
    if not points:
        raise BackendUnknown(
            f"the configuration names an outside provider {name[:80]!r}, but no installed package offers it",
            hint="install its package in the environment of the bridge",
        )
    if len(points) > 1:
        raise ConfigError(f"several packages offer a provider {name!r}: {', '.join(sorted(points))}")
    return next(iter(points.values()))


def _check_code(module: str) -> None:
    """Check the module and, from the outermost on, the packages around it, each before it is imported."""
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        name = ".".join(parts[:count])
        # Finding a module imports the packages around it, which were checked in earlier rounds.
        spec = find_spec(name)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        _check_spec(spec)
        if count < len(parts):
            import_module(name)


def _check_spec(spec: ModuleSpec) -> None:
    if spec.origin is not None and spec.has_location:
        check_code_file(Path(spec.origin), what="outside provider")
        for folder in spec.submodule_search_locations or ():
            _check_place(Path(folder))
            _check_tree(Path(folder))
    elif spec.submodule_search_locations is None:
        raise ConfigError(f"the code of {spec.name!r} is not in files, so nobody can tell who wrote it")
    else:
        # A namespace package has no code of its own, and other packages in it are none of our business.
        for folder in spec.submodule_search_locations:
            _check_place(Path(folder))
            _check_folder(Path(folder))


def _check_place(folder: Path) -> None:
    around = Path(os.path.realpath(folder)).parent
    mode = around.stat().st_mode
    # The sticky bit keeps others from replacing what is ours.
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise InsecureFile(
            f"anybody can replace the folder {folder} of an outside provider", hint=f"chmod o-w {around}"
        )


def _check_tree(top: Path) -> None:
    for folder, folders, files in os.walk(top):
        _check_folder(Path(folder))
        for name in folders:
            if Path(folder, name).is_symlink():
                raise InsecureFile(f"the folder {Path(folder, name)} of an outside provider is a symbolic link")
        for file in files:
            check_code_file(Path(folder, file), what="outside provider")


def _check_folder(folder: Path) -> None:
    found = folder.stat()
    if found.st_uid not in (0, os.geteuid()):
        raise InsecureFile(f"the folder {folder} of an outside provider belongs to uid {found.st_uid}")
    # Even with the sticky bit, others could add modules.
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise InsecureFile(f"others can add code to the folder {folder}", hint=f"chmod go-w {folder}")
