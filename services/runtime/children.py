"""What a child process of a service may know of its environment.

Owns the list. Must not know what children do, nor how they are started.
"""

from __future__ import annotations

from collections.abc import Mapping

_PASSED_ON = frozenset(
    ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "XDG_CACHE_HOME")
)


def harmless(own: Mapping[str, str]) -> dict[str, str]:
    """The variables that a Python needs to run: no address and no password, so that a hostile problem finds none."""
    return {name: value for name, value in own.items() if name in _PASSED_ON}
