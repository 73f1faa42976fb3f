"""The Grafana dashboard: every expression reads what exists, and no metric is invisible."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from horarium import reference
from tests.unit.deploy.promql import FOREIGN, known_series, problems_of, series_in
from tests.unit.deploy.sources import DEPLOY, yaml_documents

GRAFANA = DEPLOY / "observability" / "grafana"
DASHBOARD = json.loads((GRAFANA / "dashboards" / "horarium.json").read_text())

# Shown nowhere, because a number beside others would tell nothing.
_NOT_SHOWN: frozenset[str] = frozenset()


def panels() -> Iterator[dict[str, Any]]:
    yield from (panel for panel in DASHBOARD["panels"] if panel["type"] != "row")


def expressions() -> Iterator[tuple[str, str]]:
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def test_every_expression_reads_series_that_exist() -> None:
    found = {f"{title}: {problem}" for title, expression in expressions() for problem in problems_of(expression)}
    assert not found


def test_every_metric_is_on_the_dashboard_or_left_out_on_purpose() -> None:
    shown = {name for _, expression in expressions() for name in series_in(expression)} - FOREIGN
    of_histograms = {name.removesuffix("_bucket") for name in shown}
    missing = {
        reference.metric_name(metric)
        for defined in reference.metrics().values()
        for metric in defined
        if not {reference.metric_name(metric)} & of_histograms
    }
    assert missing == _NOT_SHOWN
    assert shown <= known_series().keys()


def test_a_rate_is_taken_of_counters_and_histograms_only() -> None:
    rate = re.compile(r"(?:rate|increase)\((\w+)")
    for title, expression in expressions():
        for name in rate.findall(expression):
            assert name.endswith(("_total", "_bucket", "_sum", "_count")), f"{title}: {name} is a gauge"


def test_rows_panels_and_their_places() -> None:
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows == [
        "Jobs",
        "Queue and dispatch",
        "Solver",
        "Progress path",
        "Persistence",
        "Broker and dead letters",
        "Runtime",
        "Accounts and limits",
    ]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not taken & cells, f"{panel['title']} lies over another panel"
        taken |= cells
    for panel in panels():
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


def test_grafana_finds_dashboard_and_data_source() -> None:
    [provider] = yaml_documents(GRAFANA / "provisioning" / "dashboards" / "horarium.yml")[0]["providers"]
    assert provider["options"]["path"] == "/etc/grafana/dashboards"
    [source] = yaml_documents(GRAFANA / "provisioning" / "datasources" / "prometheus.yml")[0]["datasources"]
    assert source["type"] == DASHBOARD["templating"]["list"][0]["query"] == "prometheus"
