"""All methods of the protocol: those about the bridge itself, and the one way in which any of them is run."""

from __future__ import annotations

from collections.abc import Mapping

from keyring_bridge import __version__
from keyring_bridge.config.model import RpcConfig
from keyring_bridge.errors import InvalidRequest
from keyring_plugin import protocol
from keyring_plugin.errors import VersionUnsupported, to_wire
from keyring_plugin.framing import Framing
from keyring_plugin.keyring_methods import KEYRING_HANDLERS, Context, Handler, Params

SERVER_NAME = "keyring-plugin"


def handshake(context: Context, params: Params) -> object:
    """``bridge.handshake``."""
    wanted = params.get("protocol_version", protocol.PROTOCOL_VERSION)
    if wanted < protocol.OLDEST_VERSION:
        raise VersionUnsupported(
            f"protocol version {wanted} is not spoken here",
            hint=f"versions {protocol.OLDEST_VERSION} to {protocol.PROTOCOL_VERSION} are",
        )
    client = params.get("client")
    if client is not None:
        context.session.introduce(client["name"], client.get("version", ""))
    service = context.session.service
    problem = service.problem
    config = None if problem is not None else service.config
    limits = config.rpc if config is not None else RpcConfig()
    return {
        "protocol_version": min(wanted, protocol.PROTOCOL_VERSION),
        "server": {"name": SERVER_NAME, "version": __version__},
        "capabilities": {
            "framings": list(Framing),
            "batch": True,
            "cancel": True,
            "discover": True,
        },
        "limits": {
            "max_frame_bytes": limits.max_frame_bytes,
            "max_batch": limits.max_batch,
            "max_depth": limits.max_depth,
            "max_in_flight": limits.max_in_flight,
            "deadline_ms": round(limits.deadline_seconds * 1000),
        },
        "chain_id": config.chain_id if config is not None else None,
        "prefix": config.prefix if config is not None else None,
        "problem": to_wire(problem) if problem is not None else None,
    }


def ping(context: Context, params: Params) -> object:
    """``bridge.ping``."""
    return "pong"


def status(context: Context, params: Params) -> object:
    """``bridge.status``."""
    bridge = context.session.service.bridge()
    answers = []
    for name in bridge.provider_names:
        found = bridge.provider_status(name)
        token = found.token
        answers.append(
            {
                "name": name,
                "state": found.state,
                "hardware": found.hardware,
                "token": token
                and {
                    "label": token.label,
                    "serial": token.serial,
                    "manufacturer": token.manufacturer,
                    "model": token.model,
                },
                "pin": found.pin,
                "sessions": found.sessions,
                "message": found.message,
            }
        )
    return {"providers": answers}


def chain(context: Context, params: Params) -> object:
    """``bridge.chain``."""
    from keyring_bridge.chains.book import ChainBook

    book, chain_id = ChainBook(context.session.service.config.state_dir), params["chain_id"]
    found = book.get(chain_id)
    return {
        "chain_id": chain_id,
        "known": found is not None,
        "max_fee": "" if found is None else found.settings.max_fee,
        "exponents": book.exponents(chain_id),
    }


def unlock(context: Context, params: Params) -> object:
    """``bridge.unlock``."""
    service = context.session.service
    name = params.get("provider", service.config.default_provider)
    context.session.keyring.unlock(name)
    return {"provider": name, "state": service.bridge().provider_status(name).state}


def agent_status(context: Context, params: Params) -> object:
    """``agent.status``."""
    return context.session.agent.status()


def agent_unlock(context: Context, params: Params) -> object:
    """``agent.unlock``."""
    agent, session = context.session.agent, context.session
    pin = session.take_secret() if params.get("pin") else None
    if params.get("pin") and pin is None:
        raise InvalidRequest("no descriptor with the PIN came along")
    return agent.unlock(session, params.get("provider", session.service.config.default_provider), pin)


def agent_lock(context: Context, params: Params) -> object:
    """``agent.lock``."""
    context.session.agent.lock(context.session)
    return None


def agent_stop(context: Context, params: Params) -> object:
    """``agent.stop``."""
    import os

    context.session.agent.stop()
    return os.getpid()


def discover(context: Context, params: Params) -> object:
    """``rpc.discover``."""
    from keyring_plugin.openrpc import document

    return document()


HANDLERS: Mapping[str, Handler] = {
    protocol.HANDSHAKE: handshake,
    protocol.PING: ping,
    "bridge.status": status,
    "bridge.chain": chain,
    "bridge.unlock": unlock,
    "agent.status": agent_status,
    "agent.unlock": agent_unlock,
    "agent.lock": agent_lock,
    "agent.stop": agent_stop,
    protocol.DISCOVER: discover,
    **KEYRING_HANDLERS,
}
"""The handler of every method that can be answered."""


def run(context: Context, method: str, given: Mapping[str, object] | list[object]) -> object:
    """Check the parameters of a request and serve it.

    Args:
        context: The request's.
        method: A name from :data:`HANDLERS`.
        given: Its parameters as they came.

    Raises:
        BridgeError: What the request ends with.
    """
    params = protocol.METHODS[method].read_params(given)
    try:
        return HANDLERS[method](context, params)
    finally:
        for value in params.values():
            if hasattr(value, "wipe"):
                value.wipe()
