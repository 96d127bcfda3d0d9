"""Why a package is in an environment or a plan, and why in this version (envmgr.solver.why answers)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from envmgr.errors import ChannelError, PrefixError, SolveError
from envmgr.ops.chosen import Chosen, ChosenRequest, checked_name, choose, found_name, machine_of
from envmgr.ops.resolve import ResolveOptions, open_index

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envmgr.channels.index import Index
    from envmgr.host.probe import VirtualPackages
    from envmgr.ops.context import Context
    from envmgr.solver.problem import Problem
    from envmgr.solver.why import Question, Why


class WhyRequest(Struct, frozen=True):
    """Why is the package *name* among the chosen records?"""

    name: str
    chosen: ChosenRequest = field(default_factory=ChosenRequest)


class _Names:
    """All package names of an index, read only when somebody goes through them."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def __iter__(self) -> Iterator[str]:
        return iter(self._index.names())


def why(request: WhyRequest, context: Context) -> Why:
    """The answer; of an environment also where no index can be had, which the answer then says.

    Raises PrefixError (of an environment) or SolveError (of a plan) for a package that is not there, and what
    `choose` raises.
    """
    from envmgr.solver.why import answer_why

    asked = checked_name(request.name)
    chosen, context = choose(request.chosen, context)
    name = found_name(asked, {record.name for record in (*chosen.records, *chosen.distributions)})
    question = _question(name, chosen, request.chosen.options, context)
    answer = answer_why(question)
    if answer is None:
        raise _missing(question, chosen)
    return answer


def _question(name: str, chosen: Chosen, options: ResolveOptions, context: Context) -> Question:
    from envmgr.host.probe import virtual_packages
    from envmgr.solver.why import Question

    virtual = virtual_packages(chosen.subdir, context.environ)
    index, reason = _index(chosen, context)
    return Question(
        name=name,
        records=chosen.records,
        requirements=chosen.requirements,
        distributions=chosen.distributions,
        distribution_lines=chosen.distribution_lines,
        machine=machine_of(virtual),
        subdir=chosen.subdir,
        installed=chosen.prefix is not None,
        problem=None if index is None else _problem(chosen, index, virtual, options, context),
        reason=reason,
        channels=() if index is None else tuple(channel.name for channel in index.channels),
        names=() if index is None else _Names(index),
    )


def _index(chosen: Chosen, context: Context) -> tuple[Index | None, str]:
    """The index, or why there is none; who needs whom is known without it."""
    if not chosen.channels:
        return None, "no channel is known"
    try:
        return open_index(chosen.channels, chosen.subdir, context), ""
    except ChannelError as error:
        return None, str(error)


def _problem(
    chosen: Chosen, index: Index, virtual: VirtualPackages, options: ResolveOptions, context: Context
) -> Problem:
    from envmgr.ops.resolve import Candidates, make_problem

    candidates = Candidates(index, virtual, options, context)
    return make_problem(chosen.requirements, candidates, options, context, chosen.limits)


def _missing(question: Question, chosen: Chosen) -> PrefixError | SolveError:
    """One sentence on a package that is not there: whether the channels have it, or what may have been meant."""
    from envmgr.solver.ranges import join_words
    from envmgr.solver.searched import Searched
    from envmgr.solver.why import newest_records

    name, many = question.name, len(question.channels) > 1
    sentence, hint = f"{name} is not in {chosen}", None
    known = [record.shown_name for record in (*question.records, *question.distributions)]
    near = Searched((), {}, known).near(name)
    listed = newest_records(question.problem, name) if question.problem else []
    if listed:
        found = f"{join_words(question.channels)} {'have' if many else 'has'} {name} {listed[0].version}"
        sentence += f", where nothing asked for it; {found}"
    elif question.problem:
        sentence += f", and {join_words(question.channels)} {'do' if many else 'does'} not have it"
        near = near or Searched((), {}, question.names).near(name)
    if near:
        hint = f"Did you mean {' or '.join(near)}?"
    kind = SolveError if chosen.prefix is None else PrefixError
    return kind(f"{sentence}.", hint=hint, package=name, near_names=near)
