"""The file in which a signer keeps what a consensus key signed last: found beside the key, and read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from cosmos_formats.errors import FormatError
from keyring_bridge.migrate.errors import SourceAmbiguous, SourceUnreadable, UndoRefused

if TYPE_CHECKING:
    from keyring_bridge.store.base import LastSigned

_LARGEST = 64 << 10
_SUFFIX = "_priv_validator_state.json"
_USUAL = "priv_validator_state.json"


class StateFormat(StrEnum):
    """Who writes the file."""

    COMETBFT = "cometbft"
    """CometBFT, Cosmos-KMS and horcrux."""
    TMKMS = "tmkms"


@dataclass(frozen=True, slots=True)
class StateFile:
    """A signer's state.

    Attributes:
        path: The file; it need not exist yet.
        format: How it is written.
    """

    path: Path
    format: StateFormat

    @property
    def chain_id(self) -> str:
        """The chain that the file's name tells, else empty."""
        name = self.path.name
        return name.removesuffix(_SUFFIX) if name.endswith(_SUFFIX) else ""

    def read(self) -> LastSigned | None:
        """Return what was signed last; None if there is no file.

        Raises:
            SourceUnreadable: It is no state file.
        """
        from cosmos_formats import sign_state, signer_files
        from keyring_bridge.config.files import read_trusted
        from keyring_bridge.store.base import LastSigned

        try:
            content = read_trusted(self.path, what="state of the signer", limit=_LARGEST)
        except FileNotFoundError:
            return None
        try:
            if self.format is StateFormat.TMKMS:
                state = signer_files.read_tmkms_state(content).to_sign_state()
            else:
                state = sign_state.read(content)
        except FormatError as error:
            raise SourceUnreadable(f"{self.path}: {error}") from None
        return LastSigned(state.height, state.round, state.step)

    def raise_to(self, signed: LastSigned) -> bool:
        """Make sure that a signer which starts from the file signs nothing that was signed, durably.

        Args:
            signed: What must not be signed again, nor anything below it. What the file has is never lowered.

        Returns:
            Whether it was written; it is left as it is if it says as much already.

        Raises:
            SourceUnreadable: It is no state file.
            UndoRefused: Its format cannot say it, or it cannot be written.
        """
        from cosmos_formats import sign_state, signer_files
        from keyring_bridge.config.files import write_atomic

        before = self.read()
        # Chains begin at height 1: at 0 nothing was ever signed.
        if signed.height == 0 or (before is not None and before >= signed):
            return False
        state = sign_state.SignState(signed.height, signed.round, signed.step)
        # What a link leads to is written, as its signer would do.
        path = self.path.resolve()
        mode = 0o600
        try:
            if self.format is StateFormat.TMKMS:
                content = signer_files.write_tmkms_state(signer_files.refusing(state))
            else:
                text = before is not None and sign_state.has_round_as_text(path.read_bytes())
                content = sign_state.write(state, round_as_text=text)
            if before is not None:
                mode = path.stat().st_mode & 0o777
            write_atomic(path, content, mode)
        except FormatError as error:
            raise UndoRefused(f"{self.path} cannot hold what the key signed last: {error}") from None
        except OSError as error:
            raise UndoRefused(f"{self.path} cannot be written", detail=str(error)) from None
        after = self.read()
        if after is None or after < signed:
            raise UndoRefused(f"{self.path} does not say what was written into it")
        return True


def beside_validator_key(key: Path) -> StateFile:
    """Return the state of a ``priv_validator_key.json``: beside it, or in ``../data`` where CometBFT keeps it."""
    beside = key.with_name(_USUAL)
    in_data = key.parent.parent / "data" / _USUAL
    if beside.exists() or not in_data.parent.is_dir():
        return StateFile(beside, StateFormat.COMETBFT)
    return StateFile(in_data, StateFormat.COMETBFT)


def beside_signer_key(key: Path, form: StateFormat) -> StateFile | None:
    """Return the state of a key of tmkms or Cosmos-KMS; None if none lies where they keep it by default.

    Raises:
        SourceAmbiguous: Several could be it.
    """
    # `tmkms init` makes secrets/NAME.key and state/NAME.json.
    by_name = key.parent.parent / "state" / f"{key.stem}.json"
    if by_name.is_file():
        return StateFile(by_name, form)
    folders = (key.parent, key.parent.parent / "state")
    found = sorted({path for folder in folders if folder.is_dir() for path in folder.glob(f"*{_USUAL}")})
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise SourceAmbiguous(f"several state files lie beside the key: {names}", hint="name its own with --state")
    return StateFile(found[0], form) if found else None
