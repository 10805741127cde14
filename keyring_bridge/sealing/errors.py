"""What can go wrong with sealed files."""

from __future__ import annotations

from keyring_bridge.errors import AuthError, BridgeError, Exit, InvalidRequest


class SealedError(BridgeError):
    """Base of the errors of sealed files."""

    code = "sealed_failed"
    rpc_code = -32100
    exit_code = Exit.INTEGRITY


class SealedUnknown(SealedError):
    """What was given is not a sealed file."""

    code = "sealed_unknown"


class SealedDamaged(SealedError):
    """A bit of the file is wrong, or its end is missing."""

    code = "sealed_damaged"
    default_hint = "use another copy of the file"


class SealedNewer(SealedError):
    """The file is of a newer version."""

    code = "sealed_newer"
    default_hint = "open it with the version of this program that made it, or a newer one"


class SealedOtherKind(SealedError):
    """The file is sealed, but has other content than what was asked for."""

    code = "sealed_other_kind"
    exit_code = Exit.USAGE


class SealedTooLarge(SealedError):
    """The content is larger than what such a file can have."""

    code = "sealed_too_large"


class SealedPassphraseIncorrect(AuthError):
    """The passphrase does not open the file."""

    code = "sealed_passphrase_incorrect"
    rpc_code = -32101


class SealedIdentityWrong(AuthError):
    """None of the identities opens the file: it was sealed for others."""

    code = "sealed_identity_wrong"
    rpc_code = -32101


class SealedOtherLock(AuthError):
    """A passphrase was given for a file that identities open, or the other way round."""

    code = "sealed_other_lock"
    rpc_code = -32101
    exit_code = Exit.USAGE


class RecipientInvalid(InvalidRequest):
    """Not an age X25519 recipient."""

    code = "sealed_recipient_invalid"


class IdentityInvalid(InvalidRequest):
    """Not an age X25519 identity. The message never repeats it."""

    code = "sealed_identity_invalid"


class SealedFileExists(SealedError):
    """The file that was to be written exists already."""

    code = "sealed_file_exists"
    exit_code = Exit.CONFLICT
    default_hint = "nothing was overwritten; name another file"


class SealedNotWritten(SealedError):
    """The file could not be written; nothing of it is left."""

    code = "sealed_not_written"
    exit_code = Exit.UNAVAILABLE
