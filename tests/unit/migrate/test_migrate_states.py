"""What a key signed is handed back in the old signer's own format, and never lowered."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosmos_formats import sign_state, signer_files
from cosmos_formats.sign_state import HIGHEST, HIGHEST_ROUND, InvalidStateFile, SignState
from keyring_bridge.migrate.errors import UndoRefused
from keyring_bridge.migrate.state_files import StateFile, StateFormat
from keyring_bridge.store.base import LastSigned

EDGES = st.one_of(st.integers(0, 3), st.integers(HIGHEST - 2, HIGHEST))
NUMBERS = st.tuples(
    st.one_of(EDGES, st.integers(0, HIGHEST)),
    st.one_of(st.integers(0, 2), st.sampled_from((HIGHEST_ROUND - 1, HIGHEST_ROUND))),
    st.integers(0, 3),
)


def tmkms_signs(state: signer_files.TmkmsState, height: int, round: int, step: int, block: bool) -> bool:
    """Whether tmkms would sign, as its ``ConsensusState`` decides (chain/state.rs of 0.15); steps are its own."""
    if (height, round, step) < (state.height, state.round, state.step):
        return False
    if (height, round) != (state.height, state.round):
        return True
    differs = block or state.block_id is not None
    return not (differs and ((block and state.block_id is not None) or step == state.step))


@given(NUMBERS, st.booleans())
def test_tmkms_signs_nothing_at_numbers_that_were_signed(numbers: tuple[int, int, int], block: bool) -> None:
    height, round_, step = numbers
    try:
        state = signer_files.refusing(SignState(height, round_, step))
    except InvalidStateFile:
        assert numbers == (HIGHEST, HIGHEST_ROUND, 3)
        return
    # It reads back as at least what was signed.
    read = signer_files.read_tmkms_state(signer_files.write_tmkms_state(state)).to_sign_state()
    assert (read.height, read.round, read.step) >= numbers or height == 0
    # Whatever was signed up to these numbers, for a block or nil, is not signed another time.
    if height and step:
        for earlier in range(1, step + 1):
            assert not tmkms_signs(state, height, round_, earlier - 1, block)


def test_the_block_that_was_signed_is_kept_where_it_is_known() -> None:
    content = Path(__file__).resolve().parents[3] / "fixtures" / "validators" / "ed25519" / "state_precommit.json"
    state = sign_state.read(content.read_bytes())
    known = signer_files.refusing(state)
    assert known.block_id is not None
    assert (known.height, known.round, known.step) == (state.height, state.round, state.step - 1)
    assert tmkms_signs(known, state.height, state.round, 2, block=True) is False


@given(NUMBERS, NUMBERS, st.sampled_from(("cometbft", "horcrux", "tmkms", "missing")))
def test_a_state_file_is_raised_and_never_lowered(
    has: tuple[int, int, int], signed: tuple[int, int, int], kind: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = StateFile(Path(folder) / "state.json", StateFormat.TMKMS if kind == "tmkms" else StateFormat.COMETBFT)
        if kind == "tmkms":
            step = max(has[2] - 1, 0)
            file.path.write_bytes(signer_files.write_tmkms_state(signer_files.TmkmsState(has[0], has[1], step)))
        elif kind != "missing":
            file.path.write_bytes(sign_state.write(SignState(*has), round_as_text=kind == "horcrux"))
        if kind != "missing":
            file.path.chmod(0o600)
        before = file.read()
        content = file.path.read_bytes() if kind != "missing" else b""
        try:
            written = file.raise_to(LastSigned(*signed))
        except UndoRefused:
            assert (kind, signed) == ("tmkms", (HIGHEST, HIGHEST_ROUND, 3))
            assert file.path.read_bytes() == content
            return
        after = file.read()
        if signed[0] == 0:
            assert (written, after) == (False, before)
            return
        assert after is not None
        assert after >= LastSigned(*signed)
        assert before is None or after >= before
        assert written == (before is None or before < LastSigned(*signed))
        if not written:
            assert file.path.read_bytes() == content
        elif kind == "horcrux":
            assert sign_state.has_round_as_text(file.path.read_bytes())
        elif kind == "cometbft":
            assert not sign_state.has_round_as_text(file.path.read_bytes())


def test_what_a_link_leads_to_is_written_with_its_mode(tmp_path: Path) -> None:
    real = tmp_path / "real.json"
    real.write_bytes(sign_state.write(SignState(1, 0, 1)))
    real.chmod(0o640)
    link = tmp_path / "link.json"
    link.symlink_to(real)
    assert StateFile(link, StateFormat.COMETBFT).raise_to(LastSigned(5, 0, 2))
    assert link.is_symlink()
    assert (sign_state.read(real.read_bytes()).height, real.stat().st_mode & 0o777) == (5, 0o640)


def test_a_state_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UndoRefused, match="written"):
        StateFile(tmp_path / "no folder" / "state.json", StateFormat.COMETBFT).raise_to(LastSigned(5, 0, 2))
