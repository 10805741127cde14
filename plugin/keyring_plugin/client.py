"""The keyring for Python programs, over a plugin process or a socket.

::

    with KeyringClient.spawn(["keyring-plugin"]) as client:
        signed = client.sign("ops", sign_bytes)
        print(client.key("ops").address, signed.signature.hex())
"""

from __future__ import annotations

import os
import threading
from binascii import b2a_base64
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from cosmos_formats.signing import SignMode
from keyring_bridge import __version__
from keyring_bridge.errors import PeerFailed
from keyring_plugin.errors import VersionUnsupported
from keyring_plugin.framing import Framing
from keyring_plugin.protocol import HANDSHAKE, OLDEST_VERSION, PROTOCOL_VERSION
from keyring_plugin.records import KeyEntry

if TYPE_CHECKING:
    from cosmos_formats.multisig import AnyPublicKey
    from cosmos_formats.signing.transaction import TxParts
    from keyring_bridge.model import SignResult
    from keyring_bridge.secrets import SecretBytes
    from keyring_plugin.channel import Channel

DEFAULT_SECONDS = 30.0
DEFAULT_PATH = "m/44'/118'/0'/0/0"

# A method of the client is called ``list``, as in the SDK's interface.
Entries = list[KeyEntry]


class KeyringClient:
    """The methods of the SDK's keyring, served by a bridge elsewhere. Safe to use from several threads.

    Every method raises the errors of :mod:`keyring_bridge.errors` that the server answers with, and besides
    ``DeadlineExceeded`` (no answer in time) and ``PeerFailed`` (the server is gone).

    Args:
        channel: Owned by the client from now on.
        end: Called when the client is closed, after the server was told so.
        timeout: Seconds that a call may take.
        again: Connects anew: for the next call after the server has ended, and in a process that was forked.
    """

    def __init__(
        self,
        channel: Channel,
        end: Callable[[], None] | None = None,
        *,
        timeout: float = DEFAULT_SECONDS,
        again: Callable[[], Channel] | None = None,
    ) -> None:
        self.timeout = timeout
        self._channel = channel
        self._end = end
        self._again = again
        self._process = os.getpid()
        self._renewing = threading.Lock()
        self._handshake: Mapping[str, Any] | None = None

    @classmethod
    def spawn(
        cls,
        argv: Sequence[str] = ("keyring-plugin",),
        *,
        timeout: float = DEFAULT_SECONDS,
        framing: Framing = Framing.NEWLINE,
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
    ) -> Self:
        """Start a plugin process; closing the client ends it.

        Args:
            argv: The program and its arguments.
            timeout: Seconds that a call may take, the process's start included in the first one.
            framing: How messages are set apart.
            env: The process's environment; ours if None.
            cwd: Its directory; ours if None.

        Raises:
            PeerFailed: It could not be started.
        """
        from keyring_plugin.channel import Channel
        from keyring_plugin.child import Child

        child = Child(argv, env=env, cwd=cwd)
        return cls(Channel(child.connection, framing, child.why), child.end, timeout=timeout)

    @classmethod
    def attach(cls, path: str | Path, *, timeout: float = DEFAULT_SECONDS) -> Self:
        """Connect to a bridge that listens on a unix socket.

        When that bridge ends, the calls under way fail, and the next one connects to the bridge that listens by then.

        Raises:
            PeerFailed: Nobody listens there, or somebody who is neither this user nor root.
        """
        from keyring_plugin.channel import Channel
        from keyring_plugin.sockets import connect

        def again() -> Channel:
            return Channel(connect(path))

        return cls(again(), timeout=timeout, again=again)

    @classmethod
    def agent(cls, *, timeout: float = DEFAULT_SECONDS) -> Self:
        """Connect to this user's agent; start one, locked, if none runs and nothing forbids it (docs/agent.md).

        Raises:
            AgentNotRunning: None runs, and none may be started.
            InsecureFile: What is at its place is somebody else's, or could be.
        """
        from keyring_plugin.agent.control import connected, path

        connected(None).close()
        return cls.attach(path(), timeout=timeout)

    def close(self) -> None:
        """Say goodbye and wait for the server to be done with calls that other threads have under way."""
        self._again = None
        if self._process != os.getpid():
            return  # the connection is the parent's
        self._channel.finish()
        if self._end is not None:
            self._end()
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    # --- the bridge ----------------------------------------------------------------------------------------------

    def call(self, method: str, *, timeout: float | None = None, **params: object) -> Any:
        """Call any method of the protocol.

        Args:
            method: Its name.
            timeout: Seconds it may take; the client's own if None.
            params: What JSON can carry; those that are None are left out.

        Returns:
            The result as it came.
        """
        if self._again is not None and (self._process != os.getpid() or self._channel.has_ended()):
            self._renew(self._again)
        if self._handshake is None and method != HANDSHAKE:
            self.handshake()
        given = {name: value for name, value in params.items() if value is not None}
        return self._channel.call(method, given, self.timeout if timeout is None else timeout)

    def _renew(self, again: Callable[[], Channel]) -> None:
        if self._process != os.getpid():
            # The parent's other threads are not here, and one of them may have held the lock.
            self._process, self._renewing = os.getpid(), threading.Lock()
            self._channel.abandon()
        with self._renewing:
            if self._channel.has_ended():
                ended, self._channel = self._channel, again()
                self._handshake = None
                ended.close()

    def handshake(self) -> Mapping[str, Any]:
        """Return what the server said of itself; asked once, before the first call.

        Raises:
            VersionUnsupported: It speaks no version of the protocol that this client speaks.
        """
        answer = self._handshake
        if answer is None:
            answer = self.call(
                HANDSHAKE,
                protocol_version=PROTOCOL_VERSION,
                client={"name": "keyring-bridge-python", "version": __version__},
            )
            version = answer.get("protocol_version") if isinstance(answer, dict) else None
            if not isinstance(version, int) or not OLDEST_VERSION <= version <= PROTOCOL_VERSION:
                raise VersionUnsupported(f"the server speaks protocol version {version!r:.40}")
            self._handshake = answer
        return answer

    def ping(self) -> None:
        """Return when the server answers."""
        self.call("bridge.ping")

    def status(self) -> list[Mapping[str, Any]]:
        """Return the state of every configured provider (see docs/protocol.md)."""
        return list(self._typed(self.call("bridge.status"), dict)["providers"])

    def unlock(self, provider: str | None = None) -> str:
        """Log in to a provider now (the default one if None); return its state."""
        return str(self._typed(self.call("bridge.unlock", provider=provider), dict)["state"])

    # --- the keyring ---------------------------------------------------------------------------------------------

    def backend(self) -> str:
        """Return the keyring's backend name."""
        return str(self.call("keyring.backend"))

    def list(self) -> Entries:
        """Return every key, in the SDK's order."""
        return [KeyEntry.from_wire(entry) for entry in self._typed(self.call("keyring.list"), list)]

    def supported_algorithms(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the algorithms of new keys in tokens and on Ledger devices."""
        answer = self._typed(self.call("keyring.supportedAlgorithms"), dict)
        return tuple(answer["keyring"]), tuple(answer["ledger"])

    def key(self, uid: str) -> KeyEntry:
        """Return the key with this name."""
        return KeyEntry.from_wire(self.call("keyring.key", uid=uid))

    def key_by_address(self, address: str) -> KeyEntry:
        """Return the key with this bech32 address."""
        return KeyEntry.from_wire(self.call("keyring.keyByAddress", address=address))

    def delete(self, uid: str) -> None:
        """Remove a record; a key in a token stays there."""
        self.call("keyring.delete", uid=uid)

    def delete_by_address(self, address: str) -> None:
        """Remove the record with this address; a key in a token stays there."""
        self.call("keyring.deleteByAddress", address=address)

    def rename(self, old: str, new: str) -> KeyEntry:
        """Give a key another name."""
        return KeyEntry.from_wire(self.call("keyring.rename", old=old, new=new))

    def save_offline_key(self, uid: str, public_key: AnyPublicKey) -> KeyEntry:
        """Keep a public key under a name."""
        return KeyEntry.from_wire(self.call("keyring.saveOfflineKey", uid=uid, pub_key=public_key.to_proto_json()))

    def save_multisig(self, uid: str, public_key: AnyPublicKey) -> KeyEntry:
        """Keep a multisig public key under a name."""
        return KeyEntry.from_wire(self.call("keyring.saveMultisig", uid=uid, pub_key=public_key.to_proto_json()))

    def new_mnemonic(
        self,
        uid: str,
        hd_path: str = DEFAULT_PATH,
        algorithm: str = "secp256k1",
        *,
        passphrase: str | SecretBytes | None = None,
        language: str = "english",
    ) -> tuple[KeyEntry, SecretBytes]:
        """Make a mnemonic of 24 words and import the key that it gives into the default provider.

        Returns:
            The key, and the mnemonic, which nothing else keeps.
        """
        from keyring_bridge.secrets import SecretBytes

        answer = self._typed(
            self.call(
                "keyring.newMnemonic",
                uid=uid,
                language=language,
                hd_path=hd_path,
                algo=algorithm,
                passphrase=_text(passphrase),
            ),
            dict,
        )
        mnemonic = self._typed(answer.get("mnemonic"), str)
        return KeyEntry.from_wire(answer.get("key")), SecretBytes(bytearray(mnemonic, "utf-8"))

    def new_account(
        self,
        uid: str,
        mnemonic: str | SecretBytes,
        hd_path: str = DEFAULT_PATH,
        algorithm: str = "secp256k1",
        *,
        passphrase: str | SecretBytes | None = None,
    ) -> KeyEntry:
        """Derive a key from a mnemonic and import it into the default provider."""
        return KeyEntry.from_wire(
            self.call(
                "keyring.newAccount",
                uid=uid,
                mnemonic=_text(mnemonic),
                hd_path=hd_path,
                algo=algorithm,
                passphrase=_text(passphrase),
            )
        )

    def import_priv_key(self, uid: str, armor: str, passphrase: str | SecretBytes) -> KeyEntry:
        """Import an armored private key into the default provider."""
        return KeyEntry.from_wire(
            self.call("keyring.importPrivKey", uid=uid, armor=armor, passphrase=_text(passphrase))
        )

    def import_priv_key_hex(self, uid: str, private_key: str | SecretBytes, algorithm: str = "secp256k1") -> KeyEntry:
        """Import an unencrypted private key (64 hexadecimal digits) into the default provider."""
        return KeyEntry.from_wire(
            self.call("keyring.importPrivKeyHex", uid=uid, hex=_text(private_key), algo=algorithm)
        )

    def import_pub_key(self, uid: str, armor: str) -> KeyEntry:
        """Keep an armored public key under a name."""
        return KeyEntry.from_wire(self.call("keyring.importPubKey", uid=uid, armor=armor))

    def export_pub_key_armor(self, uid: str) -> str:
        """Return the armored public key."""
        return str(self._typed(self.call("keyring.exportPubKeyArmor", uid=uid), str))

    def export_pub_key_armor_by_address(self, address: str) -> str:
        """As :meth:`export_pub_key_armor`, for the key with this bech32 address."""
        return str(self._typed(self.call("keyring.exportPubKeyArmorByAddress", address=address), str))

    def sign(
        self,
        uid: str,
        message: bytes,
        mode: SignMode = SignMode.DIRECT,
        *,
        transaction: TxParts | None = None,
        coin_metadata: Sequence[Mapping[str, object]] | None = None,
        timeout: float | None = None,
    ) -> SignResult:
        """Sign the sign bytes of a transaction, if the policy allows what they say.

        Args:
            uid: Name of the key.
            message: The sign bytes, unhashed.
            mode: How they are to be read.
            transaction: Body and auth info, without which TEXTUAL sign bytes cannot be read.
            coin_metadata: The bank's metadata (JSON objects) that TEXTUAL screens were made with; None for what the
                bridge knows of the chain.
            timeout: Seconds it may take; the client's own if None.
        """
        more = _signing(message, mode, transaction, coin_metadata)
        return self._signed(self.call("keyring.sign", uid=uid, timeout=timeout, **more))

    def sign_by_address(
        self,
        address: str,
        message: bytes,
        mode: SignMode = SignMode.DIRECT,
        *,
        transaction: TxParts | None = None,
        coin_metadata: Sequence[Mapping[str, object]] | None = None,
        timeout: float | None = None,
    ) -> SignResult:
        """As :meth:`sign`, for the key with this bech32 address."""
        more = _signing(message, mode, transaction, coin_metadata)
        return self._signed(self.call("keyring.signByAddress", address=address, timeout=timeout, **more))

    def sign_arbitrary(
        self, uid: str, data: bytes, *, prefix: str | None = None, timeout: float | None = None
    ) -> SignResult:
        """Sign data that is no transaction (ADR-036), if the policy allows that with this key.

        Args:
            uid: Name of the key.
            data: At least one byte.
            prefix: Prefix of the signer's address; the bridge's own if None.
            timeout: Seconds it may take; the client's own if None.
        """
        sent = _base64(data)
        return self._signed(self.call("keyring.signArbitrary", uid=uid, data=sent, prefix=prefix, timeout=timeout))

    def sign_digest(self, uid: str, digest: bytes, *, timeout: float | None = None) -> SignResult:
        """Sign 32 bytes whose meaning nobody sees; refused unless the policy allows blind signing."""
        return self._signed(self.call("keyring.signDigest", uid=uid, digest=_base64(digest), timeout=timeout))

    def _signed(self, answer: Any) -> SignResult:
        from binascii import a2b_base64

        from cosmos_formats.pubkeys import PublicKey
        from keyring_bridge.model import SignResult

        try:
            return SignResult(
                a2b_base64(answer["signature"], strict_mode=True),
                PublicKey.from_proto_json(answer["pub_key"]),
                str(answer["correlation_id"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise PeerFailed("the server sent something that is no signature") from error

    def _typed(self, answer: Any, kind: type[Any]) -> Any:
        if not isinstance(answer, kind):
            raise PeerFailed("the server sent an answer of another type than the protocol says")
        return answer


def _text(secret: str | SecretBytes | None) -> str | None:
    return secret if secret is None or isinstance(secret, str) else secret.reveal().decode("utf-8")


def _base64(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode("ascii")


def _signing(
    message: bytes,
    mode: SignMode,
    transaction: TxParts | None,
    coin_metadata: Sequence[Mapping[str, object]] | None,
) -> dict[str, Any]:
    """Return the parameters that both ways to sign a transaction take besides the key."""
    parts = None
    if transaction is not None:
        parts = {
            "body_bytes": _base64(transaction.body_bytes),
            "auth_info_bytes": _base64(transaction.auth_info_bytes),
        }
    metadata = None if coin_metadata is None else list(coin_metadata)
    return {
        "msg": _base64(message),
        "mode": f"SIGN_MODE_{mode.name}",
        "transaction": parts,
        "coin_metadata": metadata,
    }
