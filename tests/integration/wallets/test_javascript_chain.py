"""The example of plugin/js, as somebody runs it who has installed @cosmjs/stargate."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.agent.harness import ok
from tests.integration.gomodule.harness import PLUGIN
from tests.integration.plugin.harness import change_policy
from tests.integration.wallets.conftest import KEY
from tests.integration.wallets.driver import FOLDER, PACKAGE
from tests.interop.cosmjs.judge import installed, require

if TYPE_CHECKING:
    from tests.integration.agent.harness import Agent
    from tests.integration.gomodule.harness import Operator

pytestmark = [pytest.mark.chain, pytest.mark.node]

each_signer = pytest.mark.parametrize(("options", "mode"), [((), "DIRECT"), (("--amino",), "LEGACY_AMINO_JSON")])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package, and @cosmjs installed into it."""
    folder = tmp_path_factory.mktemp("project") / "js"
    shutil.copytree(PACKAGE, folder)
    (folder / "node_modules").symlink_to(installed(FOLDER) / "node_modules")
    return folder


def run(project: Path, operator: Operator, *options: str, agent: str = "off") -> subprocess.CompletedProcess[str]:
    """Send 321uve to the validator."""
    chain = operator.chain
    what = ("--rpc", chain.rpc.replace("tcp:", "http:"), "--key", KEY, "--to", chain.address("val"))
    return subprocess.run(
        [require("node"), "example/send.js", *what, "--coins", "321uve", "--memo", "<é & \u2028>", *options],
        cwd=project,
        env={**operator.cli.env, "KEYRING_BRIDGE_PLUGIN": shlex.join(PLUGIN), "KEYRING_BRIDGE_AGENT": agent},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def sends(project: Path, operator: Operator, mode: str, *options: str, agent: str = "off") -> None:
    """Run the example, and hold what it printed against what the chain says."""
    chain = operator.chain
    validator = chain.address("val")
    before = chain.balance(validator)
    done = run(project, operator, *options, agent=agent)
    assert done.returncode == 0, done
    printed = json.loads(done.stdout)
    assert printed["code"] == 0
    found = chain.wait_tx(printed["hash"])
    assert found["code"] == 0
    (signer,) = found["tx"]["auth_info"]["signer_infos"]
    assert signer["mode_info"]["single"]["mode"] == f"SIGN_MODE_{mode}"
    assert found["tx"]["body"]["memo"] == "<é & \u2028>"
    assert chain.balance(validator) == before + 321


@each_signer
def test_through_a_plugin_process(project: Path, operator: Operator, options: tuple[str, ...], mode: str) -> None:
    sends(project, operator, mode, *options)


@each_signer
def test_through_the_agent(
    project: Path, operator: Operator, agent: Agent, options: tuple[str, ...], mode: str
) -> None:
    served = ok(operator.cli, "status")["served"]
    sends(project, operator, mode, *options, "--agent", agent="manual")
    assert ok(operator.cli, "status")["served"] == served + 1
    assert agent.process.poll() is None


def test_what_the_policy_refuses(project: Path, operator: Operator) -> None:
    modes = ["direct", "amino-json", "textual"]
    change_policy(operator.cli, KEY, sign_modes=["direct"])
    try:
        done = run(project, operator, "--amino")
    finally:
        change_policy(operator.cli, KEY, sign_modes=modes)
    assert (done.returncode, done.stdout) == (1, "")
    assert "[policy_denied]" in done.stderr
