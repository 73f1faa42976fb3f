"""Roles: their order, and how a route says which one it takes.

Owns the marks on the dependencies that check a caller, and the list of what may be called by anybody. Must not know any
service's routes, nor how a caller is recognised.

Every route either depends on something marked with `takes(role)` or is in its service's list of public ones; a service
with a route that does neither does not start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

F = TypeVar("F", bound=Callable[..., Any])

# What every service shows to whoever can reach it: probes for the machinery that runs it, and its contract.
PROBES = frozenset(("GET", path) for path in ("/healthz", "/startz", "/readyz", "/metrics", "/openapi.json"))


class Role(StrEnum):
    """Each may do all that the one before it may."""

    VIEWER = "viewer"
    PLANNER = "planner"
    ADMIN = "admin"


_RANK: Mapping[str, int] = {role.value: rank for rank, role in enumerate(Role)}


def may(role: str, needed: Role) -> bool:
    """True if somebody in `role` may do what takes `needed`; a role that we do not know may do nothing."""
    return _RANK.get(role, -1) >= _RANK[needed]


def takes(role: Role) -> Callable[[F], F]:
    """Marks a dependency that lets only callers in this role pass."""

    def mark(dependency: F) -> F:
        vars(dependency)["takes_role"] = role
        return dependency

    return mark


def declared(app: FastAPI) -> dict[tuple[str, str], Role | None]:
    """Every route by method and path, with the role that it takes, or None if it says none."""
    found: dict[tuple[str, str], Role | None] = {}
    for route in iter_route_contexts(app.routes):
        dependant = route.dependant if isinstance(route.original_route, APIRoute) else None
        for method in route.methods or ():
            if method != "HEAD":
                found[method, route.path or ""] = _strictest(dependant)
    return found


def require_declared(app: FastAPI, public: Iterable[tuple[str, str]]) -> None:
    """Raise RuntimeError for a route that takes no role and is not public, or is both: somebody forgot something."""
    open_to_all = {*public, *PROBES}
    for route, role in declared(app).items():
        if (role is None) != (route in open_to_all):
            said = (
                "takes no role and is not in the list of public routes"
                if role is None
                else "is public and takes a role"
            )
            raise RuntimeError(f"{' '.join(route)} {said}")


def _strictest(dependant: Dependant | None) -> Role | None:
    roles = [call.takes_role for call in _calls(dependant) if hasattr(call, "takes_role")]
    return max(roles, key=lambda role: _RANK[role], default=None)


def _calls(dependant: Dependant | None) -> Iterator[Any]:
    if dependant is not None:
        yield dependant.call
        for below in dependant.dependencies:
            yield from _calls(below)
