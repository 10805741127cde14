"""What the verifier finds, what it lets pass, and what it cannot see."""

from __future__ import annotations

from pathlib import Path

import pytest

from keyring_bridge.audit import AuditLog, Head, VerifyReport, verify
from keyring_bridge.audit.entry import EMPTY, encode_fields, seal
from keyring_bridge.audit.verifier import MAX_PROBLEMS
from keyring_bridge.errors import AuditFailed

TIME = "2026-01-02T03:04:05.000006Z"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "audit.log"
    with AuditLog(path, "bridge") as log:
        for number in range(5):
            token = log.intend("sign.intent", f"id{number}", {"key": "val"})
            log.conclude(token, {"result": "signed"})
    return path


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def check(path: Path, changed: list[bytes]) -> VerifyReport:
    path.write_bytes(b"".join(changed))
    return verify(path)


def codes(report: VerifyReport) -> list[tuple[str, int]]:
    assert not report.ok
    return [(problem.code, problem.line) for problem in report.problems]


def test_a_whole_log(path: Path) -> None:
    report = verify(path)
    assert report.ok
    assert (report.entries, report.problems, report.outstanding, report.torn_bytes) == (10, (), (), 0)
    assert report.head.seq == 10
    assert report.size == path.stat().st_size
    assert report.first_time is not None
    assert report.last_time is not None
    assert report.first_time < report.last_time


def test_an_empty_log(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.touch()
    report = verify(path)
    assert (report.ok, report.entries, report.head, report.first_time) == (True, 0, EMPTY, None)


def test_a_missing_log(tmp_path: Path) -> None:
    with pytest.raises(AuditFailed):
        verify(tmp_path / "none")
    with pytest.raises(AuditFailed):
        verify(tmp_path)


@pytest.mark.parametrize("number", range(10))
def test_an_edited_line(path: Path, number: int) -> None:
    changed = lines(path)
    changed[number] = changed[number].replace(b'"bridge"', b'"bridgf"', 1)
    report = check(path, changed)
    assert codes(report) == [("damaged", number + 1)]
    assert report.problems[0].offset == len(b"".join(changed[:number]))
    # What follows is still read: one edit, one problem.
    assert report.entries == 9


@pytest.mark.parametrize("number", range(1, 9))
def test_an_edited_line_with_a_new_hash(path: Path, number: int) -> None:
    changed = lines(path)
    previous = verify_head(changed[:number])
    changed[number] = seal(previous, TIME, "note", "", "bridge", "")[0]
    report = check(path, changed)
    assert [problem for problem in codes(report) if problem[0] == "chain-broken"] == [("chain-broken", number + 2)]


def test_numbers_that_skip_although_the_hashes_agree(path: Path) -> None:
    whole = lines(path)
    head = verify(path).head
    skipping, _ = seal(Head(head.seq + 1, head.hash), TIME, "note", "", "bridge", "")
    assert codes(check(path, [*whole, skipping])) == [("chain-broken", 11)]


def verify_head(before: list[bytes]) -> Head:
    head = EMPTY
    for line in before:
        head = Head(head.seq + 1, line[-67:-3].decode())
    return head


def test_a_removed_line(path: Path) -> None:
    changed = lines(path)
    del changed[4:6]
    report = check(path, changed)
    assert codes(report) == [("chain-broken", 5)]
    assert "entries 5 to 6 are missing" in report.problems[0].message


def test_a_missing_beginning(path: Path) -> None:
    assert codes(check(path, lines(path)[2:])) == [("beginning-missing", 1)]


def test_swapped_lines(path: Path) -> None:
    changed = lines(path)
    changed[4], changed[6] = changed[6], changed[4]
    report = check(path, changed)
    assert {code for code, _ in codes(report)} == {"chain-broken"}
    assert [line for _, line in codes(report)] == [5, 6, 7, 8]


def test_a_repeated_line(path: Path) -> None:
    changed = lines(path)
    changed.insert(4, changed[3])
    assert ("chain-broken", 5) in codes(check(path, changed))


def test_lines_of_another_log(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.log"
    with AuditLog(other, "bridge") as log:
        for _ in range(10):
            log.note("note", "", {})
    mine, theirs = lines(path), lines(other)
    assert codes(check(path, mine[:4] + theirs[4:])) == [("chain-broken", 5)]


def test_inserted_text(path: Path) -> None:
    for text in (b"hello\n", b"\n", b'{"v":1,"seq":\n', b"\0\n"):
        changed = lines(path)
        changed.insert(5, text)
        assert ("damaged", 6) in codes(check(path, changed))
        changed = [text, *lines(path)[:5]]


def test_text_after_the_end(path: Path) -> None:
    whole = lines(path)
    assert codes(check(path, [*whole, b"hello"])) == [("damaged", 11)]
    assert codes(check(path, [*whole, whole[-1].replace(b"id4", b"id5")])) == [("damaged", 11)]


def test_a_torn_end_is_told_but_is_no_problem(path: Path) -> None:
    whole = lines(path)
    report = check(path, [*whole, whole[0][:50]])
    assert (report.ok, report.entries, report.torn_bytes) == (True, 10, 50)


def test_a_line_like_a_tear_in_the_middle_hides_nothing(path: Path) -> None:
    changed = lines(path)
    changed[5] = changed[5][:50] + b"\n"
    assert codes(check(path, changed)) == [("damaged", 6)]


def torn_and_continued(path: Path) -> list[bytes]:
    whole = lines(path)
    path.write_bytes(b"".join([*whole, whole[0][:50]]))
    with AuditLog(path, "bridge") as log:
        log.note("note", "", {})
    changed = lines(path)
    assert [line[:50] for line in changed[10:11]] == [whole[0][:50]]
    assert verify(path).recoveries == 1
    return changed


def test_torn_bytes_cannot_be_changed_after_the_recovery(path: Path) -> None:
    changed = torn_and_continued(path)
    changed[10] = changed[10][:-3] + b"xx\n"
    assert codes(check(path, changed)) == [("tear-mismatch", 12)]


def test_torn_bytes_cannot_be_removed_after_the_recovery(path: Path) -> None:
    changed = torn_and_continued(path)
    del changed[10]
    assert codes(check(path, changed)) == [("tear-mismatch", 11)]


def test_a_recovery_cannot_be_removed(path: Path) -> None:
    changed = torn_and_continued(path)
    del changed[11]
    assert codes(check(path, changed))[0] == ("damaged", 11)


def test_a_recovery_does_not_excuse_an_edited_line(path: Path) -> None:
    from keyring_bridge.audit.recovery import recovery_fields

    whole = lines(path)
    edited = whole[-1].replace(b"signed", b"failed").removesuffix(b"\n")
    mend, _ = seal(verify_head(whole[:-1]), TIME, "recovery", "", "bridge", encode_fields(recovery_fields(edited)))
    assert codes(check(path, [*whole[:-1], edited + b"\n", mend])) == [("damaged", 10)]


def test_a_cut_tail_shows_only_against_a_head_noted_elsewhere(path: Path) -> None:
    whole = lines(path)
    anchor = verify(path).head
    assert verify(path, anchor=anchor).ok
    assert check(path, whole[:8]).ok
    report = verify(path, anchor=anchor)
    assert codes(report) == [("head-missing", 0)]
    assert str(report.problems[0]).startswith("entry 10 ")


def test_an_old_anchor_stays_good(path: Path) -> None:
    anchor = verify(path).head
    with AuditLog(path, "bridge") as log:
        log.note("note", "", {})
    assert verify(path, anchor=anchor).ok
    assert verify(path, anchor=EMPTY).ok
    assert not verify(path, anchor=Head(anchor.seq, "0" * 64)).ok


def test_open_intents_are_listed(path: Path) -> None:
    with AuditLog(path, "bridge") as log:
        log.intend("sign.intent", "open1", {})
        log.conclude(log.intend("sign.intent", "closed", {}), {})
        log.intend("key.generate.intent", "open2", {})
    report = verify(path)
    assert report.ok
    assert [(intent.kind, intent.id, intent.seq) for intent in report.outstanding] == [
        ("sign.intent", "open1", 11),
        ("key.generate.intent", "open2", 14),
    ]


@pytest.mark.parametrize("of", [1, 9, 4, 99])
def test_outcomes_that_belong_to_nothing(path: Path, of: int) -> None:
    whole = lines(path)
    head = verify(path).head
    stray, _ = seal(head, TIME, "sign.outcome", "id9", "bridge", "", of)
    assert codes(check(path, [*whole, stray])) == [("stray-outcome", 11)]


def test_many_problems_are_counted_and_some_are_told(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    first = seal(EMPTY, TIME, "note", "", "bridge", "")[0]
    path.write_bytes(first * (MAX_PROBLEMS + 50))
    report = verify(path)
    assert len(report.problems) == MAX_PROBLEMS
    assert report.problem_count == MAX_PROBLEMS + 49


def test_a_file_that_is_no_log_at_all(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(b"x" * 5_000_000)
    assert {code for code, _ in codes(verify(path))} == {"damaged"}
    path.write_bytes(b"\n" * 100)
    assert verify(path).torn_bytes == 100


def test_progress(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    with AuditLog(path, "bridge", sync=lambda _: None) as log:
        for _ in range(200):
            log.note("note", "", {"text": "x" * 60_000})
    size = path.stat().st_size
    told: list[tuple[int, int]] = []
    assert verify(path, progress=lambda done, total: told.append((done, total))).ok
    assert told == sorted(told)
    assert len(told) == size // (1 << 22) + 1
    assert told[-1] == (size, size)
