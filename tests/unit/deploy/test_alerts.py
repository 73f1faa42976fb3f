"""Alerting rules: each fires when it should and is silent when it should be, and reads series that exist."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.deploy.manifests import named
from tests.unit.deploy.promql import problems_of, series_in
from tests.unit.deploy.sources import DEPLOY, SERVICES, yaml_documents

PROMETHEUS = DEPLOY / "observability" / "prometheus"


def alerts() -> Iterator[dict[str, Any]]:
    for group in yaml_documents(PROMETHEUS / "rules.yml")[0]["groups"]:
        yield from group["rules"]


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool")
    if program is None:
        why = "promtool is not installed (Debian and Ubuntu: `apt-get install prometheus`): the alerts are not tested"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    # All cases take eight seconds of a processor; on a busy machine they have waited for it for more than a minute.
    return subprocess.run(
        [program, *arguments], cwd=PROMETHEUS, capture_output=True, text=True, timeout=300, check=False
    )


def test_the_rules_do_what_their_tests_say() -> None:
    done = promtool("test", "rules", "rules_test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_accepts_its_configuration_and_the_rules() -> None:
    done = promtool("check", "config", "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_firing_and_silent() -> None:
    firing: set[str] = set()
    silent = 0
    for case in yaml_documents(PROMETHEUS / "rules_test.yml")[0]["tests"]:
        for moment in case["promql_expr_test"]:
            names = [re.findall(r'"(\w+)"', sample["labels"])[0] for sample in moment["exp_samples"]]
            firing.update(names)
            silent += not names
    assert firing == {alert["alert"] for alert in alerts()}
    # A moment at which nothing fires tests every alert that the case's series belong to.
    assert silent >= len(firing)


def test_a_service_that_is_not_there_at_all_is_missed() -> None:
    """It has no series that could be 0."""
    absent = {selector for alert in alerts() for selector in re.findall(r"absent\((\S+?)\)", alert["expr"])}
    assert absent >= {f'up{{component="{service}"}}' for service in SERVICES if service != "solver"}
    assert "horarium_solver_slots" in absent


@pytest.mark.parametrize("alert", list(alerts()), ids=lambda alert: str(alert["alert"]))
def test_an_alert_tells_who_is_called_what_is_wrong_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"critical", "warning"}
    annotations = alert["annotations"]
    assert annotations["summary"]
    assert len(annotations["description"]) > len(annotations["summary"]) / 2
    assert re.fullmatch(r"\{\{ \$externalLabels\.runbooks \}\}#runbook-[a-z-]+", annotations["runbook_url"])
    assert problems_of(alert["expr"]) == []


def test_every_runbook_that_an_alert_links_to_is_there_and_no_other() -> None:
    headings = re.findall(r"^#+ (.+)$", (DEPLOY.parent / "docs" / "operations.md").read_text(), re.M)
    # As a reader's browser gets there: lower case, hyphens for spaces, no punctuation.
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    linked = {alert["annotations"]["runbook_url"].partition("#")[2] for alert in alerts()}
    assert linked == {anchor for anchor in anchors if anchor.startswith("runbook-")}


def test_the_check_of_names_sees_a_wrong_series_and_a_wrong_label() -> None:
    assert series_in('sum by (le) (rate(a_bucket{x="y z"}[5m])) / on () b > 0 and c offset 5m') == {
        "a_bucket",
        "b",
        "c",
    }
    assert problems_of("rate(horarium_jobs_requested[5m])") == ["no service has horarium_jobs_requested"]
    assert problems_of('horarium_solver_jobs{state="queued"}') == ["horarium_solver_jobs has no label state"]
    assert problems_of('max(horarium_solver_jobs{status="queued"}) > 50') == []


def test_each_service_is_scraped_at_its_port_and_carries_its_name() -> None:
    """The rules tell services apart by the label `component`."""
    from horarium.reference import SETTINGS

    jobs = yaml_documents(PROMETHEUS / "prometheus.yml")[0]["scrape_configs"]
    found = {}
    for job in jobs:
        names = job["dns_sd_configs"][0]
        [label] = [r["replacement"] for r in job["relabel_configs"] if r["target_label"] == "component"]
        assert names["names"] == [label]
        found[label] = names["port"]
    assert found == {name: settings.model_fields["http_port"].default for name, settings in SETTINGS.items()}


def test_links_to_runbooks_begin_where_an_installation_says() -> None:
    """A path would lead nowhere from a mail or a chat. What comes of the template, the rules' own tests show."""
    labels = yaml_documents(PROMETHEUS / "prometheus.yml")[0]["global"]["external_labels"]
    assert labels == {"runbooks": "${HORARIUM_RUNBOOKS}"}
    in_compose = yaml_documents(DEPLOY / "compose" / "compose.yaml")[0]["services"]["prometheus"]["environment"]
    assert in_compose["HORARIUM_RUNBOOKS"] == "${HORARIUM_RUNBOOKS:-docs/operations.md}"
    rule = named("production", "PrometheusRule", "horarium")
    base = rule["metadata"]["annotations"]["horarium.io/runbooks"]
    assert base.startswith("https://")
    links = [alert["annotations"]["runbook_url"] for group in rule["spec"]["groups"] for alert in group["rules"]]
    assert [link.partition("#")[0] for link in links] == [base] * len(list(alerts()))


def test_rule_files_are_where_prometheus_looks() -> None:
    [name] = yaml_documents(PROMETHEUS / "prometheus.yml")[0]["rule_files"]
    assert (PROMETHEUS / Path(name)).exists()
