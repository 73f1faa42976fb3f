"""Where the projector reads: decided per message, from positions beside the data. Broker and Redis are small fakes."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndTimestamp

from schemas.topics import JOB_REQUESTED
from services.progress.positions import Positions
from services.progress.store import AwayError, Position, Store
from services.runtime.kafka import Received

PARTITION = TopicPartition(JOB_REQUESTED, 0)


class Log:
    """One partition as a consumer sees it: message times by offset, a position, and what was asked of it."""

    def __init__(self, times: list[int], start: int = 0) -> None:
        self.times = times
        self.start = start
        self.at = start

    def assignment(self) -> set[TopicPartition]:
        return {PARTITION}

    async def position(self, _partition: TopicPartition) -> int:
        return self.at

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, self.start)

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, self.start + len(self.times))

    async def offsets_for_times(
        self, since: dict[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndTimestamp | None]:
        """The first message that is not older; all are older than any horizon."""
        first = next((n for n, time in enumerate(self.times) if time >= since[PARTITION]), None)
        return {PARTITION: None if first is None else OffsetAndTimestamp(self.start + first, self.times[first])}

    def seek(self, _partition: TopicPartition, offset: int) -> None:
        self.at = offset

    def fetch(self) -> Received:
        """The next message, as the client library hands it over: the position moves first."""
        offset, self.at = self.at, self.at + 1
        return Received(JOB_REQUESTED, 0, offset, {}, self, self.times[offset - self.start])


class Kept:
    """The store's positions and epoch."""

    def __init__(self, position: Position | None = None) -> None:
        self.present = 1
        self.kept = {(JOB_REQUESTED, 0): position} if position else {}
        self.away = False

    async def epoch(self) -> int:
        if self.away:
            raise AwayError("away")
        return self.present

    async def positions(self, epoch: int) -> dict[tuple[str, int], Position]:
        return dict(self.kept) if epoch == self.present else {}


def positions_over(kept: Kept, log: Log) -> Positions:
    positions = Positions(cast("Store", kept), progress_horizon=timedelta(hours=2), horizon=timedelta(hours=24))
    positions.attach(JOB_REQUESTED, lambda: log)
    return positions


async def admitted(positions: Positions, log: Log) -> list[int]:
    """The offsets that are projected when the whole log is read."""
    found = []
    for _ in range(100):
        if log.at >= log.start + len(log.times):
            break
        message = log.fetch()
        if await positions.admit(message):
            positions.record(message, positions.epoch)
            found.append(message.offset)
    return found


async def test_without_a_position_everything_is_read() -> None:
    log = Log([10, 11, 12])
    assert await admitted(positions_over(Kept(), log), log) == [0, 1, 2]


async def test_reading_goes_on_at_the_last_message_that_had_its_effect() -> None:
    """That message itself is read again, to see that the log is still the same one."""
    log = Log([10, 11, 12, 13])
    assert await admitted(positions_over(Kept(Position(2, 12)), log), log) == [2, 3]


async def test_a_recreated_topic_that_is_shorter_is_read_from_its_beginning() -> None:
    log = Log([50, 51])
    assert await admitted(positions_over(Kept(Position(500, 12)), log), log) == [0, 1]


async def test_a_recreated_topic_that_has_grown_past_the_position_is_read_from_its_beginning() -> None:
    log = Log([50, 51, 52, 53])
    assert await admitted(positions_over(Kept(Position(2, 12)), log), log) == [0, 1, 2, 3]


@pytest.mark.parametrize("rejoins", [True, False])
async def test_a_log_that_was_replaced_behind_our_back_is_read_from_its_beginning(rejoins: bool) -> None:
    """The consumer goes on where it was in a log that has grown past that meanwhile: what it is given looks right."""
    log, kept = Log([]), Kept()
    positions = positions_over(kept, log)
    await positions.listener(JOB_REQUESTED).on_partitions_assigned({PARTITION})
    log.times = [10, 11]
    assert await admitted(positions, log) == [0, 1]
    log.times = [50, 51, 52]
    assert await admitted(positions, log) == [2]
    kept.kept[JOB_REQUESTED, 0] = Position(2, 52)
    if rejoins:
        await positions.listener(JOB_REQUESTED).on_partitions_assigned({PARTITION})
    else:
        await positions._check_log_ends()
    assert await admitted(positions, log) == [0, 1, 2]
    log.times.append(53)
    await positions._check_log_ends()
    assert await admitted(positions, log) == [3], "once is enough"


async def test_a_log_that_was_emptied_behind_our_back_is_read_from_its_beginning() -> None:
    log = Log([10, 11])
    positions = positions_over(Kept(), log)
    assert await admitted(positions, log) == [0, 1]
    log.times = []
    await positions._check_log_ends()
    log.times = [50, 51]
    assert await admitted(positions, log) == [0, 1]


async def test_neither_retention_nor_an_end_that_falls_short_makes_another_log() -> None:
    class FallsShort(Log):
        async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
            return dict.fromkeys(partitions, self.start + 1)

    log = FallsShort([10, 11, 12])
    positions = positions_over(Kept(), log)
    assert await admitted(positions, log) == [0, 1, 2]
    for _ in range(2):
        await positions._check_log_ends()
        assert log.at == 3
    log.times, log.start = [11, 12, 13], 1
    await positions._check_log_ends()
    assert await admitted(positions, log) == [3]


async def test_a_position_that_retention_has_removed_means_the_oldest_message_there_is() -> None:
    log = Log([17, 18, 19], start=7)
    positions = positions_over(Kept(Position(2, 12)), log)
    first = log.fetch()
    assert not await positions.admit(first), "fetched before the position was looked up"
    log.at = log.start  # what the client does when it is told that the offset is out of range
    assert await admitted(positions, log) == [7, 8, 9]


async def test_an_empty_redis_makes_everything_come_again_and_what_was_fetched_before_is_skipped() -> None:
    log, kept = Log([10, 11, 12]), Kept()
    positions = positions_over(kept, log)
    assert await admitted(positions, log) == [0, 1, 2]
    log.times.append(13)
    in_flight = log.fetch()
    kept.present = 2
    await positions.rebuild()
    assert not await positions.admit(in_flight)
    assert await admitted(positions, log) == [0, 1, 2, 3]


async def test_nothing_is_taken_while_redis_is_away() -> None:
    log, kept = Log([10]), Kept()
    positions = positions_over(kept, log)
    message = log.fetch()
    kept.away = True
    with pytest.raises(AwayError):
        await positions.admit(message)
    kept.away = False
    assert not await positions.admit(message), "it comes again after the seek"
    assert await admitted(positions, log) == [0]
