"""One request, one trace: through the outbox, Kafka, a solver and its child to both readers, and to a collector."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from horarium.client import Submitted
from tests.e2e.conftest import System, wait_for
from tests.e2e.kafka_reading import everything_on
from tests.e2e.problems import a_department


@dataclass(frozen=True)
class Seen:
    """A span as a collector gets it; ids in hexadecimal."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, str | int]

    @property
    def title(self) -> str:
        return f"{self.service}: {self.name}"


@dataclass
class Collector:
    """The receiving end of OTLP over HTTP."""

    url: str
    spans: list[Seen] = field(default_factory=list)

    def of(self, trace: str) -> dict[str, Seen]:
        """The trace's spans by id."""
        return {span.id: span for span in self.spans if span.trace == trace}


@contextmanager
def collector() -> Iterator[Collector]:
    """A collector while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = ExportTraceServiceRequest()
            request.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/v1/traces" and self.headers["Authorization"] == "Bearer of good tidings":
                found.spans.extend(_seen(request))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Collector(f"http://127.0.0.1:{server.server_port}")
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        try:
            yield found
        finally:
            server.shutdown()
            serving.join()


def _seen(request: ExportTraceServiceRequest) -> Iterator[Seen]:
    for group in request.resource_spans:
        service = next(a.value.string_value for a in group.resource.attributes if a.key == "service.name")
        for scope in group.scope_spans:
            for span in scope.spans:
                attributes = {a.key: a.value.string_value or a.value.int_value for a in span.attributes}
                ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                yield Seen(service, span.name, *ids, attributes)


def test_a_request_is_one_trace_from_the_http_request_to_both_readers(own_system: Callable[..., System]) -> None:
    with collector() as collected:
        system = own_system(
            OTEL_EXPORTER_OTLP_ENDPOINT=collected.url,
            OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20of%20good%20tidings",
        )
        uploaded = system.client.upload(json.dumps(a_department(name="traced")).encode())
        trace, caller = secrets.token_hex(16), secrets.token_hex(8)
        job = _ask(system, uploaded["id"], f"00-{trace}-{caller}-01")
        assert system.ended(job)["status"] == "completed"

        for topic in ("job.requested", "solve.progress", "solve.completed"):
            headers = _on_the_wire(system, topic, job.job_id)
            assert {h["traceparent"].split("-")[1] for h in headers} == {trace}, topic

        parts = {
            "horarium-api: POST /api/timetables/generate",
            "horarium-api: create job.requested",
            "horarium-api: relay",
            "horarium-api: send job.requested",
            "horarium-solver: process job.requested",
            "horarium-progress: process job.requested",
            "horarium-persister: process job.requested",
            "horarium-solver: claim",
            "horarium-solver: attempt",
            "horarium-solver: child process",
            "horarium-solver: load",
            "horarium-solver: search",
            "horarium-solver: verify",
            "horarium-solver: send solve.progress",
            "horarium-persister: process solve.progress",
            "horarium-solver: send solve.completed",
            "horarium-progress: process solve.completed",
            "horarium-persister: process solve.completed",
        }
        wait_for(
            "every part of the trace",
            lambda: parts <= {span.title for span in collected.of(trace).values()},
        )
        spans = collected.of(trace)

        def lineage(title: str) -> list[str]:
            """Names from a span up to its root; the root's parent is the caller's."""
            span = next(span for span in spans.values() if span.title == title)
            names = [span.name]
            while span.parent != caller:
                span = spans[span.parent]
                names.append(span.name)
            return names

        sent = ["send job.requested", "relay", "create job.requested", "POST /api/timetables/generate"]
        solving = ["attempt", "process job.requested", *sent]
        ended = ["send solve.completed", "process job.requested", *sent]
        assert lineage("horarium-solver: search") == ["search", "child process", *solving]
        assert lineage("horarium-solver: verify") == ["verify", "child process", *solving]
        assert lineage("horarium-persister: process solve.completed") == ["process solve.completed", *ended]
        assert lineage("horarium-progress: process solve.completed") == ["process solve.completed", *ended]
        assert lineage("horarium-persister: process solve.progress") == [
            "process solve.progress",
            "send solve.progress",
            *solving,
        ]
        attempt = next(span for span in spans.values() if span.name == "attempt")
        assert attempt.attributes["horarium.job_id"] == job.job_id
        assert attempt.attributes["horarium.organization_id"] == system.organization_id
        assert (attempt.attributes["horarium.variant"], attempt.attributes["horarium.attempt"]) == (1, 1)
        assert not [span.name for span in spans.values() if job.job_id in span.name], "no id in a name"
        assert not [span for span in collected.spans if "/healthz" in span.name or "/metrics" in span.name]

        def tells(service: str) -> bool:
            lines = [line for line in system.log_lines(service) if line.get("job_id") == job.job_id]
            return any(line.get("trace_id") == trace for line in lines)

        for service in ("api", "solver", "progress", "persister"):
            wait_for(f"{service} to log the trace", partial(tells, service))


def test_without_a_collector_the_context_is_carried_all_the_same(system: System) -> None:
    uploaded = system.client.upload(json.dumps(a_department(name="untraced")).encode())
    trace, caller = secrets.token_hex(16), secrets.token_hex(8)
    given, unasked = _ask(system, uploaded["id"], f"00-{trace}-{caller}-01"), _ask(system, uploaded["id"], None)
    for job in (given, unasked):
        assert system.ended(job)["status"] == "completed"
    found = {
        job.job_id: {
            h.get("traceparent")
            for topic in ("job.requested", "solve.progress", "solve.completed")
            for h in _on_the_wire(system, topic, job.job_id)
        }
        for job in (given, unasked)
    }
    assert {str(value)[:52] for value in found[given.job_id]} == {f"00-{trace}-{caller}"}, "as it came"
    made = {str(value).split("-")[1] for value in found[unasked.job_id]}
    assert len(made) == 1, "where none came, one is made and kept"
    assert made != {trace}


def _ask(system: System, problem_id: str, traceparent: str | None) -> Submitted:
    headers = {"Authorization": f"Bearer {system.client.token}"}
    if traceparent:
        headers["traceparent"] = traceparent
    answer = httpx.post(
        f"{system.services.api.url}/api/timetables/generate",
        json={"problem_id": problem_id, "time_limit_s": 60, "seed": 1},
        headers=headers,
        timeout=30,
    )
    assert answer.status_code == 202, answer.text
    found = answer.json()
    return Submitted(found["job_id"], found["status_url"], found["progress_url"])


def _on_the_wire(system: System, topic: str, job_id: str) -> list[dict[str, str]]:
    """Headers of the job's messages on the topic, once there are any."""

    def look() -> list[dict[str, str]]:
        records = [record for record in everything_on(system, topic) if record.key == job_id.encode()]
        return [{name: value.decode() for name, value in record.headers} for record in records]

    return wait_for(f"{topic} on the wire", look)
