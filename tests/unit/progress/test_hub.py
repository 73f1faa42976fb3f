"""How many event streams who may have: nobody keeps others from theirs."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY

from services.progress.hub import Hub, Shares, ShareTakenError, TooManyStreamsError
from services.progress.store import Store

ONE, TWO = uuid4(), uuid4()
_MINUTE = timedelta(minutes=1)


@pytest.fixture
def hub() -> Hub:
    store = Store(
        "redis://localhost:1",
        timeout_s=1,
        connections=2,
        progress_ttl=_MINUTE,
        result_ttl=_MINUTE,
        stream_length=10,
    )
    return Hub(store, Shares(process=6, organization=4, user=2))


def follow(hub: Hub, streams: ExitStack, organization_id: UUID, user_id: UUID) -> None:
    streams.enter_context(hub.follow(uuid4(), organization_id, user_id))


def over_share(share: str) -> float:
    return REGISTRY.get_sample_value("horarium_sse_over_share_total", {"share": share}) or 0.0


def test_one_viewer_cannot_take_all_streams_and_neither_can_an_organisation(hub: Hub) -> None:
    users = [uuid4() for _ in range(5)]
    before = over_share("user"), over_share("organization")
    with ExitStack() as streams:
        for user in (users[0], users[0]):
            follow(hub, streams, ONE, user)
        with pytest.raises(ShareTakenError):
            follow(hub, streams, ONE, users[0])
        for user in users[1:3]:
            follow(hub, streams, ONE, user)
        with pytest.raises(ShareTakenError):
            follow(hub, streams, ONE, users[3])
        for _ in range(2):
            follow(hub, streams, TWO, users[4])
        assert hub.open_streams == 6
        with pytest.raises(TooManyStreamsError):
            follow(hub, streams, TWO, uuid4())
    assert (over_share("user"), over_share("organization")) == (before[0] + 1, before[1] + 1)


def test_a_stream_that_ends_makes_room_for_its_user_and_organisation(hub: Hub) -> None:
    user = uuid4()
    for _ in range(10):
        with ExitStack() as streams:
            for _ in range(2):
                follow(hub, streams, ONE, user)
    assert hub.open_streams == 0
