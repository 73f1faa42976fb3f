"""The persister service's metrics: a closed list.

Owns names, kinds and meanings. Never a job id in a label.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from schemas.events import Outcome
from services.runtime.metrics import LONG_BUCKETS

RESULTS_STORED = Counter("horarium_results_stored_total", "Ends of jobs stored with their timetables.", ["outcome"])
GENERATION_SECONDS = Histogram(
    "horarium_job_generation_seconds",
    "From a job's first claim by a solver to its end, retries and pauses included, by outcome.",
    ["outcome"],
    buckets=LONG_BUCKETS,
)
for _outcome in Outcome:
    RESULTS_STORED.labels(outcome=_outcome.value)
RESULTS_DROPPED = Counter(
    "horarium_results_dropped_total",
    "Ends of jobs that changed nothing: duplicate (the same event again), late (the job had ended otherwise), "
    "foreign (another organisation's job), fenced (from a claim that was lost).",
    ["reason"],
)
JOBS_INSERTED = Counter("horarium_outside_jobs_total", "Jobs first heard of through an outside producer's event.")
STATE_WRITES = Counter("horarium_job_state_writes_total", "Rows of job states written.")
PROGRESS_HELD_BACK = Counter(
    "horarium_progress_held_back_total", "Reports that waited, so that a running job is written once a second at most."
)
PROGRESS_WAITING = Gauge("horarium_progress_waiting_jobs", "Running jobs with reports that wait to be written.")
PERSIST_SECONDS = Histogram(
    "horarium_persist_seconds", "Packing and storing the end of a job.", buckets=(0.005, 0.01, 0.025, *LONG_BUCKETS)
)
PERSIST_LAG = Gauge(
    "horarium_persister_lag_seconds", "Age of the event that the persister handled last, by topic.", ["topic"]
)
