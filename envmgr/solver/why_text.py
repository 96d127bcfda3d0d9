"""The answer of why.py in words: who asked, who needs it, what keeps it from being newer. Values in, lines out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.models.virtual_package import override_variable
from envmgr.models.visible_text import visible
from envmgr.solver.graph import told_need

if TYPE_CHECKING:
    from envmgr.solver.blockers import Blocker, Holder
    from envmgr.solver.why import Change, Newest, Request, Step, Why

MOST_REQUESTS = 5
MOST_DEPENDANTS = 8
MOST_BLOCKERS = 6
MOST_CHANGES = 8
MOST_HOLDERS = 3
MOST_SPECS = 3


def why_lines(why: Why) -> list[str]:
    """The whole answer, a sentence or part of one a line."""
    places = {"machine": "on this machine", "pypi": "from PyPI"}
    from_where = places.get(why.newest.verdict, f"{why.build} from {why.channel}")
    lines = [
        f"{why.name} {why.version} ({from_where})",
        "",
        *_request_lines(why),
        *_dependant_lines(why),
        "",
        *newest_lines(why),
    ]
    return [*map(visible, lines)]


def _request_lines(why: Why) -> list[str]:
    if not why.request_count:
        return ["What was asked for is not on record."]
    if not why.requests:
        return ["Nothing that was asked for leads to it."]
    lines = [f"It is there because of {_of(len(why.requests), why.request_count)}:"]
    for request in sorted(why.requests, key=_length)[:MOST_REQUESTS]:
        lines.append(f"  {request.line} ({request.place})")
        lines += [f"    {_step(step)}" for step in request.steps]
    return lines + _more(len(why.requests) - MOST_REQUESTS, "request")


def _length(request: Request) -> int:
    return len(request.steps)


def _of(count: int, whole: int) -> str:
    if whole == 1:
        return "the only request"
    return f"all {whole} requests" if count == whole else f"{count} of {whole} requests"


def _dependant_lines(why: Why) -> list[str]:
    """Who needs it directly, unless the chains above have told all of them."""
    shown = sorted(why.requests, key=_length)[:MOST_REQUESTS]
    told = {request.steps[-1].package for request in shown if request.steps}
    if not why.dependants:
        return ["No package needs it."]
    rest = [step for step in why.dependants if step.package not in told]
    if not rest:
        return []
    count = len(why.dependants)
    lines = [f"{count} packages need it:" if count > 1 else "One package needs it:"]
    lines += [f"  {_step(step)}" for step in why.dependants[:MOST_DEPENDANTS]]
    return lines + _more(count - MOST_DEPENDANTS, "package")


def _step(step: Step) -> str:
    return f"{step.package} {step.version} needs {told_need(step.specs, step.extras)}"


def _more(count: int, noun: str) -> list[str]:
    return [f"  and {count} more {noun}{'s' if count > 1 else ''}"] if count > 0 else []


# How it stands to the newest


def newest_lines(why: Why) -> list[str]:
    """What keeps the package from being newer."""
    newest, name = why.newest, why.name
    if newest.verdict == "machine":
        return [f"No channel brings it; {override_variable(name)} overrides what this machine says."]
    if newest.verdict == "pypi" and newest.reason:
        return [f"PyPI was not asked for newer ones: {newest.reason}."]
    if newest.verdict == "pypi":
        return [
            f"PyPI was not asked; envmgr update --dry-run {name} tells whether it has a newer one that fits."
        ]
    if newest.verdict == "unknown":
        return [f"Whether there is a newer one is not known: {newest.reason.rstrip('.')}."]
    if newest.verdict == "unlisted":
        return [f"The channels do not list {name}, so nothing newer is known."]
    if newest.verdict == "newest":
        if newest.version == why.version:
            return [f"It is the newest that {newest.channel} has."]
        return [f"It is newer than what the channels have: {name} {newest.version} from {newest.channel}."]
    lines = [f"The newest is {newest.version} from {newest.channel}."]
    return [*lines, *_blocker_lines(why), *_solve_lines(why)]


def staying_text(why: Why) -> str:
    """Why the package is not newer, in a few words, where nothing was solved to find out more."""
    newest = why.newest
    if newest.verdict == "newest":
        return "it is the newest"
    if newest.version is None or newest.verdict == "pypi":
        return "nothing newer is known"
    against = f"{newest.version} does not go with what stays"
    if newest.blockers:
        against += f": {_blocker(newest.blockers[0]).removesuffix(':')}"
    return visible(against)


def _blocker_lines(why: Why) -> list[str]:
    newest = why.newest
    if not newest.blockers:
        return []
    where = f" (its build {newest.build} comes closest)" if newest.build else ""
    lines = [f"Against {why.name} {newest.version} stands{where}:"]
    for blocker in newest.blockers[:MOST_BLOCKERS]:
        lines += [f"  {_blocker(blocker)}", *_holder_lines(blocker)]
    return lines + _more(len(newest.blockers) - MOST_BLOCKERS, "reason")


def _blocker(blocker: Blocker) -> str:
    specs = _specs(blocker)
    if blocker.kind == "line":
        return f"{_asker(blocker.place)} {specs}"
    if blocker.kind in ("package", "constraint"):
        verb = "needs" if blocker.kind == "package" else "works only with"
        return f"{blocker.package} {verb} {specs}{_held(blocker, ', and ')}"
    if blocker.kind in ("dependency", "exclusion"):
        verb = "needs" if blocker.kind == "dependency" else "works only with"
        there = f"{blocker.target} is {blocker.found}"
        return f"{blocker.package} {verb} {specs}, but {there}{_held(blocker, ' because ')}"
    if blocker.kind == "machine":
        has = f"{blocker.target} {blocker.found}" if blocker.found else f"no {blocker.target}"
        variable = override_variable(blocker.target)
        return f"{blocker.package} needs {specs}, but this machine has {has} ({variable} overrides it)"
    return _rule(blocker, specs)


def _rule(blocker: Blocker, specs: str) -> str:
    if blocker.kind == "platform":
        return f"{blocker.package} needs {specs}, which this platform never has"
    if blocker.kind == "missing":
        return f"{blocker.package} needs {specs}, of which no record may be used"
    if blocker.kind == "channel":
        first = f"{blocker.channel or 'another channel'} has {blocker.target} {blocker.found or ''}".rstrip()
        return f"{first} and comes first (strict channel priority; --channel-priority flexible changes that)"
    if blocker.kind == "date":
        return "it is newer than the date of --exclude-newer"
    if blocker.kind == "strategy":
        return f"--strategy {specs} takes the lowest version"
    return f"it tracks features ({' '.join(blocker.specs)}), and records that track fewer come first"


def _specs(blocker: Blocker) -> str:
    """What the blocker says, with a word between what several builds say in turn."""
    texts = blocker.specs
    shown = (
        [texts[0], *(text.removeprefix(f"{blocker.target} ") for text in texts[1:MOST_SPECS])]
        if texts
        else []
    )
    more = f" (or {len(texts) - MOST_SPECS} more)" if len(texts) > MOST_SPECS else ""
    return " or ".join(shown) + more


def _held(blocker: Blocker, before: str) -> str:
    """The one who holds a blocker, in the same sentence; or the colon before several."""
    if len(blocker.held_by) == 1:
        return f"{before}{_holder(blocker.held_by[0])}"
    return ":" if blocker.held_by else ""


def _holder_lines(blocker: Blocker) -> list[str]:
    """Several who hold a blocker, one a line."""
    holders = blocker.held_by
    if len(holders) < 2:
        return []
    lines = [f"    {_holder(holder)}" for holder in holders[:MOST_HOLDERS]]
    return lines + [f"  {line}" for line in _more(len(holders) - MOST_HOLDERS, "reason")]


def _holder(holder: Holder) -> str:
    if holder.package is not None:
        return f"{holder.package} {'works only with' if holder.optional else 'needs'} {holder.spec}"
    return f"{_asker(holder.place)} {holder.spec}"


def _asker(place: str | None) -> str:
    return "you ask for" if place == "command line" else f"{place} asks for"


def _solve_lines(why: Why) -> list[str]:
    newest = why.newest
    if newest.verdict == "undecided":
        return [f"Whether a newer one could be had is not decided: {newest.reason}"]
    if newest.reachable is not None:
        return _reachable_lines(why, newest)
    final = any(blocker.is_final for blocker in newest.blockers)
    if newest.conflict and not final:
        return [f"Nothing newer than {why.version} can be had:", *(f"  {line}" for line in newest.conflict)]
    return [f"Nothing newer than {why.version} can be had with these requests."]


def _reachable_lines(why: Why, newest: Newest) -> list[str]:
    """What a newer version would cost."""
    wish = f"{why.name} >{why.version}"
    if not newest.changes:
        return [f"A request for '{wish}' brings {newest.reachable} and changes nothing else."]
    cost = "for this price" if newest.verdict == "trade-off" else "with these changes, and nothing gets older"
    lines = [f"A request for '{wish}' brings {newest.reachable}, {cost}:"]
    lines += [f"  {_change(change)}" for change in newest.changes[:MOST_CHANGES]]
    return lines + _more(len(newest.changes) - MOST_CHANGES, "change")


def _change(change: Change) -> str:
    asked = ", which was asked for" if change.asked else ""
    if change.kind == "removed":
        return f"{change.name} {change.before} goes{asked}"
    if change.kind == "added":
        return f"{change.name} {change.after} comes"
    if change.kind == "rebuilt":
        return f"{change.name} {change.after} in another build"
    return f"{change.name} {change.after} instead of {change.before} ({change.kind}{asked})"
