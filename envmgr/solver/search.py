"""The state of one search: domains, the trail of their changes, and unit propagation.

The domain of a variable is an int: the values that are still possible (bit 0 "not installed"). Domains only
shrink until a backjump undoes the newest changes. Every change is an entry of the trail with its level and its
reason: a `Link` (read anew when a conflict asks for it), a `Clause`, or None for a decision. Facts about a
single variable (the user's lines, virtual packages) hold from the moment it appears and are never undone.
A name is loaded when every remaining candidate of a needed package needs it.

What this module does not do: choose (decide.py), learn (analyse.py), know records (universe.py). Hot path:
parallel lists of ints, methods with inlined loops. The invariants stand in docs/internals/solver.md.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from envmgr.solver.clause import Asked, Clause, Conditional, Needs, Present
from envmgr.solver.links import Link

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from envmgr.solver.links import Rule
    from envmgr.solver.universe import Universe

Reason = Link | Clause | None


class Search:
    """Domains and propagation over a universe, for one set of facts.

    *facts* are the lines that concern a single name, by name; *rules* are the lines with a condition.
    """

    def __init__(
        self, universe: Universe, facts: Mapping[str, Sequence[Asked]], rules: Iterable[Rule] = ()
    ) -> None:
        self.universe = universe
        self.level = 0
        self.domains: list[int] = []
        self.base: list[list[tuple[int, Clause]]] = []  # per variable: (domain before, fact)
        self.history: list[list[int]] = []  # per variable: the trail entries that changed it
        self.trail_variable: list[int] = []
        self.trail_before: list[int] = []
        self.trail_level: list[int] = []
        self.trail_reason: list[Reason] = []
        self.always: list[int] = []  # variables that facts alone make needed
        self.needed: list[
            int
        ] = []  # further variables that must be installed, in the order in which that was found
        self.conflicts = 0
        self.weights: list[int] = []  # per variable: how many learned clauses hold it
        self._facts = facts
        self._opened: list[bool] = []
        self._fresh: list[bool] = []  # became needed, and its links were not looked at since
        self._watches: list[list[Clause]] = []
        self._queue: deque[int] = deque()
        self._queued: list[bool] = []
        self._pending: list[Clause] = []  # clauses that nobody has looked at
        self._late_variables: list[tuple[int, int]] = []  # (level at which it appeared, variable)
        self._late_clauses: list[tuple[int, Clause]] = []
        self._rules = list(rules)
        self._rules_read = 0
        self._rules_tried = -1

    # Growing

    def variable(self, name: str) -> int:
        """The number of *name*, loaded and known to this search."""
        variable = self.universe.variable(name)
        if variable >= len(self.domains):
            self.adopt()
        return variable

    def adopt(self) -> None:
        """Take in every variable that the universe has gained."""
        for variable in range(len(self.domains), len(self.universe.variables)):
            self._append(variable)

    def _append(self, variable: int) -> None:
        known = self.universe.variables[variable]
        domain = known.full
        applied: list[tuple[int, Clause]] = []
        violated: list[Clause] = []
        for fact in self._facts_about(variable):
            if domain & ~fact.masks[0]:
                applied.append((domain, fact))
                domain &= ~fact.masks[0]
            else:
                violated.append(fact)
        self.domains.append(domain)
        self.base.append(applied)
        self.history.append([])
        self.weights.append(0)
        self._watches.append([])
        self._opened.append(False)
        self._fresh.append(not domain & 1)
        if not domain & 1:
            self.always.append(variable)
        self._queued.append(False)
        self._enqueue(variable)
        if self.level:
            self._late_variables.append((self.level, variable))
        for fact in violated:
            self.add_late_clause(fact)

    def _facts_about(self, variable: int) -> list[Clause]:
        known = self.universe.variables[variable]
        facts = [Clause([(variable, 1)], Present())] if known.virtual and known.full > 1 else []
        for asked in self._facts.get(known.name, ()):
            refused = self._refused(variable, asked)
            if refused:
                facts.append(Clause([(variable, refused)], asked))
        return facts

    def _refused(self, variable: int, asked: Asked) -> int:
        known = self.universe.variables[variable]
        accepted = known.full & ~1
        if known.extra is None:
            accepted = self.universe.values_of(variable, asked.requirement.spec)
        return known.full & ~(accepted | 1 if asked.optional else accepted)

    def links(self, variable: int) -> list[Link]:
        """The links of a needed variable; the first call also takes in the rules that come with them."""
        links = self.universe.links(variable)
        if not self._opened[variable]:
            self._opened[variable] = True
            for link in links:
                if link.target < 0 and link.name.startswith("__"):
                    self.variable(link.name)  # The machine has it or not, whoever asks.
            for link, carriers, allowed in self.universe.variables[variable].refusals:
                self.add_late_clause(Clause([(variable, carriers)], Needs(link, carriers, allowed)))
        return links

    # Clauses

    def add_late_clause(self, clause: Clause) -> None:
        """Take in a clause that could have spoken at an earlier level already."""
        self.add_clause(clause)
        if self.level:
            self._late_clauses.append((self.level, clause))

    def add_clause(self, clause: Clause) -> None:
        """Take in a clause, watch two terms that are open (or were closed last), and look at it next.

        One of a single term holds from level 0 on once it was looked at there, so nobody watches it.
        """
        places = sorted(range(len(clause.masks)), key=lambda place: -self._closed_at(clause, place))
        clause.variables = [clause.variables[place] for place in places]
        clause.masks = [clause.masks[place] for place in places]
        if len(clause.masks) > 1:
            for variable in clause.variables[:2]:
                self._watches[variable].append(clause)
        self._pending.append(clause)

    def _closed_at(self, clause: Clause, place: int) -> int:
        """The trail entry that made the term true, -1 if facts did, or a number beyond every entry."""
        variable, mask = clause.variables[place], clause.masks[place]
        if self.domains[variable] & ~mask:
            return len(self.trail_variable)
        return self.satisfier(variable, mask)

    def satisfier(self, variable: int, mask: int) -> int:
        """The first trail entry after which the domain lies inside *mask*; -1 when facts alone do that."""
        history, before = self.history[variable], self.trail_before
        low, high = 0, len(history)
        while low < high:
            middle = (low + high) // 2
            if before[history[middle]] & ~mask:
                low = middle + 1
            else:
                high = middle
        return history[low - 1] if low else -1

    # Propagation

    def propagate(self) -> Clause | None:
        """Draw every conclusion; a clause whose terms all hold is returned as the conflict."""
        while True:
            if self._pending:
                conflict = self._examine(self._pending.pop())
            elif self._queue:
                variable = self._queue.popleft()
                self._queued[variable] = False
                conflict = self._visit(variable)
            elif self._read_rules():
                continue
            else:
                return None
            if conflict is not None:
                self._forget_queue()
                return conflict

    def decide(self, variable: int, mask: int) -> None:
        """Open a level by keeping only the values in *mask*."""
        self.level += 1
        self._reduce(variable, self.domains[variable] & mask, None)

    def learn(self, clause: Clause, level: int) -> None:
        """Go back to *level*, where *clause* leaves one of its terms open, and take it in."""
        self.conflicts += 1
        for variable in clause.variables:
            self.weights[variable] += 1
        self.backjump(level)
        self.add_clause(clause)

    def backjump(self, level: int) -> None:
        """Undo every change above *level*."""
        while self.trail_level and self.trail_level[-1] > level:
            variable = self.trail_variable.pop()
            before = self.trail_before.pop()
            self.trail_level.pop()
            self.trail_reason.pop()
            self.history[variable].pop()
            if before & 1 and not self.domains[variable] & 1:
                self.needed.pop()
                self._fresh[variable] = False
            self.domains[variable] = before
        self.level = level
        self._revisit_late(level)

    def _revisit_late(self, level: int) -> None:
        """What appeared above *level* may have drawn conclusions that hold below; look at it again."""
        while self._late_variables and self._late_variables[-1][0] > level:
            variable = self._late_variables.pop()[1]
            self._fresh[variable] = not self.domains[variable] & 1
            self._enqueue(variable)
        late = [clause for at, clause in self._late_clauses if at > level]
        self._late_clauses = [pair for pair in self._late_clauses if pair[0] <= level]
        self._pending += late
        if level:
            self._late_clauses += [(level, clause) for clause in late]

    def _forget_queue(self) -> None:
        for variable in self._queue:
            self._queued[variable] = False
        self._queue.clear()
        self._pending.clear()

    def _enqueue(self, variable: int) -> None:
        if not self._queued[variable]:
            self._queued[variable] = True
            self._queue.append(variable)

    def _reduce(self, variable: int, domain: int, reason: Reason) -> None:
        before = self.domains[variable]
        self.history[variable].append(len(self.trail_variable))
        self.trail_variable.append(variable)
        self.trail_before.append(before)
        self.trail_level.append(self.level)
        self.trail_reason.append(reason)
        self.domains[variable] = domain
        if before & 1 and not domain & 1:
            self.needed.append(variable)
            self._fresh[variable] = True
        if not self._queued[variable]:
            self._queued[variable] = True
            self._queue.append(variable)

    def _visit(self, variable: int) -> Clause | None:
        domains = self.domains
        if not domains[variable] & 1:
            conflict = self._wake(variable) if self._fresh[variable] else None
            conflict = conflict or self._visit_outgoing(variable)
            if conflict is not None:
                return conflict
        for link in self.universe.variables[variable].incoming:
            if not domains[link.source] & 1:
                conflict = self._pull(link)
                if conflict is not None:
                    return conflict
        return self._visit_clauses(variable) if self._watches[variable] else None

    def _wake(self, variable: int) -> Clause | None:
        """A variable became needed: apply what its neighbours' domains already say, the narrowest first.

        What those rule out need not be read in the other links.
        """
        self._fresh[variable] = False
        domains = self.domains
        known = [link for link in self.links(variable) if link.target >= 0]
        for link in sorted(known, key=lambda link: domains[link.target].bit_count()):
            conflict = self._pull(link)
            if conflict is not None:
                return conflict
        for link in self.universe.variables[variable].incoming:
            conflict = None if self.domains[link.source] & 1 else self._push(link)
            if conflict is not None:
                return conflict
        return None

    def _visit_outgoing(self, variable: int) -> Clause | None:
        domains = self.domains
        for link in self.links(variable):
            domain = domains[variable]
            if domain & link.without:
                continue
            if link.target < 0:
                if domain & ~link.required:
                    continue
                self.variable(link.name)
            conflict = self._push(link)
            if conflict is not None:
                return conflict
        return None

    def _push(self, link: Link) -> Clause | None:
        """Keep in the target only what some remaining candidate of the source accepts."""
        source = self.domains[link.source]
        if source & link.without:
            return None
        target = self.domains[link.target]
        refused = target
        if not source & (source - 1):
            refused &= ~link.accepted_by_one(source)
            if not refused:
                return None
        else:
            if link.unread & source:
                link.read(source)
            for carriers, allowed in link.classes:
                if carriers & source:
                    refused &= ~allowed
                    if not refused:
                        return None
        if refused == target:
            return self.reason_clause(link, link.target, target)
        self._reduce(link.target, target & ~refused, link)
        return None

    def _pull(self, link: Link) -> Clause | None:
        """Drop the candidates of the source that accept nothing which remains in the target."""
        target = self.domains[link.target]
        source = self.domains[link.source]
        if not source & (source - 1):
            accepted = link.accepted_by_one(source) & target
            return None if accepted else self.reason_clause(link, link.source, source)
        if link.unread & source:
            link.read(source)
        dropped = 0
        for carriers, allowed in link.classes:
            if not allowed & target:
                dropped |= carriers
        dropped &= source
        if not dropped:
            return None
        if dropped == source:
            return self.reason_clause(link, link.source, source)
        self._reduce(link.source, source & ~dropped, link)
        return None

    def _visit_clauses(self, variable: int) -> Clause | None:
        """Clauses that watch the variable: watch another open term, or conclude."""
        domains = self.domains
        domain = domains[variable]
        kept: list[Clause] = []
        watches = self._watches[variable]
        for number, clause in enumerate(watches):
            variables, masks = clause.variables, clause.masks
            if variables[0] == variable:
                variables[0], variables[1] = variables[1], variables[0]
                masks[0], masks[1] = masks[1], masks[0]
            kept.append(clause)
            if domain & ~masks[1] or not domains[variables[0]] & masks[0]:
                continue
            for place in range(2, len(masks)):
                if domains[variables[place]] & ~masks[place]:
                    variables[1], variables[place] = variables[place], variables[1]
                    masks[1], masks[place] = masks[place], masks[1]
                    self._watches[variables[1]].append(clause)
                    kept.pop()
                    break
            else:
                conflict = self._examine(clause)
                if conflict is not None:
                    kept += watches[number + 1 :]
                    self._watches[variable] = kept
                    return conflict
        self._watches[variable] = kept
        return None

    def _examine(self, clause: Clause) -> Clause | None:
        """Conclude what the clause says now: nothing, a smaller domain, or a conflict."""
        domains = self.domains
        found = -1
        for place, variable in enumerate(clause.variables):
            domain, mask = domains[variable], clause.masks[place]
            if not domain & mask:
                return None
            if domain & ~mask:
                if found >= 0:
                    return None
                found = place
        if found < 0:
            return clause
        variable = clause.variables[found]
        self._reduce(variable, domains[variable] & ~clause.masks[found], clause)
        return None

    # Conditions

    def _read_rules(self) -> bool:
        """Turn the rules whose conditions are about known names into clauses; True if there was one."""
        rules = self.universe.rules
        if self._rules_tried == len(self.domains) and self._rules_read == len(rules):
            return False
        self._rules += rules[self._rules_read :]
        self._rules_read, self._rules_tried = len(rules), len(self.domains)
        waiting, self._rules = self._rules, []
        for rule in waiting:
            if self._are_known(rule):
                self._add_rule(rule)
            else:
                self._rules.append(rule)
        return len(self._rules) < len(waiting)

    def _are_known(self, rule: Rule) -> bool:
        names = [spec.name for spec in rule.conditions]
        for name in names:
            if name.startswith("__"):
                self.variable(name)
        return all(self.universe.find(name) is not None for name in names)

    def _add_rule(self, rule: Rule) -> None:
        target = self.variable(rule.target)
        known = self.universe.variables[target]
        accepted = known.full & ~1 if known.extra is not None else self.universe.values_of(target, rule.spec)
        terms = {target: known.full & ~(accepted | 1 if rule.optional else accepted)}
        if rule.source is not None:
            terms[rule.source] = terms.get(rule.source, -1) & rule.carriers
        for spec in rule.conditions:
            variable = self.variable(spec.name)
            terms[variable] = terms.get(variable, -1) & self.universe.values_of(variable, spec)
        if all(terms.values()):
            kept = [(v, mask) for v, mask in terms.items() if mask != self.universe.variables[v].full]
            self.add_late_clause(Clause(kept, Conditional(rule)))

    # Reasons

    def reason_clause(self, reason: Link | Clause, variable: int, gone: int) -> Clause:
        """The most general clause behind a change that took the values *gone* from *variable*.

        For a link: every candidate of the source that asks for nothing outside the same set of target values.
        """
        if isinstance(reason, Clause):
            return reason
        carriers = allowed = 0
        if variable == reason.target:
            for mask, values in reason.all_classes():
                if not values & gone:
                    carriers |= mask
                    allowed |= values
        else:
            allowed = reason.accepted(gone)
            for mask, values in reason.all_classes():
                if not values & ~allowed:
                    carriers |= mask
        full = self.universe.variables[reason.target].full
        terms = [(reason.source, carriers)]
        if allowed:
            terms.append((reason.target, full & ~allowed))
        return Clause(terms, Needs(reason, carriers, allowed))
