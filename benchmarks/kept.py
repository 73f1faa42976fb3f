"""Tables that go into the document: what a measurement prints is also put between two marks of its own.

Owns the marks. Must not know what is measured.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"


class _Both(io.TextIOBase):
    """To the terminal as it comes, and to be kept."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return sys.__stdout__.write(text) if sys.__stdout__ else len(text)

    def flush(self) -> None:
        if sys.__stdout__:
            sys.__stdout__.flush()


@contextmanager
def kept(name: str, command: str, document: Path = DOCUMENT) -> Iterator[None]:
    """What is printed while the block runs replaces what the document has between the marks of this name.

    Nothing is written if the block raises. A name that the document does not have yet goes to its end.
    """
    both = _Both()
    with redirect_stdout(both):
        yield
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    block = f"{begin}\n\n`{command}`\n\n{both.text.strip()}\n\n{end}"
    text = document.read_text()
    if begin in text and end in text:
        before, _, rest = text.partition(begin)
        text = before + block + rest.partition(end)[2]
    else:
        text = f"{text.rstrip()}\n\n{block}\n"
    document.write_text(text)
