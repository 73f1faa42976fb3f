"""Where the files under `deploy/` are, and how the tests here read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[3]
DEPLOY = REPOSITORY / "deploy"
SERVICES = ("api", "solver", "progress", "persister")


def yaml_documents(path: Path) -> list[dict[str, Any]]:
    """The YAML documents of a file, empty ones left out."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def is_pinned(image: str) -> bool:
    """True for an image with a whole version or a digest: a tag that moves is another program tomorrow."""
    _, at, digest = image.partition("@")
    if at:
        return digest.startswith("sha256:")
    name, colon, tag = image.rpartition(":")
    return bool(colon) and "/" not in tag and name != "" and tag.lstrip("v").count(".") >= 2
