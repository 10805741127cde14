"""Errors of chains and their nodes, a branch of the one tree (:mod:`keyring_bridge.errors`)."""

from __future__ import annotations

from keyring_bridge.errors import BridgeError, Exit


class ChainError(BridgeError):
    """A chain's description that cannot be used."""

    code = "chain_failed"
    rpc_code = -32080
    exit_code = Exit.CONFIG


class ChainNotFound(ChainError):
    """No chain of that id was added."""

    code = "chain_not_found"
    exit_code = Exit.NOT_FOUND
    default_hint = "`hsm chain list` shows the chains; `hsm chain add` adds one"


class ChainExists(ChainError):
    """A chain of that id was added before."""

    code = "chain_exists"
    exit_code = Exit.CONFLICT
    default_hint = "`hsm chain update` reads it again and shows what changed"


class ChainChanged(ChainError):
    """A descriptor set or coin metadata other than what was to be accepted; nothing was changed."""

    code = "chain_changed"
    exit_code = Exit.CONFLICT


class SchemaRefused(ChainError):
    """A descriptor set that cannot be used."""

    code = "schema_invalid"
    exit_code = Exit.INTEGRITY


class SchemaContradicted(SchemaRefused):
    """A descriptor set that says something else about a message than the shipped one; the message names what."""

    code = "schema_contradicts"
    default_hint = "if the chain runs another version of these modules, --prefer-shipped takes the shipped files there"


class NodeFailed(BridgeError):
    """A chain's node did not answer, or not as asked."""

    code = "node_failed"
    rpc_code = -32081
    exit_code = Exit.UNAVAILABLE
    retryable = True


class NodeLacks(NodeFailed):
    """A chain's node does not have the service or method that was called."""

    code = "node_lacks_service"
    retryable = False


class NodeMismatch(NodeFailed):
    """A node of another chain, or one that contradicts itself."""

    code = "node_mismatch"
    exit_code = Exit.INTEGRITY
    retryable = False
