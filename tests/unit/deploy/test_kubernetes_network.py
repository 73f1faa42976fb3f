"""Who reaches whom in the cluster, and what users reach: exactly what is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from starlette.routing import Mount

from horarium.reference import SETTINGS
from services.api.app import create_app, documentation_settings
from tests.unit.deploy.kustomize import build, containers
from tests.unit.deploy.manifests import (
    K8S,
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


class Shown(NamedTuple):
    """A path that users reach, by Ingress or by HTTPRoute: all below it unless `exact`."""

    host: str
    path: str
    exact: bool
    service: str
    port: str | int


def shown(overlay: str) -> Iterator[Shown]:
    for ingress in of_kind(overlay, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                to = path["backend"]["service"]
                yield Shown(rule["host"], path["path"], path["pathType"] == "Exact", to["name"], to["port"]["name"])
    for route in of_kind(overlay, "HTTPRoute"):
        [host] = route["spec"]["hostnames"]
        for rule in route["spec"]["rules"]:
            for match in rule.get("matches", []):
                [to] = rule["backendRefs"]
                yield Shown(host, match["path"]["value"], match["path"]["type"] == "Exact", to["name"], to["port"])


@each_overlay
def test_users_reach_every_route_that_they_need_and_no_other(overlay: str) -> None:
    """Probes, metrics and what else is not for users stay inside."""
    paths = list(shown(overlay))
    assert len({path.host for path in paths}) == 1

    def backend(url: str) -> str | None:
        fitting = [
            (len(path.path), path.service)
            for path in paths
            if url == path.path or (not path.exact and url.startswith(path.path.rstrip("/") + "/"))
        ]
        return max(fitting)[1] if fitting else None

    for_users = set(urls(create_app(documentation_settings()).routes))
    assert {"/openapi.json", "/api/auth/login", "/api/problems", "/api/timetables/generate"} <= for_users
    assert backend("/api/progress/1/events") == "progress"
    for url in ("/metrics", "/healthz", "/startz", "/readyz"):
        assert backend(url) is None, f"{url} is not for users"
    for url in for_users:
        assert backend(url) == "api", f"add {url} to deploy/k8s/components/ingress and gateway, or say why not"


@each_overlay
def test_users_are_led_to_ports_that_services_have(overlay: str) -> None:
    for path in shown(overlay):
        [port] = named(overlay, "Service", path.service)["spec"]["ports"]
        assert path.port in (port["name"], port["port"])


@each_overlay
def test_only_the_namespace_that_users_come_in_by_reaches_the_http_services(overlay: str) -> None:
    """No controller is named: one was retired, and others come."""
    for service in ("api", "progress"):
        [rule] = named(overlay, "NetworkPolicy", f"{service}-requests")["spec"]["ingress"]
        assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"horarium.io/entry": "true"}}}]


def test_base_says_nothing_of_how_users_come_in() -> None:
    kinds = {manifest["kind"] for manifest in build(K8S / "base")}
    assert not kinds & {"Ingress", "HTTPRoute"}
    assert "nginx" not in "".join(path.read_text() for path in (K8S / "base").iterdir())


def test_by_ingress_nginx_event_streams_pass_unbuffered_for_as_long_as_they_last() -> None:
    annotations = named("offered", "Ingress", "progress")["metadata"]["annotations"]
    assert annotations["nginx.ingress.kubernetes.io/proxy-buffering"] == "off"
    assert int(annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"]) > setting("progress", "max_stream_s")
    largest = int(setting("api", "max_upload_bytes")) // 1024**2
    body = named("offered", "Ingress", "api")["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"]
    assert body == f"{largest}m"
    assert {ingress["spec"]["ingressClassName"] for ingress in of_kind("offered", "Ingress")} == {"nginx"}


def test_by_a_gateway_event_streams_last_and_slow_uploads_are_waited_for() -> None:
    """Left to themselves, gateways give up after a time of their own, some after 15 s."""
    [streams] = named("production", "HTTPRoute", "progress")["spec"]["rules"]
    assert streams["timeouts"] == {"request": "0s"}
    [requests] = named("production", "HTTPRoute", "api")["spec"]["rules"]
    longest_s = setting("api", "body_timeout_s") + setting("api", "work_timeout_s")
    assert int(requests["timeouts"]["request"].removesuffix("s")) > longest_s


def test_by_a_gateway_plain_http_leads_to_https_and_shows_nothing() -> None:
    routes = {route["metadata"]["name"]: route["spec"] for route in of_kind("production", "HTTPRoute")}
    assert routes.keys() == {"api", "progress", "to-https"}
    listeners = {name: parent["sectionName"] for name, spec in routes.items() for parent in spec["parentRefs"]}
    assert listeners == {"api": "https", "progress": "https", "to-https": "http"}
    [rule] = routes["to-https"]["rules"]
    assert rule == {"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}]}
    assert len({tuple(spec["hostnames"]) for spec in routes.values()}) == 1


def setting(service: str, name: str) -> float:
    """A setting's default; no manifest has another."""
    return float(SETTINGS[service].model_fields[name].default)
