"""The table of backends, and how one of them becomes a provider.

A backend is a row: its name (the scheme of its URIs), where its class is, and the extra that installs what the class
needs. Classes are imported when they are asked for. Backends of other packages are loaded by
:mod:`keyring_bridge.providers.outside`, and only those that the configuration names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from cosmos_formats.quickclass import dataclass
from keyring_bridge.errors import BackendUnknown, BridgeError, ConfigError, ExtraMissing, NotAvailable, ProviderError
from keyring_bridge.providers.base import CAPABILITIES, ProviderBase

if TYPE_CHECKING:
    from keyring_bridge.config import ProviderConfig
    from keyring_bridge.providers.base import ProviderContext


@dataclass(frozen=True, slots=True)
class BackendRow:
    """One backend of this project.

    Attributes:
        name: What configurations call it, and the scheme of its keys' URIs.
        target: Its class as ``module:Class``; None for one that this release does not have yet.
        extra: The optional dependency group that it needs, None if it needs none.
        summary: What it is, in a few words.
    """

    name: str
    target: str | None
    extra: str | None
    summary: str


_ROWS = (
    BackendRow("pkcs11", "keyring_bridge.providers.pkcs11:Pkcs11Provider", None, "hardware security modules (PKCS#11)"),
    BackendRow(
        "software", "keyring_bridge.providers.software:SoftwareProvider", None, "an encrypted file; no hardware"
    ),
    BackendRow(
        "cosmosfile",
        "keyring_bridge.providers.cosmos_file:CosmosFileProvider",
        None,
        "keyring directories of the SDK, read only; no hardware",
    ),
    BackendRow("ledger", None, "ledger", "Ledger devices"),
    BackendRow("awskms", None, "aws", "AWS Key Management Service"),
    BackendRow("gcpkms", None, "gcp", "Google Cloud Key Management Service"),
    BackendRow("azurekms", None, "azure", "Azure Key Vault and Managed HSM"),
)

BACKENDS: Final[Mapping[str, BackendRow]] = MappingProxyType({row.name: row for row in _ROWS})
"""Every backend of this project by name."""

ALIASES: Final[Mapping[str, tuple[str, str | None]]] = MappingProxyType(
    {
        "softhsm": ("pkcs11", "softhsm"),
        "aws_cloudhsm": ("pkcs11", "cloudhsm"),
        "cosmos_file": ("cosmosfile", None),
        "aws": ("awskms", None),
        "gcp": ("gcpkms", None),
        "gcp_cloudhsm": ("gcpkms", None),
        "azure": ("azurekms", None),
        "azure_hsm": ("azurekms", None),
    }
)
"""Other names, as VirtEngine's commands have them, with the name and the preset that they stand for."""


@dataclass(frozen=True, slots=True)
class BackendInfo:
    """What ``hsm backends`` shows of one backend.

    Attributes:
        name: Its name.
        summary: What it is.
        aliases: Other names for it.
        extra: The optional dependency group that it needs.
        available: Whether it can be used here and now.
        problem: Why it cannot, an empty text if it can.
        hardware: Whether its keys are outside this computer's memory and files; None if it is not available.
        capabilities: Names of :data:`~keyring_bridge.providers.base.CAPABILITIES` that it has.
    """

    name: str
    summary: str
    aliases: tuple[str, ...] = ()
    extra: str | None = None
    available: bool = False
    problem: str = ""
    hardware: bool | None = None
    capabilities: frozenset[str] = frozenset()


def resolve(name: str) -> tuple[str, str | None]:
    """Return the backend that ``name`` stands for, and the preset that comes with the name.

    A name that is neither in the table nor an alias is returned as it is: it may be an outside provider's.
    """
    return ALIASES.get(name, (name, None))


def provider_class(name: str, outside: Collection[str] = ()) -> type[ProviderBase]:
    """Return the class of a backend, importing it.

    Args:
        name: A backend of the table, an alias, or one of ``outside``.
        outside: Names of backends from other packages that may be loaded.

    Raises:
        BackendUnknown: There is no such backend.
        NotAvailable: This release does not have it.
        ExtraMissing: Its optional dependency is not installed.
        ConfigError: An outside provider that is not loaded; the message says why.
    """
    canonical, _ = resolve(name)
    row = BACKENDS.get(canonical)
    if row is None:
        from keyring_bridge.providers.outside import load_outside

        if canonical not in outside:
            raise _unknown(canonical, outside)
        return load_outside(canonical)
    if row.target is None:
        raise NotAvailable(f"this release has no {row.name} backend ({row.summary})", hint="`hsm backends` lists all")
    module, _, attribute = row.target.partition(":")
    try:
        found: type[ProviderBase] = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if row.extra is None or (error.name or "").partition(".")[0] == "keyring_bridge":
            raise ProviderError(f"the {row.name} backend cannot be loaded", detail=str(error)) from error
        raise ExtraMissing.for_extra(row.extra, f"the {row.name} backend") from error
    return found


def open_provider(settings: ProviderConfig, context: ProviderContext, outside: Collection[str] = ()) -> ProviderBase:
    """Construct the provider that ``settings`` describe, without connecting it.

    Args:
        settings: A provider of the configuration.
        context: What the bridge lends to it.
        outside: Names of backends from other packages that may be loaded.

    Raises:
        ConfigError: Its options are wrong (other errors as :func:`provider_class`).
    """
    _, preset = resolve(settings.backend)
    options = settings.options if preset is None else _with_preset(settings, preset)
    backend = provider_class(settings.backend, outside)
    try:
        return backend(options, context)
    except BridgeError:
        raise
    except Exception as error:
        raise ProviderError(
            f"the {backend.scheme} provider {context.name} cannot be set up", detail=f"{type(error).__name__}: {error}"
        ) from error


def capability_matrix(outside: Collection[str] = ()) -> tuple[BackendInfo, ...]:
    """Return what every backend can do, read from its class: the table's rows first, then those of ``outside``."""
    rows = [*BACKENDS.values(), *(BackendRow(name, None, None, "outside provider") for name in sorted(outside))]
    return tuple(_describe(row, outside) for row in rows)


def _describe(row: BackendRow, outside: Collection[str]) -> BackendInfo:
    aliases = tuple(alias for alias, (name, _) in ALIASES.items() if name == row.name)
    try:
        backend = provider_class(row.name, outside)
    except BridgeError as error:
        problem = f"{error}: {error.hint}" if isinstance(error, ExtraMissing) else str(error)
        return BackendInfo(row.name, row.summary, aliases, row.extra, problem=problem)
    return BackendInfo(
        row.name,
        row.summary,
        aliases,
        row.extra,
        available=True,
        hardware=backend.hardware,
        capabilities=frozenset(name for name, protocol in CAPABILITIES.items() if issubclass(backend, protocol)),
    )


def _with_preset(settings: ProviderConfig, preset: str) -> Mapping[str, object]:
    from keyring_bridge.config.build import Table

    said = settings.options.get("preset", preset)
    if said != preset:
        raise ConfigError(
            f"providers.{settings.name}.preset: backend {settings.backend!r} means the preset {preset!r}",
            hint="name the backend `pkcs11` to choose another preset",
        )
    options = {**settings.options, "preset": preset}
    return Table(options, settings.options.file) if isinstance(settings.options, Table) else options


def _unknown(name: str, outside: Collection[str]) -> BackendUnknown:
    from keyring_bridge.config.build import nearest
    from keyring_bridge.providers.outside import installed

    shown = name[:80]
    if name in installed():
        return BackendUnknown(
            f"the backend {shown!r} comes from another package, and the configuration does not name it",
            hint=f'it is loaded with `outside_providers = ["{shown}"]` in the configuration',
        )
    near = nearest(name, [*BACKENDS, *ALIASES, *outside])
    known = f"did you mean {near!r}?" if near else f"there are {', '.join(BACKENDS)}"
    return BackendUnknown(f"there is no backend {shown!r}; {known}", hint="`hsm backends` lists all")
