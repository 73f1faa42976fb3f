"""XML from strangers, element by element: no tree, no document types of their own, every refusal with its line.

Owns what XML may do to us and may not. The parser is the standard library's expat, fed in pieces. Real files name their
document type (`<!DOCTYPE problem PUBLIC ...>`), so that is allowed and never fetched; declarations inside it are
refused before the parser sees a byte: entities (that expand to gigabytes or to local files) and default attributes.
Must not know any one format: which elements stand where is its reader's business.

We do not use `defusedxml`: it guards these same callbacks of this same parser, and one cannot forbid document types
there and read files that have one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Protocol
from xml.parsers import expat

from schemas.problem.findings import Finding, InvalidInputError

MAX_LEVELS = 64
MAX_TAG = 100_000
# The parser stops at a piece's end when a callback raises. Small enough to bound what it does until then, large enough
# that a token of many pieces, which is scanned again with each, costs seconds at most.
_PIECE = 2 << 20
_DECLARATION = re.compile(r"<!(ENTITY|ATTLIST|ELEMENT|NOTATION)")
_LONG_TAG = re.compile(rf"<[^<>]{{{MAX_TAG}}}")
_REFERENCE = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)[A-Za-z_:][\w:.-]{0,40};")


class Elements(Protocol):
    """Takes a document's elements in order; `line` is where the tag or text begins. Blanks between tags are no text."""

    def start(self, line: int, tag: str, attributes: Mapping[str, str]) -> None: ...

    def text(self, line: int, text: str) -> None: ...

    def end(self, line: int, tag: str) -> None: ...


def walk(text: str, elements: Elements, refusal: type[InvalidInputError]) -> None:
    """Hands every element of the document to `elements`; raises `refusal` with `line N` if it is not such a document.

    What `elements` raises ends the walk and is passed on.
    """
    _require_harmless(text, refusal)
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    level = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal level
        level += 1
        line = parser.CurrentLineNumber
        if level > MAX_LEVELS:
            raise refusal([Finding("too_deep", f"line {line}", f"Elements are nested more than {MAX_LEVELS} deep.")])
        elements.start(line, tag, attributes)

    def end(tag: str) -> None:
        nonlocal level
        level -= 1
        elements.end(parser.CurrentLineNumber, tag)

    def characters(text: str) -> None:
        if not text.isspace():
            # It comes when the next tag is met.
            elements.text(parser.CurrentLineNumber - text.lstrip().count("\n"), text.strip())

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.EntityDeclHandler = _no_entity(parser, refusal)
    try:
        for begin in range(0, len(text), _PIECE):
            parser.Parse(text[begin : begin + _PIECE], False)
        parser.Parse("", True)
    except expat.ExpatError as error:
        raise refusal([_malformed(error)]) from error


def _no_entity(parser: expat.XMLParserType, refusal: type[InvalidInputError]) -> Callable[..., None]:
    """A second lock: no entity gets past the search for declarations, and if one did, it would end here."""

    def refuse(*_: object) -> None:
        raise refusal([_declared(parser.CurrentLineNumber, "ENTITY")])

    return refuse


def _require_harmless(text: str, refusal: type[InvalidInputError]) -> None:
    declaration = _DECLARATION.search(text)
    if declaration is not None:
        raise refusal([_declared(_line_of(text, declaration.start()), declaration[1])])
    tag = _LONG_TAG.search(text)
    if tag is not None:
        message = f"A tag is longer than {MAX_TAG:,} characters. Shorten it."
        raise refusal([Finding("too_large", f"line {_line_of(text, tag.start())}", message)])
    reference = _REFERENCE.search(text)
    if reference is not None:
        message = f"The entity {reference[0]!r} is not known. Write the character itself, or its number."
        raise refusal([Finding("unknown_entity", f"line {_line_of(text, reference.start())}", message)])


def _declared(line: int, what: str) -> Finding:
    message = f"The file declares its own document type (<!{what}), which is not accepted. Remove the declarations."
    return Finding("xml_declaration", f"line {line}", message)


def _line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


_BROKEN_OFF = {
    expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS],
    expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN],
    expat.errors.codes[expat.errors.XML_ERROR_PARTIAL_CHAR],
    expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION],
}


def _malformed(error: expat.ExpatError) -> Finding:
    place = f"line {error.lineno}"
    if error.code in _BROKEN_OFF:
        return Finding("truncated", place, "The file ends in the middle: it is truncated. Send it again, whole.")
    return Finding("malformed_xml", place, f"The XML is malformed: {expat.ErrorString(error.code)}. Correct it there.")
