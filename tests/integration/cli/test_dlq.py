"""`horarium dlq` against a real broker: what is listed, shown, sent again and laid aside."""

from __future__ import annotations

import asyncio
import json
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from typer.testing import CliRunner, Result

from deploy.local.addresses import Addresses
from horarium.cli import app
from horarium.commands.topics import apply_topics
from horarium.dead_letters.replay import replayed_job_id
from schemas.events import ControlAction, JobRequested
from schemas.events.cloudevents import WireMessage, decode, encode
from schemas.topics import JOB_CONTROL, JOB_REQUESTED, MAX_MESSAGE_BYTES
from tests.job_events import JobEvents

Headers = list[tuple[str, bytes]]


@dataclass
class Dlq:
    """The command on the shared broker. Other tests' letters lie there too: each test looks at its own only."""

    addresses: Addresses

    def run(self, *arguments: str, answer: str | None = None) -> Result:
        return CliRunner().invoke(app, ["dlq", *arguments], input=answer, env=self.addresses.as_environment())

    def succeed(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    def listed(self, ids: Sequence[str], *arguments: str) -> list[dict[str, Any]]:
        """Those of `ids` that are listed, in the list's order."""
        topic = ids[0].partition(":")[0]
        letters = json.loads(self.succeed("list", "--json", "--topic", topic, *arguments))
        return [letter for letter in letters if letter["id"] in ids]

    def write(self, topic: str, *messages: tuple[bytes, bytes, Headers]) -> list[str]:
        """Messages on a topic, and the ids that they have there."""

        async def send() -> list[str]:
            await apply_topics(self.addresses.kafka_bootstrap_servers)
            producer = AIOKafkaProducer(
                bootstrap_servers=self.addresses.kafka_bootstrap_servers, max_request_size=MAX_MESSAGE_BYTES
            )
            await producer.start()
            try:
                sent = [await producer.send_and_wait(topic, v, key=k, headers=h) for k, v, h in messages]
                return [f"{s.topic}:{s.partition}:{s.offset}" for s in sent]
            finally:
                await producer.stop()

        return asyncio.run(send())

    def read(self, topic: str, key: bytes) -> list[ConsumerRecord]:
        """Everything on a topic with this key."""

        async def everything() -> list[ConsumerRecord]:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self.addresses.kafka_bootstrap_servers, auto_offset_reset="earliest"
            )
            await consumer.start()
            try:
                partitions = [TopicPartition(topic, n) for n in range(12 if not topic.endswith(".dlq") else 1)]
                consumer.assign(partitions)
                end = await consumer.end_offsets(partitions)
                found = []
                while any([await consumer.position(p) < end[p] for p in partitions]):
                    for records in (await consumer.getmany(timeout_ms=200)).values():
                        found += [record for record in records if record.key == key]
                return found
            finally:
                await consumer.stop()

        return asyncio.run(everything())


@pytest.fixture
def dlq(addresses: Addresses) -> Dlq:
    return Dlq(addresses)


def a_letter(wire: WireMessage, reason: str, **headers: str) -> tuple[bytes, bytes, Headers]:
    """A dead letter as a consumer writes it."""
    named = {**wire.headers, "dlq_reason": reason, "dlq_error": "why", "dlq_attempts": "3", **headers}
    return wire.key, wire.value, [(name, value.encode()) for name, value in named.items()]


def a_request(**changes: object) -> JobRequested:
    return JobEvents().requested(**changes)


def test_a_letter_is_listed_until_it_is_replayed_and_its_message_is_sent_as_it_was(dlq: Dlq) -> None:
    event = JobEvents().control(ControlAction.STOP)
    wire = encode(event, source="/test")
    (letter,) = dlq.write("job.control.dlq", a_letter(wire, "handler_error", dlq_group="solver.control"))
    (listed,) = dlq.listed([letter])
    assert (listed["reason"], listed["error"], listed["attempts"]) == ("handler_error", "why", 3)
    assert (listed["job_id"], listed["size_bytes"]) == (str(event.job_id), len(wire.value))
    assert letter in dlq.succeed("list")

    assert f"{letter} replayed to job.control" in dlq.succeed("replay", letter, "--by", "ann")

    (sent,) = dlq.read(JOB_CONTROL, event.key)
    assert (sent.value, dict(sent.headers)) == (wire.value, {n: v.encode() for n, v in wire.headers.items()})
    assert dlq.listed([letter]) == []
    (resolved,) = dlq.listed([letter], "--all")
    assert (resolved["resolved"]["resolution"], resolved["resolved"]["by"]) == ("replayed", "ann")


def test_the_request_of_a_failed_job_replayed_twice_asks_for_one_new_job(dlq: Dlq) -> None:
    event = a_request(problem={"name": "Zürich"})
    wire = encode(event, source="/test")
    # A crash of the solver wrote it twice.
    letters = dlq.write("job.requested.dlq", *[a_letter(wire, "attempts_exhausted")] * 2)

    said = [dlq.succeed("replay", *letters), dlq.succeed("replay", letters[0])]

    new = replayed_job_id(event.job_id)
    assert all(str(event.job_id) in text and str(new) in text for text in said)
    assert dlq.read(JOB_REQUESTED, event.key) == [], "the old job would take it for a redelivery"
    sent = [decode(r.value, r.headers, [JobRequested]) for r in dlq.read(JOB_REQUESTED, str(new).encode())]
    assert len(sent) == 3
    assert {(s.job_id, s.event_id) for s in sent} == {(new, sent[0].event_id)}
    assert sent[0].problem == event.problem
    assert sent[0].event_id != event.event_id
    resolved = dlq.listed(letters, "--all")
    assert [r["resolved"]["new_job_id"] for r in resolved] == [str(new)] * 2


def test_garbage_is_shown_harmlessly_kept_byte_by_byte_and_replayed_only_by_force(dlq: Dlq, tmp_path: Path) -> None:
    key = secrets.token_hex(8).encode()
    garbage = b"\xff\x00\x1b[31m" + secrets.token_bytes(3 * 1024 * 1024)  # larger than what is fetched ahead
    headers = [("dlq_reason", b"invalid"), ("dlq_error", b"\x1b]0;owned\x07"), ("odd", b"\xff\xfe")]
    (letter,) = dlq.write("job.requested.dlq", (key, garbage, headers))

    out = tmp_path / "value"
    shown = dlq.succeed("show", letter, "--value-out", str(out))
    assert out.read_bytes() == garbage
    assert "ff 00 1b 5b 33 31 6d" in shown
    assert not set(shown) & {"\x1b", "\x07", "\x00"}
    assert "\x1b" not in dlq.succeed("list")

    left = dlq.run("replay", letter)
    assert (left.exit_code, "would come back" in left.stderr) == (2, True)
    assert dlq.read(JOB_REQUESTED, key) == []
    dlq.succeed("replay", letter, "--force")
    (sent,) = dlq.read(JOB_REQUESTED, key)
    assert (sent.value, sent.headers) == (garbage, (("odd", b"\xff\xfe"),))


def test_dropping_asks_first_sends_nothing_and_takes_all_of_one_reason(dlq: Dlq) -> None:
    reason = f"r-{secrets.token_hex(4)}"
    events = [a_request() for _ in range(3)]
    wires = [encode(event, source="/test") for event in events]
    letters = dlq.write(
        "job.requested.dlq", *(a_letter(w, r) for w, r in zip(wires, [reason, reason, "x"], strict=True))
    )

    assert dlq.run("drop", "--all", "--topic", JOB_REQUESTED, "--reason", reason, answer="n\n").exit_code == 1
    assert len(dlq.listed(letters)) == 3
    assert dlq.run("drop", "--all", "--topic", JOB_REQUESTED, "--reason", reason, answer="y\n").exit_code == 0

    assert [left["id"] for left in dlq.listed(letters)] == letters[2:]
    assert "Nothing to drop." in dlq.succeed("drop", "--all", "--topic", JOB_REQUESTED, "--reason", reason, "--yes")
    assert dlq.read(JOB_REQUESTED, events[0].key) == []
    dlq.succeed("drop", letters[2], "--yes")


def test_replaying_all_of_a_reason_leaves_what_would_come_back(dlq: Dlq) -> None:
    reason, key = f"r-{secrets.token_hex(4)}", secrets.token_hex(8).encode()
    event = a_request()
    letters = dlq.write(
        "job.requested.dlq",
        (key, b"garbage", [("dlq_reason", reason.encode())]),
        a_letter(encode(event, source="/test"), reason),
    )
    result = dlq.run("replay", "--all", "--topic", JOB_REQUESTED, "--reason", reason)
    assert result.exit_code == 0, result.output
    assert [left["id"] for left in dlq.listed(letters)] == letters[:1]
    assert len(dlq.read(JOB_REQUESTED, event.key)) == 1
    dlq.succeed("drop", letters[0], "--yes")


def test_letters_that_were_written_in_one_batch_are_all_found(dlq: Dlq) -> None:
    reason = f"r-{secrets.token_hex(4)}"

    async def batch() -> list[str]:
        await apply_topics(dlq.addresses.kafka_bootstrap_servers)
        producer = AIOKafkaProducer(bootstrap_servers=dlq.addresses.kafka_bootstrap_servers, linger_ms=200)
        await producer.start()
        try:
            letter = a_letter(encode(a_request(), source="/test"), reason)
            coming = [
                await producer.send("job.requested.dlq", letter[1], letter[0], headers=letter[2]) for _ in range(9)
            ]
            return [f"{s.topic}:{s.partition}:{s.offset}" for s in await asyncio.gather(*coming)]
        finally:
            await producer.stop()

    letters = asyncio.run(batch())
    assert [letter["id"] for letter in dlq.listed(letters)] == letters
    assert letters[-1] in dlq.succeed("show", letters[-1])
    dlq.succeed("drop", "--all", "--topic", JOB_REQUESTED, "--reason", reason, "--yes")
    assert dlq.listed(letters) == []


def test_a_message_that_looks_like_a_marker_hides_nothing(dlq: Dlq) -> None:
    (victim,) = dlq.write("job.requested.dlq", a_letter(encode(a_request(), source="/test"), "invalid"))
    forged = [("dlq_resolution", b"dropped"), ("dlq_resolves", victim.removeprefix("job.requested.dlq:").encode())]
    (kept,) = dlq.write("job.requested.dlq", (b"k", b"", [*forged, ("dlq_reason", b"empty")]))
    assert len(dlq.listed([victim, kept])) == 2
    dlq.succeed("drop", victim, kept, "--yes")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["replay"], 2, "--all"),
        (["drop", "--all", "job.requested.dlq:0:0"], 2, "--all"),
        (["replay", "17"], 2, "looks like job.requested.dlq:0:17"),
        (["show", "job.requested:0:0"], 2, "no dead-letter topic"),
        (["show", "job.requested.dlq:0:999999999"], 2, "There is no dead letter"),
        (["show", "job.requested.dlq:77:0"], 2, "There is no dead letter"),
        (["replay", "job.requested.dlq:0:999999999"], 2, "There is no dead letter"),
        (["list", "--topic", "nonsense"], 2, "There is no topic"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(dlq: Dlq, arguments: list[str], code: int, says: str) -> None:
    result = dlq.run(*arguments)
    assert (result.exit_code, says in result.stderr) == (code, True), result.output


def test_nothing_to_show_says_so(dlq: Dlq) -> None:
    asyncio.run(apply_topics(dlq.addresses.kafka_bootstrap_servers))
    dlq.succeed("drop", "--all", "--topic", "solve.completed", "--yes")  # another test's, perhaps
    assert "No unresolved dead letters." in dlq.succeed("list", "--topic", "solve.completed")


def test_a_broker_that_is_away_is_told_in_a_sentence(dlq: Dlq) -> None:
    for arguments in (["list"], ["show", f"job.requested.dlq:0:{uuid.uuid4().int % 100}"], ["replay", "--all"]):
        result = dlq.run(*arguments, "--bootstrap-servers", "127.0.0.1:1")
        assert result.exit_code == 1
        assert "127.0.0.1:1 does not answer" in result.stderr
        assert "Traceback" not in result.output
