"""Runs the tests of a recipe on a package that was just made (CEP 14 "Test section").

Script and Python tests run in a fresh environment that holds the package, and pip where a test asks for ``pip
check`` and a channel has pip. ``package_contents`` looks at the list of files only. The first test that fails
raises BuildError with the place in the recipe.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.build.globs import matches_any
from envmgr.build.ports import PlacedSpec
from envmgr.build.recipe import Script
from envmgr.build.scripts import ScriptFolders, ScriptRun, run_script, script_environment, script_text
from envmgr.build.workplace import remove_tree
from envmgr.errors import SolveError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from envmgr.build.plan import PlannedOutput
    from envmgr.build.ports import BuildPorts
    from envmgr.build.recipe import ContentCheck, RecipeTest


class TestRequest(Struct, frozen=True):
    """The tests of one package.

    *folder* is the package's laid-out folder, *paths* its files, *channel* the folder that serves it, *scratch*
    where test environments are made, *logs* where logs are kept.
    """

    __test__ = False  # not a test class, whatever its name says to pytest

    planned: PlannedOutput
    folder: Path
    paths: Sequence[str]
    channel: Path
    scratch: Path
    logs: Path
    recipe_dir: Path
    environ: Mapping[str, str]
    facts: Mapping[str, str]


def run_tests(request: TestRequest, ports: BuildPorts) -> None:
    """Run every test of the package; see the module's docstring."""
    for number, test in enumerate(request.planned.output.tests):
        if test.kind == "package_contents":
            _check_contents(request, test)
        elif test.kind == "downstream":
            ports.reporter.warned(
                f"{test.place}: the downstream test of {test.downstream} is recorded, not run."
            )
        else:
            _run_in_environment(request, number, ports)


def _check_contents(request: TestRequest, test: RecipeTest) -> None:
    problems = [problem for check in test.contents for problem in content_problems(check, request.paths)]
    if problems:
        test.place.fail(f"the package {request.planned.dist_name} {'; '.join(problems)}.", problems=problems)


def content_problems(check: ContentCheck, paths: Sequence[str]) -> Iterator[str]:
    """What is missing from *paths* or must not be there, as the end of a sentence about the package."""
    for pattern in check.exists:
        if not any(matches_any(path, _patterns(check.section, pattern)) for path in paths):
            yield f"has no file for {check.section} {pattern!r}"
    for pattern in check.not_exists:
        found = next((path for path in paths if matches_any(path, _patterns(check.section, pattern))), None)
        if found is not None:
            yield f"has {found}, which {check.section} {pattern!r} forbids"


def _patterns(section: str, pattern: str) -> list[str]:
    """Where files of a section of ``package_contents`` stand in a package."""
    if section == "files":
        return [pattern]
    if section == "site_packages":
        roots = ("site-packages", "lib/python*/site-packages")
        module = pattern if "/" in pattern else pattern.replace(".", "/")
        names = (pattern, module, f"{module}.py", f"{module}/__init__.py", f"{module}.*.so", f"{module}.so")
        return [f"{root}/{name}" for root in roots for name in dict.fromkeys(names)]
    if section == "bin":
        return [f"bin/{pattern}", f"python-scripts/{pattern}"]
    if section == "lib":
        return [
            f"lib/{pattern}",
            f"lib/{pattern}.so",
            f"lib/{pattern}.so.*",
            f"lib/lib{pattern}.so",
            f"lib/lib{pattern}.so.*",
        ]
    return [f"include/{pattern}"]


def _run_in_environment(request: TestRequest, number: int, ports: BuildPorts) -> None:
    planned, test = request.planned, request.planned.output.tests[number]
    root = request.scratch / f"test{number}"
    folders = ScriptFolders(
        root / "env", root / "env", root / "files", request.recipe_dir, root / "home", root / "tmp"
    )
    for folder in (folders.home, folders.temporary):
        folder.mkdir(parents=True)
    has_pip = _make_environment(request, test, folders.prefix, ports)
    shutil.copytree(request.folder / "info" / "tests" / str(number), folders.source)
    for run in _scripts(request, number, has_pip=has_pip):
        env = script_environment(planned, folders, request.environ, request.facts)
        run_script(run, folders, env, request.environ, ports.runner)
    remove_tree(root)


def _make_environment(request: TestRequest, test: RecipeTest, prefix: Path, ports: BuildPorts) -> bool:
    """Create the environment of one test; whether it was given pip for the test's ``pip check``."""
    planned = request.planned
    own = f"{planned.name} =={planned.version} {planned.build}"
    wanted = [(own, test.place), *((str(need.what), need.place) for need in (*test.run, *test.build))]
    specs = [PlacedSpec(text, place.file, place.line) for text, place in wanted]
    if test.kind == "python" and test.pip_check:
        pip = PlacedSpec("pip", test.place.file, test.place.line)
        try:
            ports.make_environment(prefix, [*specs, pip], request.channel)
        except SolveError:
            # Where the package itself cannot be installed, this fails too and tells why.
            ports.make_environment(prefix, specs, request.channel)
            ports.reporter.warned(
                f"{test.place}: pip check was not run on {planned.dist_name}: pip cannot be installed beside it."
            )
            return False
        return True
    ports.make_environment(prefix, specs, request.channel)
    return False


def _scripts(request: TestRequest, number: int, *, has_pip: bool) -> Iterator[ScriptRun]:
    """The script of a script test, or import and pip check of a Python test."""
    planned, test = request.planned, request.planned.output.tests[number]
    log = request.logs / f"{planned.dist_name}-test{number}.log"
    kept = request.scratch / f"test{number}.script"
    if test.kind == "script":
        text, interpreter = script_text(test.script, request.recipe_dir) or ("", "bash")
        if interpreter == "bash":
            text = _ACTIVATE + text
        yield ScriptRun(
            test.script, text, interpreter, kept, log, f"test {number + 1} of {planned.dist_name}"
        )
        return
    bare = Script(place=test.place)
    imports = "".join(f"import {module}\n" for module in test.imports)
    what = f"test {number + 1} of {planned.dist_name} (imports)"
    yield ScriptRun(bare, imports, "python", kept, log, what)
    if has_pip:
        check = (
            "import runpy, sys\nsys.argv = ['pip', 'check']\nrunpy.run_module('pip', run_name='__main__')\n"
        )
        yield ScriptRun(
            bare, check, "python", kept, log, f"test {number + 1} of {planned.dist_name} (pip check)"
        )


# A test sees the environment as a user who activated it does.
_ACTIVATE = """\
for script in "$CONDA_PREFIX"/etc/conda/activate.d/*.sh; do
    if [ -e "$script" ]; then . "$script"; fi
done
unset script
"""
