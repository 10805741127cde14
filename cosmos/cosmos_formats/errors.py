"""Errors of the format layer."""

from __future__ import annotations

from typing import ClassVar


class FormatError(ValueError):
    """Bytes or text that do not follow the format they are said to be in.

    Attributes:
        code: Stable name of the failure, carried through to clients by the layers above.
    """

    code: ClassVar[str] = "invalid_format"


class InvalidAddress(FormatError):
    """Text that is not a bech32 address of the wanted prefix and length."""

    code = "invalid_address"


class InvalidKey(FormatError):
    """A public or private key of a wrong length, an unknown type, or off its curve."""

    code = "invalid_key"


class InvalidSignature(FormatError):
    """A signature that is not well-formed: wrong length, broken DER, r or s out of range."""

    code = "invalid_signature"


class InvalidRecord(FormatError):
    """Bytes that are not a keyring ``Record``."""

    code = "invalid_record"


class InvalidSignDoc(FormatError):
    """A sign document that cannot be read completely and unambiguously in its declared mode."""

    code = "sign_doc_invalid"


class WrongPassword(FormatError):
    """A password that does not open what it should; or what it should open is damaged, where nothing tells which."""

    code = "wrong_password"
