"""Outside providers: only those that are named, and only code that nobody else can change."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keyring_bridge.config import ProviderConfig
from keyring_bridge.errors import BackendUnknown, ConfigError, InsecureFile, ProviderError
from keyring_bridge.providers import BACKENDS, capability_matrix, open_provider, provider_class
from keyring_bridge.testing import context_for_tests

GOOD = """
    import pathlib
    pathlib.Path(__file__).with_suffix(".ran").touch()
    from keyring_bridge.model import ProviderStatus
    from keyring_bridge.providers.base import ProviderBase

    class Outside(ProviderBase):
        scheme = "vault"
        hardware = False
        def _connect(self): ...
        def _close(self): ...
        def _list_keys(self): return []
        def _get_key(self, ref): raise KeyError(ref)
        def _get_public_key(self, uri): raise KeyError(uri)
        def _sign(self, ref, payload, deadline): raise KeyError(ref)
        def _status(self): return ProviderStatus("ready", hardware=False)
"""

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Lays down a package as pip does: modules, and a dist-info that names the entry point. Returns its folder."""
    site = tmp_path / "site"
    site.mkdir()
    site.chmod(0o755)
    monkeypatch.syspath_prepend(site)
    known = set(sys.modules)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def install_package(
        files: dict[str, str], target: str, *, name: str = "vault", distribution: str = "vault_provider"
    ) -> Path:
        for file, text in files.items():
            path = site / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        info = site / f"{distribution}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[keyring_bridge.providers]\n{name} = {target}\n")
        for path in site.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        return site

    yield install_package
    for module in set(sys.modules) - known:
        if module.startswith("outside_"):
            del sys.modules[module]


def test_one_that_is_named_is_loaded(install: Install, tmp_path: Path) -> None:
    site = install({"outside_one.py": GOOD}, "outside_one:Outside")
    backend = provider_class("vault", outside=("vault",))
    assert backend.__name__ == "Outside"
    assert (site / "outside_one.ran").exists()
    provider = open_provider(ProviderConfig("main", "vault"), context_for_tests(tmp_path), outside=("vault",))
    provider.connect()
    assert provider.list_keys() == []
    info = capability_matrix(["vault"])[-1]
    assert (info.name, info.available, info.hardware, info.capabilities) == ("vault", True, False, frozenset())


def test_one_that_is_only_installed_is_not(install: Install) -> None:
    site = install({"outside_idle.py": GOOD}, "outside_idle:Outside")
    with pytest.raises(BackendUnknown, match="does not name it") as caught:
        provider_class("vault", outside=("another",))
    assert 'outside_providers = ["vault"]' in str(caught.value.hint)
    assert not (site / "outside_idle.ran").exists()


def test_one_that_is_only_named_is_an_error() -> None:
    with pytest.raises(BackendUnknown, match="no installed package"):
        provider_class("vault", outside=("vault",))


def test_our_own_backends_cannot_be_replaced(install: Install) -> None:
    site = install({"outside_thief.py": GOOD}, "outside_thief:Outside", name="software")
    assert provider_class("software", outside=("software",)).__module__.startswith("keyring_bridge.")
    assert not (site / "outside_thief.ran").exists()
    assert "software" in BACKENDS


PACKAGE = {
    "outside_pkg/__init__.py": "import pathlib\npathlib.Path(__file__).with_suffix('.ran').touch()\n",
    "outside_pkg/sub/__init__.py": "",
    "outside_pkg/sub/provider.py": GOOD,
    "outside_pkg/other/helper.py": "",
}


def test_a_package_is_loaded(install: Install) -> None:
    install(PACKAGE, "outside_pkg.sub.provider:Outside")
    assert provider_class("vault", outside=("vault",)).__module__ == "outside_pkg.sub.provider"


def test_a_namespace_package_is_loaded(install: Install) -> None:
    install({"outside_space/part/__init__.py": GOOD}, "outside_space.part:Outside")
    assert provider_class("vault", outside=("vault",)).__module__ == "outside_space.part"


@pytest.mark.parametrize(
    ("place", "mode"),
    [
        ("outside_pkg/__init__.py", 0o646),
        ("outside_pkg/__init__.py", 0o664),
        ("outside_pkg/sub/provider.py", 0o666),
        ("outside_pkg/other/helper.py", 0o602),
        ("outside_pkg", 0o757),
        ("outside_pkg", 0o1777),
        ("outside_pkg/sub", 0o777),
        ("outside_pkg/other", 0o775),
        ("outside_pkg/__pycache__", 0o777),
        ("", 0o777),
    ],
)
def test_code_that_others_can_change_never_runs(install: Install, place: str, mode: int) -> None:
    site = install(PACKAGE, "outside_pkg.sub.provider:Outside")
    (site / "outside_pkg" / "__pycache__").mkdir(mode=0o755)
    (site / place).chmod(mode)
    with pytest.raises(InsecureFile) as caught:
        provider_class("vault", outside=("vault",))
    assert caught.value.code == "insecure_file"
    assert not list(site.rglob("*.ran"))
    assert not capability_matrix(["vault"])[-1].available


@pytest.mark.parametrize(("place", "mode"), [("outside_space", 0o777), ("outside_space/part", 0o777)])
def test_a_namespace_that_others_can_fill_is_refused(install: Install, place: str, mode: int) -> None:
    site = install({"outside_space/part/__init__.py": GOOD}, "outside_space.part:Outside")
    (site / place).chmod(mode)
    with pytest.raises(InsecureFile):
        provider_class("vault", outside=("vault",))
    assert not list(site.rglob("*.ran"))


def test_a_folder_elsewhere_is_refused(install: Install, tmp_path: Path) -> None:
    site = install(PACKAGE, "outside_pkg.sub.provider:Outside")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    (site / "outside_pkg" / "linked").symlink_to(elsewhere)
    with pytest.raises(InsecureFile, match="symbolic link"):
        provider_class("vault", outside=("vault",))
    assert not list(site.rglob("*.ran"))


@pytest.mark.parametrize(
    ("code", "target", "problem"),
    [
        ("raise RuntimeError('broken')", "outside_bad:Outside", "cannot be loaded"),
        ("import outside_nothing_like_it", "outside_bad:Outside", "cannot be loaded"),
        ("", "outside_bad:Outside", "cannot be loaded"),
        ("", "outside_missing:Outside", "cannot be loaded"),
        ("", "outside_bad.sub:Outside", "cannot be loaded"),
        ("Outside = 1", "outside_bad:Outside", "not a subclass"),
        ("class Outside: scheme = 'vault'", "outside_bad:Outside", "not a subclass"),
        (GOOD.replace('"vault"', '"safe"'), "outside_bad:Outside", "another name"),
        ("", "sys:Outside", "not in files"),
    ],
)
def test_what_is_no_provider_is_an_error(install: Install, code: str, target: str, problem: str) -> None:
    install({"outside_bad.py": code}, target)
    with pytest.raises(ConfigError, match=problem):
        provider_class("vault", outside=("vault",))


def test_two_packages_of_one_name_are_an_error(install: Install) -> None:
    install({"outside_a.py": GOOD}, "outside_a:Outside", distribution="one")
    site = install({"outside_b.py": GOOD}, "outside_b:Outside", distribution="two")
    with pytest.raises(ConfigError, match="several packages"):
        provider_class("vault", outside=("vault",))
    assert not list(site.rglob("*.ran"))


def test_a_constructor_that_fails_is_an_error_of_the_tree(install: Install, tmp_path: Path) -> None:
    init = "\n        def __init__(self, options, context): raise ValueError('secret: 1234')\n"
    install({"outside_init.py": GOOD + init}, "outside_init:Outside")
    with pytest.raises(ProviderError) as caught:
        open_provider(ProviderConfig("main", "vault"), context_for_tests(tmp_path), outside=("vault",))
    assert "1234" not in str(caught.value)
