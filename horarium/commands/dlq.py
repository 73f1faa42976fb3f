"""`horarium dlq list`, `show`, `replay`, `drop`: messages that could not be processed, for an operator to settle.

Owns what a person types and reads. Must not know what a dead letter is made of, only `horarium.dead_letters`.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from horarium.commands.broker import security_arguments
from horarium.commands.terminal import EXIT_BAD_INPUT, EXIT_UNREACHABLE, note, refuse, say, write_file
from horarium.dead_letters.letters import BadLetterIdError, Letter, LetterId, letter_of, marker_of
from horarium.dead_letters.view import harmless, shown
from schemas.topics import BY_NAME, dead_letter_topics

if TYPE_CHECKING:
    from horarium.dead_letters.topics import DeadLetterTopics

T = TypeVar("T")

Servers = Annotated[
    str, typer.Option(envvar="KAFKA_BOOTSTRAP_SERVERS", help="host:port of the brokers, separated by commas.")
]
Idempotent = Annotated[
    bool,
    typer.Option(envvar="KAFKA_IDEMPOTENT_PRODUCER", help="Off only for the embedded broker, which has none."),
]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Ids as `list` prints them.")]
Every = Annotated[bool, typer.Option("--all", help="Every unresolved dead letter.")]
Reason = Annotated[str, typer.Option(help="With --all: only those with this reason.")]
TopicName = Annotated[str, typer.Option(metavar="TOPIC", help="Only this topic; with or without .dlq at its end.")]
By = Annotated[str, typer.Option(envvar="HORARIUM_OPERATOR", help="Who resolves them; default: user and machine.")]


def dlq_list(
    bootstrap_servers: Servers,
    topic: TopicName = "",
    everything: Annotated[bool, typer.Option("--all", help="Also those that are resolved.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array, for programs.")] = False,
) -> None:
    """List the dead letters that nobody has resolved yet, the oldest first."""
    topics = _topics(topic)
    letters = _with_topics(bootstrap_servers, True, lambda found: found.letters(topics, keep_resolved=everything))
    if as_json:
        say(json.dumps([_as_json(letter) for letter in letters], indent=2))
        return
    for letter in letters:
        say(_line(letter))
        if letter.error:
            say(f"    {harmless(letter.error[:300])}")
    if not letters:
        say("No dead letters." if everything else "No unresolved dead letters.")


def dlq_show(
    letter: Annotated[str, typer.Argument(metavar="ID", help="An id as `list` prints it.")],
    bootstrap_servers: Servers,
    value_out: Annotated[Path | None, typer.Option(help="Write the value, byte by byte, into this file.")] = None,
) -> None:
    """Show a dead letter: its headers, and its value as JSON or else as a hex dump."""
    (wanted,) = _ids([letter])
    record = _with_topics(bootstrap_servers, True, lambda topics: topics.fetch(wanted))
    if record is None:
        refuse(_missing(wanted))
    say(f"{record.id}  {record.time.isoformat()}  {len(record.value):,} bytes")
    say(f"key: {harmless((record.key or b'')[:200].decode(errors='backslashreplace'))}")
    for name, value in record.headers:
        say(f"{harmless(name)[:200]}: {harmless(value[:2000].decode(errors='backslashreplace'))}")
    say()
    say(shown(record.value))
    if value_out is not None:
        write_file(value_out, record.value)
        note(f"The value is in {value_out}.")


def dlq_replay(
    bootstrap_servers: Servers,
    ids: Ids = None,
    everything: Every = False,
    reason: Reason = "",
    topic: TopicName = "",
    force: Annotated[bool, typer.Option("--force", help="Also what no reader of its topic can decode.")] = False,
    by: By = "",
    idempotent_producer: Idempotent = True,
) -> None:
    """Send dead letters to the topic they came from, and mark them resolved. Safe to repeat.

    Bytes, key and headers are what they were, so a message that was processed after all changes nothing.

    The request of a job that has failed for good asks for a new job instead, the same one however often it is replayed;
    both ids are printed.

    What no reader can decode (garbage, an unknown version) would come back as a new dead letter: only with --force.
    """
    order = _order(ids, everything, reason, topic)
    operator = by or _operator()
    complete = _with_topics(
        bootstrap_servers, idempotent_producer, lambda topics: _replay(topics, order, operator, force=force)
    )
    if not complete:
        raise typer.Exit(EXIT_BAD_INPUT)


def dlq_drop(
    bootstrap_servers: Servers,
    ids: Ids = None,
    everything: Every = False,
    reason: Reason = "",
    topic: TopicName = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    by: By = "",
    idempotent_producer: Idempotent = True,
) -> None:
    """Mark dead letters resolved without sending them anywhere. Their bytes stay until the topic's retention ends."""
    order = _order(ids, everything, reason, topic)
    operator = by or _operator()
    found, complete = _with_topics(bootstrap_servers, idempotent_producer, lambda topics: _found(topics, order))
    if found and not yes:
        count = f"{len(found)} dead letters" if len(found) > 1 else str(found[0].id)
        typer.confirm(f"Drop {count}?", abort=True)

    async def drop(topics: DeadLetterTopics) -> None:
        for letter in found:
            await topics.drop(letter, operator)
            say(f"{letter.id} dropped")

    if found:
        _with_topics(bootstrap_servers, idempotent_producer, drop)
    elif complete:
        say("Nothing to drop.")
    if not complete:
        raise typer.Exit(EXIT_BAD_INPUT)


@dataclass(frozen=True, slots=True)
class _Order:
    """Which letters: those named, or (none named) every unresolved one with this reason on these topics."""

    ids: tuple[LetterId, ...]
    topics: tuple[str, ...]
    reason: str


async def _replay(topics: DeadLetterTopics, order: _Order, by: str, *, force: bool) -> bool:
    from horarium.dead_letters.replay import NotReplayableError, replay_of

    found, complete = await _found(topics, order)
    for letter in found:
        record = await topics.fetch(letter.id)  # one at a time: values may be large
        if record is None:
            note(_missing(letter.id))
            continue
        try:
            replay = replay_of(record)
        except NotReplayableError as error:
            note(str(error))
            complete = False
            continue
        if replay.unreadable and not force:
            note(
                f"{letter.id} left: it would come back ({harmless(replay.unreadable[:200])}). --force sends it anyway."
            )
            complete = complete and not order.ids
            continue
        await topics.replay(letter, replay, by)
        if replay.new_job_id is None:
            say(f"{letter.id} replayed to {replay.topic}")
        else:
            say(f"{letter.id} replayed: job {replay.old_job_id} is over, asked again as job {replay.new_job_id}")
    if not found and complete:
        say("Nothing to replay.")
    return complete


async def _found(topics: DeadLetterTopics, order: _Order) -> tuple[list[Letter], bool]:
    """The letters, and whether every one that was named is there."""
    if not order.ids:
        letters = await topics.letters(order.topics)
        return [letter for letter in letters if order.reason in ("", letter.reason)], True
    found = []
    complete = True
    for wanted in order.ids:
        record = await topics.fetch(wanted)
        if record is None:
            note(_missing(wanted))
        elif marker_of(record) is not None:
            note(f"{wanted} is no dead letter: it notes that another one was resolved.")
        else:
            found.append(letter_of(record))
            continue
        complete = False
    return found, complete


def _with_topics(servers: str, idempotent: bool, work: Callable[[DeadLetterTopics], Awaitable[T]]) -> T:
    """Do the work on the broker's topics; a broker that is away ends the command with a sentence."""
    from aiokafka.errors import KafkaError

    from horarium.dead_letters.topics import NoProducerError, dead_letter_topics_at
    from services.runtime.security import BrokerRefusesError

    security = security_arguments()

    async def run() -> T:
        async with dead_letter_topics_at(servers, idempotent_producer=idempotent, security=security) as topics:
            return await work(topics)

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it has to say is in the error
    try:
        return asyncio.run(run())
    except NoProducerError as error:
        refuse(f"The broker at {servers} refuses a producer. {error}", EXIT_UNREACHABLE)
    except BrokerRefusesError as error:
        refuse(f"The broker does not let us in: {error}", EXIT_UNREACHABLE)
    except (KafkaError, OSError, TimeoutError) as error:
        from services.runtime.outage import is_world_away

        what = "does not answer" if is_world_away(error) else "refuses"
        refuse(f"The broker at {servers} {what}: {str(error) or type(error).__name__}", EXIT_UNREACHABLE)


def _ids(texts: Sequence[str]) -> tuple[LetterId, ...]:
    ours = {topic.name for topic in dead_letter_topics()}
    try:
        ids = tuple(dict.fromkeys(LetterId.parse(text) for text in texts))
    except BadLetterIdError as error:
        refuse(str(error))
    for found in ids:
        if found.topic not in ours:
            refuse(f"{found.topic} is no dead-letter topic; there are {', '.join(sorted(ours))}.")
    return ids


def _topics(name: str) -> tuple[str, ...]:
    if not name:
        return tuple(topic.name for topic in dead_letter_topics())
    found = tuple(topic.dead_letter for topic in BY_NAME.values() if name in (topic.name, topic.dead_letter))
    if not found:
        refuse(f"There is no topic {name[:100]!r}; there are {', '.join(BY_NAME)}.")
    return found


def _order(ids: Sequence[str] | None, everything: bool, reason: str, topic: str) -> _Order:
    if bool(ids) == everything:
        refuse("Name dead letters by their ids, or say --all; `horarium dlq list` shows them.")
    if ids and (reason or topic):
        refuse("--reason and --topic go with --all.")
    return _Order(_ids(ids or ()), _topics(topic), reason)


def _missing(letter: LetterId) -> str:
    return f"There is no dead letter {letter}; perhaps its topic's retention has ended."


def _operator() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user id need not have a name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"[:100]


def _line(letter: Letter) -> str:
    attempts = "" if letter.attempts is None else f"attempts {letter.attempts}"
    parts = [
        str(letter.id),
        letter.time.isoformat(timespec="seconds"),
        letter.reason,
        attempts,
        f"job {letter.job_id}" if letter.job_id else "",
        f"{letter.size_bytes:,} bytes",
        f"from {letter.group}" if letter.group else "",
        _resolution(letter),
    ]
    return "  ".join(harmless(part) for part in parts if part)


def _resolution(letter: Letter) -> str:
    if letter.resolved is None:
        return ""
    resolved = letter.resolved
    new = f" as job {resolved.new_job_id}" if resolved.new_job_id else ""
    return f"{resolved.resolution}{new} by {resolved.by} at {resolved.at}"


def _as_json(letter: Letter) -> dict[str, Any]:
    resolved = letter.resolved
    return {
        "id": str(letter.id),
        "time": letter.time.isoformat(),
        "origin": letter.origin,
        "reason": letter.reason,
        "error": letter.error,
        "attempts": letter.attempts,
        "job_id": str(letter.job_id) if letter.job_id else None,
        "size_bytes": letter.size_bytes,
        "group": letter.group,
        "service": letter.service,
        "resolved": resolved
        and {
            "resolution": resolved.resolution.value,
            "by": resolved.by,
            "at": resolved.at,
            "new_job_id": resolved.new_job_id or None,
        },
    }
