"""Metrics: the closed list of those that every service has.

Owns names, types and meanings. A service's own metrics stand in its `metrics.py`, made with the same registry. Never a
job id in a label: that belongs into logs.
"""

from __future__ import annotations

from prometheus_client import REGISTRY, Counter, Gauge, Histogram

# The library's default buckets end at 10 s; our work takes up to half an hour.
LONG_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600)

MESSAGES = Counter(
    "horarium_messages_total",
    "Messages consumed, by what became of them: done, dead_lettered or retried.",
    ["topic", "result"],
)
MESSAGE_SECONDS = Histogram(
    "horarium_message_seconds", "Time from receiving a message to its end.", ["topic"], buckets=LONG_BUCKETS
)
PUBLISHED = Counter("horarium_published_total", "Messages published and acknowledged by the broker.", ["topic"])
BACKGROUND_FAILURES = Counter(
    "horarium_background_failures_total", "Background loops that failed and were started again.", ["loop"]
)
DEPENDENCY_UP = Gauge("horarium_dependency_up", "1 if the last readiness check of a dependency passed.", ["dependency"])
EVENT_LOOP_LAG = Gauge(
    "horarium_event_loop_lag_seconds", "How late the event loop woke from its last one-second sleep."
)

__all__ = [
    "BACKGROUND_FAILURES",
    "DEPENDENCY_UP",
    "EVENT_LOOP_LAG",
    "LONG_BUCKETS",
    "MESSAGES",
    "MESSAGE_SECONDS",
    "PUBLISHED",
    "REGISTRY",
]
