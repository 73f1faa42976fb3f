"""The persister service's settings, from the environment.

Owns names, defaults and bounds. Must not know what any of them does.
"""

from __future__ import annotations

from pydantic import Field

from services.runtime.retention import RetentionSettings
from services.runtime.settings import RuntimeSettings


class PersisterSettings(RuntimeSettings, RetentionSettings):
    """What persister needs beside the shared settings."""

    http_port: int = Field(default=8003, ge=0, le=65535, description="Probes and metrics; 0: any free port.")
    progress_write_every_s: float = Field(
        default=1.0, ge=0, le=60, description="Shortest time between two writes of one running job's progress."
    )
