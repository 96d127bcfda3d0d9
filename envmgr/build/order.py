"""The order in which several recipes can be built, each with what the ones before it made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.build.needs import sort_by_needs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.build.plan import RecipePlan


def sort_plans(plans: Sequence[RecipePlan]) -> tuple[RecipePlan, ...]:
    """*plans*, each after those whose packages it needs to be built or tested; BuildError for a circle."""
    by_path = {str(plan.recipe_path): plan for plan in plans}
    makers = {output.name: path for path, plan in by_path.items() for output in plan.outputs}
    needs = {
        path: {makers[name] for step in plan.steps for name in step.requires if name in makers} - {path}
        for path, plan in by_path.items()
    }
    return tuple(by_path[path] for path in sort_by_needs(needs, what="the recipes"))
