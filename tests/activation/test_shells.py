"""One table of cases, driven through every shell: what was before, what is done, what is then."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.activation.shells import SHELLS, Shell, make_environment, read_shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from envmgr.activation.facts import Environment

ODD = 'it\'s "quoted" $HOME `x` \\n é ☃ %s !x\nsecond line\n'
# Each environment: its folder's name, its variables, its packages' scripts.
ENVIRONMENTS: Mapping[str, tuple[str, dict[str, str], tuple[str, ...]]] = {
    "A": ("a", {"BOTH": "of a", "ONLY_A": ODD, "EMPTY": ""}, ("a1", "B", "é")),
    "B": ('b\'s "é" $x !y', {"BOTH": "of b", "ONLY_B": "b"}, ("b1",)),
    "C": ("c", {}, ()),
}
NOTHING = {"BOTH": "mine", "ONLY_A": None, "ONLY_B": None, "EMPTY": None}
WITH_A = {"BOTH": "of a", "ONLY_A": ODD, "ONLY_B": None, "EMPTY": ""}
WITH_B = {"BOTH": "of b", "ONLY_A": None, "ONLY_B": "b", "EMPTY": None}


@dataclass(frozen=True)
class Step:
    """What is done ("+A" activates, "/A" stacks, "-" deactivates), and what is then.

    *path* are the environments at the front of PATH, *names* the active ones from the lowest level up, *seen* the
    scripts that ran at this step.
    """

    do: str
    path: str
    names: str
    variables: Mapping[str, str | None]
    seen: str = ""


@dataclass(frozen=True)
class Case:
    """Steps that begin and end with no active environment; *stacked* are the levels on top of another."""

    name: str
    steps: tuple[Step, ...]
    stacked: frozenset[int] = field(default_factory=frozenset)


IN_A, OUT_A, IN_B, OUT_B = "+B +a1 +é", "-é -a1 -B", "+b1", "-b1"
CASES = (
    Case("one environment", (Step("+A", "A", "A", WITH_A, IN_A), Step("-", "", "", NOTHING, OUT_A))),
    Case(
        "one after the other, and back",
        (
            Step("+A", "A", "A", WITH_A, IN_A),
            Step("+B", "B", "AB", WITH_B, f"{OUT_A} {IN_B}"),
            Step("+C", "C", "ABC", NOTHING, OUT_B),
            Step("-", "B", "AB", WITH_B, IN_B),
            Step("-", "A", "A", WITH_A, f"{OUT_B} {IN_A}"),
            Step("-", "", "", NOTHING, OUT_A),
        ),
    ),
    Case(
        "one on top of the other, and back",
        (
            Step("+A", "A", "A", WITH_A, IN_A),
            Step("/B", "BA", "AB", {**WITH_A, **WITH_B, "ONLY_A": ODD, "EMPTY": ""}, IN_B),
            Step("-", "A", "A", WITH_A, OUT_B),
            Step("-", "", "", NOTHING, OUT_A),
        ),
        stacked=frozenset((2,)),
    ),
    Case(
        "again, as after a change of the environment",
        (
            Step("+B", "B", "B", WITH_B, IN_B),
            Step("+B", "B", "B", WITH_B, f"{OUT_B} {IN_B}"),
            Step("-", "", "", NOTHING, OUT_B),
        ),
    ),
    Case(
        "deactivated once too often",
        (Step("+C", "C", "C", NOTHING), Step("-", "", "", NOTHING), Step("-", "", "", NOTHING)),
    ),
)


@pytest.fixture(params=SHELLS, ids=lambda shell: shell.name)
def shell(request: pytest.FixtureRequest) -> Shell:
    if request.param.program is None:
        pytest.skip(f"{request.param.command[0]} is not installed")
    return request.param


@pytest.mark.parametrize("is_hindered", [False, True], ids=["plain", "hindered"])
def test_environment_is_as_the_table_says(shell: Shell, tmp_path: Path, is_hindered: bool) -> None:
    if is_hindered and not shell.hinder():
        pytest.skip(f"nothing stands in the way of {shell.name}")
    places = {
        key: make_environment(tmp_path / "envs" / name, shell, variables, scripts)
        for key, (name, variables, scripts) in ENVIRONMENTS.items()
    }
    text = shell.start() + shell.assign("BOTH", "mine") + shell.assign("SEEN", "")
    text += shell.hinder() if is_hindered else ""
    text += shell.show(tmp_path / "before")
    for case in CASES:
        for number, step in enumerate(case.steps):
            if step.do == "-":
                text += shell.deactivate()
            else:
                text += shell.source(shell.write(places[step.do[1]], stack=step.do[0] == "/"))
            text += shell.show(tmp_path / f"{case.name} {number}") + shell.assign("SEEN", "")
    folder = os.path.dirname(str(shutil.which("env")))
    environ = {"PATH": f"/opt/one:{folder}:/bin", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    done = shell.run(text, tmp_path, environ)
    assert (done.stdout, done.stderr) == ("", "")
    before = read_shown(tmp_path / "before")
    for case in CASES:
        for number, step in enumerate(case.steps):
            found = read_shown(tmp_path / f"{case.name} {number}")
            wanted = expected(case, step, places, before, shell)
            left_out = {"__ENVMGR", "__CONDA_"} if step.names else set()
            shown = {name: value for name, value in found.items() if name[:8] not in left_out}
            assert shown == wanted, f"{case.name}: {step.do}"


def expected(
    case: Case, step: Step, places: Mapping[str, Environment], before: Mapping[str, str], shell: Shell
) -> dict[str, str]:
    """The whole environment after *step*, but for what activation keeps for itself while something is active."""
    prefixes = [places[key].prefix for key in step.names]
    wanted: dict[str, str | None] = {**before, **step.variables}
    wanted["SEEN"] = f" {step.seen}" if step.seen else ""
    wanted["PATH"] = ":".join([*(f"{places[key].prefix}/bin" for key in step.path), before["PATH"]])
    wanted["CONDA_SHLVL"] = str(len(prefixes))
    wanted |= {f"CONDA_PREFIX_{level}": prefix for level, prefix in enumerate(prefixes[:-1], 1)}
    wanted |= {f"CONDA_STACKED_{level}": "true" for level in case.stacked if level <= len(prefixes)}
    modifier = ""
    if prefixes:
        active = places[step.names[-1]]
        modifier = active.modifier
        wanted |= {"CONDA_PREFIX": active.prefix, "CONDA_DEFAULT_ENV": active.name}
        wanted["CONDA_PROMPT_MODIFIER"] = modifier
    if shell.has_prompt:
        wanted["SHOWN"] = f"{modifier}$ "
    return {name: value for name, value in wanted.items() if value is not None}
