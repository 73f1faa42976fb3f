"""The rules of docs/architecture.md that a reader of one file cannot see, checked over all of them.

Each failure names the file, the line and what to do instead. Only the source text is read; nothing is imported.
"""

import ast
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("schemas", "services", "horarium", "deploy", "benchmarks", "tests")
SERVICES = ("api", "solver", "progress", "persister")
INPUT_OUTPUT = {
    *("os", "io", "pathlib", "shutil", "tempfile", "glob", "json", "pickle", "csv", "sqlite3", "logging"),
    *("socket", "ssl", "select", "asyncio", "http", "urllib", "subprocess", "multiprocessing", "signal"),
}


@dataclass(frozen=True)
class Import:
    """One imported module, as written in a file."""

    file: Path
    line: int
    module: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"


@cache
def files(folder: str) -> list[Path]:
    """The Python files below a folder, relative to the repository."""
    return sorted(path.relative_to(REPOSITORY) for path in (REPOSITORY / folder).rglob("*.py"))


@cache
def tree(file: Path) -> ast.Module:
    """The parsed file."""
    return ast.parse((REPOSITORY / file).read_bytes(), filename=str(file))


def imports(folder: str) -> Iterator[Import]:
    """Every import below a folder, also those inside functions; `from a import b` counts as `a.b`, which it may be."""
    for file in files(folder):
        package = file.with_suffix("").parts[:-1]
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(file, node.lineno, alias.name)
            elif isinstance(node, ast.ImportFrom):
                above = package[: len(package) - node.level + 1] if node.level else ()
                source = ".".join((*above, *((node.module,) if node.module else ())))
                for alias in node.names:
                    yield Import(file, node.lineno, f"{source}.{alias.name}")


def inside(module: str, *packages: str) -> bool:
    """True when a module is one of the packages or below one."""
    return any(module == package or module.startswith(package + ".") for package in packages)


def complain(found: list[Import], why: str) -> None:
    """Fails with one line per finding and how to repair them."""
    assert not found, why + "\n" + "\n".join(str(one) for one in found)


def test_the_rules_look_at_something() -> None:
    for package in (
        "schemas",
        "services/runtime",
        "services/solver/engine",
        *(f"services/{name}" for name in SERVICES),
    ):
        assert files(package), f"there is no Python file below {package}; has it moved? Then these rules must follow"
    assert any(one.module == "schemas.events" or inside(one.module, "schemas.events") for one in imports("services"))


def test_services_never_import_one_another() -> None:
    for service in SERVICES:
        others = [f"services.{other}" for other in SERVICES if other != service]
        complain(
            [one for one in imports(f"services/{service}") if inside(one.module, *others)],
            "Services talk through topics and stores, not through imports. Move what both need to schemas/ (meaning) "
            "or services/runtime/ (how a process runs), or send an event.",
        )


def test_the_engine_is_pure() -> None:
    def allowed(module: str) -> bool:
        top = module.partition(".")[0]
        if inside(module, "services.solver.engine", "numpy", "numba", "ortools"):
            return True
        return top in sys.stdlib_module_names and top not in INPUT_OUTPUT

    complain(
        [one for one in imports("services/solver/engine") if not allowed(one.module)],
        "The engine knows numpy, numba, ortools and itself, and does no input or output, so that it runs in a Python "
        "prompt. Pass what it needs as an argument; read, write and log in services/solver around it.",
    )


def test_schemas_are_meaning_without_machinery() -> None:
    machinery = ("services", "horarium", "deploy", "tests", "faststream", "fastapi", "starlette", "redis", "aiokafka")
    complain(
        [one for one in imports("schemas") if inside(one.module, *machinery)],
        "schemas/ says what things mean and is read by every service: no service, no broker, no HTTP, no Redis. Put "
        "the machinery into the service (or services/runtime/) and let it import the meaning.",
    )


def test_the_runtime_knows_no_service_and_no_domain_words() -> None:
    def allowed(module: str) -> bool:
        if inside(module, "schemas"):
            return inside(module, "schemas.events", "schemas.topics")
        return not inside(module, "horarium", "deploy", "tests", *(f"services.{name}" for name in SERVICES))

    complain(
        [one for one in imports("services/runtime") if not allowed(one.module)],
        "services/runtime is how any of our processes runs; of the meaning it may know events and topics only. Pass "
        "the rest in as an argument, or move the code to the service that means it.",
    )


def test_nothing_that_ships_imports_the_tests_or_the_benchmarks() -> None:
    complain(
        [
            one
            for package in ("schemas", "services", "horarium", "deploy")
            for one in imports(package)
            if inside(one.module, "tests", "benchmarks")
        ],
        "Tests and benchmarks are not installed with Horarium. Move what is needed out of them.",
    )


def test_only_the_wiring_reads_settings() -> None:
    found = []
    for service in SERVICES:
        for file in files(f"services/{service}"):
            if file.name in ("app.py", "__main__.py"):
                continue
            for node in ast.walk(tree(file)):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.endswith("Settings"):
                    found.append(Import(file, node.lineno, f"{node.func.id} and makes one"))
        found += [
            one
            for one in imports(f"services/{service}")
            if one.module == "services.runtime.settings.load" and one.file.name not in ("app.py", "__main__.py")
        ]
    complain(
        found,
        "Only app.py and __main__.py of a service read its settings from the environment; they pick the real parts and "
        "hand each what it needs. Take the settings, or better the one value, as an argument.",
    )


def test_faststream_has_one_doorway() -> None:
    def doorway(file: Path) -> bool:
        return file.parts[:2] == ("services", "runtime") or (file.parts[0] == "services" and file.name == "app.py")

    found = [
        one
        for package in ("schemas", "services", "horarium", "deploy")
        for one in imports(package)
        if inside(one.module, "faststream") and not doorway(one.file)
    ]
    complain(
        found,
        "FastStream is imported in services/runtime/ and in a service's app.py only, where handlers are subscribed. A "
        "handler is a plain class or function that takes a typed event, so that it runs in a test without a broker.",
    )


def test_every_module_says_what_it_is() -> None:
    silent = []
    for package in PACKAGES:
        for file in files(package):
            first = (ast.get_docstring(tree(file)) or "").split("\n\n")[0]
            empty = not (REPOSITORY / file).read_text().strip()
            if not empty and (len(first.split()) < 4 or not re.search(r"[.:?!]\)?$", first.rstrip())):
                silent.append(str(file))
    assert not silent, (
        "A module opens with a sentence that says what it owns (and then what it must not know). Write one for:\n"
        + "\n".join(silent)
    )


def test_every_exception_to_a_checker_names_its_rule_and_its_reason() -> None:
    exception = re.compile(r"#\s*(type:\s*ignore|noqa|pyright:\s*ignore)\b")
    complete = re.compile(r"#\s*(type: ignore\[[\w, -]+\]|noqa: [A-Z]+\d+(, ?[A-Z]+\d+)*)\s+[#-]\s*\w")
    bare = []
    for package in PACKAGES:
        for file in files(package):
            with (REPOSITORY / file).open("rb") as stream:
                for token in tokenize.tokenize(stream.readline):
                    text = token.string
                    if token.type == tokenize.COMMENT and exception.match(text) and not complete.match(text):
                        bare.append(f"{file}:{token.start[0]}: {text}")
    assert not bare, (
        "An exception to a checker names the rule it breaks, and on the same line why: "
        "`# type: ignore[arg-type]  # the library's stub is wrong`. Not so:\n" + "\n".join(bare)
    )
