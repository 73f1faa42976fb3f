"""The compose file: pinned, bounded, ordered, without secrets, and in agreement with the services' settings."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from horarium.reference import SETTINGS, variables
from services.api.settings import ApiSettings
from services.runtime.tokens import TokenSettings
from services.solver.settings import SolverSettings
from tests.unit.deploy.dockerfile import parse
from tests.unit.deploy.manifests import KAFKA_VARIABLES
from tests.unit.deploy.proxies import caller
from tests.unit.deploy.sources import DEPLOY, SERVICES, is_pinned, yaml_documents

COMPOSE = DEPLOY / "compose"
FILE = yaml_documents(COMPOSE / "compose.yaml")[0]
SERVERS = {"kafka", "postgres", "redis", "prometheus", "grafana"}
ONE_SHOT = {"migrate", "topics"}
# Read by the commands of the one-shot containers, not by a service.
COMMAND_VARIABLES = {"migrate": {"DATABASE_URL"}, "topics": KAFKA_VARIABLES | {"KAFKA_REPLICATION_FACTOR"}}
# Beside what its children may take.
OF_THE_SERVICE_MIB = 512
_REFERENCE = re.compile(r"\$\{(\w+)(?::?([-?])([^}]*))?\}")

# Made by make-env. What else is secret is somebody else's, and empty where he wants nothing.
SECRET = re.compile(r"^(POSTGRES|REDIS|GRAFANA)_PASSWORD$|^JWT_SECRET$")


def container(name: str) -> dict[str, Any]:
    found: dict[str, Any] = FILE["services"][name]
    return found


def example() -> dict[str, str]:
    lines = (COMPOSE / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def filled(value: Any, **changed: str) -> str:
    """A value with the example's variables in it, some of them changed, and stand-ins for secrets."""
    given = {name: ("s" * 48 if SECRET.search(name) else text) for name, text in example().items()} | changed
    return _REFERENCE.sub(lambda found: given[found[1]], str(value))


def memory_mib(spec: dict[str, Any]) -> int:
    number = filled(spec["deploy"]["resources"]["limits"]["memory"])
    return int(number[:-1]) * {"m": 1, "g": 1024}[number[-1]]


def temporary_mib(spec: dict[str, Any]) -> int:
    [mount] = spec["tmpfs"]
    return int(mount.removeprefix("/tmp:size=").removesuffix("m"))  # noqa: S108  # inside the container


def seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def test_everything_is_there() -> None:
    assert FILE["services"].keys() == {*SERVERS, *ONE_SHOT, *SERVICES}


def test_images_are_pinned_and_ours_come_from_the_dockerfile() -> None:
    _, stages = parse(DEPLOY / "Dockerfile")
    for name, spec in FILE["services"].items():
        assert is_pinned(re.sub(r"-(bookworm|slim)$", "", spec["image"])) or re.search(
            r":\d+\.\d+-bookworm$", spec["image"]
        ), spec["image"]
        if name in SERVERS:
            assert "build" not in spec
            continue
        build = spec["build"]
        assert (COMPOSE / build["context"] / build["dockerfile"]).resolve() == DEPLOY / "Dockerfile"
        assert build["target"] in {stage.name for stage in stages}
        assert spec["image"].startswith(f"horarium/{build['target']}:")


def test_kafka_is_the_one_that_the_tests_run_against() -> None:
    pom = ElementTree.parse(DEPLOY / "local" / "kafka-pom.xml").getroot()  # noqa: S314  # our own file
    space = {"m": "http://maven.apache.org/POM/4.0.0"}
    [version] = [
        dependency.findtext("m:version", namespaces=space)
        for dependency in pom.findall(".//m:dependency", space)
        if (dependency.findtext("m:artifactId", namespaces=space) or "").startswith("kafka")
    ]
    assert container("kafka")["image"] == f"apache/kafka:{version}"


@pytest.mark.parametrize("service", SERVICES)
def test_every_variable_is_a_setting_with_a_value_that_it_accepts(service: str) -> None:
    given = container(service)["environment"]
    assert given.keys() <= variables(service)
    settings = SETTINGS[service].model_validate({name.lower(): filled(value) for name, value in given.items()})
    assert settings.http_port == SETTINGS[service].model_fields["http_port"].default
    required = {name.upper() for name, field in SETTINGS[service].model_fields.items() if field.is_required()}
    assert required <= given.keys()


@pytest.mark.parametrize("name", sorted(ONE_SHOT))
def test_the_commands_get_what_they_read_and_are_not_started_again(name: str) -> None:
    spec = container(name)
    assert spec["environment"].keys() == COMMAND_VARIABLES[name]
    assert spec["command"][0] == "horarium"
    assert spec["restart"].startswith("on-failure")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_when_schema_topics_and_its_servers_are_there(service: str) -> None:
    waits = {name: how["condition"] for name, how in container(service)["depends_on"].items()}
    wanted = dict.fromkeys(ONE_SHOT, "service_completed_successfully")
    if "REDIS_URL" in container(service)["environment"]:
        wanted["redis"] = "service_healthy"
    assert waits == wanted
    for name, server in (("migrate", "postgres"), ("topics", "kafka")):
        assert container(name)["depends_on"] == {server: {"condition": "service_healthy"}}


@pytest.mark.parametrize("name", sorted({*SERVICES, *ONE_SHOT}))
def test_our_containers_are_restricted(name: str) -> None:
    spec = container(name)
    assert spec["read_only"] is True
    assert spec["cap_drop"] == ["ALL"]
    assert spec["security_opt"] == ["no-new-privileges:true"]
    assert spec["init"] is True
    assert "privileged" not in spec
    assert not any("docker.sock" in volume for volume in spec.get("volumes", []))


@pytest.mark.parametrize("name", sorted(FILE["services"]))
def test_resources_are_bounded_and_health_is_known(name: str) -> None:
    spec = container(name)
    limits = spec["deploy"]["resources"]["limits"]
    assert limits.keys() == {"cpus", "memory"}
    if name not in ONE_SHOT:
        assert spec["healthcheck"]["test"]
        assert spec["restart"] == "unless-stopped"
        assert seconds(spec["stop_grace_period"]) >= 30


def test_the_solver_can_be_scaled_and_has_time_to_hand_over() -> None:
    spec = container("solver")
    assert not {"container_name", "ports"} & spec.keys()
    settings = SolverSettings.model_validate({name.lower(): filled(text) for name, text in spec["environment"].items()})
    assert seconds(spec["stop_grace_period"]) >= 2 * (settings.solver_handover_s + settings.solver_stop_grace_s + 10)
    assert settings.solver_child_memory_mb is not None
    left = memory_mib(spec) - temporary_mib(spec) - OF_THE_SERVICE_MIB
    assert settings.solver_slots * settings.solver_child_memory_mb <= left
    assert settings.solver_slots == int(filled(spec["deploy"]["resources"]["limits"]["cpus"]))


def test_hostile_uploads_end_in_a_refusal_and_not_in_a_killed_container() -> None:
    spec = container("api")
    settings = ApiSettings.model_validate({name.lower(): filled(text) for name, text in spec["environment"].items()})
    left = memory_mib(spec) - temporary_mib(spec) - OF_THE_SERVICE_MIB
    assert settings.work_processes * settings.work_memory_mib + settings.what_if_memory_mib <= left
    assert settings.uploads_at_once * settings.max_upload_bytes < temporary_mib(spec) * 2**20


@pytest.mark.parametrize("name", sorted({*SERVICES, *ONE_SHOT}))
def test_what_is_in_the_temporary_directory_is_in_memory_and_bounded(name: str) -> None:
    """Without a size it might take half the machine's memory, or have its container killed."""
    assert 0 < temporary_mib(container(name)) <= memory_mib(container(name)) / 4


def test_six_solvers_fit_into_postgresqls_own_number_of_connections() -> None:
    """A hundred, three of them the superuser's."""
    opened = 0
    for service, replicas, listens in (("api", 1, 0), ("persister", 1, 0), ("solver", 6, 1)):
        given = {name.lower(): filled(text) for name, text in container(service)["environment"].items()}
        opened += replicas * (SETTINGS[service].model_validate(given).database_pool_size + listens)
    assert "max_connections" not in str(container("postgres"))
    assert opened <= 97


def test_only_web_addresses_leave_this_machines_containers_and_only_on_loopback_by_default() -> None:
    published = {name: spec["ports"] for name, spec in FILE["services"].items() if "ports" in spec}
    assert published.keys() == {"api", "progress", "prometheus", "grafana"}
    for ports in published.values():
        for port in ports:
            assert filled(port).startswith("127.0.0.1:")


@pytest.mark.parametrize("service", ["api", "progress"])
async def test_a_proxy_in_front_can_be_believed_who_calls_and_nobody_is_unasked(service: str) -> None:
    given = container(service)["environment"]["FORWARDED_ALLOW_IPS"]
    behind_a_proxy = filled(given, FORWARDED_ALLOW_IPS="172.16.0.0/12")
    assert await caller(behind_a_proxy, "172.18.0.1", "203.0.113.9") == "203.0.113.9"
    assert await caller(filled(given), "172.18.0.1", "203.0.113.9") == "172.18.0.1"


def test_the_page_is_shown_at_the_address_that_may_read_live_progress() -> None:
    """Browsers compare origins as text: a page at 127.0.0.1 is none of localhost's."""
    page = filled(container("progress")["environment"]["CORS_ORIGINS"])
    assert page == f"http://localhost:{example()['API_PORT']}"
    text = (DEPLOY.parent / "docs" / "operations.md").read_text()
    section = text[text.index("### Docker Compose") : text.index("### Kubernetes")]
    assert f"Page on `{page}`" in section
    asked_of_a_proxy = {"COOKIE_SECURE", "PROGRESS_BASE_URL", "CORS_ORIGINS", "FORWARDED_ALLOW_IPS"}
    assert asked_of_a_proxy <= set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    assert asked_of_a_proxy <= example().keys()


def test_keys_can_be_rotated_and_a_broker_of_ones_own_can_be_signed_in_to() -> None:
    """By the env file alone."""
    changed = {
        "JWT_SECRETS_OLD": "o" * 32,
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_USERNAME": "horarium",
        "KAFKA_SASL_PASSWORD": "p" * 16,
    }
    for service in SERVICES:
        given = {n.lower(): filled(text, **changed) for n, text in container(service)["environment"].items()}
        settings = SETTINGS[service].model_validate(given)
        assert settings.kafka_security_protocol == "SASL_SSL"
        if isinstance(settings, TokenSettings):
            assert [key.get_secret_value() for key in settings.keys.old] == ["o" * 32]
    topics = {name: filled(text, **changed) for name, text in container("topics")["environment"].items()}
    assert changed.items() - {("JWT_SECRETS_OLD", "o" * 32)} <= topics.items()
    assert all("./authorities:/etc/horarium/authorities:ro" in container(name)["volumes"] for name in SERVICES)


def test_no_secret_is_in_any_file_and_none_has_a_default() -> None:
    assert {name for name, value in example().items() if SECRET.search(name) and value} == set()
    text = (COMPOSE / "compose.yaml").read_text()
    references = {found[1]: (found[2], found[3]) for found in _REFERENCE.finditer(text)}
    assert references.keys() <= example().keys()
    for name, (kind, _) in references.items():
        if SECRET.search(name):
            assert kind == "?", f"{name} must be asked for, not guessed"
    assert (COMPOSE / ".gitignore").read_text().split() == [".env"]


def test_mounted_files_exist_and_volumes_are_declared() -> None:
    for spec in FILE["services"].values():
        for volume in spec.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (COMPOSE / source).exists(), source
                assert volume.endswith(":ro")
            else:
                assert source in FILE["volumes"]


def test_make_env_writes_new_secrets_for_its_owner_only_and_keeps_old_ones(tmp_path: Path) -> None:
    for name in ("make-env", ".env.example"):
        shutil.copy2(COMPOSE / name, tmp_path / name)
    assert os.access(tmp_path / "make-env", os.X_OK)
    subprocess.run([tmp_path / "make-env"], check=True, timeout=20)
    written = tmp_path / ".env"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    values = dict(line.split("=", 1) for line in written.read_text().splitlines() if "=" in line and line[0] != "#")
    secrets = [value for name, value in values.items() if SECRET.search(name)]
    assert len(secrets) == len(set(secrets)) == 4
    assert all(re.fullmatch(r"[0-9a-f]{48}", secret) for secret in secrets)
    assert {name: value for name, value in values.items() if not SECRET.search(name)} == {
        name: value for name, value in example().items() if not SECRET.search(name)
    }
    again = subprocess.run([tmp_path / "make-env"], capture_output=True, text=True, timeout=20, check=False)
    assert again.returncode == 1
    assert "is there already" in again.stderr
    assert values["JWT_SECRET"] in written.read_text()
