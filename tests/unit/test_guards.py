"""The suite's own guards can fail: a stray connection, a skipped server test and a left-over process are noticed."""

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.guards import marker_of_folder

REPOSITORY = Path(__file__).resolve().parents[2]
GUARDED = """
from tests.conftest import *
"""


def run_pytest(folder: Path, files: dict[str, str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs pytest on a few files under our conftest."""
    for name, text in {
        "conftest.py": GUARDED,
        "pytest.ini": "[pytest]\nmarkers = integration\n e2e\n",
        **files,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    plugins = [argument for name in ("cacheprovider", "asyncio", "schemathesis") for argument in ("-p", f"no:{name}")]
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "HORARIUM_STRICT")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, str(folder)],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**kept, "PYTHONPATH": str(REPOSITORY), **environment},
        timeout=60,
    )


@pytest.mark.parametrize("connect", ["connect", "connect_ex"])
def test_an_unmarked_test_that_dials_a_server_is_told_which_marker_it_lacks(connect: str) -> None:
    with socket.socket() as client, pytest.raises(pytest.fail.Exception, match=r"pytest\.mark\.integration"):
        getattr(client, connect)(("127.0.0.1", 9))


async def test_asyncio_is_guarded_and_goes_on_working() -> None:
    assert await asyncio.to_thread(lambda: 1) == 1  # the loop's own socket pair
    with pytest.raises(pytest.fail.Exception, match=r"127\.0\.0\.1"):
        await asyncio.open_connection("127.0.0.1", 9)


async def test_postgres_is_guarded_although_its_client_connects_in_c() -> None:
    with pytest.raises(pytest.fail.Exception, match="PostgreSQL"):
        psycopg.connect("host=127.0.0.1 port=9")
    with pytest.raises(pytest.fail.Exception, match="PostgreSQL"):
        await psycopg.AsyncConnection.connect("host=127.0.0.1 port=9")


def test_a_folder_implies_its_marker() -> None:
    assert marker_of_folder(Path("/x/tests/integration/test_a.py")) == "integration"
    assert marker_of_folder(Path("/x/tests/e2e/deep/test_a.py")) == "e2e"
    assert marker_of_folder(Path("/x/tests/unit/test_integration.py")) is None


@pytest.mark.parametrize(("strictness", "exit_code"), [({}, 0), ({"CI": "true"}, 1), ({"HORARIUM_STRICT": "1"}, 1)])
def test_a_skipped_server_test_fails_the_session_where_that_counts(
    tmp_path: Path, strictness: dict[str, str], exit_code: int
) -> None:
    skipping = 'import pytest\ndef test_it(): pytest.skip("no broker here")\n'
    result = run_pytest(tmp_path, {"tests/integration/test_a.py": skipping}, **strictness)
    assert result.returncode == exit_code, result.stdout
    assert ("FAILED tests/integration/test_a.py::test_it: Skipped: no broker here" in result.stdout) == bool(exit_code)


def test_a_skipped_unit_test_is_no_failure(tmp_path: Path) -> None:
    skipping = 'import pytest\ndef test_it(): pytest.skip("no benchmark instances here")\n'
    assert run_pytest(tmp_path, {"tests/unit/test_a.py": skipping}, CI="true").returncode == 0


def test_a_whole_file_of_server_tests_that_skips_itself_is_a_failure(tmp_path: Path) -> None:
    skipping = 'import pytest\npytest.skip("no broker here", allow_module_level=True)\n'
    result = run_pytest(tmp_path, {"tests/e2e/test_a.py": skipping, "test_b.py": "def test_it(): pass\n"}, CI="true")
    assert result.returncode == 1
    assert "tests/e2e/test_a.py: Skipped: no broker here" in result.stdout


def test_an_orphan_left_by_a_test_fails_the_session(tmp_path: Path) -> None:
    orphan = (
        "import subprocess\n"
        "def test_it():\n"
        "    subprocess.run(['sh', '-c', 'sleep 120 > /dev/null 2>&1 &'], check=True)\n"
    )
    quick = "from tests import guards\nguards.ORPHANS_GONE_WITHIN_S = 0.2\nfrom tests.conftest import *\n"
    result = run_pytest(tmp_path, {"test_a.py": orphan, "conftest.py": quick})
    assert result.returncode == 1
    assert "left processes behind" in result.stdout
    assert "sleep 120" in result.stdout


def test_a_test_has_longer_than_all_its_own_waits(tmp_path: Path) -> None:
    wanted = [
        ("tests/unit/test_a.py", "", None),
        ("tests/integration/test_b.py", "", 300),
        ("tests/integration/test_c.py", "@pytest.mark.faults", 600),
        ("tests/e2e/test_d.py", "", 600),
        ("tests/e2e/test_e.py", "@pytest.mark.timeout(900)", 900),
    ]
    asking = """
import pytest

{marked}
def test_it(request):
    found = request.node.get_closest_marker("timeout")
    assert (found and found.args[0]) == {seconds}
"""
    result = run_pytest(tmp_path, {file: asking.format(marked=m, seconds=s) for file, m, s in wanted})
    assert "5 passed" in result.stdout, result.stdout
