"""Private keys from a seed (BIP-32 over secp256k1), as the SDK's ``crypto/hd`` derives them.

The secrets stay in buffers that are wiped: libsecp256k1 adds to a private key where it is, and HMAC works in place
(:mod:`cosmos_formats.wipeable`).
"""

from __future__ import annotations

from typing import Any, Final

from cosmos_formats.hd import HARDENED, HdPath, InvalidPath
from cosmos_formats.wipeable import hmac_sha512, wipe

_MASTER: Final = b"Bitcoin seed"
_KEY: Final = 32
_POINT: Final = 33


def derive(seed: bytes | bytearray, path: HdPath) -> bytearray:
    """Return the private key at a path.

    Args:
        seed: 64 bytes from :func:`cosmos_formats.mnemonic.to_seed`; BIP-32 allows 16 to 64.
        path: Where.

    Returns:
        32 bytes, a scalar of secp256k1, big-endian. The caller wipes it.

    Raises:
        InvalidPath: The key would be out of range, as one of 2^127 is. (The SDK reduces it; BIP-32 says to take the
            next index.)
    """
    if not 16 <= len(seed) <= 64:
        raise ValueError(f"seed of {len(seed)} bytes")
    ffi, lib, context = _secp256k1()
    key, chain = _split(hmac_sha512(_MASTER, seed))
    message = bytearray(_POINT + 4)
    done = False
    try:
        if not lib.secp256k1_ec_seckey_verify(context, ffi.from_buffer(key)):
            raise InvalidPath("the seed has no master key (BIP-32)")
        for index in path.indexes:
            if index & HARDENED:
                message[0] = 0
                message[1:_POINT] = key
            else:
                message[:_POINT] = public_point(key)
            message[_POINT:] = index.to_bytes(4)
            tweak, following = _split(hmac_sha512(chain, message))
            added = lib.secp256k1_ec_seckey_tweak_add(context, ffi.from_buffer(key), ffi.from_buffer(tweak))
            chain[:] = following
            wipe(tweak, following)
            if not added:
                raise InvalidPath(f"derivation path {path} has no key (BIP-32); take the next index")
        done = True
    finally:
        wipe(chain, message)
        if not done:
            wipe(key)
    return key


def _split(digest: bytearray) -> tuple[bytearray, bytearray]:
    with memoryview(digest) as view:
        halves = bytearray(view[:_KEY]), bytearray(view[_KEY:])
    wipe(digest)
    return halves


def public_point(key: bytearray) -> bytes:
    """Return the public half of a private key, compressed, 33 bytes."""
    ffi, lib, context = _secp256k1()
    point = ffi.new("secp256k1_pubkey *")
    lib.secp256k1_ec_pubkey_create(context, point, ffi.from_buffer(key))
    compressed, size = ffi.new("unsigned char[]", _POINT), ffi.new("size_t *", _POINT)
    lib.secp256k1_ec_pubkey_serialize(context, compressed, size, point, lib.SECP256K1_EC_COMPRESSED)
    return bytes(ffi.buffer(compressed))


def _secp256k1() -> tuple[Any, Any, Any]:
    # coincurve's PrivateKey copies the key into bytes, which cannot be wiped, so its binding is called directly.
    from coincurve._libsecp256k1 import ffi, lib  # type: ignore[import-not-found]  # a compiled module without stubs
    from coincurve.context import GLOBAL_CONTEXT

    return ffi, lib, GLOBAL_CONTEXT.ctx
