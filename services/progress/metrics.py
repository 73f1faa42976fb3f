"""The progress service's metrics: a closed list.

Owns names, kinds and meanings. Never a job id in a label.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

PROJECTOR_LAG = Gauge(
    "horarium_projector_lag_seconds", "Age of the event that the projector handled last, by topic.", ["topic"]
)
PROJECTED = Counter(
    "horarium_projected_events_total", "Events projected, by what they did: changed or unchanged.", ["effect"]
)
CONFLICTS = Counter("horarium_projection_conflicts_total", "Writes that another writer had overtaken and were redone.")
REBUILDS = Counter(
    "horarium_projection_rebuilds_total",
    "Times that the projection was read again: Redis empty, Redis older than it was, or a topic recreated.",
    ["reason"],
)
FRAMES = Counter("horarium_progress_frames_total", "Frames published to the event streams' readers.")
SSE_CLIENTS = Gauge("horarium_sse_clients", "Event streams open now.")
SSE_REFUSED = Counter("horarium_sse_refused_total", "Event streams refused because the process has too many.")
SSE_OVER_SHARE = Counter(
    "horarium_sse_over_share_total",
    "Event streams refused because their user, or their organisation, has as many as one may have.",
    ["share"],
)
for _share in ("user", "organization"):
    SSE_OVER_SHARE.labels(share=_share)
REDIS_ERRORS = Counter("horarium_redis_errors_total", "Calls to Redis that failed, by who called.", ["caller"])
REDIS_LOOKUPS = Counter(
    "horarium_redis_lookups_total",
    "Questions for a job's progress that Redis answered: hit (it knows the job) or miss.",
    ["result"],
)
for _result in ("hit", "miss"):
    REDIS_LOOKUPS.labels(result=_result)
STALENESS = Histogram(
    "horarium_progress_staleness_seconds",
    "From an event's occurrence to its being readable in Redis.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 600),
)
