"""The solver's metrics: a closed list.

Owns names, types and meanings. Never a job or organisation in a label: those belong into logs.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from schemas.events import Outcome
from services.runtime.metrics import LONG_BUCKETS
from services.solver.outcome import JOB_FAILED_REASONS, EndReason

TASKS = Gauge(
    "horarium_solver_tasks", "Unended tasks in the database by status; every replica reports the same.", ["status"]
)
RUNNABLE_TASKS = Gauge(
    "horarium_solver_runnable_tasks",
    "Tasks that solvers could be working on now: running, or not held back by their organisation's limit of running "
    "jobs; every replica reports the same.",
)
JOBS = Gauge(
    "horarium_solver_jobs",
    "Unended jobs in the database: running (some variant is being solved) or queued; every replica reports the same.",
    ["status"],
)
OLDEST_RUNNING_SECONDS = Gauge(
    "horarium_solver_oldest_running_seconds",
    "Since the first claim of the job that was claimed first and has not ended; 0 if none.",
)
OLDEST_QUEUED_SECONDS = Gauge(
    "horarium_solver_oldest_queued_seconds", "How long the task that has waited longest could have been running."
)
COMPLETED_UNPUBLISHED = Gauge(
    "horarium_solver_completed_unpublished", "Ended jobs whose solve.completed is not on the broker yet."
)
SLOTS_TOTAL = Gauge("horarium_solver_slots", "Variants that this replica can solve at once.")
SLOTS_USED = Gauge("horarium_solver_slots_used", "Variants that this replica is solving.")
QUEUE_WAIT_SECONDS = Histogram(
    "horarium_solver_queue_wait_seconds", "From when a task could run to its claim.", buckets=LONG_BUCKETS
)
CLAIM_SECONDS = Histogram(
    "horarium_solver_claim_seconds",
    "How long asking the database for a task takes.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
FIRST_PROGRESS_SECONDS = Histogram(
    "horarium_solver_first_progress_seconds", "From claim to the search's first report.", buckets=LONG_BUCKETS
)
SOLVE_SECONDS = Histogram(
    "horarium_solver_solve_seconds",
    "From claim to the end of an attempt, by how it ended.",
    ["end"],
    buckets=LONG_BUCKETS,
)
ATTEMPTS = Counter("horarium_solver_attempts_total", "Attempts by how they ended.", ["end"])
# Series exist before their first event: Prometheus sees no increase between none and one that begins with 1.
for _end in (*(reason.value for reason in EndReason), "error", "handed_over", "abandoned"):
    ATTEMPTS.labels(end=_end)
JOBS_ENDED = Counter("horarium_solver_jobs_ended_total", "Jobs ended by this replica, by outcome.", ["outcome"])
for _outcome in Outcome:
    JOBS_ENDED.labels(outcome=_outcome.value)
LEASES_LOST = Counter("horarium_solver_leases_lost_total", "Leases that another claim or the reaper took from us.")
LEASES_EXPIRED = Counter("horarium_solver_leases_expired_total", "Leases of lost workers that this reaper ended.")
RENEWALS_FAILED = Counter("horarium_solver_renewals_failed_total", "Lease renewals that the database did not answer.")
FENCED = Counter("horarium_solver_fenced_total", "Results refused because a newer claim holds the task.")
CHILD_EXITS = Counter("horarium_solver_child_exits_total", "Child processes by how they ended.", ["reason"])
REFEREE_MISMATCHES = Counter(
    "horarium_solver_referee_mismatches_total", "Results whose engine and referee disagree; never published as good."
)
PROGRESS_DROPPED = Counter("horarium_solver_progress_dropped_total", "Progress events that the broker did not take.")
DUPLICATE_REQUESTS = Counter("horarium_solver_duplicate_requests_total", "Requests for jobs that we have already.")
DEAD_LETTERS = Counter(
    "horarium_solver_dead_letters_total", "Requests of failed jobs sent to the dead-letter topic.", ["reason"]
)
for _reason in JOB_FAILED_REASONS:
    DEAD_LETTERS.labels(reason=_reason)
ENDS_REPUBLISHED = Counter(
    "horarium_solver_ends_republished_total", "Ends published again because nobody has recorded them."
)
DELIVERIES_REFUSED = Counter(
    "horarium_solver_deliveries_refused_total",
    "Ends and dead letters that the broker refuses or that cannot be read back; tried again ever more rarely.",
    ["what"],
)
