"""Metrics: the closed list of those that every service has.

Owns names, types and meanings. A service's own metrics stand in its `metrics.py`, made with the same registry. Never a
job id in a label: that belongs into logs.
"""

from __future__ import annotations

from prometheus_client import REGISTRY, Counter, Gauge, Histogram

# The library's default buckets end at 10 s; our work takes up to half an hour.
LONG_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600)

# What may become of a message. Series are made before their first event where an alert asks for an increase: Prometheus
# sees none between no series and one that begins with 1.
RESULTS = ("done", "dead_lettered", "retried")

HTTP_REQUESTS = Counter(
    "horarium_http_requests_total",
    "Requests answered by api and progress, by route template.",
    ["method", "route", "status"],
)
HTTP_SECONDS = Histogram(
    "horarium_http_request_seconds",
    "Time from a request's first byte to the end of its answer, or to the beginning of an event stream.",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
MESSAGES = Counter(
    "horarium_messages_total",
    "Messages consumed, by what became of them: done, dead_lettered or retried.",
    ["topic", "result"],
)
MESSAGE_SECONDS = Histogram(
    "horarium_message_seconds", "Time from receiving a message to its end.", ["topic"], buckets=LONG_BUCKETS
)
PUBLISHED = Counter("horarium_published_total", "Messages published and acknowledged by the broker.", ["topic"])
CONSUMER_PARTITIONS = Gauge(
    "horarium_consumer_assigned_partitions", "Partitions that the consumer holds at present.", ["topic", "group"]
)
CONSUMER_LAST_POLL = Gauge(
    "horarium_consumer_last_poll_seconds",
    "Seconds since the consumer was last seen at work (fetching, handling, or a member with nothing to do).",
    ["topic", "group"],
)
CONSUMER_BACKLOG = Gauge(
    "horarium_consumer_backlog_messages",
    "Messages of the consumer's partitions that it has not handled yet, the one in its hands included.",
    ["topic", "group"],
)
CONSUMERS_STUCK = Counter(
    "horarium_consumers_stuck_total",
    "Consumers found stuck while the broker answers; each time the connection is made anew.",
    ["topic", "group", "reason"],
)
REBALANCES = Counter("horarium_rebalances_total", "Rebalances that a consumer took part in.", ["topic", "group"])
COMMIT_FAILURES = Counter(
    "horarium_commit_failures_total",
    "Offsets that could not be committed; their messages are delivered again.",
    ["topic", "group"],
)
DEAD_LETTERS_RESTING = Gauge(
    "horarium_dead_letter_limit_reached",
    "1 while a consumer has written so many dead letters that it waits: we are broken, not the messages.",
    ["topic", "group"],
)
BACKGROUND_FAILURES = Counter(
    "horarium_background_failures_total", "Background loops that failed and were started again.", ["loop"]
)
DEPENDENCY_UP = Gauge(
    "horarium_dependency_up",
    "1 if the dependency answered when it was last asked: at every scrape and readiness probe.",
    ["dependency"],
)
EVENT_LOOP_LAG = Gauge(
    "horarium_event_loop_lag_seconds", "How late the event loop woke from its last one-second sleep."
)
CLEANUP_REMOVED = Counter("horarium_cleanup_removed_total", "Rows and files that cleanup has removed.", ["what"])
CLEANUP_LAST_SUCCESS = Gauge(
    "horarium_cleanup_last_success_timestamp_seconds",
    "When cleanup last went through all of a table; none until it has, and where another replica did.",
    ["what"],
)

__all__ = [
    "BACKGROUND_FAILURES",
    "CLEANUP_LAST_SUCCESS",
    "CLEANUP_REMOVED",
    "COMMIT_FAILURES",
    "CONSUMERS_STUCK",
    "CONSUMER_BACKLOG",
    "CONSUMER_LAST_POLL",
    "CONSUMER_PARTITIONS",
    "DEAD_LETTERS_RESTING",
    "DEPENDENCY_UP",
    "EVENT_LOOP_LAG",
    "HTTP_REQUESTS",
    "HTTP_SECONDS",
    "LONG_BUCKETS",
    "MESSAGES",
    "MESSAGE_SECONDS",
    "PUBLISHED",
    "REBALANCES",
    "REGISTRY",
    "RESULTS",
]
