"""``python -m keyring_bridge.cli``, the same as ``hsm``."""

from keyring_bridge.cli.main import run

run()
