"""The caller's organisation over HTTP: its limits, and what it uses of them.

Owns the shape of the answer. Must not know how limits are kept. They are set by whoever operates the installation
(`horarium organization`), not by those whom they limit.
"""

from __future__ import annotations

from fastapi import APIRouter, Depends

from services.api.access import Access, unauthorized
from services.api.bodies import OrganizationAnswer, OrganizationLimits, OrganizationUsage
from services.api.store.limits import Organizations
from services.runtime.tokens import Principal


def organization_routes(access: Access, organizations: Organizations) -> APIRouter:
    router = APIRouter(prefix="/api/organization", tags=["users"])
    admin = Depends(access.admin)

    @router.get("", summary="The organisation's limits and usage")
    async def get_organization(caller: Principal = admin) -> OrganizationAnswer:
        found = await organizations.standing(caller.organization_id)
        if found is None:
            raise unauthorized("This organisation no longer exists.")
        name, limits, usage = found
        return OrganizationAnswer(
            id=caller.organization_id,
            name=name,
            limits=OrganizationLimits(
                generate_per_hour=limits.generate_per_hour,
                running_jobs=limits.max_running_jobs,
                open_jobs=limits.max_open_jobs,
                problem_bytes=limits.max_problem_bytes,
            ),
            usage=OrganizationUsage(
                generate_last_hour=usage.generate_last_hour,
                running_jobs=usage.running_jobs,
                open_jobs=usage.open_jobs,
                problem_bytes=usage.problem_bytes,
                users=usage.users,
            ),
        )

    return router
