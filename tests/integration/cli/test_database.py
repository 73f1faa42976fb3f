"""`horarium migrate` and `horarium user add` against a real PostgreSQL."""

from __future__ import annotations

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool
from typer.testing import CliRunner, Result

from horarium.cli import app
from tests.conftest import FreshDatabase


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin)


def test_a_database_is_migrated_and_a_user_added_twice_is_one_user(fresh_database: FreshDatabase) -> None:
    url = fresh_database(migrated=False)
    for _ in range(2):
        assert run("migrate", "--database-url", url).exit_code == 0
    command = ("user", "add", "--database-url", url, "--email", "Ada@Uni.example", "--organization", "Uni")
    for password in ("correct horse battery", "another long password"):
        added = run(*command, "--role", "admin", stdin=f"{password}\n")
        assert added.exit_code == 0, added.output
        assert password not in added.output
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT email, role FROM users")).all() == [("ada@uni.example", "admin")]


def test_an_operator_who_gives_a_password_signs_the_user_out_everywhere(fresh_database: FreshDatabase) -> None:
    url = fresh_database()
    command = ("user", "add", "--database-url", url, "--email", "ada@uni.example", "--organization", "Uni")
    assert run(*command, "--role", "admin", stdin="correct horse battery\n").exit_code == 0
    assert run("user", "token", "--database-url", url, "ada@uni.example").exit_code == 0
    engine = create_engine(url, poolclass=NullPool)
    sessions = text(
        "INSERT INTO refresh_tokens (token_sha256, family_id, user_id, successor_salt, expires_at, user_agent)"
        " SELECT '\\x00', gen_random_uuid(), id, '\\x00', now() + interval '1 day', '' FROM users"
    )
    with engine.begin() as connection:
        connection.execute(sessions)
    working = text(
        "SELECT (SELECT count(*) FROM refresh_tokens WHERE revoked_at IS NULL)"
        " + (SELECT count(*) FROM api_tokens WHERE revoked_at IS NULL)"
    )

    def left() -> int:
        with engine.connect() as connection:
            return int(connection.scalar(working) or 0)

    again = run(*command, stdin="correct horse battery\n")
    assert (again.exit_code, left()) == (0, 2), "the same password once more is no reset"
    assert "ended" not in again.output
    reset = run(*command, stdin="another long password\n")
    assert (reset.exit_code, left()) == (0, 0)
    assert "have ended" in reset.output
    assert "may sign in as admin of Uni" in reset.output, "without --role the role stays, and is told as it is"


def test_an_operator_changes_a_role_and_is_told_who_is_disabled(fresh_database: FreshDatabase) -> None:
    url = fresh_database()
    add = ("user", "add", "--database-url", url, "--organization", "Uni", "--email")
    password = "correct horse battery\n"
    assert "as planner of Uni" in run(*add, "bob@uni.example", stdin=password).output
    assert "as viewer of Uni" in run(*add, "bob@uni.example", "--role", "viewer", stdin=password).output
    assert run(*add, "ada@uni.example", "--role", "admin", stdin=password).exit_code == 0
    last = run(*add, "ada@uni.example", "--role", "planner", stdin="another long password\n")
    assert (last.exit_code, "last admin" in last.stderr) == (2, True)
    assert run("user", "disable", "--database-url", url, "bob@uni.example").exit_code == 0
    told = run(*add, "bob@uni.example", stdin="another long password\n").output
    assert "may sign in" not in told
    assert "horarium user enable bob@uni.example" in told
    listed = run("user", "list", "--database-url", url, "Uni").stdout
    assert [line.split()[:2] for line in sorted(listed.splitlines())] == [
        ["ada@uni.example", "admin"],
        ["bob@uni.example", "viewer"],
    ]


def test_a_user_of_another_organisation_is_refused(fresh_database: FreshDatabase) -> None:
    url = fresh_database()
    command = ("user", "add", "--database-url", url, "--email", "ada@uni.example")
    assert run(*command, "--organization", "One", stdin="correct horse battery\n").exit_code == 0
    refused = run(*command, "--organization", "Two", stdin="correct horse battery\n")
    assert refused.exit_code == 2
    assert "another organisation" in refused.stderr


def test_an_operator_lists_disables_and_enables_users_and_makes_keys(fresh_database: FreshDatabase) -> None:
    url = fresh_database()
    of_database = ("--database-url", url)
    add = ("user", "add", *of_database, "--organization", "Uni", "--role", "admin")
    for email in ("ada@uni.example", "bob@uni.example"):
        assert run(*add, "--email", email, stdin="correct horse battery\n").exit_code == 0
    assert run("user", "disable", *of_database, "ada@uni.example").exit_code == 0
    listed = run("user", "list", *of_database, "Uni").stdout.splitlines()
    assert {line.split()[0] for line in listed if "disabled" in line} == {"ada@uni.example"}
    refused = run("user", "disable", *of_database, "bob@uni.example")
    assert (refused.exit_code, "last admin" in refused.stderr) == (2, True)
    assert run("user", "enable", *of_database, "ada@uni.example").exit_code == 0
    made = run("user", "token", *of_database, "ada@uni.example", "--days", "7")
    assert made.stdout.startswith("hrm_")
    assert run("user", "token", *of_database, "nobody@uni.example").exit_code == 2


def test_an_operator_sees_and_sets_an_organisations_limits(fresh_database: FreshDatabase) -> None:
    url = fresh_database()
    add = ("user", "add", "--database-url", url, "--organization", "Uni", "--email", "ada@uni.example")
    assert run(*add, stdin="correct horse battery\n").exit_code == 0
    limits = ("organization", "limits", "--database-url", url)
    assert "0 of 10\n" in run(*limits, "Uni").stdout
    assert "0 of 25\n" in run(*limits, "Uni", "--generate-per-hour", "25", "--problem-mib", "1").stdout
    assert "0 of 25\n" in run(*limits, "Uni").stdout
    assert run(*limits, "Nowhere").exit_code == 2
