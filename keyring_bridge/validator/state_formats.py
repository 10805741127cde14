"""The states of other signers: read as a watermark, and written from one.

CometBFT (FilePV), Cosmos-KMS and horcrux keep what they signed; tmkms keeps the block alone, so nothing more is signed
at its place. The moment of a state is not in it: whoever reads one says when it was (:attr:`Watermark.moment`), and
heights may go on from there.
"""

from __future__ import annotations

from enum import StrEnum

from cosmos_formats import sign_state, signer_files
from cosmos_formats.errors import FormatError
from cosmos_formats.privval.canonical import Canonical
from cosmos_formats.sign_state import InvalidStateFile, SignState
from keyring_bridge.errors import InvalidRequest
from keyring_bridge.validator.watermark import Place, Request, Watermark


class StateFormat(StrEnum):
    """Who writes the file."""

    FILEPV = "filepv"
    """CometBFT and Cosmos-KMS; horcrux's is read too."""
    TMKMS = "tmkms"
    HORCRUX = "horcrux"


class InvalidState(InvalidRequest):
    """A state that cannot be read, or that cannot be written in the wanted format."""

    code = "signer_state_invalid"


def read(content: bytes, form: StateFormat, chain_id: str, moment: int) -> Watermark:
    """Read the state of another signer.

    Args:
        content: The whole file.
        form: Who wrote it.
        chain_id: The chain it is taken for. A state with sign bytes of another one is refused.
        moment: When it was true, milliseconds since 1970.

    Raises:
        InvalidState: Another file, numbers out of range, sign bytes that contradict them or are of another chain.
    """
    try:
        if form is StateFormat.TMKMS:
            state = signer_files.read_tmkms_state(content).to_sign_state()
        else:
            state = sign_state.read(content)
        place = Place(state.height, state.round, state.step)
        if not state.sign_bytes:
            return Watermark(place, moment=moment)
        said = Canonical.from_sign_bytes(state.sign_bytes)
    except FormatError as error:
        raise InvalidState(f"not the state of a signer: {error}") from None
    if Request(said, state.sign_bytes).place != place:
        raise InvalidState("the state's numbers are not those of what was signed")
    if said.chain_id != chain_id:
        raise InvalidState(f"the state is of the chain {said.chain_id[:64]!r}, not of {chain_id!r}")
    return Watermark(place, state.sign_bytes, state.signature or b"", moment)


def write(mark: Watermark, form: StateFormat) -> bytes:
    """Write a watermark as another signer's state.

    A watermark whose signature is not known is written without its sign bytes: the other signer then signs nothing at
    its place.

    Raises:
        InvalidState: tmkms has no state that refuses everything at this place.
    """
    known = bool(mark.signature)
    state = SignState(*mark.place, mark.signature if known else None, mark.sign_bytes if known else None)
    if form is StateFormat.FILEPV:
        return sign_state.write(state)
    if form is StateFormat.HORCRUX:
        return sign_state.write(state, round_as_text=True)
    try:
        # tmkms keeps the block and no signature: what was reserved is as good as signed.
        signed = SignState(*mark.place, b"\0", mark.sign_bytes) if mark.sign_bytes else state
        return signer_files.write_tmkms_state(signer_files.refusing(signed))
    except InvalidStateFile as error:
        raise InvalidState(str(error)) from None
