"""The few PKCS#11 functions that are called through ctypes.

python-pkcs11 is the binding for everything else. These calls are here because it cannot make them, or not in the
way the bridge needs:

* ``C_Initialize`` with CKF_OS_LOCKING_OK: the binding passes NULL, which promises the module a single thread.
* ``C_Login`` on an open session: the binding logs in while it opens and leaks the session if the PIN is wrong.
* ``C_Logout``, ``C_GetSessionInfo``, ``C_InitToken``, ``C_Finalize``: missing, or tied to closing a session.
* ``C_GetTokenInfo`` for the lengths of PINs and the free memory, which the binding leaves out.
* ``C_SignInit`` and ``C_Sign`` with a fixed buffer: the binding calls ``C_Sign`` twice, first for the length, which
  is a round trip on a network token, and leaves the session busy when its argument is not ``bytes``.
* ``C_CopyObject``, ``C_WrapKey`` and ``C_UnwrapKey``: missing, or with templates of the binding's own.
* ``C_GenerateKeyPair`` for x25519 as PKCS#11 3.0 has it: the binding has no name for the mechanism.
* Private key material that is written or read, and ``C_GenerateRandom``: the binding copies what goes through it into
  memory that nobody wipes.

Both bindings open the same file, so they share one loaded module with one state.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from ctypes import CFUNCTYPE, POINTER, Structure, addressof, byref, c_char, c_char_p, c_ubyte, c_ulong, c_void_p

from cosmos_formats.quickclass import dataclass
from keyring_bridge.errors import LibraryInvalid
from keyring_bridge.providers.pkcs11 import codes
from keyring_bridge.providers.pkcs11.faults import TokenFault

_CKF_OS_LOCKING_OK = 2
_FUNCTIONS = 68
_UNAVAILABLE = c_ulong(-1).value

# Places in CK_FUNCTION_LIST, counted from the first pointer.
_INITIALIZE, _FINALIZE, _GET_INFO, _GET_TOKEN_INFO, _INIT_TOKEN, _GET_SESSION_INFO = 0, 1, 2, 6, 9, 15
_LOGIN, _LOGOUT = 18, 19
_CREATE_OBJECT, _COPY_OBJECT, _DESTROY_OBJECT, _GET_ATTRIBUTE_VALUE, _SIGN_INIT, _SIGN = 20, 21, 22, 24, 42, 43
_GENERATE_KEY_PAIR, _WRAP_KEY, _UNWRAP_KEY, _GENERATE_RANDOM = 59, 60, 61, 64


class _Version(Structure):
    _fields_ = (("major", c_ubyte), ("minor", c_ubyte))


class _FunctionList(Structure):
    _fields_ = (("version", _Version), ("function", c_void_p * _FUNCTIONS))


class _InitializeArguments(Structure):
    _fields_ = (
        ("create_mutex", c_void_p),
        ("destroy_mutex", c_void_p),
        ("lock_mutex", c_void_p),
        ("unlock_mutex", c_void_p),
        ("flags", c_ulong),
        ("reserved", c_void_p),
    )


class _Info(Structure):
    _fields_ = (
        ("cryptoki_version", _Version),
        ("manufacturer", c_char * 32),
        ("flags", c_ulong),
        ("description", c_char * 32),
        ("library_version", _Version),
    )


class _TokenInfo(Structure):
    _fields_ = (
        ("texts", c_char * 96),
        ("flags", c_ulong),
        ("session_counts", c_ulong * 4),
        ("max_pin", c_ulong),
        ("min_pin", c_ulong),
        ("memory", c_ulong * 4),
        ("hardware_version", _Version),
        ("firmware_version", _Version),
        ("time", c_char * 16),
    )


class _SessionInfo(Structure):
    _fields_ = (("slot", c_ulong), ("state", c_ulong), ("flags", c_ulong), ("device_error", c_ulong))


class _Attribute(Structure):
    _fields_ = (("type", c_ulong), ("value", c_void_p), ("length", c_ulong))


class Mechanism(Structure):
    """CK_MECHANISM without parameters."""

    _fields_ = (("mechanism", c_ulong), ("parameter", c_void_p), ("length", c_ulong))


@dataclass(frozen=True, slots=True)
class LibraryInfo:
    """What a module says about itself."""

    manufacturer: str
    description: str
    library_version: str
    cryptoki_version: str


def mechanism(number: int) -> tuple[Mechanism, int]:
    """Return a CK_MECHANISM and its address; the address is valid as long as the structure is kept."""
    made = Mechanism(number, None, 0)
    return made, addressof(made)


class Cryptoki:
    """The function table of one module.

    Args:
        path: The module's real path.

    Raises:
        LibraryInvalid: It cannot be loaded, or is not a PKCS#11 module.
    """

    def __init__(self, path: str) -> None:
        table = POINTER(_FunctionList)()
        try:
            library = ctypes.CDLL(path)
            get_function_list = CFUNCTYPE(c_ulong, c_void_p)(("C_GetFunctionList", library))
        except (OSError, AttributeError) as error:
            raise LibraryInvalid("the configured library is not a PKCS#11 module", detail=str(error)) from error
        rv = get_function_list(byref(table))
        if rv != codes.OK or ctypes.cast(table, c_void_p).value is None:
            raise LibraryInvalid("the PKCS#11 library offers no functions", detail=codes.name_of(rv))
        again = POINTER(_FunctionList)()
        get_function_list(byref(again))
        if ctypes.cast(again, c_void_p).value != ctypes.cast(table, c_void_p).value:
            # p11-kit's proxy does so: a session of one caller means nothing to the other.
            raise LibraryInvalid(
                "the PKCS#11 library gives each caller a state of its own, so two bindings cannot share it",
                hint="configure the token's own module, not p11-kit's proxy",
            )
        pointer = table.contents.function

        def function(place: int, *arguments: type) -> Callable[..., int]:
            return CFUNCTYPE(c_ulong, *arguments)(pointer[place])

        self._initialize = function(_INITIALIZE, c_void_p)
        self._finalize = function(_FINALIZE, c_void_p)
        self._get_info = function(_GET_INFO, c_void_p)
        self._get_token_info = function(_GET_TOKEN_INFO, c_ulong, c_void_p)
        self._init_token = function(_INIT_TOKEN, c_ulong, c_void_p, c_ulong, c_char_p)
        self._get_session_info = function(_GET_SESSION_INFO, c_ulong, c_void_p)
        self._login = function(_LOGIN, c_ulong, c_ulong, c_void_p, c_ulong)
        self._logout = function(_LOGOUT, c_ulong)
        self._create_object = function(_CREATE_OBJECT, c_ulong, c_void_p, c_ulong, c_void_p)
        self._copy_object = function(_COPY_OBJECT, c_ulong, c_ulong, c_void_p, c_ulong, c_void_p)
        self._destroy_object = function(_DESTROY_OBJECT, c_ulong, c_ulong)
        self._wrap_key = function(_WRAP_KEY, c_ulong, c_void_p, c_ulong, c_ulong, c_void_p, c_void_p)
        self._unwrap_key = function(
            _UNWRAP_KEY, c_ulong, c_void_p, c_ulong, c_char_p, c_ulong, c_void_p, c_ulong, c_void_p
        )
        self._get_attribute_value = function(_GET_ATTRIBUTE_VALUE, c_ulong, c_ulong, c_void_p, c_ulong)
        self._generate_key_pair = function(
            _GENERATE_KEY_PAIR, c_ulong, c_void_p, c_void_p, c_ulong, c_void_p, c_ulong, c_void_p, c_void_p
        )
        self._generate_random = function(_GENERATE_RANDOM, c_ulong, c_void_p, c_ulong)
        #: C_SignInit(session, address of CK_MECHANISM, key handle) -> return value
        self.sign_init = function(_SIGN_INIT, c_ulong, c_void_p, c_ulong)
        #: C_Sign(session, data, length, address of the buffer, address of its length) -> return value
        self.sign = function(_SIGN, c_ulong, c_char_p, c_ulong, c_void_p, c_void_p)

    def initialize(self) -> bool:
        """Initialise the module for several threads; return False if somebody else in the process had done it."""
        arguments = _InitializeArguments(None, None, None, None, _CKF_OS_LOCKING_OK, None)
        rv = self._initialize(byref(arguments))
        if rv not in (codes.OK, codes.CRYPTOKI_ALREADY_INITIALIZED):
            raise TokenFault(rv, "C_Initialize")
        return rv == codes.OK

    def finalize(self) -> None:
        """Give up everything the module holds, sessions of every token included."""
        self._finalize(None)

    def info(self) -> LibraryInfo:
        """Return what the module says about itself."""
        info = _Info()
        _check(self._get_info(byref(info)), "C_GetInfo")
        return LibraryInfo(
            info.manufacturer.decode("utf-8", "replace").rstrip(),
            info.description.decode("utf-8", "replace").rstrip(),
            f"{info.library_version.major}.{info.library_version.minor}",
            f"{info.cryptoki_version.major}.{info.cryptoki_version.minor}",
        )

    def session_state(self, session: int) -> int:
        """Return the session's ``CKS_…`` state; raise TokenFault if there is no such session."""
        info = _SessionInfo()
        _check(self._get_session_info(session, byref(info)), "C_GetSessionInfo")
        return int(info.state)

    def login(self, session: int, user: int, pin: bytearray | None) -> int:
        """Send the PIN once; None lets the token ask at its own pad. Returns the return value, whatever it is."""
        if pin is None:
            return self._login(session, user, None, 0)
        view = (c_char * len(pin)).from_buffer(pin)
        return self._login(session, user, byref(view), len(pin))

    def logout(self, session: int) -> None:
        """Log the whole process out of the session's token; a session that is gone is fine."""
        self._logout(session)

    def pin_lengths(self, slot_id: int) -> tuple[int, int]:
        """Return the shortest and the longest PIN that the token in a slot takes, in bytes, as it says."""
        info = _TokenInfo()
        _check(self._get_token_info(slot_id, byref(info)), "C_GetTokenInfo")
        return int(info.min_pin), int(info.max_pin)

    def free_private_memory(self, slot_id: int) -> int | None:
        """Return how many bytes the token has free for private objects; None if it does not tell."""
        info = _TokenInfo()
        _check(self._get_token_info(slot_id, byref(info)), "C_GetTokenInfo")
        free = int(info.memory[3])
        # A total of nothing is what modules answer that do not count.
        return None if free == _UNAVAILABLE or not info.memory[2] else free

    def init_token(self, slot_id: int, so_pin: bytearray, label: str) -> None:
        """Erase and initialise the token in a slot; the label takes at most 32 bytes of UTF-8."""
        padded = label.encode().ljust(32)
        view = (c_char * len(so_pin)).from_buffer(so_pin)
        _check(self._init_token(slot_id, byref(view), len(so_pin), padded), "C_InitToken")

    def create_object(self, session: int, template: Mapping[int, bytes | bytearray]) -> int:
        """Create an object and return its handle. Values given as bytearray are not copied."""
        attributes, _keep = _template(template)
        handle = c_ulong()
        _check(self._create_object(session, attributes, len(template), byref(handle)), "C_CreateObject")
        return handle.value

    def copy_object(self, session: int, handle: int, template: Mapping[int, bytes | bytearray]) -> int:
        """Copy an object, with the attributes of ``template`` in the place of its own; return the copy's handle."""
        attributes, _keep = _template(template)
        copied = c_ulong()
        _check(self._copy_object(session, handle, attributes, len(template), byref(copied)), "C_CopyObject")
        return copied.value

    def destroy_object(self, session: int, handle: int) -> None:
        """Destroy an object."""
        _check(self._destroy_object(session, handle), "C_DestroyObject")

    def wrap_key(self, session: int, mechanism_number: int, wrapping: int, key: int) -> bytes:
        """Return a key wrapped under another one, at most 1 KiB."""
        chosen, address = mechanism(mechanism_number)
        room, length = ctypes.create_string_buffer(1024), c_ulong(1024)
        rv = self._wrap_key(session, address, wrapping, key, room, byref(length))
        del chosen
        _check(rv, "C_WrapKey")
        return room.raw[: length.value]

    def unwrap_key(
        self,
        session: int,
        mechanism_number: int,
        wrapping: int,
        wrapped: bytes,
        template: Mapping[int, bytes | bytearray],
    ) -> int:
        """Make an object of a wrapped key and return its handle."""
        chosen, address = mechanism(mechanism_number)
        attributes, _keep = _template(template)
        handle = c_ulong()
        rv = self._unwrap_key(
            session, address, wrapping, wrapped, len(wrapped), attributes, len(template), byref(handle)
        )
        del chosen
        _check(rv, "C_UnwrapKey")
        return handle.value

    def generate_key_pair(
        self,
        session: int,
        mechanism_number: int,
        public: Mapping[int, bytes | bytearray],
        private: Mapping[int, bytes | bytearray],
    ) -> None:
        """Generate a key pair with a mechanism that python-pkcs11 has no name for."""
        chosen, address = mechanism(mechanism_number)
        (public_template, _keep_public), (private_template, _keep_private) = _template(public), _template(private)
        handles = (c_ulong(), c_ulong())
        rv = self._generate_key_pair(
            session,
            address,
            public_template,
            len(public),
            private_template,
            len(private),
            byref(handles[0]),
            byref(handles[1]),
        )
        del chosen
        _check(rv, "C_GenerateKeyPair")

    def generate_random(self, session: int, buffer: bytearray) -> None:
        """Fill a buffer with random bytes of the token's own generator; there is no other copy of them."""
        view = (c_ubyte * len(buffer)).from_buffer(buffer)
        _check(self._generate_random(session, byref(view), len(buffer)), "C_GenerateRandom")

    def read_attribute(self, session: int, handle: int, kind: int, limit: int = 512) -> bytearray:
        """Read one attribute of at most ``limit`` bytes; the only copy of it is the answer."""
        room = bytearray(limit)
        view = (c_char * limit).from_buffer(room)
        attribute = _Attribute(kind, addressof(view), limit)
        rv = self._get_attribute_value(session, handle, byref(attribute), 1)
        if rv != codes.OK or attribute.length == _UNAVAILABLE:
            raise TokenFault(rv, "C_GetAttributeValue")
        del view
        value = room[: attribute.length]
        room[:] = bytes(limit)
        return value


def _template(values: Mapping[int, bytes | bytearray]) -> tuple[ctypes.Array[_Attribute], list[object]]:
    """Return a template, and what must be kept as long as it is used."""
    attributes = (_Attribute * len(values))()
    keep: list[object] = []
    for place, (kind, value) in enumerate(values.items()):
        data = (
            (c_char * len(value)).from_buffer(value)
            if isinstance(value, bytearray)
            else ctypes.create_string_buffer(value, len(value))
        )
        keep.append(data)
        attributes[place] = _Attribute(kind, addressof(data), len(value))
    return attributes, keep


def _check(rv: int, call: str) -> None:
    if rv != codes.OK:
        raise TokenFault(rv, call)
