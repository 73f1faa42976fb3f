"""Which series a PromQL expression reads, and whether a service has them."""

from __future__ import annotations

import re

from horarium import reference

# Of the client library and of Prometheus itself; what else begins so would be a slip as well.
FOREIGN = frozenset({"up", "ALERTS", "process_cpu_seconds_total", "process_resident_memory_bytes"})
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*\{([^}]*)\}")
_LABELS = re.compile(r"([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)")
_NAME = re.compile(r"(?<![\w$.])([a-zA-Z_:][a-zA-Z0-9_:]*)(?!\s*\()(?![\w:])")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}


def known_series() -> dict[str, frozenset[str]]:
    """Every series that a service can show, with its labels."""
    known: dict[str, frozenset[str]] = {}
    for defined in reference.metrics().values():
        for metric in defined:
            for name in reference.series(metric):
                own = {"le"} if name.endswith("_bucket") else set()
                known[name] = frozenset({*reference.labels(metric), *own, "component", "instance", "job"})
    return known


def series_in(expression: str) -> set[str]:
    """The names of the series that an expression reads."""
    text = _GROUPING.sub(" ", _STRINGS.sub('""', expression))
    text = re.sub(r"\[[^\]]*\]", " ", re.sub(r"\{[^}]*\}", " ", text))
    return {name for name in _NAME.findall(text) if name.lower() not in _WORDS}


def problems_of(expression: str) -> list[str]:
    """What is wrong with the names in an expression: series or labels that nobody has."""
    known = known_series()
    found = [f"no service has {name}" for name in sorted(series_in(expression) - known.keys() - FOREIGN)]
    for name, matchers in _SELECTOR.findall(_STRINGS.sub('""', expression)):
        for label in _LABELS.findall(matchers):
            if name in known and label not in known[name]:
                found.append(f"{name} has no label {label}")
    return found
