"""A wheel and an sdist built from the checkout, each installed in an empty virtual environment."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.packaging.environments import Distributions, Installation, install, run


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Distributions:
    out = tmp_path_factory.mktemp("dist")
    # The wheel is built from the sdist, as a package index's users would.
    run(sys.executable, "-m", "build", "--outdir", out, project_root, cwd=out)
    (wheel,) = out.glob("*.whl")
    (sdist,) = out.glob("*.tar.gz")
    return Distributions(wheel, sdist)


@pytest.fixture(scope="session")
def from_wheel(tmp_path_factory: pytest.TempPathFactory, distributions: Distributions) -> Installation:
    return install(tmp_path_factory.mktemp("wheel"), distributions.wheel)


@pytest.fixture(scope="session")
def from_sdist(tmp_path_factory: pytest.TempPathFactory, distributions: Distributions) -> Installation:
    return install(tmp_path_factory.mktemp("sdist"), distributions.sdist)


@pytest.fixture(params=["wheel", "sdist"])
def installation(request: pytest.FixtureRequest) -> Installation:
    made = request.getfixturevalue(f"from_{request.param}")
    assert isinstance(made, Installation)
    return made
