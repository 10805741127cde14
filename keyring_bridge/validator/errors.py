"""Why a consensus key does not sign."""

from __future__ import annotations

from keyring_bridge.errors import BridgeError, Exit


class ConsensusRefused(BridgeError):
    """A vote or proposal that is not signed. The message is for the node, in the words of CometBFT's own signer."""

    code = "consensus_refused"
    rpc_code = -32044
    exit_code = Exit.DENIED


class Regression(ConsensusRefused):
    """A height, round or step below one that was signed."""

    code = "consensus_regression"


class DoubleSign(ConsensusRefused):
    """Something else was signed at this height, round and step, or may have been."""

    code = "double_sign"


class HeightTooFar(ConsensusRefused):
    """A height that the chain cannot have reached, or that is not to be signed."""

    code = "height_too_far"


class WatermarkFailed(BridgeError):
    """The memory of what was signed could not be read, written or synced. Nothing is signed until a restart."""

    code = "watermark_failed"
    rpc_code = -32045
    exit_code = Exit.INTEGRITY


class WatermarkDamaged(WatermarkFailed):
    """The memory of what was signed does not say what was signed last."""

    code = "watermark_damaged"
    default_hint = "find out on the chain what this validator signed last, and set its state above that"


class WatermarkMissing(WatermarkFailed):
    """Nobody said what this key signed before, so it signs nothing."""

    code = "watermark_missing"
    exit_code = Exit.NOT_FOUND
    default_hint = "import the state of the signer that had the key before, or set the state of a new key"


class WatermarkLocked(WatermarkFailed):
    """Another process serves this key on this chain."""

    code = "watermark_locked"
    exit_code = Exit.UNAVAILABLE
    retryable = True


class WatermarkMoved(WatermarkFailed):
    """Another process was quicker: its watermark decides."""

    code = "watermark_moved"
    exit_code = Exit.UNAVAILABLE
    retryable = True


class WouldLower(WatermarkFailed):
    """A state below the present one would allow to sign again what was signed."""

    code = "watermark_would_lower"
    exit_code = Exit.CONFLICT
