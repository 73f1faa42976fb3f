"""Folding a dead-letter topic: what is unresolved, and who cannot make a letter disappear."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from horarium.dead_letters.letters import (
    BadLetterIdError,
    Ledger,
    LetterId,
    Record,
    Resolution,
    Resolved,
    letter_of,
    marker_of,
)
from tests.unit.dead_letters.records import a_letter_id, a_marker, a_record, as_headers

DROPPED = Resolved(Resolution.DROPPED, "ann@desk", "2026-11-23T10:00:00+00:00")
REPLAYED = Resolved(Resolution.REPLAYED, "bob@desk", "2026-11-24T10:00:00+00:00", "new-job")


def folded(*records: Record, keep_resolved: bool = False) -> dict[int, Resolved | None]:
    ledger = Ledger(keep_resolved)
    for record in records:
        ledger.add(record)
    return {letter.id.offset: letter.resolved for letter in ledger}


def test_an_id_is_read_as_it_is_written() -> None:
    assert LetterId.parse("job.requested.dlq:3:17") == LetterId("job.requested.dlq", 3, 17)
    assert str(LetterId.parse("job.requested.dlq:3:17")) == "job.requested.dlq:3:17"


@pytest.mark.parametrize("text", ["", "17", "job.requested.dlq:17", "a:b:c", "t:1:-1", "t:1:2:3", "../x:0:0", "t:0:²"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(BadLetterIdError, match="looks like"):
        LetterId.parse(text)


def test_a_marker_resolves_its_letter_and_no_other() -> None:
    records = [a_record(0), a_record(1), a_marker(2, a_letter_id(0), DROPPED), a_record(3)]
    assert folded(*records) == {1: None, 3: None}
    assert folded(*records, keep_resolved=True) == {0: DROPPED, 1: None, 3: None}


def test_the_last_of_several_markers_counts_and_one_without_a_letter_changes_nothing() -> None:
    markers = [a_marker(1, a_letter_id(0), DROPPED), a_marker(2, a_letter_id(0), REPLAYED)]
    assert folded(a_record(0), *markers, keep_resolved=True) == {0: REPLAYED}
    assert folded(*markers, a_record(3)) == {3: None}, "retention took the letter before its markers"


def test_a_stranger_cannot_hide_a_letter_by_sending_a_message_that_looks_like_a_marker() -> None:
    looks = a_marker(5, a_letter_id(0), DROPPED)
    # Whoever dead-letters it keeps its headers and adds the reason.
    kept = replace(looks, headers=(*looks.headers, *as_headers({"dlq_reason": "empty"})))
    assert marker_of(looks) is not None
    assert marker_of(kept) is None
    assert folded(a_record(0), kept) == {0: None, 5: None}


@pytest.mark.parametrize(
    "headers",
    [
        {"dlq_resolution": "dropped", "dlq_resolves": "0:9"},  # a later one
        {"dlq_resolution": "dropped", "dlq_resolves": "1:0"},  # another partition
        {"dlq_resolution": "dropped", "dlq_resolves": "zero"},
        {"dlq_resolution": "eaten", "dlq_resolves": "0:0"},
        {"dlq_resolves": "0:0"},
    ],
)
def test_a_marker_that_makes_no_sense_is_shown_as_a_letter(headers: dict[str, str]) -> None:
    odd = Record(a_letter_id(5), 0, None, b"", as_headers(headers))
    assert folded(a_record(0), odd) == {0: None, 5: None}


def test_what_a_list_says_of_a_letter_is_bounded_and_takes_any_bytes() -> None:
    job = uuid.uuid4()
    hostile = Record(
        a_letter_id(7),
        -5,
        str(job).encode(),
        b"x" * 10,
        (("dlq_error", b"\xff" * 100_000), ("dlq_attempts", b"\xc2\xb2"), ("dlq_reason", b"r" * 100_000)),
    )
    letter = letter_of(hostile)
    assert (letter.job_id, letter.attempts, letter.size_bytes) == (job, None, 10)
    assert len(letter.error) <= 1000
    assert len(letter.reason) <= 100
    assert letter_of(replace(hostile, key=None)).job_id is None


def test_where_the_message_lay_is_told_as_far_as_it_is_known() -> None:
    whole = letter_of(a_record(0, dlq_topic="job.requested", dlq_partition="3", dlq_offset="17", dlq_attempts="2"))
    assert (whole.origin, whole.attempts) == ("job.requested:3:17", 2)
    assert letter_of(a_record(0, dlq_topic="job.requested")).origin == "job.requested"
