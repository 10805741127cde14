"""The PKCS#11 backend.

States of a provider, and what moves it::

    closed ── connect, or the first operation ──> connected ── close ──> closed
    connected ── idle_timeout ──> closed, or locked if the PIN came from a person
    locked ── close ──> closed                  (then `connect` asks again)
    connected ── the token or the login is gone ──> closed, remembering which token it was

An operation finds its own way back to *connected*, once: it drops the connection with everything in it, opens the same
token again and looks its key up again. It never does so after C_Sign was called, because the token may have signed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from keyring_bridge.errors import (
    BridgeError,
    ObjectNotFound,
    PinRequired,
    SessionLost,
    TokenNotFound,
    TokenRemoved,
)
from keyring_bridge.model import ProviderStatus
from keyring_bridge.providers.base import ProviderBase, ProviderContext, guarded
from keyring_bridge.providers.pkcs11.faults import PoolClosed, TokenFault, to_error
from keyring_bridge.providers.pkcs11.options import Options

if TYPE_CHECKING:
    import pkcs11.types

    from cosmos_formats.pubkeys import PublicKey
    from keyring_bridge.model import KeyInfo, KeyRef, KeySpec, TokenInfo
    from keyring_bridge.providers.pkcs11.connection import Connection
    from keyring_bridge.providers.pkcs11.login import Login
    from keyring_bridge.providers.pkcs11.module import Module
    from keyring_bridge.providers.pkcs11.slots import Place
    from keyring_bridge.providers.pkcs11.upkeep import Upkeep
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
        from keyring_bridge.providers.pkcs11.login import check_source

        self.options = build(Options, options, f"providers.{context.name}")
        check_source(self.options.pin_source)
        self._connection: Connection | None = None
        self._upkeep: Upkeep | None = None
        self._opening = threading.RLock()
        self._state = threading.Lock()
        self._closings = 0
        self._serial: str | None = None
        self._locked = False

    # --- the provider's template ---------------------------------------------------------------------------------

    def _connect(self) -> None:
        self._connected()

    def _close(self) -> None:
        with self._state:
            self._closings += 1
            connection, self._connection = self._connection, None
            self._stop_upkeep()
            self._serial = None
            self._locked = False
        if connection is not None:
            connection.close()

    def _list_keys(self) -> list[KeyInfo]:
        from keyring_bridge.providers.pkcs11.objects import list_all

        return self._read(lambda session, token: list_all(session, token), "list its keys")

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
            connection = self._connection or self._connected()
            try:
                return connection.sign(ref, payload, deadline)
            except TokenFault as fault:
                self._look_after(connection)
                if last or fault.call == "C_Sign" or (fault.call == "C_SignInit" and not fault.recoverable):
                    raise to_error(fault, "sign") from fault
            except ObjectNotFound:
                if last or not self._suspicious(connection, ref.uri):
                    raise
            except PoolClosed:
                self._drop(connection)
        raise SessionLost("the token was disconnected before the signature was begun")

    def _status(self) -> ProviderStatus:
        from keyring_bridge.providers.pkcs11.login import pin_state
        from keyring_bridge.providers.pkcs11.slots import is_hardware, refreshed

        connection = self._connection
        try:
            if connection is not None and connection.alive():
                info = refreshed(connection.place)
                return ProviderStatus("ready", is_hardware(info), info, pin_state(info), connection.pool.opened + 1)
            info = self._find(self._module()).info
            return ProviderStatus("locked", is_hardware(info), info, pin_state(info), 0, self._why_locked(info))
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

        return self._change(
            lambda session, connection: keys.generate(
                session, connection.module.cryptoki, connection.place.info, self.options.vendor, spec
            ),
            f"generate a {spec.key_type} key",
        )

    @guarded
    def import_key(self, spec: KeySpec, secret: SecretBytes) -> KeyInfo:
        """See :class:`~keyring_bridge.providers.base.Imports`."""
        from keyring_bridge.providers.pkcs11 import keys
        from keyring_bridge.providers.pkcs11.material import public_key_for

        public_key = public_key_for(spec.key_type, secret)
        return self._change(
            lambda session, connection: keys.import_private(
                session,
                connection.module.cryptoki,
                connection.place.info,
                self.options.vendor,
                spec,
                secret,
                public_key,
            ),
            f"import a {spec.key_type} key",
        )

    @guarded
    def delete_key(self, ref: KeyRef) -> None:
        """See :class:`~keyring_bridge.providers.base.Deletes`."""
        from keyring_bridge.providers.pkcs11 import keys

        def delete(session: pkcs11.types.Session, connection: Connection) -> None:
            keys.delete(session, connection.place.info, ref)
            connection.forget_keys()

        self._change(delete, "destroy a key")

    @guarded
    def rename_key(self, ref: KeyRef, label: str) -> KeyInfo:
        """See :class:`~keyring_bridge.providers.base.Renames`."""
        from keyring_bridge.providers.pkcs11 import keys

        return self._change(
            lambda session, connection: keys.rename(session, connection.place.info, ref, label), "rename a key"
        )

    @guarded
    def derive(self, ref: KeyRef, peer: PublicKey) -> SecretBytes:
        """See :class:`~keyring_bridge.providers.base.Derives`."""
        from keyring_bridge.providers.pkcs11.material import shared_secret
        from keyring_bridge.providers.pkcs11.objects import check_same, locate
        from keyring_bridge.uri import Pkcs11Uri

        uri = Pkcs11Uri.parse(ref.uri)
        module = self._connected().module

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
            return [place.info for place in places(self._module())]
        except TokenFault as fault:
            raise to_error(fault, "list its tokens") from fault

    @guarded
    def login_id(self) -> str:
        """See :class:`~keyring_bridge.providers.base.LogsIn`."""
        from keyring_bridge.providers.pkcs11.login import token_id

        try:
            return token_id(self._find(self._module()).info)
        except TokenFault as fault:
            raise to_error(fault, "tell its serial number") from fault

    # --- connecting ----------------------------------------------------------------------------------------------

    def _connected(self) -> Connection:
        """Return the connection, opening one if there is none."""
        connection = self._connection
        if connection is not None:
            return connection
        with self._opening:
            with self._state:
                if self._connection is not None:
                    return self._connection
                if self._locked:
                    raise PinRequired("the token was logged out because it was idle", hint="run `hsm unlock`")
                closings = self._closings
            connection = self._open()
            with self._state:
                if closings == self._closings:
                    self._connection = connection
                    self._serial = connection.place.info.serial
                    self._start_upkeep(connection)
                    return connection
        connection.close()
        raise SessionLost("the provider was closed while it connected")

    def _open(self) -> Connection:
        from keyring_bridge.providers.pkcs11.connection import Connection

        asked = time.monotonic()
        module = self._module()
        try:
            return Connection.open(module, self._find(module), self._login, self.options)
        except (TokenFault, TokenNotFound, TokenRemoved) as error:
            # A module that was running when its token went may not see it come back until it is started afresh.
            if module.started >= asked or not module.reinitialize():
                raise _as_error(error) from error
        try:
            return Connection.open(module, self._find(module), self._login, self.options)
        except (TokenFault, TokenNotFound, TokenRemoved) as error:
            raise _as_error(error) from error

    def _module(self) -> Module:
        from keyring_bridge.providers.pkcs11.module import find_library, load

        return load(find_library(self.options), environment=self.options.vendor.environment)

    @property
    def _login(self) -> Login:
        from keyring_bridge.providers.pkcs11.login import Login

        return Login(self.context, self.options.pin_source, self.options.vendor.pin_form)

    def _find(self, module: Module) -> Place:
        from keyring_bridge.providers.pkcs11.slots import Wanted, select

        options = self.options
        wanted = Wanted(options.token_label, options.token_serial, options.slot, options.slot_id)
        if self._serial is None:
            return select(module, wanted)
        try:
            # Slots may be numbered anew when a token comes back; the serial says that it is the same one.
            return select(module, replace(wanted, serial=self._serial, index=None, slot_id=None))
        except TokenNotFound as error:
            raise TokenRemoved("the token that was in use is not there", detail=error.detail) from error

    # --- using the connection, and losing it -----------------------------------------------------------------------

    def _read(self, operation: Callable[[pkcs11.types.Session, TokenInfo], _T], doing: str) -> _T:
        """Run something that changes nothing; on a connection that turns out to be lost, once more on a new one."""
        for last in (False, True):
            connection = self._connected()
            try:
                with connection.reading() as session:
                    result = operation(session, connection.place.info)
                if connection.alive():
                    return result
                # Without a login a token shows no private keys, which looks like an empty one.
                self._drop(connection)
            except TokenFault as fault:
                self._look_after(connection)
                if last:
                    raise to_error(fault, doing) from fault
            except ObjectNotFound:
                if last or not self._suspicious(connection, None):
                    raise
            except PoolClosed:
                self._drop(connection)
        raise SessionLost(f"the token was disconnected; it failed to {doing}")

    def _change(self, operation: Callable[[pkcs11.types.Session, Connection], _T], doing: str) -> _T:
        """Run something that changes the token, once."""
        connection = self._connected()
        if not connection.alive():
            # Better to notice before the change than in the middle of it.
            self._drop(connection)
            connection = self._connected()
        try:
            with connection.changing() as session:
                return operation(session, connection)
        except TokenFault as fault:
            self._look_after(connection)
            raise to_error(fault, doing) from fault
        except PoolClosed as error:
            raise SessionLost(f"the token was disconnected; it failed to {doing}") from error

    def _suspicious(self, connection: Connection, uri: str | None) -> bool:
        """Whether a key was perhaps not found because the login or the token is gone; drops the connection then."""
        if not connection.alive():
            self._drop(connection)
            return True
        if uri in connection.known:
            # It was there before; some modules notice that a token went only when they are started afresh.
            self._drop(connection, restart=True)
            return True
        return False

    def _look_after(self, connection: Connection) -> None:
        """Drop a connection whose token or login is gone."""
        if not connection.alive():
            self._drop(connection)

    def _drop(self, connection: Connection, *, restart: bool = False) -> None:
        """Let go of a connection; with ``restart`` start its module afresh, too, unless others use it."""
        with self._state:
            if self._connection is connection:
                self._connection = None
                self._stop_upkeep()
        connection.close()
        if restart:
            try:
                connection.module.reinitialize()
            except TokenFault as fault:
                raise to_error(fault, "start afresh") from fault

    def _idle(self, connection: Connection) -> None:
        """Log out after ``idle_timeout``. A PIN that a person typed is not kept, so they must come back."""
        with self._state:
            if self._connection is not connection:
                return
            self._connection = None
            self._locked = self._login.interactive
        connection.close()

    def _start_upkeep(self, connection: Connection) -> None:
        from keyring_bridge.providers.pkcs11.upkeep import Upkeep

        self._upkeep = Upkeep(
            connection,
            idle_timeout=self.options.idle_timeout,
            keepalive=self.options.keepalive,
            on_idle=self._idle,
            on_dead=self._drop,
        )

    def _stop_upkeep(self) -> None:
        if self._upkeep is not None:
            self._upkeep.stop()
            self._upkeep = None

    def _why_locked(self, info: TokenInfo) -> str:
        from keyring_bridge.providers.pkcs11.login import token_id

        if self._locked:
            return "logged out because it was idle"
        try:
            self.context.login_guard.check(token_id(info))
        except BridgeError as error:
            return str(error)
        return "not logged in"


def _as_error(error: TokenFault | BridgeError) -> BridgeError:
    return to_error(error, "open a session") if isinstance(error, TokenFault) else error
