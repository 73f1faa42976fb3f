"""Who reaches whom in the cluster, and what users reach: exactly what is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from starlette.routing import Mount

from horarium.reference import SETTINGS
from services.api.app import create_app, documentation_settings
from tests.unit.deploy.kustomize import containers
from tests.unit.deploy.manifests import (
    PORTS,
    broker_ports,
    each_overlay,
    environment,
    labels,
    named,
    of_kind,
    selects,
    workloads,
)


def allowed(overlay: str, pod_labels: dict[str, str], direction: str) -> set[int | str]:
    """Ports that policies open for a pod, names excluded from what they say about DNS."""
    ports: set[int | str] = set()
    for policy in of_kind(overlay, "NetworkPolicy"):
        if selects(policy["spec"]["podSelector"], pod_labels):
            for rule in policy["spec"].get(direction, []):
                assert rule.get("to" if direction == "egress" else "from"), "a rule without peers is open to everybody"
                ports |= {port["port"] for port in rule["ports"]}
    return ports


@each_overlay
def test_everything_is_denied_that_is_not_allowed(overlay: str) -> None:
    deny = named(overlay, "NetworkPolicy", "default-deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@each_overlay
def test_a_pod_reaches_exactly_the_servers_that_it_has_addresses_of(overlay: str) -> None:
    for workload in workloads(overlay):
        given: dict[str, set[str]] = {}
        for container in containers(workload):
            for name, value in environment(overlay, container).items():
                given.setdefault(name, set()).add(value)
        wanted = {53} | {
            PORTS[server]
            for variable, server in (
                ("DATABASE_URL", "postgresql"),
                ("REDIS_URL", "redis"),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "tracing"),
            )
            if variable in given
        }
        wanted |= {port for brokers in given.get("KAFKA_BOOTSTRAP_SERVERS", ()) for port in broker_ports(brokers)}
        assert allowed(overlay, labels(workload), "egress") == wanted, workload["metadata"]["name"]


@each_overlay
def test_only_the_http_services_are_reached_from_outside(overlay: str) -> None:
    reached = {w["metadata"]["name"]: allowed(overlay, labels(w), "ingress") - {"http"} for w in workloads(overlay)}
    assert {name: ports for name, ports in reached.items() if ports} == {"api": {8000}, "progress": {8001}}


@each_overlay
def test_services_find_their_pods_by_a_port_that_exists(overlay: str) -> None:
    for service in of_kind(overlay, "Service"):
        [workload] = [w for w in workloads(overlay) if selects({"matchLabels": service["spec"]["selector"]}, labels(w))]
        [container] = containers(workload)
        [port] = service["spec"]["ports"]
        assert port["targetPort"] in {p["name"] for p in container["ports"]}
        assert port["port"] in {p["containerPort"] for p in container["ports"]}


def urls(routes: Iterable[Any]) -> Iterator[str]:
    """A URL for each route but the probes' and the metrics', those of included routers too."""
    for route in routes:
        if included := getattr(route, "original_router", None):  # how the framework keeps a router that was included
            yield from urls(included.routes)
        elif "operations" not in getattr(route, "tags", []):
            yield route.path + ("/file" if isinstance(route, Mount) else "")


@each_overlay
def test_the_ingress_shows_every_route_that_users_need_and_no_other(overlay: str) -> None:
    """Probes, metrics and what else is not for users stay inside."""
    rules = [rule for ingress in of_kind(overlay, "Ingress") for rule in ingress["spec"]["rules"]]
    assert len({rule["host"] for rule in rules}) == 1
    paths = [path for rule in rules for path in rule["http"]["paths"]]

    def backend(url: str) -> str | None:
        fitting = [
            (len(path["path"]), path["backend"]["service"]["name"])
            for path in paths
            if url == path["path"] or (path["pathType"] == "Prefix" and url.startswith(path["path"].rstrip("/") + "/"))
        ]
        return max(fitting)[1] if fitting else None

    for_users = set(urls(create_app(documentation_settings()).routes))
    assert {"/openapi.json", "/api/auth/login", "/api/problems", "/api/timetables/generate"} <= for_users
    assert backend("/api/progress/1/events") == "progress"
    for url in ("/metrics", "/healthz", "/startz", "/readyz"):
        assert backend(url) is None, f"{url} is not for users"
    for url in for_users:
        assert backend(url) == "api", f"add {url} to deploy/k8s/base/ingress.yaml, or say why nobody needs it"


@each_overlay
def test_event_streams_pass_the_ingress_unbuffered_for_as_long_as_they_last(overlay: str) -> None:
    annotations = named(overlay, "Ingress", "progress")["metadata"]["annotations"]
    longest_s = SETTINGS["progress"].model_fields["max_stream_s"].default
    assert annotations["nginx.ingress.kubernetes.io/proxy-buffering"] == "off"
    assert int(annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"]) > longest_s
    largest = SETTINGS["api"].model_fields["max_upload_bytes"].default // 1024**2
    body = named(overlay, "Ingress", "api")["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"]
    assert body == f"{largest}m"
