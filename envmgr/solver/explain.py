"""A conflict in words: which of the user's lines cannot stand together, and the chain of reasons.

The reasons are a graph from the lines to what is missing or contradicted: the links of a short proof
(shorten.py), or else the premises of the search's own proof. They become a tree of causes, one plain sentence
each; candidates that one reason rules out are not ruled out again, versions are grouped into ranges, and the tree
is cut at `MAX_LINES`.
This module decides the words and nothing else: which lines are to blame is settled already (solve.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import DataError
from envmgr.models.match_spec import condition_text
from envmgr.solver.absent import Absent, every
from envmgr.solver.candidates import parse_match_spec
from envmgr.solver.clause import Asked, Clause, Conditional, Needs, leaves
from envmgr.solver.edits import GENERAL_HINT
from envmgr.solver.explanation import Cause, Explanation, nested
from envmgr.solver.ranges import (
    are_some_builds,
    describe_versions,
    is_plural,
    join_words,
    joined_range,
    plain_entries,
)
from envmgr.solver.searched import Searched
from envmgr.solver.shorten import short_reasons
from envmgr.solver.universe import extra_names, may_fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from envmgr.models.match_spec import MatchSpec
    from envmgr.models.record import PackageRecord
    from envmgr.models.requirement import Requirement
    from envmgr.solver.explanation import Outcome
    from envmgr.solver.links import Link
    from envmgr.solver.solve import Conflict
    from envmgr.solver.universe import Universe, Variable

MAX_LINES = 14
MAX_DEPTH = 6
MAX_SENTENCES = 200  # A puzzle's proof repeats itself; past this many it tells nothing new.
MAX_NAMES = 10


def explain(conflict: Conflict, *, names: Iterable[str] = (), channels: Sequence[str] = ()) -> Explanation:
    """The explanation of *conflict*.

    *names* are all names of the channels, for suggestions; they are read only when a line's name is missing.
    *channels* are the channels searched, as the user calls them, in the order of their ranks; empty where none was.
    """
    return _Teller(conflict, names, channels).tell()


class _Reason(Struct, frozen=True):
    """Candidates *carriers* of *source* accept only *allowed* of *target*; *link* has their entries."""

    source: int
    carriers: int
    target: int
    allowed: int
    entries: tuple[str, ...]
    optional: bool
    link: Link | None = None
    condition: str = ""
    line: Requirement | None = None
    identity: bool = False


class _Teller:
    """Writes one explanation."""

    def __init__(self, conflict: Conflict, names: Iterable[str], channels: Sequence[str]) -> None:
        self.conflict = conflict
        self.universe: Universe = conflict.universe
        self.searched = Searched(channels, conflict.problem.channel_rank, names)
        self.absent = Absent(self.universe, self.searched)
        self.causes: list[tuple[int, Cause]] = []
        self.sentences = 0
        self.reasons: dict[int, list[_Reason]] = {}
        self.asked: dict[int, list[Asked]] = {}
        self.accepted: dict[int, int] = {}  # what the lines leave of a name that they are about
        self.mentioned: dict[int, int] = {}  # what the lines so far leave of a name
        self.current: dict[int, int] = {}  # what one or another version of this line's package leaves of it
        short = short_reasons(conflict)
        for leaf in leaves(conflict.proof):
            self._sort(leaf, whole=short is None)
        for link, carriers in short or ():
            self._add(self._from_link(link, carriers, link.accepted(carriers)))

    def tell(self) -> Explanation:
        """The whole explanation."""
        requirements = self.conflict.requirements
        texts = [f"'{requirement.source.text}'" for requirement in requirements]
        if len(texts) > 1 and all(map(self.universe.offers_nothing, requirements)):
            words = join_words(texts[:MAX_NAMES], more=len(texts) - MAX_NAMES)
            self._tell_hopeless()
            return self._explanation(f"{words} cannot be fulfilled.")
        if len(texts) == 1:
            sentence = f"{texts[0]} ({requirements[0].source}) cannot be fulfilled."
        else:
            words = join_words(texts[:MAX_NAMES], more=len(texts) - MAX_NAMES)
            sentence = f"{words} cannot be fulfilled together."
            self.absent.hint = GENERAL_HINT
        self._tell_lines()
        if len(self.causes) > MAX_LINES:
            self.causes[MAX_LINES - 1 :] = [(0, Cause("more", "..."))]
        return self._explanation(sentence)

    def _explanation(self, sentence: str) -> Explanation:
        return Explanation(sentence, nested(self.causes), self.conflict.requirements, self.absent.hint)

    # Reading the proof

    def _sort(self, leaf: Clause, *, whole: bool) -> None:
        """Take in a premise; a link's only where the *whole* proof is told."""
        cause = leaf.cause
        if isinstance(cause, Asked):
            variable = leaf.variables[0]
            self.asked.setdefault(variable, []).append(cause)
            full = self.universe.variables[variable].full
            self.accepted[variable] = self.accepted.get(variable, full) & ~leaf.masks[0]
        elif isinstance(cause, Needs) and whole:
            self._add(self._from_link(cause.link, cause.carriers, cause.allowed))
        elif isinstance(cause, Conditional):
            self._add(self._conditional(leaf, cause))

    def _add(self, reason: _Reason) -> None:
        self.reasons.setdefault(reason.source, []).append(reason)

    def _from_link(self, link: Link, carriers: int, allowed: int) -> _Reason:
        entries = [entry for mask, some in link.entries if mask & carriers for entry in some]
        identity = self.universe.variables[link.source].base == link.target
        texts = tuple(plain_entries(entry.text for entry in entries))
        optional = all(entry.optional for entry in entries)
        return _Reason(
            link.source, carriers, link.target, allowed, texts, optional, link=link, identity=identity
        )

    def _conditional(self, leaf: Clause, cause: Conditional) -> _Reason:
        rule = cause.rule
        target = self.universe.variable(rule.target)
        refused = dict(leaf.terms()).get(target, -1)
        allowed = self.universe.variables[target].full & ~refused
        spec = f"{rule.spec.name} {rule.spec.version}" if rule.spec.version else rule.spec.name
        return _Reason(
            source=-1 if rule.source is None else rule.source,
            carriers=rule.carriers,
            target=target,
            allowed=allowed,
            entries=(spec,),
            optional=rule.optional,
            condition=join_words([condition_text(spec) for spec in rule.conditions]),
            line=rule.requirement,
        )

    # Writing the tree

    def _tell_hopeless(self) -> None:
        """One sentence for each line whose package has no record that may be used."""
        requirements = self.conflict.requirements
        if not self.searched.channels:
            self._say(0, "nothing", self.absent.package(requirements[0]), line=requirements[0])
            return
        for requirement in requirements[:MAX_NAMES]:
            sentence = self.absent.package(requirement, f" ({requirement.source})")
            self._say(0, "nothing", sentence, line=requirement)
        if len(requirements) > MAX_NAMES:
            self._say(0, "more", f"and {len(requirements) - MAX_NAMES} more")
        if len([line for line in requirements if self.absent.is_unknown(line.spec.name)]) > 1:
            self.absent.hint = "Check the spelling of these names, or add the channels that have them."

    def _tell_lines(self) -> None:
        """One tree for each line; a single line is the sentence already."""
        requirements = self.conflict.requirements
        depth = 0 if len(requirements) == 1 else 1
        for requirement in requirements:
            if depth:
                self._say(0, "line", f"{requirement.source.text} ({requirement.source})", line=requirement)
            for reason in self.reasons.get(-1, ()):
                if reason.line is requirement:
                    self._tell_reason(reason, 0, depth, frozenset())
            for name in (requirement.spec.name, *extra_names(requirement.spec)):
                self._tell_line(requirement, name, depth)
            for variable, left in self.current.items():
                self.mentioned[variable] = self.mentioned.get(variable, left) & left
            self.current.clear()

    def _tell_line(self, requirement: Requirement, name: str, depth: int) -> None:
        """What follows from a line for its package, or for one of its extras."""
        variable = self.universe.find(name)
        if variable is None or not self._is_last_line(variable, requirement):
            return
        accepted = self.accepted.get(variable, self._full(variable))
        if accepted & ~1:
            self._tell_reasons(variable, accepted, depth, frozenset())
        elif name == requirement.spec.name and (accepted or requirement.spec.when is None):
            self._tell_nothing_accepted(variable, requirement, depth)

    def _is_last_line(self, variable: int, requirement: Requirement) -> bool:
        name = self.universe.variables[variable].name
        about = [r for r in self.conflict.requirements if name in (r.spec.name, *extra_names(r.spec))]
        return requirement is about[-1]

    def _tell_nothing_accepted(self, variable: int, requirement: Requirement, depth: int) -> None:
        known = self.universe.variables[variable]
        asked = self.asked.get(variable, ())
        if self.universe.offers_nothing(requirement):
            sentence = self.absent.package(requirement)
        elif len(asked) > 1:
            hidden = self.absent.hidden(known, every([one.requirement.spec for one in asked]))
            sentence = f"no {known.name} fulfils all of these lines{hidden}"
        elif known.virtual:
            sentence = self.absent.machine(known)
        else:
            spec = requirement.spec
            sentence = f"{self.absent.versions(known, spec)}{self.absent.hidden(known, every([spec]))}"
        self._say(depth, "nothing", sentence, line=requirement)

    def _tell_reasons(self, variable: int, live: int, depth: int, above: frozenset[int]) -> None:
        """The reasons that rule out the candidates *live*; plain dead ends first, and each candidate once."""
        if variable in above or depth > MAX_DEPTH:
            return
        above |= {variable}
        reasons = [reason for reason in self.reasons.get(variable, ()) if reason.carriers & live]
        ends = [reason for reason in reasons if self._is_end(reason)]
        left = live
        while ends:
            best = max(ends, key=lambda reason: _reach(reason, left))
            ends.remove(best)
            if best.carriers & left:
                self._tell_reason(best, live & best.carriers & left, depth, above)
                left &= ~best.carriers
        for reason in reasons:
            if not self._is_end(reason) and reason.carriers & left:
                self._tell_reason(reason, reason.carriers & left, depth, above)

    def _is_end(self, reason: _Reason) -> bool:
        return not reason.allowed & self.accepted.get(reason.target, -1) or not reason.allowed

    def _tell_reason(self, reason: _Reason, carriers: int, depth: int, above: frozenset[int]) -> None:
        self.sentences += 1
        if self.sentences > MAX_SENTENCES or len(self.causes) > MAX_LINES:
            return
        allowed = reason.allowed if reason.link is None else reason.link.accepted(carriers)
        if not reason.identity:
            self._tell_need(reason, carriers, allowed, depth)
            depth += 1
        if not self._is_end(reason) and allowed & ~1:
            self._tell_reasons(reason.target, allowed & self.accepted.get(reason.target, -1), depth, above)

    # Writing a sentence

    def _tell_need(self, reason: _Reason, carriers: int, allowed: int, depth: int) -> None:
        target = self.universe.variables[reason.target]
        texts = self._entries(reason, carriers)
        subject, versions = self._subject(reason, carriers)
        where = f" where there is {reason.condition}" if reason.condition else ""
        words, outcome = self._outcome(reason, target, texts, allowed)
        left = allowed & ~1
        self._say(
            depth,
            "limit" if reason.optional else "need",
            f"{subject} {self._wanted(target, texts, allowed)}{where}{words}",
            line=reason.line,
            package=self.universe.variables[reason.source].name if reason.source >= 0 else "",
            versions=versions,
            entries=tuple(texts),
            target=target.name,
            allowed=describe_versions(target.candidates, left, target.full) if left else "",
            outcome=outcome,
            against=tuple(one.requirement for one in self.asked[reason.target]) if outcome == "line" else (),
        )

    def _subject(self, reason: _Reason, carriers: int) -> tuple[str, str]:
        """The beginning of a sentence, and the versions in it."""
        if reason.source < 0:
            return "this line needs", ""
        known = self.universe.variables[reason.source]
        candidates = known.candidates
        within = self.accepted.get(reason.source, known.full)
        versions = describe_versions(candidates, carriers, within)
        some = "some builds of " if are_some_builds(candidates, carriers, within) else ""
        if some or is_plural(candidates, carriers):
            verb = "work only with" if reason.optional else "need"
        else:
            verb = "works only with" if reason.optional else "needs"
        return f"{some}{known.name} {versions} {verb}", versions

    def _entries(self, reason: _Reason, carriers: int) -> list[str]:
        if reason.link is None:
            return list(reason.entries)
        classes = [some for mask, some in reason.link.entries if mask & carriers]
        return plain_entries(entry.text for some in classes for entry in some)

    def _wanted(self, known: Variable, texts: list[str], allowed: int) -> str:
        """What is asked for, in few words: the one entry, one range for all of them, or the versions left."""
        if known.full == 1 and not known.virtual:
            return known.name
        if len(texts) == 1:
            return texts[0]
        whole = joined_range(known.name, texts)
        if whole is not None and known.candidates.matching(whole) == allowed & ~1:
            return whole
        if allowed & ~1 and (len(texts) > 2 or any(len(text.split()) > 2 for text in texts)):
            return f"{known.name} {describe_versions(known.candidates, allowed, known.full)}"
        shown = [texts[0], *(text.removeprefix(known.name).strip() or "any" for text in texts[1:2])]
        return " or ".join(shown) + (f" (or {len(texts) - 2} other ranges)" if len(texts) > 2 else "")

    def _outcome(
        self, reason: _Reason, known: Variable, texts: list[str], allowed: int
    ) -> tuple[str, Outcome]:
        """How the sentence ends, and in one word: what stands against this need."""
        if reason.source == reason.target:
            return ", which it is not itself", "itself"
        if known.virtual:
            return f", but {self.absent.machine(known)}", "machine"
        if not allowed and known.full == 1 and not known.hidden:
            if not self.searched.channels:
                return f", but {self.absent.no_channel()}", "missing"
            return f", which is not in {self.searched.text}", "missing"
        if not allowed:
            versions = self.absent.versions(known, _spec_of(texts))
            return f", but {versions}{self.absent.hidden(known, _some(texts))}", "no version"
        if not allowed & self.accepted.get(reason.target, -1):
            return f", but {join_words([_asks(asked) for asked in self.asked[reason.target]])}", "line"
        before = self.mentioned.get(reason.target, allowed)
        if len(self.conflict.requirements) == 1:
            self.mentioned[reason.target] = before & allowed
        else:
            self.current[reason.target] = self.current.get(reason.target, 0) | allowed
        if before & allowed:
            return "", ""
        return f", which excludes the {known.name} above", "excluded"

    def _full(self, variable: int) -> int:
        return self.universe.variables[variable].full

    def _say(self, depth: int, kind: Any, sentence: str, **facts: Any) -> None:
        if depth == 0 or all((depth, sentence) != (at, cause.sentence) for at, cause in self.causes):
            self.causes.append((depth, Cause(kind, sentence, **facts)))


def _reach(reason: _Reason, left: int) -> tuple[int, int]:
    """How many of the candidates *left* a reason rules out, and then how good the best of them is."""
    reached = reason.carriers & left
    return reached.bit_count(), -(reached & -reached)


def _asks(asked: Asked) -> str:
    source = asked.requirement.source
    who = "you ask for" if source.file is None else f"{source} asks for"
    if asked.optional:
        who = "it is limited to" if source.file is None else f"{source} limits it to"
    return f"{who} {source.text}"


def _some(texts: Sequence[str]) -> Callable[[PackageRecord], bool]:
    """A test for what one of these entries accepts; an entry that cannot be read accepts nothing."""
    specs = [spec for spec in (_spec_of([text]) for text in texts) if spec is not None]
    return lambda record: any(may_fit(spec, record) for spec in specs)


def _spec_of(texts: Sequence[str]) -> MatchSpec | None:
    try:
        return parse_match_spec(texts[0]) if len(texts) == 1 else None
    except DataError:
        return None
