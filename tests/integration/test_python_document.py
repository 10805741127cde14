"""The program in docs/python.md, run as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cosmos_formats.pubkeys import PublicKey
from cosmos_formats.verify import verify
from keyring_bridge.bridge import Bridge
from keyring_bridge.config import load
from keyring_bridge.keyring import Keyring
from keyring_bridge.model import Caller
from tests.softhsm import softhsm  # noqa: F401 - a fixture
from tests.unit.bridge.sign_docs import send_doc

if TYPE_CHECKING:
    from tests.softhsm import SoftHsm

ROOT = Path(__file__).resolve().parents[2]
CHAIN = "python-1"


def test_the_program_signs_with_a_key_in_a_token(softhsm: SoftHsm, tmp_path: Path) -> None:  # noqa: F811 - the fixture
    token = softhsm.create_token("ops")
    config = tmp_path / "config.toml"
    options = "\n".join(f'{name} = "{value}"' for name, value in softhsm.options(token).items())
    config.write_text(f'version = 1\ndefault_provider = "pkcs11"\n[providers.pkcs11]\nbackend = "pkcs11"\n{options}\n')
    config.chmod(0o600)
    with Bridge.open(load(config)) as bridge:
        treasury = Keyring(bridge, Caller("uid:0")).generate("treasury")
        public_key = treasury.record.public_key
        policy = bridge.config.policy_path
    assert isinstance(public_key, PublicKey)
    policy.write_text(
        f'version = 1\n[keys.treasury]\nfingerprint = "{treasury.fingerprint}"\n'
        f'chains = ["{CHAIN}"]\nsign_modes = ["direct"]\nmessages = ["/cosmos.bank.v1beta1.MsgSend"]\n'
    )
    policy.chmod(0o600)
    document = send_doc(public_key, CHAIN)
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/python.md").read_text(), re.DOTALL)
    (tmp_path / "program.py").write_text(
        f"{program}\nprint(sign(bytes.fromhex({document.hex()!r})).hex())\n", encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, tmp_path / "program.py"],
        env={**os.environ, "KEYRING_BRIDGE_CONFIG": str(config), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    address, signature = done.stdout.split()
    assert address.startswith("ve1")
    assert verify(public_key, document, bytes.fromhex(signature))
