"""A conflict in words: which of the user's lines cannot stand together, and the chain of reasons.

The reasons are the premises of the proof that were not learned: they make a graph from the lines to what is
missing or contradicted. It is written as an indented tree, one plain sentence a line; candidates that one
reason rules out are not ruled out again, versions are grouped into ranges, and the tree is cut at `MAX_LINES`.
This module decides the words and nothing else: which lines are to blame is settled already (solve.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import DataError
from envmgr.models.match_spec import condition_text
from envmgr.models.version import Version
from envmgr.models.virtual_package import override_variable
from envmgr.solver.candidates import parse_match_spec
from envmgr.solver.clause import Asked, Clause, Conditional, Needs, leaves
from envmgr.solver.edits import GENERAL_HINT
from envmgr.solver.ranges import (
    MAX_RUNS,
    describe_versions,
    is_plural,
    join_words,
    neighbours,
    plain_entries,
)
from envmgr.solver.searched import Searched
from envmgr.solver.universe import extra_names, may_fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from envmgr.models.match_spec import MatchSpec
    from envmgr.models.record import PackageRecord
    from envmgr.models.requirement import Requirement
    from envmgr.solver.solve import Conflict
    from envmgr.solver.universe import Universe, Variable

MAX_LINES = 14
MAX_DEPTH = 6
MAX_SENTENCES = 200  # A puzzle's proof repeats itself; past this many it tells nothing new.
MAX_NAMES = 10
MAX_VERSION = 40  # characters of a version that cannot be read


class Explanation(Struct, frozen=True):
    """Why a request cannot be fulfilled: one *sentence*, then *lines* of an indented tree, and what can be done."""

    sentence: str
    lines: tuple[str, ...]
    requirements: tuple[Requirement, ...]
    hint: str | None = None

    def __str__(self) -> str:
        return "\n".join((self.sentence, *(f"  {line}" for line in self.lines)))


def explain(conflict: Conflict, *, names: Iterable[str] = (), channels: Sequence[str] = ()) -> Explanation:
    """The explanation of *conflict*.

    *names* are all names of the channels, for suggestions; they are read only when a line's name is missing.
    *channels* are the channels searched, as the user calls them, in the order of their ranks; empty where none was.
    """
    return _Teller(conflict, names, channels).tell()


class _Reason(Struct, frozen=True):
    """Candidates *carriers* of *source* accept only *allowed* of *target*."""

    source: int
    carriers: int
    target: int
    allowed: int
    entries: tuple[str, ...]
    optional: bool
    condition: str = ""
    line: Requirement | None = None
    identity: bool = False


class _Teller:
    """Writes one explanation."""

    def __init__(self, conflict: Conflict, names: Iterable[str], channels: Sequence[str]) -> None:
        self.conflict = conflict
        self.universe: Universe = conflict.universe
        self.searched = Searched(channels, conflict.problem.channel_rank, names)
        self.lines: list[str] = []
        self.hint: str | None = None
        self.sentences = 0
        self.reasons: dict[int, list[_Reason]] = {}
        self.asked: dict[int, list[Asked]] = {}
        self.accepted: dict[int, int] = {}  # what the lines leave of a name that they are about
        self.mentioned: dict[int, int] = {}  # what the sentences so far leave of a name
        for leaf in leaves(conflict.proof):
            self._sort(leaf)

    def tell(self) -> Explanation:
        """The whole explanation."""
        requirements = self.conflict.requirements
        texts = [f"'{requirement.source.text}'" for requirement in requirements]
        if len(texts) > 1 and all(map(self.universe.offers_nothing, requirements)):
            words = join_words(texts[:MAX_NAMES], more=len(texts) - MAX_NAMES)
            self._tell_hopeless()
            return Explanation(f"{words} cannot be fulfilled.", tuple(self.lines), requirements, self.hint)
        if len(texts) == 1:
            sentence = f"{texts[0]} ({requirements[0].source}) cannot be fulfilled."
        else:
            sentence = f"{join_words(texts)} cannot be fulfilled together."
            self.hint = GENERAL_HINT
        self._tell_lines()
        if len(self.lines) > MAX_LINES:
            self.lines[MAX_LINES - 1 :] = ["..."]
        return Explanation(sentence, tuple(self.lines), requirements, self.hint)

    # Reading the proof

    def _sort(self, leaf: Clause) -> None:
        cause = leaf.cause
        if isinstance(cause, Asked):
            variable = leaf.variables[0]
            self.asked.setdefault(variable, []).append(cause)
            full = self.universe.variables[variable].full
            self.accepted[variable] = self.accepted.get(variable, full) & ~leaf.masks[0]
        elif isinstance(cause, Needs):
            self._add(self._needs(cause))
        elif isinstance(cause, Conditional):
            self._add(self._conditional(leaf, cause))

    def _add(self, reason: _Reason) -> None:
        self.reasons.setdefault(reason.source, []).append(reason)

    def _needs(self, cause: Needs) -> _Reason:
        link = cause.link
        entries = [entry for carriers, some in link.entries if carriers & cause.carriers for entry in some]
        identity = self.universe.variables[link.source].base == link.target
        texts = tuple(plain_entries(entry.text for entry in entries))
        optional = all(entry.optional for entry in entries)
        return _Reason(
            link.source, cause.carriers, link.target, cause.allowed, texts, optional, identity=identity
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

    # Names that have nothing to offer

    def _tell_hopeless(self) -> None:
        """One sentence for each line whose package has no record that may be used."""
        requirements = self.conflict.requirements
        if not self.searched.channels:
            self._say(0, self._nothing(requirements[0]))
            return
        for requirement in requirements[:MAX_NAMES]:
            self._say(0, self._nothing(requirement, f" ({requirement.source})"))
        if len(requirements) > MAX_NAMES:
            self._say(0, f"and {len(requirements) - MAX_NAMES} more")
        if len([line for line in requirements if self._is_unknown(line.spec.name)]) > 1:
            self.hint = "Check the spelling of these names, or add the channels that have them."

    def _nothing(self, requirement: Requirement, place: str = "") -> str:
        """Why no record of a line's package may be used; *place* goes behind the name."""
        spec, searched = requirement.spec, self.searched
        known = self.universe.variables[self.universe.variable(spec.name)]
        if known.hidden:
            return f"no {known.name} may be used{place}{self._hidden(known, _every([spec]))}"
        if not searched.channels:
            return self._no_channel()
        if searched.lists(known.name):
            return f"{searched.text} {searched.verb} no {known.name} that can be read{place}"
        return f"{searched.text} {searched.verb} no {known.name}{place}{self._near(known.name)}"

    def _is_unknown(self, name: str) -> bool:
        hidden = self.universe.variables[self.universe.variable(name)].hidden
        return not hidden and not self.searched.lists(name)

    def _near(self, name: str) -> str:
        near = self.searched.near(name)
        if not near:
            self.hint = f"Check the spelling of '{name}', or add the channel that has it."
            return ""
        self.hint = f"Did you mean {' or '.join(near)}?"
        return f"; near names: {join_words(near)}"

    def _no_channel(self) -> str:
        self.hint = "Name a channel with -c."
        return "no channel was searched"

    # Writing the tree

    def _tell_lines(self) -> None:
        """One tree for each line; a single line is the sentence already."""
        requirements = self.conflict.requirements
        depth = 0 if len(requirements) == 1 else 1
        for requirement in requirements:
            if depth:
                self._say(0, f"{requirement.source.text} ({requirement.source})")
            for reason in self.reasons.get(-1, ()):
                if reason.line is requirement:
                    self._tell_reason(reason, 0, depth, frozenset())
            for name in (requirement.spec.name, *extra_names(requirement.spec)):
                self._tell_line(requirement, name, depth)

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
            self._say(depth, self._nothing(requirement))
        elif len(asked) > 1:
            hidden = self._hidden(known, _every([one.requirement.spec for one in asked]))
            self._say(depth, f"no {known.name} fulfils all of these lines{hidden}")
        elif known.virtual:
            self._say(depth, self._virtual(known))
        else:
            spec = requirement.spec
            self._say(depth, f"{self._none_like_that(known, spec)}{self._hidden(known, _every([spec]))}")

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
        if self.sentences > MAX_SENTENCES or len(self.lines) > MAX_LINES:
            return
        allowed = self._narrowed(reason, carriers)
        if not reason.identity:
            self._say(depth, f"{self._subject(reason, carriers)} {self._object(reason, carriers, allowed)}")
            depth += 1
        if not self._is_end(reason) and allowed & ~1:
            self._tell_reasons(reason.target, allowed & self.accepted.get(reason.target, -1), depth, above)

    def _narrowed(self, reason: _Reason, carriers: int) -> int:
        """What these carriers alone accept of the target."""
        for link in self.universe.links(reason.source) if reason.source >= 0 else ():
            if link.target == reason.target and not reason.condition:
                return link.accepted(carriers)
        return reason.allowed

    def _subject(self, reason: _Reason, carriers: int) -> str:
        if reason.source < 0:
            return "this line needs"
        known = self.universe.variables[reason.source]
        candidates = known.candidates
        versions = describe_versions(candidates, carriers, self.accepted.get(reason.source, known.full))
        verb = "work only with" if reason.optional else "need"
        if not is_plural(candidates, carriers):
            verb = "works only with" if reason.optional else "needs"
        return f"{known.name} {versions} {verb}"

    def _object(self, reason: _Reason, carriers: int, allowed: int) -> str:
        known = self.universe.variables[reason.target]
        texts = self._entries(reason, carriers)
        wanted = self._wanted(known, texts, allowed)
        if reason.condition:
            wanted += f" where there is {reason.condition}"
        return wanted + self._outcome(reason, known, texts, allowed)

    def _entries(self, reason: _Reason, carriers: int) -> list[str]:
        for link in self.universe.links(reason.source) if reason.source >= 0 and not reason.condition else ():
            if link.target == reason.target:
                classes = [some for mask, some in link.entries if mask & carriers]
                return plain_entries(entry.text for some in classes for entry in some)
        return list(reason.entries)

    def _wanted(self, known: Variable, texts: list[str], allowed: int) -> str:
        if len(texts) == 1:
            return texts[0]
        if known.full == 1:
            return known.name
        if len(texts) > 2 and allowed & ~1:
            return f"{known.name} {describe_versions(known.candidates, allowed, known.full)}"
        shown = [texts[0], *(text.removeprefix(known.name).strip() or "any" for text in texts[1:2])]
        return " or ".join(shown) + (f" (or {len(texts) - 2} other ranges)" if len(texts) > 2 else "")

    def _outcome(self, reason: _Reason, known: Variable, texts: list[str], allowed: int) -> str:
        """How the sentence ends: what stands against this need."""
        accepted = self.accepted.get(reason.target, -1)
        if reason.source == reason.target:
            return ", which it is not itself"
        if known.virtual:
            return f", but {self._virtual(known)}"
        if not allowed and known.full == 1 and not known.hidden:
            if not self.searched.channels:
                return f", but {self._no_channel()}"
            return f", which is not in {self.searched.text}"
        if not allowed:
            return f", but {self._none_like_that(known, _spec_of(texts))}{self._hidden(known, _some(texts))}"
        if not allowed & accepted:
            return f", but {self._other_lines(reason.target)}"
        before = self.mentioned.get(reason.target)
        if before is None:
            self.mentioned[reason.target] = allowed
            return ""
        self.mentioned[reason.target] = before & allowed
        return "" if before & allowed else f", which excludes the {known.name} above"

    def _other_lines(self, variable: int) -> str:
        return join_words([_asks(asked) for asked in self.asked.get(variable, ())])

    def _none_like_that(self, known: Variable, spec: MatchSpec | None) -> str:
        """What the channels have where no candidate fits: the versions beside the one that was asked for."""
        channels = f"{self.searched.text} {self.searched.verb}"
        if known.full == 1:
            return f"no {known.name} may be used"
        if spec is not None and spec.version is not None:
            matches = spec.version.matches
            if any(matches(Version.parse(text)) for text in known.candidates.versions_in(known.full)):
                return f"{channels} only other builds of {known.name} {spec.version}"
            beside = neighbours(known.candidates, str(spec.version))
            if beside:
                return f"{channels} none; the nearest {known.name} is {' or '.join(beside)}"
        versions = describe_versions(known.candidates, known.full & ~1, known.full)
        return f"{channels} only {known.name} {versions}"

    def _hidden(self, known: Variable, fits: Callable[[PackageRecord], bool]) -> str:
        """A word on the records that would fit if they could be read or no rule of this solve hid them."""
        fitting = [hidden for hidden in known.hidden if fits(hidden.record)]
        if known.full == 1:
            fitting = fitting or list(known.hidden)
        by_reason: dict[str, list[PackageRecord]] = {}
        for hidden in fitting:
            by_reason.setdefault(hidden.reason, []).append(hidden.record)
        words = []
        if "unreadable" in by_reason:
            words.append(self._unreadable(known.name, by_reason["unreadable"]))
        if "channel" in by_reason:
            whose = f"the {known.name} of {self._places(by_reason['channel'])}"
            words.append(f"strict channel priority hides {whose}")
            self.hint = f"Try --channel-priority flexible, which takes in {whose}."
        if "newer" in by_reason:
            words.append("newer ones are excluded by date")
        return "".join(f"; {word}" for word in words)

    def _unreadable(self, name: str, records: Sequence[PackageRecord]) -> str:
        versions = list(dict.fromkeys(_shortened(record.version) for record in records))
        told = join_words(versions[:MAX_RUNS], more=len(versions) - MAX_RUNS)
        has = "has an unreadable version" if len(versions) == 1 else "have unreadable versions"
        return f"{name} {told} of {self._places(records)} {has}"

    def _places(self, records: Sequence[PackageRecord]) -> str:
        return join_words(list(dict.fromkeys(self.searched.place_of(record) for record in records)))

    def _virtual(self, known: Variable) -> str:
        variable = override_variable(known.name)
        self.hint = f"Set {variable} to solve for another machine."
        found = known.candidates.records
        has = f"has {known.name} {found[0].version}" if found else f"has no {known.name}"
        return f"this machine {has} ({variable} overrides it)"

    def _full(self, variable: int) -> int:
        return self.universe.variables[variable].full

    def _say(self, depth: int, sentence: str) -> None:
        line = "  " * depth + sentence
        if line not in self.lines or depth == 0:
            self.lines.append(line)


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


def _every(specs: Sequence[MatchSpec]) -> Callable[[PackageRecord], bool]:
    return lambda record: all(may_fit(spec, record) for spec in specs)


def _some(texts: Sequence[str]) -> Callable[[PackageRecord], bool]:
    """A test for what one of these entries accepts; an entry that cannot be read accepts nothing."""
    specs = [spec for spec in (_spec_of([text]) for text in texts) if spec is not None]
    return lambda record: any(may_fit(spec, record) for spec in specs)


def _shortened(version: str) -> str:
    """A version that follows no rule, as it may stand in a sentence."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in version[: MAX_VERSION + 1])
    return plain if len(plain) <= MAX_VERSION else f"{plain[:MAX_VERSION]}..."


def _spec_of(texts: Sequence[str]) -> MatchSpec | None:
    try:
        return parse_match_spec(texts[0]) if len(texts) == 1 else None
    except DataError:
        return None
