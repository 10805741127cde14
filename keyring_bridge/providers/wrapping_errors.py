"""What can go wrong when keys leave a device wrapped."""

from __future__ import annotations

from keyring_bridge.errors import Exit, ProviderError


class KeyNotWrappable(ProviderError):
    """The device does not give this key out, not even wrapped."""

    code = "key_not_wrappable"
    exit_code = Exit.CONFLICT


class WrappingKeyMissing(ProviderError):
    """The device has no trusted wrapping key that fits, or several."""

    code = "wrapping_key_missing"
    exit_code = Exit.NOT_FOUND
    default_hint = "`hsm backup wrapping-key` makes one, and brings it into another token; docs/backup.md tells how"


class WrappingKeyExists(ProviderError):
    """The device has another wrapping key of this name."""

    code = "wrapping_key_exists"
    exit_code = Exit.CONFLICT
