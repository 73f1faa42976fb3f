"""A result as rows: what of an end of a job is stored, and in which form.

Owns compression, hashes and the characters that PostgreSQL cannot hold. Must not know SQL or connections. Slow for
large timetables (a second for tens of thousands of students): call it off the event loop.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import zstandard

from schemas.change.report import Changes
from schemas.events import SolveCompleted, VariantResult

# Level 3 packs 20 MB of JSON into 1 MB in a tenth of a second; higher levels gain little.
_ZSTD_LEVEL = 3


def variant_rows(event: SolveCompleted) -> list[dict[str, Any]]:
    """Rows of `timetable_variants`. A variant that is there twice counts once: the first one."""
    rows: dict[int, dict[str, Any]] = {}
    for result in event.variants:
        if result.variant not in rows:
            rows[result.variant] = _variant_row(event, result)
    return list(rows.values())


def timetable_row(event: SolveCompleted) -> dict[str, Any]:
    """The row of `timetables`."""
    best = event.best
    return {
        "job_id": event.job_id,
        "organization_id": event.organization_id,
        "event_id": event.event_id,
        "outcome": event.outcome.value,
        "best_variant": best.variant if best else None,
        "infeasibility": storable(event.infeasibility.model_dump(mode="json")) if event.infeasibility else None,
        "error": storable(event.error.model_dump(mode="json")) if event.error else None,
        "started_at": event.started_at,
        "completed_at": event.occurred_at,
    }


def storable(value: Any) -> Any:
    """JSON without U+0000, which neither `text` nor `jsonb` can hold; it comes only from broken or hostile producers,
    whose job must end all the same.
    """
    match value:
        case str():
            return value.replace("\x00", "�")
        case list():
            return [storable(item) for item in value]
        case dict():
            return {storable(name): storable(item) for name, item in value.items()}
    return value


def _changes(changes: Changes | None) -> dict[str, Any]:
    """The counts, which every answer about the variant shows, apart from the list, which may be long."""
    if changes is None:
        return {"changes": None, "changed_zstd": None}
    whole = storable(changes.model_dump(mode="json", by_alias=True))
    changed = json.dumps(whole.pop("changed"), ensure_ascii=False, separators=(",", ":")).encode()
    return {"changes": whole, "changed_zstd": zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(changed)}


def _variant_row(event: SolveCompleted, result: VariantResult) -> dict[str, Any]:
    timetable = result.timetable.model_dump_json(by_alias=True).encode()
    return {
        "job_id": event.job_id,
        "variant": result.variant,
        "hard_violations": result.score.hard_violations,
        "total": result.score.total,
        "score": storable(result.score.model_dump(mode="json")),
        "own_score": storable(result.own_score.model_dump(mode="json")) if result.own_score else None,
        "provenance": storable(result.provenance.model_dump(mode="json")),
        "optimal": result.optimal,
        "lower_bound": result.lower_bound,
        "elapsed_s": result.elapsed_s,
        "violations": storable(list(result.violations)),
        **_changes(result.changes),
        "timetable_zstd": zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(timetable),
        "sha256": hashlib.sha256(timetable).hexdigest(),
    }
