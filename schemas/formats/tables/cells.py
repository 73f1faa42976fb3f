"""What one cell says: numbers, lists, clock times, days, weeks, blocks of time.

Owns the words and habits that are understood in a cell. Must not know sheets or problems; whoever reads a cell says
where it stands. Every function raises `CellError` with a sentence that says what would be right.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.problem.model import Calendar
from schemas.problem.wording import day_names

# What a cell of a spreadsheet can hold.
MAX_CELL_CHARACTERS = 32_767
_MAX_WORDS = 500  # characters of one written-out time; longer ones are not looked at

_WHOLE = re.compile(r"(\d{1,18})(?:[.,]0{1,2})?")
_CLOCK = re.compile(r"(\d{1,2})[:.](\d{2})(?::00)?\s*([AaPp])?\.?(?:[Mm]\.?)?")
_HOURS = re.compile(r"(\d{1,2}[:.]\d{2})(?::00)?\s*(?:-|–|to)\s*(\d{1,2}[:.]\d{2})(?::00)?")
_WEEK_RANGE = re.compile(r"(\d{1,3})\s*(?:-|–|to)\s*(\d{1,3})")
_ITEM = re.compile(r'\s*"((?:[^"]|"")*)"')
_DURATION = re.compile(r"(\d{1,9})(?:[.,]0{1,2})?\s*(min|minutes|h|hours?)?", re.IGNORECASE)
_FULL_DAYS = {
    "mon": "monday",
    "tue": "tuesday",
    "wed": "wednesday",
    "thu": "thursday",
    "fri": "friday",
    "sat": "saturday",
    "sun": "sunday",
}


class CellError(Exception):
    """The cell cannot be understood; the message says what it holds and what would be right."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class DateText(str):
    """The ISO date of a cell that the spreadsheet holds as a date: right for a date, wrong for everything else."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a list; `quoted` ones are ids, whatever they look like."""

    text: str
    penalty: int = 0
    quoted: bool = False


def shown(text: str) -> str:
    """The cell's content for a sentence."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def plain(text: str) -> str:
    """An id or a name as it stands. A date is refused: spreadsheets make one of '3-4'."""
    if isinstance(text, DateText):
        raise CellError(
            "unexpected_date",
            f"The spreadsheet has turned this cell into the date {text}. Format the column as text and type it again.",
        )
    return text


def whole(text: str) -> int:
    """A whole number; '12.0' is one."""
    found = _WHOLE.fullmatch(plain(text))
    if found is None:
        raise CellError("not_a_number", f"{shown(text)} is not a whole number. Write digits only, such as 120.")
    return int(found[1])


def yes_or_no(text: str) -> bool:
    word = plain(text).lower()
    if word in ("yes", "y", "true", "1"):
        return True
    if word in ("no", "n", "false", "0"):
        return False
    raise CellError("not_yes_or_no", f"{shown(text)} is neither 'yes' nor 'no'.")


def items(text: str, separators: str = ",;\n", priced: bool = False) -> list[Item]:
    """A list. An entry with a separator in it stands in double quotes, quotes doubled; `priced` ones end in '(5)'."""
    text = plain(text)
    end_of_item = re.compile(f"[{separators}]|$")
    found: list[Item] = []
    at = 0
    while at < len(text):
        quoted = _ITEM.match(text, at)
        end = end_of_item.search(text, at if quoted is None else quoted.end())
        stop = len(text) if end is None else end.start()
        if quoted is not None:
            rest, penalty = _without_price(text[quoted.end() : stop].strip(), priced)
            if rest:
                raise CellError("malformed_list", f"{shown(rest)} after a quoted entry makes no sense. Remove it.")
            found.append(Item(quoted[1].replace('""', '"'), penalty, quoted=True))
        elif entry := text[at:stop].strip():
            name, penalty = _without_price(entry, priced)
            found.append(Item(name, penalty) if name else Item(entry))
        at = stop + 1
    return found


def _without_price(text: str, priced: bool) -> tuple[str, int]:
    """'A (5)' is ('A', 5)."""
    opening = text.rfind("(")
    digits = text[opening + 1 : -1].strip()
    if priced and opening >= 0 and text.endswith(")") and len(digits) <= 9 and digits.isascii() and digits.isdigit():
        return text[:opening].strip(), int(digits)
    return text, 0


def names(text: str) -> list[str]:
    """A list of ids."""
    return [item.text for item in items(text)]


def clock(text: str) -> int:
    """Minutes since midnight of '09:00', '9.00', '09:00:00' or '9:00 PM'; '24:00' is the end of the day."""
    found = _CLOCK.fullmatch(plain(text))
    if found is not None:
        hours, minutes, half = int(found[1]), int(found[2]), (found[3] or "").lower()
        if half and 1 <= hours <= 12:
            hours = hours % 12 + (12 if half == "p" else 0)
        if minutes < 60 and (hours < 24 or (hours, minutes) == (24, 0)):
            return hours * 60 + minutes
    raise CellError("not_a_clock_time", f"{shown(text)} is no time of day. Write it as 09:00.")


def slot(calendar: Calendar, minutes: int) -> int:
    """The slot that starts so many minutes after midnight (the number of slots at the day's end)."""
    first = clock(calendar.first_slot)
    last = first + calendar.slots_per_day * calendar.slot_minutes
    written = f"{minutes // 60:02}:{minutes % 60:02}"
    if not first <= minutes <= last:
        raise CellError(
            "outside_the_day",
            f"{written} is outside the teaching day, {calendar.first_slot} to {last // 60:02}:{last % 60:02}."
            " Move it, or change 'Day starts' or 'Day ends' in Settings.",
        )
    if (minutes - first) % calendar.slot_minutes:
        raise CellError(
            "off_the_grid",
            f"{written} is not a multiple of {calendar.slot_minutes} minutes after {calendar.first_slot}."
            " Move it, or change 'Slot minutes' in Settings.",
        )
    return (minutes - first) // calendar.slot_minutes


def stretch(calendar: Calendar, start: str, end: str) -> tuple[int, int]:
    """Start and length in slots; an end of 00:00 is midnight."""
    begins, ends = clock(start), clock(end) or 24 * 60
    if ends <= begins:
        raise CellError("ends_before_it_starts", f"It ends at {end}, and starts at {start}. End it later.")
    first = slot(calendar, begins)
    return first, slot(calendar, ends) - first


def days(calendar: Calendar, text: str) -> str:
    """Bits of 'Mon Wed', 'Mon-Fri', 'monday, wednesday' or 'every day'."""
    text = plain(text)
    known = day_names(calendar)
    if text.lower() in ("every day", "daily", "all"):
        return "1" * calendar.days
    bits = ["0"] * calendar.days
    for word in re.split(r"[\s,/+]+", text.replace("–", "-").replace(" - ", "-")):
        if word:
            first, _, last = word.partition("-")
            begin = _day(known, first)
            finish = _day(known, last) if last else begin
            if finish < begin:
                raise CellError("malformed_days", f"{shown(word)} runs backwards. Write the earlier day first.")
            bits[begin : finish + 1] = "1" * (finish + 1 - begin)
    if "1" not in bits:
        raise CellError("malformed_days", f"{shown(text)} names no day. Write days as 'Mon Wed'.")
    return "".join(bits)


def _day(known: Sequence[str], word: str) -> int:
    short = word.lower().rstrip(".")
    for n, name in enumerate(known):
        if len(short) >= 2 and _FULL_DAYS[name.lower()].startswith(short):
            return n
    raise CellError("malformed_days", f"{shown(word)} is not one of the days {' '.join(known)}.")


def weeks(calendar: Calendar, text: str) -> str:
    """Bits of '1-7 9', 'weeks 1 to 7, 9', 'odd weeks' or 'even weeks'."""
    if isinstance(text, DateText):
        raise CellError(
            "unexpected_date",
            f"The spreadsheet has turned this cell into the date {text}. Write 'weeks 1-7' instead of '1-7'.",
        )
    total = calendar.weeks
    words = re.sub(r"\bweeks?\b", " ", text.lower()).strip()
    if words in ("all", "every", ""):
        return "1" * total
    if words in ("odd", "even"):
        return ("10" if words == "odd" else "01") * (total // 2) + ("1" if words == "odd" else "0") * (total % 2)
    bits = ["0"] * total
    for word in re.split(r"[\s,]+", _WEEK_RANGE.sub(r"\1-\2", words)):
        found = re.fullmatch(r"(\d{1,3})(?:-(\d{1,3}))?", word)
        if found is None:
            raise CellError("malformed_weeks", f"{shown(text)} lists no weeks. Write 'weeks 1-7 9' or 'odd weeks'.")
        first, last = int(found[1]), int(found[2] or found[1])
        if not 1 <= first <= last <= total:
            raise CellError("malformed_weeks", f"Weeks {word} are not within the term's weeks 1-{total}.")
        bits[first - 1 : last] = "1" * (last - first + 1)
    return "".join(bits)


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of slots; `days` and `weeks` are bits, or None where the cell does not say."""

    start: int
    length: int
    days: str | None
    weeks: str | None


def block(calendar: Calendar, text: str) -> Block:
    """'Mon Wed 09:00-09:50 weeks 1-7'; without days every day, without hours the whole day, without weeks every one."""
    words = text.strip()
    if len(words) > _MAX_WORDS:
        raise CellError("malformed_time", f"{shown(words)} is too long for a time. Separate several with ';'.")
    hours = _HOURS.search(words)
    before, after = (words[: hours.start()], words[hours.end() :]) if hours else _at_weeks(words)
    before, after = before.strip(" ,"), after.strip(" ,")
    if (hours is None and not before) or (after and not re.search(r"week|odd|even", after, re.IGNORECASE)):
        raise CellError("malformed_time", f"{shown(words)} is no time. Write 'Mon Wed 09:00-09:50 weeks 1-7'.")
    start, length = stretch(calendar, hours[1], hours[2]) if hours else (0, calendar.slots_per_day)
    return Block(start, length, days(calendar, before) if before else None, weeks(calendar, after) if after else None)


def _at_weeks(words: str) -> tuple[str, str]:
    found = re.search(r"\b(weeks?|odd|even)\b", words, re.IGNORECASE)
    return (words, "") if found is None else (words[: found.start()], words[found.start() :])


def parameter(calendar: Calendar, text: str) -> int:
    """A rule's number, or a duration in slots: '90 min', '4 h'."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise CellError("not_a_number", f"{shown(text)} is neither a number nor a duration such as '90 min'.")
    number, unit = int(found[1]), (found[2] or "").lower()
    if not unit:
        return number
    minutes = number * (60 if unit.startswith("h") else 1)
    if minutes % calendar.slot_minutes:
        raise CellError("off_the_grid", f"{shown(text)} is not a multiple of {calendar.slot_minutes} minutes (a slot).")
    return minutes // calendar.slot_minutes
