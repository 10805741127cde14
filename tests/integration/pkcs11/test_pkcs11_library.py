"""Which libraries are loaded, and what happens with the others."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keyring_bridge.errors import ConfigError, InsecureFile, LibraryInvalid, LibraryMissing, ProviderError
from keyring_bridge.providers.pkcs11.module import find_library, load
from keyring_bridge.providers.pkcs11.options import Options
from keyring_bridge.providers.pkcs11.presets import PRESETS, Preset

if TYPE_CHECKING:
    from tests.integration.pkcs11.conftest import MakeProvider
    from tests.shim.shim import Shim
    from tests.softhsm import SoftHsm

pytestmark = pytest.mark.softhsm


def test_a_missing_library(make: MakeProvider, tmp_path: Path) -> None:
    with pytest.raises(LibraryMissing):
        make(library=str(tmp_path / "none.so")).connect()


def test_a_link_that_leads_nowhere(make: MakeProvider, tmp_path: Path) -> None:
    (tmp_path / "link.so").symlink_to(tmp_path / "none.so")
    with pytest.raises(LibraryMissing):
        make(library=str(tmp_path / "link.so")).connect()


def test_a_file_that_is_no_library(make: MakeProvider, tmp_path: Path) -> None:
    text = tmp_path / "text.so"
    text.write_text("hello")
    with pytest.raises(LibraryInvalid):
        make(library=str(text)).connect()


def test_a_directory(make: MakeProvider, tmp_path: Path) -> None:
    with pytest.raises((InsecureFile, LibraryInvalid)):
        make(library=str(tmp_path)).connect()


def test_a_library_that_is_not_pkcs11(make: MakeProvider) -> None:
    name = ctypes.util.find_library("z")
    assert name is not None
    listing = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    path = next(line.split("=>")[1].strip() for line in listing.splitlines() if name in line)
    with pytest.raises(LibraryInvalid, match="not a PKCS#11 module"):
        make(library=path).connect()


@pytest.mark.parametrize("mode", [0o666, 0o646, 0o664])
def test_a_library_that_others_can_write_is_not_loaded(make: MakeProvider, softhsm: SoftHsm, mode: int) -> None:
    copy = softhsm.directory / "copy.so"
    shutil.copyfile(softhsm.library, copy)
    copy.chmod(mode)
    with pytest.raises(InsecureFile):
        make(library=str(copy)).connect()
    assert str(copy) not in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_a_library_in_a_folder_that_others_can_write_is_not_loaded(
    make: MakeProvider, softhsm: SoftHsm, mode: int
) -> None:
    folder = softhsm.directory / "open"
    folder.mkdir()
    copy = folder / "copy.so"
    shutil.copyfile(softhsm.library, copy)
    folder.chmod(mode)
    with pytest.raises(InsecureFile):
        make(library=str(copy)).connect()
    assert str(copy) not in Path("/proc/self/maps").read_text()


def test_a_link_in_a_folder_that_others_can_write_is_not_followed(make: MakeProvider, softhsm: SoftHsm) -> None:
    folder = softhsm.directory / "open"
    folder.mkdir()
    (folder / "link.so").symlink_to(softhsm.library)
    (softhsm.directory / "first.so").symlink_to(folder / "link.so")
    folder.chmod(0o1777)
    for link in (folder / "link.so", softhsm.directory / "first.so"):
        with pytest.raises(InsecureFile):
            make(library=str(link)).connect()


def test_two_paths_of_one_library_are_one_module(softhsm: SoftHsm) -> None:
    link = softhsm.directory / "link.so"
    link.symlink_to(softhsm.library)
    assert load(link) is load(softhsm.library)


def test_a_failed_initialisation_names_the_variable(
    make: MakeProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.conf"
    broken.write_text(f"directories.tokendir = {tmp_path / 'nowhere'}\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(broken))
    with pytest.raises(LibraryInvalid, match="cannot be initialised"):
        make().connect()


def test_a_module_that_other_code_initialised_is_refused(softhsm: SoftHsm) -> None:
    code = (
        "import pkcs11, sys; from pathlib import Path\n"
        "from keyring_bridge.errors import LibraryInvalid\n"
        "from keyring_bridge.providers.pkcs11.module import load\n"
        "pkcs11.lib(sys.argv[1])\n"
        "try: load(Path(sys.argv[1]))\n"
        "except LibraryInvalid as error: sys.exit('other code' not in str(error))\n"
        "sys.exit(2)\n"
    )
    real = os.path.realpath(softhsm.library)
    assert subprocess.run([sys.executable, "-c", code, real], check=False).returncode == 0


def test_a_proxy_that_gives_each_caller_its_own_state_is_refused(shim: Shim, shimmed: MakeProvider) -> None:
    shim.control("quirk fresh_tables")
    with pytest.raises(LibraryInvalid, match="state of its own"):
        shimmed().connect()


def test_nothing_is_done_in_a_forked_child(make: MakeProvider) -> None:
    provider = make()
    provider.connect()
    child = os.fork()
    if child == 0:
        try:
            provider.list_keys()
        except ProviderError as error:
            os._exit(0 if "fork" in str(error) else 3)
        except BaseException:
            os._exit(4)
        os._exit(5)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert provider.list_keys() == []


def test_the_preset_finds_softhsm(make: MakeProvider) -> None:
    provider = make(library=None, preset="softhsm")
    assert provider.list_keys() == []


def test_a_preset_without_its_library_says_so() -> None:
    with pytest.raises(LibraryMissing, match="luna"):
        find_library(Options(preset="luna"))


def test_a_preset_that_finds_two_libraries_does_not_choose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = [tmp_path / "a.so", tmp_path / "b.so"]
    for path in both:
        path.touch()
    monkeypatch.setitem(PRESETS, "two", Preset(libraries=tuple(map(str, both))))  # type: ignore[misc]  # a dict
    with pytest.raises(ConfigError, match="several"):
        find_library(Options(preset="two"))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"preset": "none"},
        {"library": "/x", "sessions": 0},
        {"library": "/x", "sessions": 2000},
        {"library": "/x", "idle_timeout": -1.0},
        {"library": "/x", "operation_timeout": 0.0},
        {"library": "/x", "slot": -1},
        {"library": "/x", "token_lable": "bridge"},
        {"library": "/x", "sessions": "many"},
        {"library": 7},
    ],
)
def test_options_that_make_no_sense(make: MakeProvider, options: dict[str, object]) -> None:
    from keyring_bridge.providers.pkcs11 import Pkcs11Provider

    with pytest.raises(ConfigError):
        Pkcs11Provider(options, make().context)
