"""Requests through jsonrpcserver. Nothing else imports that library, and its faults end here.

What it does well is kept: finding the method, binding arguments, shaping responses. What it gets wrong (5.0.9, the last
release) never comes to pass:

* it sends the text of a method's exception to the client — no exception reaches it;
* one bad item spoils a batch, and ids and versions are not checked without its slow validator — requests are checked
  before (:mod:`keyring_plugin.jsonrpc`), and reach it one by one, with a validator that does nothing;
* a result that JSON cannot carry raises out of it — encoding is done here;
* NaN, duplicate members and deep nesting pass its parser — it never sees text (:mod:`keyring_plugin.jsontext`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from keyring_bridge.errors import BridgeError
from keyring_plugin import jsontext
from keyring_plugin.errors import MethodNotFound, shorten, to_wire
from keyring_plugin.keyring_methods import Context
from keyring_plugin.methods import HANDLERS, run

if TYPE_CHECKING:
    from keyring_plugin.jsonrpc import Call, RequestId
    from keyring_plugin.service import Session

_METHOD_NOT_FOUND = -32601


class Dispatcher:
    """Serves the calls of one connection. Safe to use from several threads.

    Args:
        session: The connection's view of the bridge.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._library = _library()
        self._methods = _library_methods()

    def answer(self, call: Call, deadline: float) -> bytes:
        """Serve one call.

        Args:
            call: A well-formed request.
            deadline: Moment of ``time.monotonic()`` after which nobody waits any more.

        Returns:
            The response as JSON; empty for a notification. Never raises.
        """
        try:
            response = self._dispatch(call, deadline)
            return b"" if response is None else jsontext.encode(response)
        except Exception as error:
            return b"" if call.is_notification else error_response(internal_error(error), call.id)

    def _dispatch(self, call: Call, deadline: float) -> object:
        request: dict[str, object] = {"method": call.method, "params": [call.params]}
        if not call.is_notification:
            request["id"] = call.id
        return self._library.dispatch(
            deserializer=_as_it_is,
            validator=_as_it_is,
            methods=self._methods,
            context=Context(self._session, deadline, "" if call.id is None else str(call.id)),
            post_process=self._shape,
            request=request,
        )

    def _shape(self, response: Any) -> object:  # the library's own type is untyped
        shaped: dict[str, Any] = self._library.shape(response)
        error = shaped.get("error")
        if error is not None and error["code"] == _METHOD_NOT_FOUND:
            name = shorten(str(error.get("data")), 64)
            hint = "rpc.discover lists the methods"
            shaped["error"] = to_wire(MethodNotFound(f"there is no method {name!r}", hint=hint))
        return shaped


def error_response(error: BridgeError, identifier: RequestId | None) -> bytes:
    """Return an error response as JSON."""
    return jsontext.encode({"jsonrpc": "2.0", "error": to_wire(error), "id": identifier})


def internal_error(error: BaseException) -> BridgeError:
    """Return what the client is told about an exception from outside the tree: nothing but where to look.

    Standard error gets its type and place. Its text is kept back there too, because it may hold what was asked.
    """
    wrapped = BridgeError("internal error", hint="standard error of the server has more under this correlation id")
    wrapped.correlation_id = os.urandom(8).hex()
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "unknown place"
    with suppress(OSError, ValueError):  # standard error may be gone
        sys.stderr.write(
            f"keyring-plugin: internal error {wrapped.correlation_id}: {type(error).__name__} at {place}\n"
        )
    return wrapped


class _Library(NamedTuple):
    """The parts of the library that are used."""

    dispatch: Callable[..., Any]
    success: Callable[..., Any]
    failure: Callable[..., Any]
    shape: Callable[..., Any]
    signature: Callable[..., Any]


@cache
def _library() -> _Library:
    with _packages_without_their_code("jsonrpcserver", "oslash"):
        from inspect import signature

        from jsonrpcserver.dispatcher import dispatch_to_response_pure
        from jsonrpcserver.response import to_serializable_one
        from jsonrpcserver.result import Error, Success

    return _Library(dispatch_to_response_pure, Success, Error, to_serializable_one, signature)


@cache
def _library_methods() -> Mapping[str, Callable[..., Any]]:
    """Return every method as the library wants it, made once: many connections may share a process."""
    return {name: _library_method(name) for name in HANDLERS}


def _library_method(name: str) -> Callable[..., Any]:
    library = _library()
    success, failure = library.success, library.failure

    def method(context: Context, given: dict[str, object] | list[object]) -> object:
        try:
            return success(run(context, name, given))
        except BridgeError as error:
            wire = to_wire(error)
        except BaseException as error:  # the library would send its text to the client
            wire = to_wire(internal_error(error))
        return failure(**wire)

    # The library asks for the signature at every call; finding it anew costs more than all the rest.
    method.__signature__ = library.signature(method)  # type: ignore[attr-defined]  # inspect's protocol
    return method


@contextmanager
def _packages_without_their_code(*names: str) -> Iterator[None]:
    """Let modules of packages be imported without running the packages' ``__init__``.

    That of jsonrpcserver imports asyncio, http.server and jsonschema, and that of oslash a dozen modules. The
    dispatcher needs none of them, and they are four fifths of the time that ``import jsonrpcserver`` takes, in a
    process whose every start a chain's user waits for. The packages are left as if they were never imported;
    importing them later works as ever.
    """
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    hollow = []
    for name in names:
        spec = PathFinder.find_spec(name)
        if name not in sys.modules and spec is not None:
            sys.modules[name] = module_from_spec(spec)
            hollow.append(name)
    try:
        yield
    finally:
        for name in hollow:
            del sys.modules[name]


def _as_it_is(value: Any) -> Any:  # stands for the library's parser and validator
    return value
