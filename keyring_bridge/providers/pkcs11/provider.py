"""The PKCS#11 backend.

An operation finds its own way back to a connection that was lost, once: everything that belonged to the old one is
dropped, the same token is opened again, and the key is looked up again. It never does so after C_Sign was called,
because the token may have signed, nor after it began to change the token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from keyring_bridge.errors import (
    BridgeError,
    CapabilityMissing,
    ObjectNotFound,
    SessionLost,
    TokenNotFound,
    TokenRemoved,
)
from keyring_bridge.model import ProviderStatus, Survey
from keyring_bridge.providers.base import ProviderBase, ProviderContext, guarded
from keyring_bridge.providers.pkcs11.faults import PoolClosed, TokenFault, to_error
from keyring_bridge.providers.pkcs11.options import Options

if TYPE_CHECKING:
    import pkcs11.types

    from cosmos_formats.pubkeys import PublicKey
    from keyring_bridge.model import KeyInfo, KeyRef, KeySpec, TokenInfo, WrappedKey, WrappingKey
    from keyring_bridge.providers.pkcs11.connection import Connection
    from keyring_bridge.providers.pkcs11.keys import Workbench
    from keyring_bridge.secrets import SecretBytes

_T = TypeVar("_T")


class Pkcs11Provider(ProviderBase):
    """Keys in a PKCS#11 token.

    Args:
        options: See :class:`~keyring_bridge.providers.pkcs11.options.Options`.
        context: What the bridge lends.
    """

    scheme = "pkcs11"

    def __init__(self, options: Mapping[str, object], context: ProviderContext) -> None:
        super().__init__(options, context)
        from keyring_bridge.config import build
        from keyring_bridge.providers.pkcs11.connector import Connector
        from keyring_bridge.providers.pkcs11.login import check_source

        self.options = build(Options, options, f"providers.{context.name}")
        check_source(self.options.pin_source)
        self.connector = Connector(self.options, context)

    # --- the provider's template -------------------------------------------------------------------------------------

    def _connect(self) -> None:
        self.connector.connect()

    def _close(self) -> None:
        self.connector.close()

    def _list_keys(self) -> list[KeyInfo]:
        from keyring_bridge.providers.pkcs11.objects import list_all

        listed = self._read(lambda session, token: list_all(session, token), "list its keys")
        connection = self.connector.current
        if connection is not None:
            connection.remember_all(listed)
        return [info for info, _ in listed]

    def _get_key(self, ref: KeyRef) -> KeyInfo:
        from keyring_bridge.providers.pkcs11.objects import describe

        return self._read(lambda session, token: describe(session, ref, token), "read a key")

    def _get_public_key(self, uri: str) -> PublicKey:
        from keyring_bridge.providers.pkcs11.objects import locate
        from keyring_bridge.uri import Pkcs11Uri

        parsed = Pkcs11Uri.parse(uri)
        return self._read(lambda session, token: locate(session, parsed, token)[1], "read a public key")

    def _sign(self, ref: KeyRef, payload: bytes, deadline: float | None) -> bytes:
        for last in (False, True):
            connection = self.connector.current or self.connector.connect()
            try:
                return connection.sign(ref, payload, deadline)
            except TokenFault as fault:
                self.connector.look_after(connection)
                if last or fault.call == "C_Sign" or (fault.call == "C_SignInit" and not fault.recoverable):
                    raise to_error(fault, "sign") from fault
            except ObjectNotFound:
                if last or not self.connector.suspicious(connection, ref.uri):
                    raise
            except PoolClosed:
                self.connector.drop(connection)
        raise SessionLost("the token was disconnected before the signature was begun")

    def _status(self) -> ProviderStatus:
        from keyring_bridge.providers.pkcs11.login import pin_state
        from keyring_bridge.providers.pkcs11.slots import is_hardware, refreshed

        connection = self.connector.current
        try:
            if connection is not None and connection.alive():
                info = refreshed(connection.place)
                return ProviderStatus("ready", is_hardware(info), info, pin_state(info), connection.pool.opened + 1)
            info = self.connector.find(self.connector.module()).info
            return ProviderStatus(
                "locked", is_hardware(info), info, pin_state(info), 0, self.connector.why_locked(info)
            )
        except (TokenNotFound, TokenRemoved) as error:
            return ProviderStatus("disconnected", self.hardware, message=str(error))
        except TokenFault as fault:
            return ProviderStatus("failed", self.hardware, message=str(to_error(fault, "tell its state")))
        except BridgeError as error:
            return ProviderStatus("failed", self.hardware, message=str(error))

    # --- capabilities ------------------------------------------------------------------------------------------------

    @guarded
    def generate_key(self, spec: KeySpec) -> KeyInfo:
        """See :class:`~keyring_bridge.providers.base.Generates`."""
        from keyring_bridge.providers.pkcs11 import keys

        return self._change(lambda bench: keys.generate(bench, spec), f"generate a {spec.key_type} key")

    @guarded
    def import_key(self, spec: KeySpec, secret: SecretBytes) -> KeyInfo:
        """See :class:`~keyring_bridge.providers.base.Imports`."""
        from keyring_bridge.providers.pkcs11 import keys
        from keyring_bridge.providers.private_keys import public_key_for

        public_key = public_key_for(spec.key_type, secret)
        doing = f"import a {spec.key_type} key"
        return self._change(lambda bench: keys.import_private(bench, spec, secret, public_key), doing)

    @guarded
    def survey(self) -> Survey:
        """See :class:`~keyring_bridge.providers.base.Surveys`."""
        from keyring_bridge.providers.pkcs11.slots import signing_types

        connection = self.connector.connect()
        try:
            return Survey(
                signing_types(connection.place),
                connection.module.cryptoki.free_private_memory(connection.place.info.slot_id),
            )
        except TokenFault as fault:
            raise to_error(fault, "tell what it can hold") from fault

    @guarded
    def random_bytes(self, count: int) -> SecretBytes:
        """See :class:`~keyring_bridge.providers.base.Randoms`."""
        from keyring_bridge.providers.pkcs11 import codes
        from keyring_bridge.secrets import SecretBytes

        cryptoki = self.connector.connect().module.cryptoki
        secret = SecretBytes(bytearray(count))

        def fill(session: pkcs11.types.Session, _: TokenInfo) -> SecretBytes:
            handle: int = session.handle  # type: ignore[attr-defined]  # its stubs leave it out
            try:
                cryptoki.generate_random(handle, secret.reveal())
            except TokenFault as fault:
                if fault.rv not in (codes.RANDOM_NO_RNG, codes.FUNCTION_NOT_SUPPORTED):
                    raise
                raise CapabilityMissing("the token makes no random numbers", detail=fault.detail) from fault
            return secret

        return self._read(fill, "make random numbers")

    @guarded
    def reserve_ids(self, count: int) -> list[bytes]:
        """See :class:`~keyring_bridge.providers.base.ReservesIds`."""
        from keyring_bridge.providers.pkcs11 import reserved as ids

        return self._change(lambda bench: ids.reserve_ids(bench, count), "tell the ids of its keys")

    @guarded
    def discard_unfinished(self, reserved: Sequence[tuple[bytes, str]]) -> int:
        """See :class:`~keyring_bridge.providers.base.ReservesIds`."""
        from keyring_bridge.providers.pkcs11 import reserved as ids

        return self._change(
            lambda bench: ids.discard_unfinished(bench, reserved), "remove unfinished keys", forget=True
        )

    @guarded
    def delete_key(self, ref: KeyRef) -> None:
        """See :class:`~keyring_bridge.providers.base.Deletes`."""
        from keyring_bridge.providers.pkcs11 import keys

        self._change(lambda bench: keys.delete(bench, ref), "destroy a key", forget=True)

    @guarded
    def rename_key(self, ref: KeyRef, label: str) -> KeyInfo:
        """See :class:`~keyring_bridge.providers.base.Renames`."""
        from keyring_bridge.providers.pkcs11 import keys

        return self._change(lambda bench: keys.rename(bench, ref, label), "rename a key")

    @guarded
    def wrap_key(self, ref: KeyRef, by: str | None = None) -> WrappedKey:
        """See :class:`~keyring_bridge.providers.base.Wraps`."""
        from keyring_bridge.providers.pkcs11 import wrapping

        return self._change(lambda bench: wrapping.wrap(bench, ref, by), "wrap a key")

    @guarded
    def unwrap_key(self, spec: KeySpec, public_key: PublicKey, wrapped: WrappedKey) -> KeyInfo:
        """See :class:`~keyring_bridge.providers.base.Wraps`."""
        from keyring_bridge.providers.pkcs11 import wrapping

        return self._change(lambda bench: wrapping.unwrap(bench, spec, public_key, wrapped), "unwrap a key")

    @guarded
    def wrapping_keys(self) -> list[WrappingKey]:
        """See :class:`~keyring_bridge.providers.base.KeepsWrappingKeys`."""
        from keyring_bridge.providers.pkcs11 import wrapping

        return self._change(wrapping.known, "tell its wrapping keys")

    @guarded
    def add_wrapping_key(self, name: str, secret: SecretBytes, so_pin: SecretBytes, *, retry: bool) -> WrappingKey:
        """See :class:`~keyring_bridge.providers.base.KeepsWrappingKeys`."""
        from keyring_bridge.providers.pkcs11.trusted_key import add

        # The officer can log in only while the user is not.
        self.close()
        module = self.connector.module()
        try:
            place, login = self.connector.find(module), self.connector.login
            return add(module, place, login, self.options.vendor, name, secret, so_pin, retry=retry)
        except TokenFault as fault:
            raise to_error(fault, "keep a trusted wrapping key") from fault

    @guarded
    def derive(self, ref: KeyRef, peer: PublicKey) -> SecretBytes:
        """See :class:`~keyring_bridge.providers.base.Derives`."""
        from keyring_bridge.providers.pkcs11.derivation import shared_secret
        from keyring_bridge.providers.pkcs11.objects import check_same, locate
        from keyring_bridge.uri import Pkcs11Uri

        uri = Pkcs11Uri.parse(ref.uri)
        module = self.connector.connect().module

        def compute(session: pkcs11.types.Session, token: TokenInfo) -> SecretBytes:
            key, public_key = locate(session, uri, token)
            check_same(ref.public_key, public_key)
            return shared_secret(session, module.cryptoki, key, peer)

        return self._read(compute, f"derive a shared secret with a {ref.public_key.key_type} key")

    @guarded
    def discover(self) -> list[TokenInfo]:
        """See :class:`~keyring_bridge.providers.base.Discovers`."""
        from keyring_bridge.providers.pkcs11.slots import places

        try:
            return [place.info for place in places(self.connector.module())]
        except TokenFault as fault:
            raise to_error(fault, "list its tokens") from fault

    @guarded
    def login_id(self) -> str:
        """See :class:`~keyring_bridge.providers.base.LogsIn`."""
        from keyring_bridge.providers.pkcs11.login import token_id

        try:
            return token_id(self.connector.find(self.connector.module()).info)
        except TokenFault as fault:
            raise to_error(fault, "tell its serial number") from fault

    # --- using the connection, and losing it -----------------------------------------------------------------------

    def _read(self, operation: Callable[[pkcs11.types.Session, TokenInfo], _T], doing: str) -> _T:
        """Run something that changes nothing; on a connection that turns out to be lost, once more on a new one."""
        for last in (False, True):
            connection = self.connector.connect()
            try:
                with connection.reading() as session:
                    result = operation(session, connection.place.info)
                if connection.alive():
                    return result
                # Without a login a token shows no private keys, which looks like an empty one.
                self.connector.drop(connection)
            except TokenFault as fault:
                self.connector.look_after(connection)
                if last:
                    raise to_error(fault, doing) from fault
            except ObjectNotFound:
                if last or not self.connector.suspicious(connection, None):
                    raise
            except PoolClosed:
                self.connector.drop(connection)
        raise SessionLost(f"the token was disconnected; it failed to {doing}")

    def _change(self, operation: Callable[[Workbench], _T], doing: str, *, forget: bool = False) -> _T:
        """Run something that changes the token, once; with ``forget`` no handle from before is used after it."""
        connection = self.connector.connect()
        if not connection.alive():
            # Better to notice before the change than in the middle of it.
            self.connector.drop(connection)
            connection = self.connector.connect()
        try:
            with connection.changing() as session:
                try:
                    return operation(self._bench(connection, session))
                finally:
                    if forget:
                        connection.forget_keys()
        except TokenFault as fault:
            self.connector.look_after(connection)
            raise to_error(fault, doing) from fault
        except PoolClosed as error:
            raise SessionLost(f"the token was disconnected; it failed to {doing}") from error

    def _bench(self, connection: Connection, session: pkcs11.types.Session) -> Workbench:
        from keyring_bridge.providers.pkcs11.keys import Workbench

        cryptoki, info = connection.module.cryptoki, connection.place.info
        return Workbench(session, cryptoki, info, self.options.vendor, connection.remember)
