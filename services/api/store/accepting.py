"""Accepting a job in one statement, which is how nearly all are accepted: an organisation's requests wait for one
another for no longer than the database takes to write, however slow the way there and back is.

Owns that statement. It says yes only where the limits leave no doubt; whatever it does not accept is for the steps of
`jobs` to decide, which know why not. Must not know HTTP.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Uuid,
    bindparam,
    cast,
    exists,
    func,
    insert,
    literal,
    null,
    select,
    true,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.tables import idempotency_keys, jobs, organizations, outbox, problems
from services.api.store.limits import OLDEST, Allowance, allowance
from services.api.store.outbox import COLUMNS

# The names of the parameters are the columns', with a prefix.
JOB_COLUMNS = (
    *("id", "organization_id", "problem_id", "problem_sha256", "options", "priority"),
    *("requested_by", "correlation_id"),
)


async def accept_at_once(
    connection: AsyncConnection,
    job: dict[str, Any],
    event: dict[str, Any],
    idempotency_key: str | None,
    request_sha256: str,
) -> Allowance | None:
    """Write the job, its event and its key, and count it; what is left to the organisation after it.

    The connection is in autocommit mode. None if nothing was written: the problem is not there, the key is taken, a
    limit is reached or may be, or nothing was accepted in the last hour.
    """
    values = {f"job_{name}": job[name] for name in JOB_COLUMNS} | {f"event_{name}": event[name] for name in COLUMNS}
    key = {"organization": job["organization_id"], "idempotency_key": idempotency_key, "request_sha256": request_sha256}
    try:
        row = (await connection.execute(_ACCEPT, values | key)).one_or_none()
    except IntegrityError:
        # The key belongs to a request that was accepted before, perhaps this one.
        return None
    if row is None:
        return None
    return allowance(row.generate_per_hour, row.accepted_jobs - row.number, row.reset_s)


def _parameters(prefix: str, table: Any, names: tuple[str, ...]) -> list[ColumnElement[Any]]:
    return [cast(bindparam(f"{prefix}_{name}", type_=table.c[name].type), table.c[name].type) for name in names]


def _accept() -> Select[Any]:
    # As it was before this statement waited for its turn: the oldest job is at worst older than the oldest that counts.
    oldest = OLDEST.cte("oldest")
    held = (
        select(problems.c.id)
        .where(
            problems.c.id == bindparam("job_problem_id", type_=Uuid),
            problems.c.organization_id == bindparam("organization"),
        )
        .with_for_update(read=True, key_share=True)
        .cte("held")
    )
    number = select(oldest.c.number).scalar_subquery()
    counted = (
        update(organizations)
        .where(
            organizations.c.id == bindparam("organization"),
            # What the row says is looked at again once those who were waited for have written.
            organizations.c.open_jobs < organizations.c.max_open_jobs,
            organizations.c.accepted_jobs + 1 - number < organizations.c.generate_per_hour,
            exists(select(held.c.id)),
        )
        .values(accepted_jobs=organizations.c.accepted_jobs + 1, open_jobs=organizations.c.open_jobs + 1)
        .returning(organizations.c.accepted_jobs, organizations.c.generate_per_hour)
        .cte("counted")
    )
    job = insert(jobs).from_select(
        [*JOB_COLUMNS, "source", "maybe_open", "accepted_number", "created_at"],
        select(
            *_parameters("job", jobs, JOB_COLUMNS),
            # In the order of the numbers: now() is when the statement began to wait for its turn.
            cast(literal("api"), jobs.c.source.type),
            true(),
            counted.c.accepted_jobs,
            func.clock_timestamp(),
        ),
    )
    event = insert(outbox).from_select(COLUMNS, select(*_parameters("event", outbox, COLUMNS)).select_from(counted))
    text = idempotency_keys.c.key.type
    key = insert(idempotency_keys).from_select(
        ["organization_id", "key", "request_sha256", "job_id"],
        select(
            bindparam("organization"),
            cast(bindparam("idempotency_key", type_=text), text),
            cast(bindparam("request_sha256", type_=text), text),
            cast(bindparam("job_id", type_=Uuid), Uuid),
        )
        .select_from(counted)
        .where(cast(bindparam("idempotency_key", type_=text), text) != null()),
    )
    return (
        select(counted.c.accepted_jobs, counted.c.generate_per_hour, oldest.c.number, oldest.c.reset_s)
        .select_from(counted)
        .join(oldest, true())
        .add_cte(job.cte("job"), event.cte("event"), key.cte("key"))
    )


_ACCEPT = _accept()
