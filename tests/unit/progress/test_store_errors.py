"""Which of Redis's refusals are an outage: the event waits; all others are a defect of ours."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError, TryAgainError

from services.progress.store import AwayError, Store


def a_store(error: Exception) -> Store:
    """A store whose server answers everything with this error."""

    async def refuses(*_: Any, **__: Any) -> None:
        raise error

    store = Store("redis://127.0.0.1:1/0")
    store._redis.eval = store._redis.set = refuses
    return store


@pytest.mark.parametrize(
    "error",
    [
        # As the library gives them: of the first three it keeps the server's first word to itself.
        OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
        ReadOnlyError("You can't write against a read only replica."),
        TryAgainError("Multiple keys request during rehashing of slot"),
        ResponseError("MISCONF Errors writing to the AOF file"),
        ResponseError("NOREPLICAS Not enough good replicas to write."),
        ResponseError("Error running script: @user_script:4: -OOM command not allowed when used memory > 'maxmemory'."),
    ],
)
async def test_a_server_that_cannot_take_a_write_is_away(error: Exception) -> None:
    store = a_store(error)
    for write in (store.epoch(), store.ping()):
        with pytest.raises(AwayError):
            await write
    await store.close()


async def test_a_refusal_that_would_come_again_is_a_defect() -> None:
    store = a_store(ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"))
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await store.epoch()
    await store.close()
