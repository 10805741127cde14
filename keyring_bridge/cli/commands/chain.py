"""``hsm chain``: the chains whose own messages and coins are known, and how they become so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from keyring_bridge.chains.errors import ChainChanged, ChainExists, ChainNotFound, NodeMismatch
from keyring_bridge.cli.chain_view import answer, chain_fields, chain_json, change_lines, changes_json, offer_lines
from keyring_bridge.cli.console import Result
from keyring_bridge.cli.errors import UsageError
from keyring_bridge.cli.render import Style, details, table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from keyring_bridge.chains import Chain, ChainBook, ChainSettings, Offer
    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session


# --- add and update --------------------------------------------------------------------------------------------------


def configure_add(parser: Parser) -> None:
    """Define ``hsm chain add``."""
    parser.usage = "hsm chain add ID --prefix PREFIX (--grpc HOST:PORT | --descriptors FILE) [options]"
    parser.add_argument("id", metavar="ID", help="the chain's id; a node must say the same")
    parser.add_argument("--prefix", metavar="PREFIX", required=True, help="prefix of the chain's account addresses")
    _add_source(parser, required=True)
    parser.add_argument("--coin-type", metavar="N", type=int, help="coin type of its derivation paths (SLIP-44)")
    parser.add_argument(
        "--key-algorithm",
        metavar="NAME",
        choices=("secp256k1", "eth_secp256k1"),
        help="of its account keys: secp256k1 or eth_secp256k1",
    )
    parser.add_argument(
        "--pubkey-type-url",
        metavar="URL",
        default="",
        help="how the chain calls eth_secp256k1 keys, if not as ethermint",
    )
    parser.add_argument(
        "--binary", metavar="NAME", default="", help="the chain's own program, for `keyring-plugin shell`"
    )
    parser.add_argument(
        "--env-prefix",
        metavar="PREFIX",
        default="",
        help="of that program's variables, such as VE (default: its name in capitals)",
    )
    parser.add_argument(
        "--max-fee",
        metavar="COINS",
        default="",
        help="most that is paid where a node determines the fee, such as 5000000uve",
    )
    _add_acceptance(parser)
    parser.set_defaults(handler=add)


def configure_update(parser: Parser) -> None:
    """Define ``hsm chain update``."""
    parser.usage = "hsm chain update ID [--grpc HOST:PORT | --descriptors FILE] [options]"
    parser.add_argument("id", metavar="ID", help="the chain's id")
    _add_source(parser, required=False)
    _add_acceptance(parser)
    parser.set_defaults(handler=update)


def _add_source(parser: Parser, *, required: bool) -> None:
    source = parser.add_mutually_exclusive_group(required=required)
    again = "" if required else " (default: the node it was read from before)"
    source.add_argument("--grpc", metavar="HOST:PORT", help=f"read its messages and coins from this node{again}")
    source.add_argument("--descriptors", metavar="FILE", help="read its messages from a FileDescriptorSet")
    parser.add_argument("--tls", action="store_true", help="use TLS; needed for a node on another host")
    parser.add_argument(
        "--metadata", metavar="FILE", help="read its coins from a file: JSON as the bank module's query answers it"
    )
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=float, default=20.0, help="how long one query may take (default: 20)"
    )
    parser.add_argument(
        "--prefer-shipped",
        action="store_true",
        help="where the chain's messages contradict the shipped ones, take the shipped ones",
    )


def _add_acceptance(parser: Parser) -> None:
    accept = parser.add_mutually_exclusive_group()
    accept.add_argument("--accept", metavar="DIGEST", help="accept exactly what has this digest, without asking")
    accept.add_argument("--yes", action="store_true", help="accept whatever is read, without asking")


def add(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the new chain."""
    from keyring_bridge.chains import ChainBook, ChainSettings

    try:
        settings = ChainSettings(
            chain_id=arguments.id,
            prefix=arguments.prefix,
            coin_type=arguments.coin_type,
            key_algorithm=arguments.key_algorithm,
            pubkey_type_url=arguments.pubkey_type_url,
            grpc=arguments.grpc or "",
            tls=arguments.tls,
            binary=arguments.binary,
            env_prefix=arguments.env_prefix,
            max_fee=arguments.max_fee,
        )
    except ValueError as error:
        raise UsageError(str(error)) from None
    book = ChainBook(session.config.state_dir)
    if book.get(settings.chain_id) is not None:
        raise ChainExists(f"the chain {settings.chain_id!r} was added before")
    offer, source = _read(arguments, settings, None, session)
    new = offer.new_messages()
    _accept(arguments, offer, session, f"the chain {settings.chain_id}", offer_lines(offer, new))
    chain = _store("add", settings, offer, source, book, session)
    return answer(chain, offer, {"new_messages": new})


def update(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the chain as it is now, and what changed."""
    from keyring_bridge.chains import ChainBook, changes

    book = ChainBook(session.config.state_dir)
    chain = _chain(book, arguments.id)
    if arguments.grpc is not None:
        settings = replace(chain.settings, grpc=arguments.grpc, tls=arguments.tls)
    else:
        settings = replace(chain.settings, tls=arguments.tls or chain.settings.tls)
    if arguments.descriptors is None and not settings.grpc:
        raise UsageError("where is it read from? name --grpc or --descriptors", hint="it was read from a file before")
    coins = book.coin_metadata(chain.chain_id)
    offer, source = _read(arguments, settings, coins, session, prefer_shipped=chain.prefer_shipped)
    found = changes((book.descriptors(chain.chain_id), coins), offer)
    changed = changes_json(found)
    if not found and offer.digest == chain.digest and settings == chain.settings:
        return answer(chain, offer, {"updated": False, "changes": changed})
    _accept(arguments, offer, session, f"the change of {chain.chain_id}", change_lines(found))
    stored = _store("update", settings, offer, source, book, session, before=chain.digest)
    return answer(stored, offer, {"updated": True, "changes": changed})


def _read(
    arguments: argparse.Namespace,
    settings: ChainSettings,
    coins: Mapping[str, object] | None,
    session: Session,
    *,
    prefer_shipped: bool = False,
) -> tuple[Offer, str]:
    """Read and examine what is offered; return it with where it came from.

    Args:
        arguments: Those of the command.
        settings: Of the chain.
        coins: Those known so far; kept if nothing new is read.
        session: For progress.
        prefer_shipped: What was said when the chain was added.
    """
    from keyring_bridge.chains import examine

    offered: object = list(coins.values()) if coins is not None else []
    if arguments.descriptors is not None:
        descriptors = _read_file(Path(arguments.descriptors), "the descriptor set")
        source = f"file {arguments.descriptors}"
    else:
        descriptors, offered = _ask_node(settings, arguments.timeout, session)
        source = f"grpc {settings.grpc}"
    if arguments.metadata is not None:
        offered = _read_json(Path(arguments.metadata))
    session.console.progress("comparing with the shipped messages")
    try:
        offer = examine(descriptors, offered, prefer_shipped=arguments.prefer_shipped or prefer_shipped)
    finally:
        session.console.progress("", ended=True)
    return offer, source


def _ask_node(settings: ChainSettings, timeout: float, session: Session) -> tuple[bytes, list[dict[str, object]]]:
    from keyring_bridge.node import Node

    if not 0 < timeout <= 3600:
        raise UsageError("--timeout must be more than 0 and at most 3600 seconds")
    console = session.console
    try:
        with Node(settings.grpc, tls=settings.tls, timeout=timeout) as node:
            console.progress(f"asking {settings.grpc}")
            chain_id = node.chain_id()
            if chain_id != settings.chain_id:
                raise NodeMismatch(f"the node is one of {chain_id[:60]!r}, not of {settings.chain_id!r}")
            descriptors = node.file_descriptors(console.progress)
            console.progress("reading the coins")
            return descriptors, node.denom_metadata()
    finally:
        console.progress("", ended=True)


def _read_file(path: Path, what: str) -> bytes:
    from cosmos_formats.schema_merge import LARGEST_SET

    with path.open("rb") as file:
        data = file.read(LARGEST_SET + 1)
    if len(data) > LARGEST_SET:
        raise UsageError(f"{what} is larger than {LARGEST_SET} bytes")
    return data


def _read_json(path: Path) -> object:
    import json

    try:
        return json.loads(_read_file(path, "the coin metadata"))
    except (ValueError, RecursionError):
        raise UsageError(f"{path} is not JSON") from None


def _accept(arguments: argparse.Namespace, offer: Offer, session: Session, what: str, lines: list[str]) -> None:
    """Let a person accept an offer, or compare it with the digest that was accepted elsewhere."""
    if arguments.accept is not None:
        if arguments.accept.lower() != offer.digest:
            raise ChainChanged(
                f"what was read has the digest {offer.digest}, not the one to be accepted",
                hint="find out why; nothing was changed",
            )
        return
    if not arguments.yes:
        for line in lines:
            session.console.note(line)
        session.console.note(f"digest: {offer.digest}")
    session.console.confirm(f"Accept {what} with this digest?", assume=arguments.yes)


def _store(
    action: Literal["add", "update"],
    settings: ChainSettings,
    offer: Offer,
    source: str,
    book: ChainBook,
    session: Session,
    before: str = "",
) -> Chain:
    from datetime import UTC, datetime

    from keyring_bridge.cli.render import timestamp

    fields = {
        "chain": settings.chain_id,
        "digest": offer.digest,
        "source": source,
        "settled": len(offer.merged.settled),
    }
    if before:
        fields["before"] = before
    with session.bridge(ask=False) as bridge, bridge.administer(f"chain.{action}", session.caller, fields):
        store = book.add if action == "add" else book.update
        return store(settings, offer, source=source, accepted_at=timestamp(datetime.now(UTC)))


# --- list, show, remove ----------------------------------------------------------------------------------------------


def configure_list(parser: Parser) -> None:
    """Define ``hsm chain list``."""
    parser.usage = "hsm chain list [options]"
    parser.set_defaults(handler=list_chains)


def configure_show(parser: Parser) -> None:
    """Define ``hsm chain show``."""
    parser.usage = "hsm chain show ID [options]"
    parser.add_argument("id", metavar="ID", help="the chain's id")
    parser.set_defaults(handler=show)


def configure_remove(parser: Parser) -> None:
    """Define ``hsm chain remove``."""
    parser.usage = "hsm chain remove ID [--yes] [options]"
    parser.add_argument("id", metavar="ID", help="the chain's id")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.set_defaults(handler=remove)


def list_chains(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer all chains."""
    from keyring_bridge.chains import ChainBook

    chains = ChainBook(session.config.state_dir).list()

    def text(style: Style) -> str:
        headings = ("CHAIN", "PREFIX", "MESSAGES", "COINS", "SOURCE", "ACCEPTED", "DIGEST")
        rows = [
            (
                chain.chain_id,
                chain.prefix,
                chain.messages,
                chain.coins,
                chain.source,
                chain.accepted_at,
                chain.digest[:16],
            )
            for chain in chains
        ]
        return table(headings, rows, style)

    return Result([chain_json(chain) for chain in chains], text)


def show(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer one chain, with its own messages and its coins; what is stored is checked."""
    from cosmos_formats.schema import default_schema
    from keyring_bridge.chains import ChainBook

    book = ChainBook(session.config.state_dir)
    chain = _chain(book, arguments.id)
    shipped = set(default_schema().names)
    names = book.schema(chain.chain_id).names
    own = [name for name in names if name not in shipped and not name.startswith("google.protobuf.")]
    coins = sorted(book.coin_metadata(chain.chain_id))
    data = chain_json(chain) | {"own_messages": own, "coin_names": coins}

    def text(style: Style) -> str:
        packages = sorted({name.rpartition(".")[0] or "(none)" for name in own})
        return details({**chain_fields(chain), "own packages": packages or None, "coins": coins or None}, style)

    return Result(data, text)


def remove(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the id of the chain that was removed."""
    from keyring_bridge.chains import ChainBook

    book = ChainBook(session.config.state_dir)
    if arguments.id not in book.ids():
        raise _not_found(arguments.id)
    session.console.confirm(
        f"Forget the messages and coins of {arguments.id}? Its own messages can no longer be read.",
        assume=arguments.yes,
    )
    with (
        session.bridge(ask=False) as bridge,
        bridge.administer("chain.remove", session.caller, {"chain": arguments.id}),
    ):
        book.remove(arguments.id)
    return Result({"removed": arguments.id}, lambda _: f"removed {arguments.id}")


def _chain(book: ChainBook, chain_id: str) -> Chain:
    chain = book.get(chain_id)
    if chain is None:
        raise _not_found(chain_id)
    return chain


def _not_found(chain_id: str) -> ChainNotFound:
    return ChainNotFound(f"there is no chain {chain_id[:60]!r}")
