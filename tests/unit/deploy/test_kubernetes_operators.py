"""What operators in the cluster read: autoscaling, scraping, alerts, and the way in for users."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

import pytest
from pydantic import ValidationError

from horarium import reference
from horarium.reference import SETTINGS
from schemas.tables import metadata
from services.solver.settings import SolverSettings
from services.solver.tasks import UNENDED
from tests.unit.deploy.custom_resources import RESOURCES
from tests.unit.deploy.kustomize import containers, pod_of
from tests.unit.deploy.manifests import CUSTOM, SECRETS, environment, labels, manifests, named, selects
from tests.unit.deploy.sources import SERVICES


def test_the_solver_scales_on_its_tasks() -> None:
    scaled = named("production", "ScaledObject", "solver")["spec"]
    target = named("production", "Deployment", "solver")
    assert scaled["scaleTargetRef"] == {"apiVersion": target["apiVersion"], "kind": "Deployment", "name": "solver"}
    assert "replicas" not in target["spec"], "every apply would undo the autoscaler's number"
    assert 1 <= scaled["minReplicaCount"] < scaled["maxReplicaCount"]
    [trigger] = scaled["triggers"]
    assert trigger["type"] == "postgresql"
    query = trigger["metadata"]["query"]
    tables = set(re.findall(r"(?:FROM|JOIN) (\w+)", query)) - {"jobs", "ranked"}
    assert tables == {"solve_tasks", "organizations"}
    assert "status" in metadata.tables["solve_tasks"].columns
    # What it counts is compared with the solver's own count on a database (tests/integration/solver/test_backlog.py).
    [states] = re.findall(r"status IN \(([^)]+)\)", query)
    assert set(re.findall(r"'(\w+)'", states)) == set(UNENDED)
    limit = SolverSettings.model_fields["solver_max_running_jobs"].default
    assert f"coalesce(organizations.max_running_jobs, {limit})" in query
    [container] = containers(target)
    assert trigger["metadata"]["targetQueryValue"] == environment("production", container)["SOLVER_SLOTS"]


def test_everybody_at_once_opens_no_more_connections_than_postgresql_is_asked_to_have() -> None:
    """Scaled out, in the middle of a rollout, with the setup job and the autoscaler asking."""
    opened = 2
    for service in ("api", "persister", "solver"):
        deployment = named("production", "Deployment", service)
        [container] = containers(deployment)
        given = {name.lower(): value for name, value in environment("production", container).items()}
        settings = SETTINGS[service].model_validate(given)
        scaled = named("production", "ScaledObject", "solver")["spec"]["maxReplicaCount"]
        replicas = scaled if service == "solver" else deployment["spec"]["replicas"]
        replicas += deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
        listens = 1 if service == "solver" else 0
        opened += replicas * (settings.database_pool_size + listens)
        if isinstance(settings, SolverSettings):
            assert settings.database_pool_size >= settings.solver_slots + 2, "renewals would wait for one another"
    page = (reference.ROOT / "docs" / "operations.md").read_text()
    [asked] = set(re.findall(r"`max_connections = (\d+)`", page))
    # Three are the superuser's.
    assert opened + 3 <= int(asked)
    assert f"comes to {opened} " in " ".join(page.split())


def test_scaling_down_is_slow_and_an_outage_of_the_database_scales_nothing_down() -> None:
    scaled = named("production", "ScaledObject", "solver")["spec"]
    down = scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    assert down["stabilizationWindowSeconds"] >= 300
    grace = pod_of(named("production", "Deployment", "solver"))["terminationGracePeriodSeconds"]
    assert all(policy["value"] == 1 and policy["periodSeconds"] >= grace for policy in down["policies"])
    assert scaled["fallback"]["behavior"] == "currentReplicasIfHigher"
    # KEDA's fall-back works for averages only.
    assert all(trigger["metricType"] == "AverageValue" for trigger in scaled["triggers"])


def test_the_autoscaler_signs_in_by_a_secret_of_its_own() -> None:
    scaled = named("production", "ScaledObject", "solver")["spec"]
    [trigger] = scaled["triggers"]
    authentication = named("production", "TriggerAuthentication", trigger["authenticationRef"]["name"])["spec"]
    [secret] = authentication["secretTargetRef"]
    assert secret["parameter"] == "connection"
    assert secret["name"] not in SECRETS.values()


def test_custom_resources_are_what_their_operators_accept() -> None:
    found = [manifest for manifest in manifests("production") if manifest["kind"] in CUSTOM]
    assert {manifest["kind"] for manifest in found} == CUSTOM == RESOURCES.keys()
    for manifest in found:
        RESOURCES[manifest["kind"]].model_validate(manifest)


SLIPS: list[tuple[str, str, tuple[str | int, ...], object]] = [
    ("ScaledObject", "solver", ("spec", "triggers", 0, "metadata", "targetQueryValue"), 4),
    ("ScaledObject", "solver", ("spec", "fallback", "behaviour"), "static"),
    ("ScaledObject", "solver", ("spec", "fallback", "replicas"), None),
    ("ScaledObject", "solver", ("spec", "minReplicaCount"), 21),
    ("ScaledObject", "solver", ("spec", "advanced", "horizontalPodAutoscalerConfig", "behavior", "scaleDown"), {}),
    ("TriggerAuthentication", "solver-tasks", ("spec", "secretTargetRef", 0, "key"), None),
    ("PodMonitor", "horarium", ("spec", "podMetricsEndpoints", 0, "interval"), 15),
    ("PodMonitor", "horarium", ("spec", "podMetricsEndpoints", 0, "targetPort"), "http"),
    ("PrometheusRule", "horarium", ("spec", "groups", 0, "rules", 0, "for"), "5 minutes"),
    ("PrometheusRule", "horarium", ("spec", "groups", 0, "rules", 0, "labels", "page"), True),
    ("PrometheusRule", "horarium", ("spec", "groups", 1, "name"), "horarium-jobs"),
    ("HTTPRoute", "api", ("spec", "rules", 0, "backendRefs", 0, "port"), "http"),
    ("HTTPRoute", "api", ("spec", "rules", 0, "matches", 0, "path", "type"), "Prefix"),
    ("HTTPRoute", "progress", ("spec", "rules", 0, "timeouts", "request"), "0"),
    ("HTTPRoute", "to-https", ("spec", "rules", 0, "backendRefs"), [{"name": "api", "port": 8000}]),
]


@pytest.mark.parametrize(("kind", "name", "place", "value"), SLIPS, ids=lambda part: str(part)[:40])
def test_a_slip_anywhere_in_a_custom_resource_is_seen(
    kind: str, name: str, place: tuple[str | int, ...], value: object
) -> None:
    """Also deep inside: a cluster would refuse it, or worse, pass it over. None: the field is missing."""
    manifest: Any = deepcopy(named("production", kind, name))
    inner = manifest
    for part in place[:-1]:
        inner = inner[part]
    if value is None:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    with pytest.raises(ValidationError):
        RESOURCES[kind].model_validate(manifest)


def test_the_pod_monitor_finds_every_service_and_names_it() -> None:
    monitor: dict[str, Any] = named("production", "PodMonitor", "horarium")["spec"]
    [endpoint] = monitor["podMetricsEndpoints"]
    for service in SERVICES:
        deployment = named("production", "Deployment", service)
        assert selects(monitor["selector"], labels(deployment))
        assert endpoint["port"] in {port["name"] for port in containers(deployment)[0]["ports"]}
        assert labels(deployment)["app.kubernetes.io/component"] == service
    [relabeling] = endpoint["relabelings"]
    assert relabeling["targetLabel"] == "component"
    assert relabeling["sourceLabels"] == ["__meta_kubernetes_pod_label_app_kubernetes_io_component"]
