"""What a service's process does before it imports anything large. Must not import anything large."""

from __future__ import annotations

import gc


def no_collection_until_started() -> None:
    """Turn garbage collection off: the server turns it on again once it has started.

    What is imported stays; looking through it for garbage again and again is a quarter of a service's start.
    """
    gc.disable()
