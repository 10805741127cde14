"""Options that say how a key is made from words: its path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosmos_formats.pubkeys import KeyType
from keyring_bridge.cli.errors import UsageError
from keyring_bridge.key_kinds import KeyKind

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.ceremony.recipe import Recipe
    from keyring_bridge.chains import Chain

_COIN_TYPES = {KeyType.SECP256K1: 118, KeyType.ETH_SECP256K1: 60}


def add_path_options(group: argparse._ArgumentGroup) -> None:
    """Define ``--hd-path``, and ``--coin-type``, ``--account`` and ``--index``, with the SDK's names."""
    group.add_argument("--hd-path", metavar="PATH", help="the whole path, such as m/44'/118'/0'/0/0")
    group.add_argument(
        "--coin-type",
        metavar="N",
        type=int,
        help="coin type in the path (default: what `hsm chain` knows of the chain, else 118, or 60 for eth_secp256k1)",
    )
    group.add_argument("--account", metavar="N", type=int, default=0, help="account in the path (default: 0)")
    group.add_argument("--index", metavar="N", type=int, default=0, help="address index in the path (default: 0)")


def path_of(arguments: argparse.Namespace, algorithm: str, chain: Chain | None) -> str:
    """Return the path that the options and the chain give.

    Raises:
        UsageError: The whole path was given, and parts of it besides.
    """
    from cosmos_formats.hd import Bip44Path

    if arguments.hd_path is not None:
        if arguments.coin_type is not None or arguments.account or arguments.index:
            raise UsageError("--hd-path is the whole path; it does not go with --coin-type, --account or --index")
        return str(arguments.hd_path)
    usual = _COIN_TYPES.get(KeyKind.of(algorithm).key_type, 118)
    of_chain = None if chain is None else chain.coin_type
    coin_type = next(number for number in (arguments.coin_type, of_chain, usual) if number is not None)
    return str(Bip44Path(44, coin_type, arguments.account, False, arguments.index))


def recipe_of(arguments: argparse.Namespace, algorithm: str, chain: Chain | None) -> Recipe:
    """Return how a key of an algorithm is made from words.

    Raises:
        UsageError: A path was given for an ed25519 key, which has none.
        UnsupportedAlgorithm: Keys of this kind are not made from words.
        InvalidPath: The path cannot be read.
    """
    from keyring_bridge.ceremony.recipe import Recipe
    from keyring_bridge.imported_keys import parse_path

    kind = KeyKind.of(algorithm)
    if kind.key_type is KeyType.ED25519:
        if arguments.hd_path is not None or arguments.coin_type is not None or arguments.account or arguments.index:
            raise UsageError("an ed25519 key is made of the words themselves and has no path")
        return Recipe(kind, None)
    return Recipe(kind, parse_path(path_of(arguments, algorithm, chain), False))
