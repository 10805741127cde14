"""Errors that only the command line has, and the meaning of its exit codes."""

from __future__ import annotations

from keyring_bridge.errors import BridgeError, Exit


class UsageError(BridgeError):
    """A command line that does not parse, or arguments that do not go together."""

    code = "usage_error"
    exit_code = Exit.USAGE


class NotConfirmed(BridgeError):
    """A destructive command that nobody confirmed; nothing was changed."""

    code = "not_confirmed"
    exit_code = Exit.USAGE


class FileFailed(BridgeError):
    """A file that could not be read or written."""

    code = "file_failed"
    exit_code = Exit.INTERNAL

    @classmethod
    def of(cls, error: OSError) -> FileFailed:
        """Build the error from what the operating system said."""
        reason = error.strerror or type(error).__name__
        return cls(f"{error.filename}: {reason}" if error.filename else reason)


INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
BROKEN_PIPE = 141
"""Exit code when nobody reads the output any more, as shells have it."""

EXIT_MEANINGS: tuple[tuple[int, str], ...] = (
    (Exit.OK, "done"),
    (Exit.INTERNAL, "a fault of the program or the operating system"),
    (Exit.USAGE, "wrong arguments or input; a destructive command was not confirmed"),
    (Exit.CONFIG, "configuration, policy, library or file permissions are wrong"),
    (Exit.NOT_FOUND, "no such key, token or object"),
    (Exit.CONFLICT, "the name or address is taken, or the key cannot do this"),
    (Exit.DENIED, "the policy does not allow it"),
    (Exit.AUTH, "no login: PIN missing, wrong, blocked or locked"),
    (Exit.PROVIDER, "the token or its library failed"),
    (Exit.INTEGRITY, "a signature, the audit log or the store does not verify"),
    (Exit.UNAVAILABLE, "not available now; the same command may work later"),
    (Exit.MISSING_EXTRA, "an optional dependency is not installed"),
    (INTERRUPTED, "interrupted"),
    (BROKEN_PIPE, "nobody reads the output"),
)
"""Every exit code of ``hsm`` and what it tells, for ``hsm --help`` and the documentation."""
