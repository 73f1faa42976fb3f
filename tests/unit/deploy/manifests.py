"""The overlays' manifests and the questions that several tests ask of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.unit.deploy.kustomize import Manifest, build, pod_of
from tests.unit.deploy.sources import DEPLOY

K8S = DEPLOY / "k8s"
OVERLAYS = ("dev", "production")
# preStop's sleep and matchLabelKeys of an affinity need 1.31; the newest is what the installed schemas know.
VERSIONS = ("1.31", "1.37")
CUSTOM = {"ScaledObject", "TriggerAuthentication", "PodMonitor", "PrometheusRule"}
SECRETS = {"DATABASE_URL": "horarium-database", "REDIS_URL": "horarium-redis", "JWT_SECRET": "horarium-tokens"}
# Read by the commands in the setup job, not by a service.
COMMAND_VARIABLES = {"KAFKA_BOOTSTRAP_SERVERS", "KAFKA_REPLICATION_FACTOR", "DATABASE_URL"}
PORTS = {"postgresql": 5432, "redis": 6379, "kafka": 9092}

each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


@cache
def manifests(overlay: str) -> tuple[Manifest, ...]:
    return tuple(build(K8S / "overlays" / overlay))


def of_kind(overlay: str, kind: str) -> list[Manifest]:
    return [manifest for manifest in manifests(overlay) if manifest["kind"] == kind]


def named(overlay: str, kind: str, name: str) -> Manifest:
    [found] = [manifest for manifest in of_kind(overlay, kind) if manifest["metadata"]["name"] == name]
    return found


def workloads(overlay: str) -> Iterator[Manifest]:
    yield from (manifest for manifest in manifests(overlay) if pod_of(manifest))


def labels(workload: Manifest) -> dict[str, str]:
    found: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return found


def selects(selector: Manifest, pod_labels: dict[str, str]) -> bool:
    for wanted in selector.get("matchExpressions", []):
        assert wanted["operator"] == "In"
        if pod_labels.get(wanted["key"]) not in wanted["values"]:
            return False
    return all(pod_labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def environment(overlay: str, container: Manifest) -> dict[str, str]:
    """What a container is given; a secret's value is a stand-in that its setting accepts."""
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        found |= named(overlay, "ConfigMap", source["configMapRef"]["name"])["data"]
    for entry in container.get("env", []):
        reference = entry.get("valueFrom", {})
        if "secretKeyRef" in reference:
            assert reference["secretKeyRef"] == {"name": SECRETS[entry["name"]], "key": entry["name"]}
            found[entry["name"]] = "redis://stand-in-for-a-secret-of-any-kind"
        elif "configMapKeyRef" in reference:
            wanted = reference["configMapKeyRef"]
            found[entry["name"]] = named(overlay, "ConfigMap", wanted["name"])["data"][wanted["key"]]
        else:
            found[entry["name"]] = entry["value"]
    return found


def mebibytes(quantity: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", quantity).groups()  # type: ignore[union-attr]  # a mismatch fails
    return int(number) * (1024 if unit == "Gi" else 1)
