"""A conflict in words: which of the user's lines cannot stand together, and the chain of reasons.

The reasons are a graph from the lines to what is missing or contradicted: the links of a short proof
(shorten.py), or else the premises of the search's own proof. They become a tree of causes, one plain sentence
each; candidates that one reason rules out are not ruled out again, versions are grouped into ranges, and the tree
is cut to `MAX_LINES`.
This module decides the words and nothing else: which lines are to blame is settled already (solve.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.models.match_spec import condition_text
from envmgr.models.visible_text import shortened, visible
from envmgr.solver.absent import Absent, every
from envmgr.solver.clause import Asked, Clause, Conditional, Needs, leaves
from envmgr.solver.edits import GENERAL_HINT
from envmgr.solver.explanation import Cause, Explanation, cut, nested
from envmgr.solver.graph import joined, read_entry
from envmgr.solver.ranges import (
    MAX_RUNS,
    are_some_builds,
    common_range,
    describe_versions,
    is_plural,
    join_words,
    joined_range,
    plain_entries,
)
from envmgr.solver.searched import Searched
from envmgr.solver.shorten import short_reasons
from envmgr.solver.universe import UNREADABLE, extra_names, may_fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from envmgr.models.record import PackageRecord
    from envmgr.models.requirement import Requirement
    from envmgr.solver.explanation import Outcome
    from envmgr.solver.links import Link
    from envmgr.solver.solve import Conflict
    from envmgr.solver.universe import Universe, Variable

MAX_LINES = 14
MAX_SENTENCES = 200  # A puzzle's proof repeats itself; past this many it tells nothing new.
MAX_NAMES = 10
MAX_ENTRY = 60  # characters of an entry that cannot be read


def explain(conflict: Conflict, *, names: Iterable[str] = (), channels: Sequence[str] = ()) -> Explanation:
    """The explanation of *conflict*.

    *names* are all names of the channels, for suggestions; they are read only when a line's name is missing.
    *channels* are the channels searched, as the user calls them, in the order of their ranks; empty where none was.
    """
    return _Teller(conflict, names, channels).tell()


class _Reason(Struct, frozen=True):
    """Candidates *carriers* of *source* accept only *allowed* of *target*.

    *link* has their entries; where a condition decides, *spec* is what is asked for.
    """

    source: int
    carriers: int
    target: int
    allowed: int
    optional: bool
    spec: str = ""
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
        self.absent = Absent(self.universe, self.searched, conflict.problem.machine)
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
        if len(texts) > 1 and all(map(self.universe.refused_alone, requirements)):
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
        return self._explanation(sentence)

    def _explanation(self, sentence: str) -> Explanation:
        hint = self.absent.hint
        causes = cut(nested(self.causes), MAX_LINES, is_whole=self.sentences <= MAX_SENTENCES)
        requirements = self.conflict.requirements
        return Explanation(visible(sentence), causes, requirements, visible(hint) if hint else None)

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
        optional = all(entry.optional for entry in entries)
        return _Reason(link.source, carriers, link.target, allowed, optional, link=link, identity=identity)

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
            spec=spec,
            optional=rule.optional,
            condition=join_words([condition_text(spec) for spec in rule.conditions]),
            line=rule.requirement,
        )

    # Writing the tree

    def _tell_hopeless(self) -> None:
        """One sentence for each line that no record which may be used fits."""
        requirements = self.conflict.requirements
        if not self.searched.channels:
            self._say(0, "nothing", self.absent.package(requirements[0]), line=requirements[0])
            return
        for requirement in requirements[:MAX_NAMES]:
            self._say(0, "nothing", self._hopeless(requirement), line=requirement)
        if len(requirements) > MAX_NAMES:
            self._say(0, "more", f"and {len(requirements) - MAX_NAMES} more")
        if len([line for line in requirements if self.absent.is_unknown(line.spec.name)]) > 1:
            self.absent.hint = "Check the spelling of these names, or add the channels that have them."

    def _hopeless(self, requirement: Requirement) -> str:
        if self.universe.offers_nothing(requirement):
            return self.absent.package(requirement, f" ({requirement.source})")
        known = self.universe.variables[self.universe.variable(requirement.spec.name)]
        return f"{requirement.source.text} ({requirement.source}): {self._no_version(known, requirement)}"

    def _no_version(self, known: Variable, requirement: Requirement) -> str:
        spec = requirement.spec
        return f"{self.absent.versions(known, spec)}{self.absent.hidden(known, every([spec]))}"

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
            sentence = self._no_version(known, requirement)
        self._say(depth, "nothing", sentence, line=requirement)

    def _tell_reasons(self, variable: int, live: int, depth: int, above: frozenset[int]) -> None:
        """The reasons that rule out the candidates *live*; plain dead ends first, and each candidate once."""
        if variable in above:
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
        if self.sentences > MAX_SENTENCES:
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
        said = self._said(reason, carriers)
        who, versions, several = self._subject(reason, carriers)
        outcome: Outcome
        broken = said if target.name == UNREADABLE else [*map(_unreadable, said)]
        if not allowed & ~1 and all(broken):
            words, outcome = f"{'have' if several else 'has'} {_told_unreadable(broken)}", "unreadable"
        else:
            verb = ("work only with" if several else "works only with") if reason.optional else "need"
            verb = f"{verb}{'' if several or reason.optional else 's'}"
            where = f" where there is {reason.condition}" if reason.condition else ""
            ending, outcome = self._outcome(reason, target, said, allowed)
            words = f"{verb} {self._wanted(target, said, allowed)}{where}{ending}"
        left = allowed & ~1
        self._say(
            depth,
            "limit" if reason.optional else "need",
            f"{who} {words}",
            line=reason.line,
            package=self.universe.variables[reason.source].name if reason.source >= 0 else "",
            versions=versions,
            entries=tuple(plain_entries(text for texts in said for text in texts)),
            target=target.name,
            allowed=describe_versions(target.candidates, left, target.full) if left else "",
            outcome=outcome,
            against=tuple(one.requirement for one in self.asked[reason.target]) if outcome == "line" else (),
        )

    def _subject(self, reason: _Reason, carriers: int) -> tuple[str, str, bool]:
        """Who speaks in a sentence: in words, the versions among them, and whether they are several."""
        if reason.source < 0:
            return "this line", "", False
        known = self.universe.variables[reason.source]
        candidates = known.candidates
        within = self.accepted.get(reason.source, known.full)
        versions = describe_versions(candidates, carriers, within)
        some = "some builds of " if are_some_builds(candidates, carriers, within) else ""
        return f"{some}{known.name} {versions}", versions, bool(some) or is_plural(candidates, carriers)

    def _said(self, reason: _Reason, carriers: int) -> list[tuple[str, ...]]:
        """What the candidates say of the target: the entries of each class of them, which hold together."""
        if reason.link is None:
            return [(reason.spec,)]
        classes = [each.entries for each in reason.link.entries if each.carriers & carriers]
        return list(dict.fromkeys(tuple(plain_entries(e.text for e in entries)) for entries in classes))

    def _wanted(self, known: Variable, said: Sequence[tuple[str, ...]], allowed: int) -> str:
        """What is asked for, in few words: the one entry, one range for all of them, or the versions left."""
        if known.full == 1 and not known.virtual:
            return known.name
        texts = plain_entries(_together(known.name, entries) for entries in said)
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
        self, reason: _Reason, known: Variable, said: Sequence[tuple[str, ...]], allowed: int
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
            only = read_entry(_together(known.name, said[0])) if len(said) == 1 else None
            return (
                f", but {self.absent.versions(known, only)}{self.absent.hidden(known, _some(said))}",
                "no version",
            )
        if not allowed & self.accepted.get(reason.target, -1):
            return f", but {self._all_ask(self.asked[reason.target])}", "line"
        before = self.mentioned.get(reason.target, allowed)
        if len(self.conflict.requirements) == 1:
            self.mentioned[reason.target] = before & allowed
        else:
            self.current[reason.target] = self.current.get(reason.target, 0) | allowed
        if before & allowed:
            return "", ""
        return f", which excludes the {known.name} above", "excluded"

    def _all_ask(self, lines: Sequence[Asked]) -> str:
        """What the lines about a name say, in their order; each place that has several is named once."""
        places = {id(line): place for place, line in enumerate(self.conflict.requirements)}
        told: dict[str, dict[str, None]] = {}
        for asked in sorted(lines, key=lambda asked: places.get(id(asked.requirement), 0)):
            told.setdefault(_asker(asked), {})[asked.requirement.source.text] = None
        return join_words([f"{who} {join_words(list(texts))}" for who, texts in told.items()])

    def _full(self, variable: int) -> int:
        return self.universe.variables[variable].full

    def _say(self, depth: int, kind: Any, sentence: str, **facts: Any) -> None:
        sentence = visible(sentence)
        if depth == 0 or all((depth, sentence) != (at, cause.sentence) for at, cause in self.causes):
            self.causes.append((depth, Cause(kind, sentence, **facts)))


def _reach(reason: _Reason, left: int) -> tuple[int, int]:
    """How many of the candidates *left* a reason rules out, and then how good the best of them is."""
    reached = reason.carriers & left
    return reached.bit_count(), -(reached & -reached)


def _asker(asked: Asked) -> str:
    source = asked.requirement.source
    if asked.optional:
        return "it is limited to" if source.file is None else f"{source} limits it to"
    return "you ask for" if source.file is None else f"{source} asks for"


def _together(name: str, entries: Sequence[str]) -> str:
    """The entries of one class as one: a range where they are ranges, or else one behind the other."""
    if len(entries) == 1:
        return entries[0]
    bounded = [text for text in entries if text.strip() != name]
    return common_range(name, bounded) or joined(entries)


def _unreadable(entries: Iterable[str]) -> tuple[str, ...]:
    """Those of *entries* that are no specs."""
    return tuple(text for text in entries if read_entry(text) is None)


def _told_unreadable(broken: Iterable[Iterable[str]]) -> str:
    texts = list(dict.fromkeys(shortened(text, MAX_ENTRY) for entries in broken for text in entries))
    told = join_words([f"'{text}'" for text in texts[:MAX_RUNS]], more=len(texts) - MAX_RUNS)
    return f"the {'entry' if len(texts) == 1 else 'entries'} {told}, which cannot be read"


def _some(said: Iterable[Iterable[str]]) -> Callable[[PackageRecord], bool]:
    """A test for what all entries of one class accept; an entry that cannot be read accepts nothing."""
    classes = [[read_entry(text) for text in entries] for entries in said]
    return lambda record: any(
        all(spec is not None and may_fit(spec, record) for spec in specs) for specs in classes
    )
