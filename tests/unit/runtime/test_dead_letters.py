"""The guard against dead-lettering a whole topic: when it makes a consumer rest, and when it lets it go on."""

from __future__ import annotations

import pytest

from services.runtime.dead_letters import DeadLetterGuard


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def sent_until_rest(guard: DeadLetterGuard, *, ours: bool, tries: int = 50) -> int:
    for sent in range(tries):
        if guard.rest_s(ours=ours):
            return sent
        guard.on_sent()
    return tries


@pytest.mark.parametrize("ours", [True, False])
def test_over_the_limit_a_consumer_rests_until_a_window_after_its_last_letter(clock: Clock, ours: bool) -> None:
    guard = DeadLetterGuard(3, 60.0, clock)
    assert sent_until_rest(guard, ours=ours) == 3
    clock.now += 20
    assert guard.rest_s(ours=ours) == pytest.approx(40)
    resting = [guard.is_resting]
    clock.now += 40
    resting.append(guard.is_resting)
    assert resting == [True, False]
    assert guard.rest_s(ours=ours) == 0


def test_while_our_own_error_lasts_one_message_in_a_window_is_given_up(clock: Clock) -> None:
    guard = DeadLetterGuard(3, 60.0, clock)
    sent_until_rest(guard, ours=True)
    for _ in range(5):
        clock.now += 60
        assert sent_until_rest(guard, ours=True) == 1


def test_garbage_that_somebody_sends_uses_the_whole_limit_after_each_rest(clock: Clock) -> None:
    guard = DeadLetterGuard(3, 60.0, clock)
    sent_until_rest(guard, ours=False)
    clock.now += 60
    assert sent_until_rest(guard, ours=False) == 3


def test_a_success_ends_the_suspicion(clock: Clock) -> None:
    guard = DeadLetterGuard(3, 60.0, clock)
    sent_until_rest(guard, ours=True)
    guard.on_success()
    assert not guard.is_resting
    clock.now += 60
    assert sent_until_rest(guard, ours=True) == 3


def test_letters_that_are_far_apart_never_reach_the_limit(clock: Clock) -> None:
    guard = DeadLetterGuard(3, 60.0, clock)
    for _ in range(20):
        clock.now += 25
        assert guard.rest_s(ours=True) == 0
        guard.on_sent()
