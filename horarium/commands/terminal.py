"""What every command says the same way: exit codes, refusals, reading a file that somebody named.

Must not know any one command.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

import typer

from schemas.problem.findings import InvalidInputError

EXIT_BAD_INPUT = 2
EXIT_VIOLATIONS = 3  # a timetable, but not without hard violations
EXIT_UNREACHABLE = 1  # the world is away, or said no


def say(text: str = "") -> None:
    """A line of the command's answer, on standard output."""
    typer.echo(text)


def note(text: str) -> None:
    """A line about what the command does, on standard error."""
    typer.echo(text, err=True)


def refuse(message: str, code: int = EXIT_BAD_INPUT) -> NoReturn:
    """End the command with a sentence on standard error."""
    note(message)
    raise typer.Exit(code)


def refuse_findings(source: Path | str, error: InvalidInputError) -> NoReturn:
    """End the command with everything that is wrong with the file, one line each."""
    lines = [f"{source}: {f.pointer}: {f.message}" if f.pointer else f"{source}: {f.message}" for f in error.findings]
    if error.total > len(lines):
        lines.append(f"{source}: and {error.total - len(lines)} more.")
    refuse("\n".join(lines))


def read_file(path: Path, limit: int) -> bytes:
    """The file's content, at most `limit` bytes; a missing, unreadable or larger one ends the command."""
    try:
        if path.is_dir():
            refuse(f"{path}: is a directory. Name a file.")
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        refuse(f"{path}: {error.strerror or error}.")
    if len(content) > limit:
        refuse(f"{path}: is larger than {limit // 2**20} MiB.")
    return content


def write_file(path: Path, content: bytes) -> None:
    """Write the file whole or not at all; a place that cannot be written ends the command."""
    unfinished = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        refuse(f"{path}: cannot be written ({error.strerror or error}).", EXIT_UNREACHABLE)


def is_watched() -> bool:
    """True if a person watches standard error."""
    return sys.stderr.isatty()
