"""What can be said about a configuration without logging in anywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keyring_bridge.cli.console import error_fields
from keyring_bridge.cli.errors import FileFailed
from keyring_bridge.errors import BridgeError

if TYPE_CHECKING:
    from keyring_bridge.config import Config, ProviderConfig


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: What it is.
        error: What is wrong with it, or None.
    """

    what: str
    error: BridgeError | None = None

    def to_json(self) -> dict[str, object]:
        """Return the finding ready for JSON."""
        return {"what": self.what, "ok": self.error is None, "error": error_fields(self.error) if self.error else None}


def check_config(config: Config) -> list[Finding]:
    """Look at everything a configuration names: policy, folders, options, libraries, PIN sources.

    Nothing is created and no PIN is sent anywhere; a PIN file is read, to see that it can be, and wiped.
    """
    from keyring_bridge.policy import Policy

    findings = [Finding(f"configuration {config.path}")]
    policy = config.policy_path
    if policy.exists():
        findings.append(_look(f"policy {policy}", lambda: Policy.load(policy)))
    else:
        findings.append(Finding(f"policy {policy}: there is none, so nothing is signed"))
    if config.state_dir.exists():
        findings.append(_look(f"state directory {config.state_dir}", lambda: _private(config)))
    if not config.providers:
        findings.append(Finding("providers: none is configured"))
    for provider in config.providers.values():
        findings.extend(_check_provider(config, provider))
    return findings


def _check_provider(config: Config, provider: ProviderConfig) -> list[Finding]:
    what = f"provider {provider.name} ({provider.backend})"
    findings = [_look(f"{what}: options", lambda: _open(config, provider))]
    if findings[0].error is not None:
        return findings
    source = provider.options.get("pin_source")
    if isinstance(source, str) and source != "pinpad":
        findings.append(_look(f"{what}: PIN source", lambda: _read_source(source)))
    if _is_pkcs11(provider):
        findings.append(_look(f"{what}: library", lambda: _check_library(provider)))
    return findings


def _open(config: Config, provider: ProviderConfig) -> None:
    from keyring_bridge.login_guard import LoginGuard
    from keyring_bridge.providers import open_provider
    from keyring_bridge.providers.base import ProviderContext

    context = ProviderContext(provider.name, config.state_dir, LoginGuard(config.state_dir / "logins"))
    open_provider(provider, context, outside=config.outside_providers).close()


def _is_pkcs11(provider: ProviderConfig) -> bool:
    from keyring_bridge.providers import resolve

    return resolve(provider.backend)[0] == "pkcs11"


def _check_library(provider: ProviderConfig) -> None:
    from keyring_bridge.config import build, check_code_file
    from keyring_bridge.errors import LibraryMissing
    from keyring_bridge.providers import resolve
    from keyring_bridge.providers.pkcs11.module import find_library
    from keyring_bridge.providers.pkcs11.options import Options

    options = build(Options, provider.options, f"providers.{provider.name}")
    if options.preset is None and options.library is None:
        options = Options(preset=resolve(provider.backend)[1])
    library = find_library(options)
    try:
        check_code_file(library, what="PKCS#11 library")
    except FileNotFoundError:
        raise LibraryMissing("the configured PKCS#11 library does not exist", detail=str(library)) from None


def _read_source(text: str) -> None:
    from keyring_bridge.secrets import parse_source

    source = parse_source(text)
    # Commands may ask a person or count tries, variables can be read once: only what has no effect is read.
    if text.startswith(("file:", "credential:")):
        source.read(None, "PIN").wipe()


def _private(config: Config) -> None:
    from keyring_bridge.config import private_dir

    private_dir(config.state_dir)


def _look(what: str, action: Callable[[], object]) -> Finding:
    try:
        action()
    except BridgeError as error:
        return Finding(what, error)
    except OSError as error:
        return Finding(what, FileFailed.of(error))
    return Finding(what)
