"""A secret in a buffer that can be wiped."""

from __future__ import annotations

from typing import NoReturn, Self, SupportsIndex


class SecretBytes:
    """Bytes that do not show in a repr, log, traceback or pickle, and that are overwritten when they are done with.

    Use it as a context manager; leaving the block wipes it. A wiped secret cannot be used again.

    What Python cannot do is listed in SECURITY.md: a ``bytes`` or ``str`` that the secret was made from, or that
    a library makes of it, stays in memory until it is overwritten by chance.

    Args:
        content: A ``bytearray`` is taken over, not copied: wiping the secret wipes the caller's buffer. Anything else
            is copied.
    """

    __slots__ = ("_buffer",)
    __hash__ = None  # type: ignore[assignment]  # the data model's way to say that it cannot be hashed

    def __init__(self, content: bytes | bytearray | memoryview) -> None:
        self._buffer: bytearray | None = content if isinstance(content, bytearray) else bytearray(content)

    @classmethod
    def random(cls, length: int) -> Self:
        """Return a secret of random bytes from the operating system."""
        secret = cls(bytearray(length))
        # os.urandom would leave a copy that cannot be wiped.
        with open("/dev/urandom", "rb", buffering=0) as source, memoryview(secret.reveal()) as rest:
            filled = 0
            while filled < length:
                filled += source.readinto(rest[filled:]) or 0
        return secret

    def reveal(self) -> bytearray:
        """Return the buffer itself, not a copy.

        Raises:
            ValueError: The secret was wiped.
        """
        if self._buffer is None:
            raise ValueError("the secret was wiped")
        return self._buffer

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytearray:
        """Return the buffer itself: python-pkcs11 calls this on a PIN, and takes a ``bytearray`` for its bytes."""
        return self.reveal()

    def copy(self) -> SecretBytes:
        """Return a second secret with the same content, wiped on its own."""
        return SecretBytes(bytearray(self.reveal()))

    def wipe(self) -> None:
        """Overwrite the buffer with zeros and let go of it. May be called again."""
        buffer, self._buffer = self._buffer, None
        if buffer is not None:
            # Not by wipe(): when the interpreter ends, this module's names may be gone before the last secret is.
            buffer[:] = bytes(len(buffer))

    @property
    def wiped(self) -> bool:
        """Whether the content is gone."""
        return self._buffer is None

    def __len__(self) -> int:
        return 0 if self._buffer is None else len(self._buffer)

    def __bool__(self) -> bool:
        return len(self) > 0

    def __eq__(self, other: object) -> bool:
        """Compare in a time that depends on the lengths alone."""
        from hmac import compare_digest

        if isinstance(other, SecretBytes):
            return compare_digest(self.reveal(), other.reveal())
        if isinstance(other, bytes | bytearray):
            return compare_digest(self.reveal(), other)
        return NotImplemented

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()

    def __del__(self) -> None:
        # A constructor that failed leaves an object without its slot.
        if getattr(self, "_buffer", None) is not None:
            self.wipe()

    def __repr__(self) -> str:
        return "SecretBytes(wiped)" if self._buffer is None else "SecretBytes(…)"

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("a secret cannot be pickled or deep-copied")


def wipe(buffer: bytearray) -> None:
    """Overwrite ``buffer`` with zeros where it is."""
    # An assignment of the same length never moves the buffer, even while views of it are alive.
    buffer[:] = bytes(len(buffer))
