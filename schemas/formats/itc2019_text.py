"""The elements of ITC-2019 files: which stand where, with which attributes, and what an attribute may say.

Owns the grammar of problem and solution files and the findings about it. Must not know the native problem: what the
words mean there is `schemas.formats.itc2019`.

Source: T. Müller, H. Rudová, Z. Müllerová, "University course timetabling and International Timetabling Competition
2019", PATAT 2018, and the competition's description of its data format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from schemas.formats.xml_text import walk
from schemas.problem.findings import Finding, InvalidInputError

MAX_ID = 128
# Collecting stops here: a file with more is wrong throughout, and a hostile one must not fill memory with sentences.
MAX_COLLECTED = 1000


class ElementError(Exception):
    """An element cannot be used; reading goes on with the next one. Without a line it is the tag's own."""

    def __init__(self, code: str, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.line = line


class _EnoughFindingsError(Exception):
    """The file has more findings than anybody will read."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element as it stands in the file."""

    line: int
    tag: str
    attributes: Mapping[str, str]

    def text(self, name: str) -> str:
        """A name or id: something to read, not too long."""
        value = self.attributes[name]
        if not value or len(value) > MAX_ID or not value.isprintable():
            raise ElementError(
                "itc2019_id",
                f"{name!r} of <{self.tag}> must be 1 to {MAX_ID} printable characters, not {value[:40]!r}. Mend it.",
            )
        return value

    def number(self, name: str, low: int, high: int, default: int | None = None) -> int:
        value = self.attributes.get(name)
        if value is None and default is not None:
            return default
        if value is None or not (value.isascii() and value.isdecimal() and len(value) <= 10):
            raise ElementError(
                "itc2019_number", f"{name!r} of <{self.tag}> must be a whole number, not {str(value)[:40]!r}."
            )
        number = int(value)
        if not low <= number <= high:
            raise ElementError(
                "itc2019_number", f"{name!r} of <{self.tag}> must be from {low} to {high:,}, not {number:,}."
            )
        return number

    def bits(self, name: str, width: int, of_what: str) -> str:
        """A bit string with one bit for each of `width` days or weeks, at least one of them set."""
        value = self.attributes[name]
        if value.strip("01"):
            raise ElementError("itc2019_bits", f"{name!r} of <{self.tag}> must consist of 0 and 1, not {value[:40]!r}.")
        if len(value) != width:
            raise ElementError(
                "wrong_width",
                f"{name!r} of <{self.tag}> has {len(value)} bits, and the problem has {width} {of_what}."
                " Give one bit for each.",
            )
        if "1" not in value:
            raise ElementError(
                "never_meets", f"{name!r} of <{self.tag}> has no 1, so it never takes place. Set a bit or remove it."
            )
        return value

    def truth(self, name: str, default: bool) -> bool:
        value = self.attributes.get(name)
        if value is None:
            return default
        if value not in ("true", "false"):
            raise ElementError("itc2019_truth", f"{name!r} of <{self.tag}> must be true or false, not {value[:40]!r}.")
        return value == "true"


class Rule:
    """One kind of element: attributes it must and may have, what to do at its tags, which elements stand in it.

    What `start` or `end` complains of by `ElementError` becomes a finding; an element that could not be started is
    passed over with all that is in it.
    """

    def __init__(
        self,
        required: Sequence[str] = (),
        optional: Sequence[str] = (),
        start: Callable[[Element], None] | None = None,
        end: Callable[[], None] | None = None,
        inside: Mapping[str, Rule] | None = None,
    ) -> None:
        self.required = frozenset(required)
        self.known = self.required | frozenset(optional)
        self.start = start
        self.end = end
        self.inside = inside or {}


@dataclass(slots=True)
class Findings:
    """Everything wrong so far, by line."""

    found: list[Finding] = field(default_factory=list)

    def add(self, code: str, line: int, message: str) -> None:
        self.found.append(Finding(code, f"line {line}", message))
        if len(self.found) >= MAX_COLLECTED:
            raise _EnoughFindingsError


class _Walker:
    """Follows the elements down the rules; `document` holds the root's."""

    def __init__(self, document: Rule, findings: Findings, refusal: type[InvalidInputError]) -> None:
        self._findings = findings
        self._refusal = refusal
        self._open = [("", document)]
        # How many elements are open that are passed over: the first has a finding, and those inside need none.
        self._skipped = 0

    def start(self, line: int, tag: str, attributes: Mapping[str, str]) -> None:
        if self._skipped:
            self._skipped += 1
            return
        rule = self._open[-1][1].inside.get(tag)
        if rule is None:
            self._not_expected(line, tag)
            self._skipped = 1
        elif self._started(rule, Element(line, tag, attributes)):
            self._open.append((tag, rule))
        else:
            self._skipped = 1

    def _started(self, rule: Rule, element: Element) -> bool:
        if not rule.required <= element.attributes.keys() <= rule.known and not self._usable(rule, element):
            return False
        if rule.start is not None:
            try:
                rule.start(element)
            except ElementError as error:
                self._findings.add(error.code, error.line or element.line, str(error))
                return False
        return True

    def _usable(self, rule: Rule, element: Element) -> bool:
        """Names what is missing or too much; true if nothing is missing. XML's own attributes are passed over."""
        missing = sorted(rule.required - element.attributes.keys())
        for name in missing:
            self._findings.add("missing_attribute", element.line, f"<{element.tag}> has no {name!r}. Add it.")
        for name in element.attributes:
            if name not in rule.known and ":" not in name and name != "xmlns":
                message = f"<{element.tag}> has no use for {name[:40]!r}. Remove it or correct its name."
                self._findings.add("unknown_attribute", element.line, message)
        return not missing

    def _not_expected(self, line: int, tag: str) -> None:
        parent, rule = self._open[-1]
        if not parent:
            root = next(iter(rule.inside))
            message = f"The file's first element is <{tag[:40]}>; an ITC-2019 {root} begins with <{root}>."
            raise self._refusal([Finding("unknown_format", f"line {line}", message)])
        message = f"<{tag[:40]}> cannot stand in <{parent}>. Remove it or correct its name."
        self._findings.add("unknown_element", line, message)

    def text(self, line: int, text: str) -> None:
        if not self._skipped:
            tag = self._open[-1][0]
            self._findings.add("unexpected_text", line, f"<{tag}> holds the text {text[:40]!r}. Remove it.")

    def end(self, line: int, tag: str) -> None:
        if self._skipped:
            self._skipped -= 1
            return
        _, rule = self._open.pop()
        if rule.end is not None:
            try:
                rule.end()
            except ElementError as error:
                self._findings.add(error.code, error.line or line, str(error))


def read_elements(text: str, document: Rule, findings: Findings, refusal: type[InvalidInputError]) -> None:
    """Calls the rules for the elements of the document, in order; `document` holds the rule of its root.

    Raises `refusal` with `line N` pointers, all findings at once.
    """
    try:
        walk(text, _Walker(document, findings, refusal), refusal)
    except _EnoughFindingsError:
        pass
    except refusal as error:
        # What made the rest unreadable comes last; what was wrong before it is still worth knowing.
        raise refusal([*findings.found, *error.findings]) from error
    if findings.found:
        raise refusal(findings.found)
