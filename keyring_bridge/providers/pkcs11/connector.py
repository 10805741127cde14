"""Which connection a provider has, and how it finds its way back to one.

States, and what moves between them::

    closed ── connect ──> connected ── close ──> closed
    connected ── idle_timeout ──> closed, or locked if the PIN came from a person
    locked ── close ──> closed                  (then `connect` asks again)
    connected ── the token or the login is gone ──> closed, remembering which token it was
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from keyring_bridge.errors import BridgeError, PinRequired, SessionLost, TokenNotFound, TokenRemoved
from keyring_bridge.providers.pkcs11.connection import Connection
from keyring_bridge.providers.pkcs11.faults import TokenFault, to_error
from keyring_bridge.providers.pkcs11.login import Login, token_id
from keyring_bridge.providers.pkcs11.module import find_library, load
from keyring_bridge.providers.pkcs11.slots import Wanted, select
from keyring_bridge.providers.pkcs11.upkeep import Upkeep

if TYPE_CHECKING:
    from keyring_bridge.model import TokenInfo
    from keyring_bridge.providers.base import ProviderContext
    from keyring_bridge.providers.pkcs11.module import Module
    from keyring_bridge.providers.pkcs11.options import Options
    from keyring_bridge.providers.pkcs11.slots import Place


class Connector:
    """Opens, drops and reopens the connection to one configured token.

    Attributes:
        current: The connection, or None. Reading it takes no lock.
        login: How the token's user logs in.
    """

    def __init__(self, options: Options, context: ProviderContext) -> None:
        self.current: Connection | None = None
        self._options = options
        self._context = context
        self.login = Login(context, options.pin_source, options.vendor.pin_form)
        self._upkeep: Upkeep | None = None
        self._opening = threading.RLock()
        self._state = threading.Lock()
        self._closings = 0
        self._serial: str | None = None
        self._locked = False

    def connect(self) -> Connection:
        """Return the connection, opening one if there is none.

        Raises:
            AuthError: The login did not happen; PinRequired after an idle logout if a person has to type the PIN.
            ProviderError: The library or the token is missing, ambiguous or broken.
            SessionLost: :meth:`close` was called meanwhile.
        """
        connection = self.current
        if connection is not None:
            return connection
        with self._opening:
            with self._state:
                if self.current is not None:
                    return self.current
                if self._locked:
                    raise PinRequired(
                        "the token was logged out because it was idle",
                        hint="unlock it anew: `keyring-plugin agent unlock`, or bridge.unlock",
                    )
                closings = self._closings
            connection = self._open()
            with self._state:
                if closings == self._closings:
                    self.current = connection
                    self._serial = connection.place.info.serial
                    self._start_upkeep(connection)
                    return connection
        connection.close()
        raise SessionLost("the provider was closed while it connected")

    def close(self) -> None:
        """Log out, and forget which token it was."""
        with self._state:
            self._closings += 1
            connection, self.current = self.current, None
            self._stop_upkeep()
            self._serial = None
            self._locked = False
        if connection is not None:
            connection.close()

    def _open(self) -> Connection:
        asked = time.monotonic()
        module = self.module()
        try:
            return Connection.open(module, self.find(module), self.login, self._options)
        except (TokenFault, TokenNotFound, TokenRemoved) as error:
            # A module that was running when its token went may not see it come back until it is started afresh.
            if module.started >= asked or not module.reinitialize():
                raise _as_error(error) from error
        try:
            return Connection.open(module, self.find(module), self.login, self._options)
        except (TokenFault, TokenNotFound, TokenRemoved) as error:
            raise _as_error(error) from error

    def module(self) -> Module:
        """Return the configured module, loaded and initialised."""
        return load(find_library(self._options), environment=self._options.vendor.environment)

    def find(self, module: Module) -> Place:
        """Return the configured token; once one was opened, that very one.

        Raises:
            TokenNotFound: No token matches.
            TokenAmbiguous: Several match.
            TokenRemoved: The one that was opened is not there any more.
        """
        options = self._options
        wanted = Wanted(options.token_label, options.token_serial, options.slot, options.slot_id)
        if not self._serial:
            return select(module, wanted)
        try:
            # Slots may be numbered anew when a token comes back; the serial says that it is the same one.
            return select(module, replace(wanted, serial=self._serial, index=None, slot_id=None))
        except TokenNotFound as error:
            raise TokenRemoved("the token that was in use is not there", detail=error.detail) from error

    def suspicious(self, connection: Connection, uri: str | None) -> bool:
        """Whether a key was perhaps not found because the login or the token is gone; drops the connection then."""
        if not connection.alive():
            self.drop(connection)
            return True
        if uri in connection.known:
            # It was there before; some modules notice that a token went only when they are started afresh.
            self.drop(connection, restart=True)
            return True
        return False

    def look_after(self, connection: Connection) -> None:
        """Drop a connection whose token or login is gone."""
        if not connection.alive():
            self.drop(connection)

    def drop(self, connection: Connection, *, restart: bool = False) -> None:
        """Let go of a connection; with ``restart`` start its module afresh, too, unless others use it."""
        with self._state:
            if self.current is connection:
                self.current = None
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
            if self.current is not connection:
                return
            self.current = None
            self._locked = self.login.interactive
        connection.close()

    def _start_upkeep(self, connection: Connection) -> None:
        self._upkeep = Upkeep(
            connection,
            idle_timeout=self._options.idle_timeout,
            keepalive=self._options.keepalive,
            on_idle=self._idle,
            on_dead=self.drop,
        )

    def _stop_upkeep(self) -> None:
        if self._upkeep is not None:
            self._upkeep.stop()
            self._upkeep = None

    def why_locked(self, info: TokenInfo) -> str:
        """Say why there is no login."""
        if self._locked:
            return "logged out because it was idle"
        try:
            self._context.login_guard.check(token_id(info))
        except BridgeError as error:
            return str(error)
        return "not logged in"


def _as_error(error: TokenFault | BridgeError) -> BridgeError:
    if not isinstance(error, TokenFault):
        return error
    return to_error(error, "list its slots" if error.call == "C_GetSlotList" else "open a session")
