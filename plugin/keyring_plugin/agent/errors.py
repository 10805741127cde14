"""Errors that only commands about the agent have."""

from __future__ import annotations

from keyring_bridge.errors import BridgeError, Exit


class AgentRunning(BridgeError):
    """An agent runs already at this place."""

    code = "agent_running"
    exit_code = Exit.CONFLICT


class AgentNotRunning(BridgeError):
    """No agent runs at this place."""

    code = "agent_not_running"
    exit_code = Exit.UNAVAILABLE
    default_hint = "`keyring-plugin agent start` starts one"


class AgentFailed(BridgeError):
    """An agent could not be started, or did not end."""

    code = "agent_failed"
    exit_code = Exit.UNAVAILABLE
