"""The chains that were added, in files.

``<state_dir>/chains/<chain id>/`` has ``chain.toml`` and three files that it names by role and SHA-256: the descriptor
set, its index, and the coins' metadata. ``chain.toml`` is written last and decides: whatever it does not name does not
count, so a crash at any moment leaves the old description or the new one. A file that is not what it should be fails
everything that needs it.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cosmos_formats.schema import Schema, default_schema
from cosmos_formats.schema_index import InvalidSchema, SchemaIndex
from keyring_bridge.chains.errors import ChainExists, ChainNotFound
from keyring_bridge.chains.model import Chain, ChainSettings
from keyring_bridge.chains.offer import LARGEST_METADATA, CoinJson, Offer
from keyring_bridge.config.build import Table, build
from keyring_bridge.config.files import locked, private_dir, read_trusted, remove_durably, write_atomic
from keyring_bridge.config.load import read_toml
from keyring_bridge.errors import ChainDamaged, ConfigError, InvalidRequest

_VERSION: Final = 1
_FILE: Final = "chain.toml"
_LIMITS: Final = {"descriptors": 64 << 20, "index": 64 << 20, "metadata": 2 * LARGEST_METADATA, _FILE: 64 << 10}
_SUFFIXES: Final = {"descriptors": "binpb", "index": "json", "metadata": "json"}
_PLAIN: Final = re.compile(rb"[^A-Za-z0-9_-]")
_LONGEST_FOLDER: Final = 200

_Stamp = tuple[int, int, int, int]


class ChainBook:
    """The chains of one installation. Its methods may be called from several threads and processes.

    Args:
        state_dir: The bridge's; nothing is created before the first chain is added.
    """

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "chains"
        self._lock = threading.Lock()
        self._chains: dict[str, tuple[_Stamp, Chain]] = {}
        self._schemas: dict[str, tuple[str, Schema]] = {}
        self._coins: dict[str, tuple[str, Mapping[str, CoinJson]]] = {}

    # --- reading -------------------------------------------------------------------------------------------------

    def get(self, chain_id: str) -> Chain | None:
        """Return a chain as it is stored now, None if it was not added.

        Raises:
            ChainDamaged: Its description is damaged.
        """
        folder = self._folder_of(chain_id)
        if folder is None:
            return None
        try:
            found = os.stat(folder / _FILE)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _damaged(chain_id, str(error)) from error
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns)
        cached = self._chains.get(chain_id)
        if cached is not None and cached[0] == stamp:
            return cached[1]
        chain = _read_chain(folder, chain_id)
        self._chains[chain_id] = (stamp, chain)
        return chain

    def list(self) -> tuple[Chain, ...]:
        """Return all chains, sorted by id.

        Raises:
            ChainDamaged: A description is damaged.
        """
        found = map(self.get, self.ids())
        return tuple(chain for chain in found if chain is not None)

    def ids(self) -> tuple[str, ...]:
        """Return the ids of all chains, sorted; also of damaged ones."""
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return ()
        ids = {name: _chain_id_of(name) for name in names if (self._folder / name / _FILE).exists()}
        return tuple(sorted(chain_id for chain_id in ids.values() if chain_id is not None))

    def schema(self, chain_id: str) -> Schema:
        """Return a chain's message types; the shipped ones if the chain was not added.

        Raises:
            ChainDamaged: What is stored is not what was accepted.
        """
        chain = self.get(chain_id)
        if chain is None:
            return default_schema()
        wanted = chain.content["descriptors"]
        with self._lock:
            cached = self._schemas.get(chain_id)
            if cached is None or cached[0] != wanted:
                data, index = self._content(chain, "descriptors"), self._content(chain, "index")
                cached = self._schemas[chain_id] = (wanted, _schema(chain_id, data, index))
        return cached[1]

    def coin_metadata(self, chain_id: str) -> Mapping[str, CoinJson]:
        """Return the metadata of a chain's coins by base denomination, as the bank module's query has it in JSON.

        Raises:
            ChainDamaged: What is stored is not what was accepted.
        """
        chain = self.get(chain_id)
        if chain is None:
            return {}
        wanted = chain.content["metadata"]
        with self._lock:
            cached = self._coins.get(chain_id)
            if cached is None or cached[0] != wanted:
                import json

                coins = {coin["base"]: coin for coin in json.loads(self._content(chain, "metadata"))}
                cached = self._coins[chain_id] = (wanted, coins)
        return cached[1]

    def exponents(self, chain_id: str) -> dict[str, int]:
        """Return how many decimals a whole coin has, by base denomination, of the coins whose metadata is known.

        Raises:
            ChainDamaged: What is stored is not what was accepted.
        """
        return {
            denom: max((int(unit.get("exponent", 0)) for unit in coin.get("denom_units", ())), default=0)
            for denom, coin in self.coin_metadata(chain_id).items()
        }

    def descriptors(self, chain_id: str) -> bytes:
        """Return the stored descriptor set of a chain, a serialised FileDescriptorSet.

        Raises:
            ChainNotFound: The chain was not added.
            ChainDamaged: What is stored is not what was accepted.
        """
        return self._content(self._known(chain_id), "descriptors")

    # --- changing ------------------------------------------------------------------------------------------------

    def add(self, settings: ChainSettings, offer: Offer, *, source: str, accepted_at: str) -> Chain:
        """Store a chain that a person has accepted.

        Args:
            settings: What the operator says of it.
            offer: What was accepted.
            source: Where it came from.
            accepted_at: When, as RFC 3339 text in UTC.

        Raises:
            ChainExists: It was added before.
            InvalidRequest: Its id is too long for a folder's name.
        """
        with self._changing(settings.chain_id) as folder:
            if self.get(settings.chain_id) is not None:
                raise ChainExists(f"the chain {settings.chain_id!r} was added before")
            return self._write(folder, settings, offer, source, accepted_at, old=None)

    def update(self, settings: ChainSettings, offer: Offer, *, source: str, accepted_at: str) -> Chain:
        """Replace what is stored of a chain; arguments as for :meth:`add`.

        Raises:
            ChainNotFound: It was not added.
        """
        with self._changing(settings.chain_id) as folder:
            old = self._known(settings.chain_id)
            return self._write(folder, settings, offer, source, accepted_at, old=old)

    def remove(self, chain_id: str) -> None:
        """Forget a chain, also a damaged one.

        Raises:
            ChainNotFound: It was not added.
        """
        folder = self._folder_of(chain_id)
        if folder is None or not (folder / _FILE).exists():
            raise ChainNotFound(f"there is no chain {chain_id[:60]!r}")
        with self._changing(chain_id):
            remove_durably(folder / _FILE)
            for name in os.listdir(folder):
                os.unlink(folder / name)
            folder.rmdir()

    # --- files ---------------------------------------------------------------------------------------------------

    def _known(self, chain_id: str) -> Chain:
        chain = self.get(chain_id)
        if chain is None:
            raise ChainNotFound(f"there is no chain {chain_id[:60]!r}")
        return chain

    def _folder_of(self, chain_id: str) -> Path | None:
        name = _folder_name(chain_id)
        return self._folder / name if name and len(name) <= _LONGEST_FOLDER else None

    @contextmanager
    def _changing(self, chain_id: str) -> Iterator[Path]:
        folder = self._folder_of(chain_id)
        if folder is None:
            raise InvalidRequest("the chain's id is too long to be stored")
        private_dir(self._folder)
        with locked(folder):
            yield folder

    def _write(
        self,
        folder: Path,
        settings: ChainSettings,
        offer: Offer,
        source: str,
        accepted_at: str,
        *,
        old: Chain | None,
    ) -> Chain:
        index = offer.merged.index
        content = {"descriptors": offer.merged.data, "index": index.to_json(), "metadata": offer.metadata}
        chain = Chain(
            settings=settings,
            digest=offer.digest,
            schema_digest=offer.merged.digest,
            source=source,
            accepted_at=accepted_at,
            prefer_shipped=offer.prefer_shipped,
            files=len(index.files),
            messages=len(index.owners()),
            coins=len(offer.coins),
            content={role: sha256(data).hexdigest() for role, data in content.items()},
        )
        private_dir(folder)
        for role, data in content.items():
            write_atomic(folder / _file_name(role, chain.content[role]), data)
        write_atomic(folder / _FILE, _to_toml(chain))
        # The files of the description before stay: another process may be reading them just now.
        named = {_file_name(role, digest) for one in (old, chain) if one for role, digest in one.content.items()}
        for name in set(os.listdir(folder)) - named - {_FILE}:
            os.unlink(folder / name)
        return chain

    def _content(self, chain: Chain, role: str) -> bytes:
        folder = self._folder_of(chain.chain_id)
        assert folder is not None  # noqa: S101 - a chain that was read has a folder
        path = folder / _file_name(role, chain.content[role])
        try:
            data = bytes(read_trusted(path, what=f"{role} of a chain", limit=_LIMITS[role]))
        except OSError as error:
            raise _damaged(chain.chain_id, f"{path}: {error.strerror or error}") from None
        if sha256(data).hexdigest() != chain.content[role]:
            raise _damaged(chain.chain_id, f"{path}: its SHA-256 is another")
        return data


def _schema(chain_id: str, data: bytes, index: bytes) -> Schema:
    from cosmos_formats.schema_index import build_index
    from cosmos_formats.schema_merge import parse_files

    try:
        try:
            return Schema(data, SchemaIndex.from_json(index))
        except InvalidSchema:
            # Another release of this program wrote the index; the set itself is what was accepted.
            return Schema(*build_index(parse_files(data)))
    except InvalidSchema as error:
        raise _damaged(chain_id, str(error)) from None


def _read_chain(folder: Path, chain_id: str) -> Chain:
    path = folder / _FILE
    try:
        table = read_toml(bytes(read_trusted(path, what="description of a chain", limit=_LIMITS[_FILE])), path)
        if table.pop("version", None) != _VERSION:
            raise _damaged(chain_id, f"{path}: of another version")
        chain = build(Chain, Table(table, path), "")
    except OSError as error:
        raise _damaged(chain_id, f"{path}: {error.strerror or error}") from None
    except ConfigError as error:
        raise _damaged(chain_id, error.message) from None
    if chain.chain_id != chain_id:
        raise _damaged(chain_id, f"{path}: describes the chain {chain.chain_id!r}")
    return chain


def _to_toml(chain: Chain) -> bytes:
    import tomlkit

    table: dict[str, Any] = {"version": _VERSION, **asdict(chain)}
    table["settings"] = {key: value for key, value in table["settings"].items() if value is not None}
    return tomlkit.dumps(table).encode()


def _damaged(chain_id: str, detail: str) -> ChainDamaged:
    return ChainDamaged(f"what is stored of the chain {chain_id[:60]!r} is not what was accepted", detail=detail)


def _file_name(role: str, digest: str) -> str:
    return f"{role}.{digest[:16]}.{_SUFFIXES[role]}"


def _folder_name(chain_id: str) -> str:
    """Return the id percent-encoded, but for letters, digits, ``-`` and ``_``; empty if it cannot be."""
    try:
        encoded = chain_id.encode()
    except UnicodeEncodeError:
        return ""
    return _PLAIN.sub(lambda match: b"%%%02X" % match[0][0], encoded).decode("ascii")


def _chain_id_of(name: str) -> str | None:
    """Return the id that a folder is named after, None if it is named after none."""
    if name.startswith("."):
        return None
    try:
        chain_id = re.sub(rb"%([0-9A-F]{2})", lambda match: bytes([int(match[1], 16)]), name.encode()).decode()
    except UnicodeError:
        return None
    return chain_id if _folder_name(chain_id) == name else None
