"""PINs and passphrases: held in buffers that can be wiped, read from sources that others cannot see."""

from __future__ import annotations

from keyring_bridge.secrets.process import harden_process
from keyring_bridge.secrets.secret_bytes import SecretBytes
from keyring_bridge.secrets.sources import SecretSource, keep_in_memory, parse_source
from keyring_bridge.secrets.terminal import tty_prompt

__all__ = ["SecretBytes", "SecretSource", "harden_process", "keep_in_memory", "parse_source", "tty_prompt"]
