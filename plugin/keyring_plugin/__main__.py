"""``python -m keyring_plugin``: the program ``keyring-plugin``."""

from keyring_plugin.main import run

run()
