"""The api service's own metrics: the closed list. Never an id in a label."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from schemas.topics import JOB_CONTROL, JOB_REQUESTED

JOBS_REQUESTED = Counter("horarium_jobs_requested_total", "Jobs accepted over HTTP.")
REPLAYED = Counter("horarium_idempotent_replay_total", "Requests answered again from their Idempotency-Key.")
LIMITED = Counter(
    "horarium_limit_refused_total", "Requests refused because their organisation is at a limit.", ["limit"]
)
for _limit in ("rate_limited", "too_many_open_jobs", "problem_storage_full", "organization_busy"):
    LIMITED.labels(limit=_limit)
WHAT_IF_SECONDS = Histogram(
    "horarium_what_if_seconds",
    "Time to answer a what-if question, by whether its timetable had to be made ready first.",
    ["ready"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
for _ready in ("yes", "no"):
    WHAT_IF_SECONDS.labels(ready=_ready)
SIGN_INS = Counter("horarium_sign_ins_total", "Attempts to sign in with a password.", ["outcome"])
for _outcome in ("accepted", "refused", "disabled", "too_many"):
    SIGN_INS.labels(outcome=_outcome)
OUTBOX_ROWS = Gauge("horarium_outbox_rows", "Events that wait to be published.")
OUTBOX_OLDEST_SECONDS = Gauge("horarium_outbox_oldest_age_seconds", "Age of the oldest event that waits; 0 if none.")
OUTBOX_REFUSED = Counter(
    "horarium_outbox_refused_total", "Attempts to publish an event that the broker refused for good.", ["topic"]
)
for _topic in (JOB_REQUESTED, JOB_CONTROL):
    OUTBOX_REFUSED.labels(topic=_topic)
PUBLISH_DELAY_SECONDS = Histogram(
    "horarium_outbox_publish_delay_seconds",
    "Time from writing an event to the broker's acknowledgement.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600),
)
REPUBLISHED = Counter("horarium_jobs_republished_total", "Requests sent again because no solver had taken them in.")
CONTROLS_REPUBLISHED = Counter(
    "horarium_controls_republished_total", "Stops and cancels sent again because no solver had taken them in."
)
