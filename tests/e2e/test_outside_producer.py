"""A program that is not ours publishes `job.requested` from the AsyncAPI document alone and gets its result."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path

from tests.e2e.conftest import System, wait_for
from tests.e2e.problems import a_department

DOCUMENT = Path(__file__).resolve().parents[2] / "schemas" / "generated" / "asyncapi.json"

PROGRAM = Path(__file__).with_name("outside_producer.py")


def test_a_program_of_thirty_lines_gets_its_timetable(system: System, tmp_path: Path) -> None:
    (tmp_path / "problem.json").write_text(json.dumps(a_department(name="from outside")))
    organization_id = str(uuid.uuid4())
    command = [
        *(sys.executable, "-I", str(PROGRAM)),
        *(system.stack.addresses.kafka_bootstrap_servers, str(DOCUMENT), str(tmp_path / "problem.json")),
        organization_id,
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=140, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr + system.tails()
    completed = json.loads(ran.stdout)
    assert completed["outcome"] == "completed"
    assert completed["variants"][0]["score"]["hard_violations"] == 0
    assert len(completed["variants"][0]["timetable"]["placements"]) == 8

    job = uuid.UUID(completed["job_id"])
    wait_for(
        "the job and its result in PostgreSQL",
        lambda: system.sql(
            "SELECT 1 AS x FROM jobs j JOIN timetable_variants v ON v.job_id = j.id"
            " WHERE j.id = %(job)s AND j.source = 'event' AND j.organization_id = %(organization)s",
            job=job,
            organization=uuid.UUID(organization_id),
        ),
    )


def test_a_bad_inline_problem_fails_the_job_with_the_place(system: System, tmp_path: Path) -> None:
    problem = a_department(name="bad from outside")
    problem["courses"][0]["configs"][0]["subparts"][0]["classes"][0]["instructors"] = ["nobody"]
    (tmp_path / "problem.json").write_text(json.dumps(problem))
    command = [
        *(sys.executable, "-I", str(PROGRAM)),
        *(system.stack.addresses.kafka_bootstrap_servers, str(DOCUMENT), str(tmp_path / "problem.json")),
        str(uuid.uuid4()),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=140, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr + system.tails()
    completed = json.loads(ran.stdout)
    assert completed["outcome"] == "failed"
    assert completed["error"]["code"] == "invalid_problem"
    assert not completed["error"]["retryable"]
    assert "nobody" in json.dumps(completed["error"])
