"""The overlays' manifests and the questions that several tests ask of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import PurePosixPath

import certifi
import pytest

from services.runtime.security import KafkaSecuritySettings
from tests.unit.deploy.kustomize import Manifest, assemble, build, pod_of
from tests.unit.deploy.sources import DEPLOY

K8S = DEPLOY / "k8s"
OVERLAYS = ("dev", "production")
# What no overlay uses, being an alternative to something or in need of a server that not everybody has. Together they
# make one more installation to be checked.
OFFERED = ("components/ingress-nginx", "components/tracing")
INSTALLATIONS = (*OVERLAYS, "offered")
# preStop's sleep and matchLabelKeys of an affinity need 1.31; the newest is what the installed schemas know.
VERSIONS = ("1.31", "1.37")
CUSTOM = {"ScaledObject", "TriggerAuthentication", "PodMonitor", "PrometheusRule", "HTTPRoute"}
SECRETS = {
    "DATABASE_URL": "horarium-database",
    "REDIS_URL": "horarium-redis",
    "JWT_SECRET": "horarium-tokens",
}
# Where one of these is not made, the variable is not set.
OPTIONAL_SECRETS = {
    "JWT_SECRETS_OLD": "horarium-tokens",
    "KAFKA_SASL_USERNAME": "horarium-kafka",
    "KAFKA_SASL_PASSWORD": "horarium-kafka",
    "OTEL_EXPORTER_OTLP_HEADERS": "horarium-tracing",
}
# Their values name files of a mounted volume.
FILES = {"KAFKA_SSL_CA_FILE", "KAFKA_SSL_CERT_FILE", "KAFKA_SSL_KEY_FILE"}
SASL = frozenset({"KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"})
# Those that an overlay's installation has beside the required ones, by what its broker asks for.
MADE = {"dev": frozenset[str](), "production": SASL, "offered": frozenset(OPTIONAL_SECRETS) - SASL}
KAFKA_VARIABLES = {name.upper() for name in KafkaSecuritySettings.model_fields} | {"KAFKA_BOOTSTRAP_SERVERS"}
# Read by the commands in the setup job.
COMMAND_VARIABLES = KAFKA_VARIABLES | {"KAFKA_REPLICATION_FACTOR", "DATABASE_URL"}
PORTS = {"postgresql": 5432, "redis": 6379, "tracing": 4318}
# Long enough for a key, and an address of a kind.
STAND_IN = "redis://stand-in-for-a-secret-of-any-kind"

each_overlay = pytest.mark.parametrize("overlay", INSTALLATIONS)


@cache
def manifests(overlay: str) -> tuple[Manifest, ...]:
    if overlay == "offered":
        return tuple(assemble({"namespace": "horarium", "resources": ["base"], "components": OFFERED}, K8S))
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


def environment(overlay: str, container: Manifest, made: Collection[str] | None = None) -> dict[str, str]:
    """What a container is given; a secret's value is a stand-in that its setting accepts, as is a mounted file's name.

    `made`: the optional secrets that exist; by default those that the overlay's broker asks for.
    """
    found: dict[str, str] = {}
    exist = MADE[overlay] if made is None else made
    for source in container.get("envFrom", []):
        found |= named(overlay, "ConfigMap", source["configMapRef"]["name"])["data"]
    for entry in container.get("env", []):
        reference = entry.get("valueFrom", {})
        if entry["name"] in OPTIONAL_SECRETS:
            wanted = {"name": OPTIONAL_SECRETS[entry["name"]], "key": entry["name"], "optional": True}
            assert reference["secretKeyRef"] == wanted
            if entry["name"] in exist:
                found[entry["name"]] = STAND_IN
        elif "secretKeyRef" in reference:
            assert reference["secretKeyRef"] == {"name": SECRETS[entry["name"]], "key": entry["name"]}
            found[entry["name"]] = STAND_IN
        elif "configMapKeyRef" in reference:
            wanted = reference["configMapKeyRef"]
            found[entry["name"]] = named(overlay, "ConfigMap", wanted["name"])["data"][wanted["key"]]
        else:
            found[entry["name"]] = entry["value"]
    for name in found.keys() & FILES:
        assert is_mounted(container, found[name]), f"{name}: nobody mounts {found[name]}"
        found[name] = certifi.where()
    return found


def is_mounted(container: Manifest, file: str) -> bool:
    folders = {PurePosixPath(mount["mountPath"]) for mount in container.get("volumeMounts", [])}
    return bool(folders & set(PurePosixPath(file).parents))


def broker_ports(servers: str) -> set[int]:
    """The ports of KAFKA_BOOTSTRAP_SERVERS."""
    return {int(server.rpartition(":")[2]) for server in servers.split(",")}


def mebibytes(quantity: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", quantity).groups()  # type: ignore[union-attr]  # a mismatch fails
    return int(number) * (1024 if unit == "Gi" else 1)
