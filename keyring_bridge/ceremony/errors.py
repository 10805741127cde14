"""What can go wrong in a ceremony or a recovery. No message ever holds a word: positions are told instead."""

from __future__ import annotations

from keyring_bridge.errors import BridgeError, Exit


class CeremonyError(BridgeError):
    """Base of the errors of ceremonies and recoveries."""

    code = "ceremony_failed"
    rpc_code = -32095
    exit_code = Exit.CONFLICT


class RecoveredOtherKey(CeremonyError):
    """What was given makes a key, but not the one that is wanted; nothing was imported."""

    code = "recovered_other_key"
    exit_code = Exit.INTEGRITY
    default_hint = (
        "check the words, the passphrase (a wrong one gives another key without any sign of it), the path and the "
        "algorithm"
    )


class SchemeInvalid(CeremonyError):
    """Groups and counts of shares that cannot be."""

    code = "share_scheme_invalid"
    rpc_code = -32602
    exit_code = Exit.USAGE


class CeremonyNotConfirmed(CeremonyError):
    """Nobody showed that the words were written down; the key was removed again."""

    code = "ceremony_not_confirmed"
    exit_code = Exit.USAGE
    default_hint = "destroy what was written down and begin anew: those words make no key that is in use"


class CeremonyUnfinished(CeremonyError):
    """The key is of a ceremony that was cut off, or is under way: nobody confirmed that it can be recovered."""

    code = "ceremony_unfinished"
    default_hint = (
        "run `hsm keygen --recoverable` with the same name again, which removes the key and makes a new one; or "
        "`hsm keys recover` with the words or shares, if they were handed out"
    )


class TerminalRequired(CeremonyError):
    """Words are shown on a terminal that a person sits at, and nowhere else."""

    code = "terminal_required"
    exit_code = Exit.USAGE
    default_hint = "run the command at a terminal, or use --shares with custodians that have files"


class ShareError(CeremonyError):
    """Base of what is wrong with shares. Members are told by their numbers."""

    code = "shares_invalid"
    exit_code = Exit.INTEGRITY


class ShareMistyped(ShareError):
    """A share whose words are not those that were handed out: one is unknown, one is wrong, or some are missing."""

    code = "share_mistyped"
    exit_code = Exit.USAGE


class SharesTooFew(ShareError):
    """More shares or groups are needed."""

    code = "shares_too_few"
    exit_code = Exit.USAGE


class SharesMixed(ShareError):
    """Shares of different sets."""

    code = "shares_mixed"


class SharesSpoilt(ShareError):
    """Shares that belong together by their marks, and do not fit each other."""

    code = "shares_spoilt"


class CustodiansInvalid(CeremonyError):
    """Custodians that do not go with the shares."""

    code = "custodians_invalid"
    rpc_code = -32602
    exit_code = Exit.USAGE


class AddressRequired(CeremonyError):
    """There is nothing that a recovered key could be compared with."""

    code = "address_required"
    exit_code = Exit.USAGE
    default_hint = "name the key's address with --address: a wrong passphrase or path gives another key unseen"
