"""Snapshots of the words for each kind of conflict; every text must stay short enough to read at once."""

# ruff: noqa: E501  a sentence that is printed on one line stands on one line here.

from __future__ import annotations

import pytest

from envmgr.models.match_spec import MatchSpec
from envmgr.models.requirement import Requirement, Source
from envmgr.solver.edits import hint_beside, lines_beside
from envmgr.solver.explain import MAX_LINES, explain
from envmgr.solver.explanation import causes_as_json, with_further
from envmgr.solver.near_names import narrowed, near_names
from envmgr.solver.problem import PINNED
from envmgr.solver.repair import propose
from envmgr.solver.solve import Conflict, solve
from tests.solver.cases import Case, case, lines, rec
from tests.solver.universes import Maker

PYTHONS = [rec("python", version) for version in ("3.10.1", "3.11.2", "3.12.0", "3.12.7")]
NUMPYS = [
    *(
        rec("numpy", version, depends=["python >=3.8,<3.12.0a0"])
        for version in ("1.19.5", "1.20.0", "1.24.4")
    ),
    rec("numpy", "1.26.0", depends=["python >=3.9,<3.13.0a0"]),
]
WORLD = [*NUMPYS, *PYTHONS]

KINDS = {
    "a name that no channel has": (
        case(NUMPYS, "nunpy"),
        """
        'nunpy' (env.yml:5) cannot be fulfilled.
          main has no nunpy; near names: numpy
        hint: Did you mean numpy?
        """,
    ),
    "a name without near names": (
        case(NUMPYS, "zzz"),
        """
        'zzz' (env.yml:5) cannot be fulfilled.
          main has no zzz
        hint: Check the spelling of 'zzz', or add the channel that has it; what only PyPI has goes below `- pip:` in a file.
        """,
    ),
    "a version that does not exist": (
        case(NUMPYS, "numpy=1.21"),
        """
        'numpy=1.21' (env.yml:5) cannot be fulfilled.
          main has none; the nearest numpy is 1.20.0 or 1.24.4
        """,
    ),
    "a version beyond the newest": (
        case(NUMPYS, "numpy >=3"),
        """
        'numpy >=3' (env.yml:5) cannot be fulfilled.
          main has none; the nearest numpy is 1.26.0
        """,
    ),
    "a build that does not exist": (
        case(NUMPYS, "numpy 1.26.* mkl*"),
        """
        'numpy 1.26.* mkl*' (env.yml:5) cannot be fulfilled.
          main has only other builds of numpy 1.26.*
        """,
    ),
    "two lines about one name": (
        case(PYTHONS, "python=3.12", "python <3.12"),
        """
        'python=3.12' and 'python <3.12' cannot be fulfilled together.
          python=3.12 (env.yml:5)
          python <3.12 (env.yml:6)
            no python fulfils all of these lines
        would work: env.yml:6: relax python <3.12 to python <3.13 (gives python 3.12.7)
        would work: env.yml:5: python=3.11 instead of python=3.12 (gives python 3.11.2)
        """,
    ),
    "a need against another line": (
        case(WORLD, "numpy <1.25", "python=3.12"),
        """
        'numpy <1.25' and 'python=3.12' cannot be fulfilled together.
          numpy <1.25 (env.yml:5)
            numpy 1.19.5 to 1.24.4 need python >=3.8,<3.12, but env.yml:6 asks for python=3.12
          python=3.12 (env.yml:6)
        would work: env.yml:6: python=3.11 instead of python=3.12 (gives python 3.11.2 with numpy 1.24.4)
        would work: env.yml:5: relax numpy <1.25 to numpy <1.27 (gives numpy 1.26.0 with python 3.12.7)
        """,
    ),
    "a chain of needs against another line": (
        case(
            [rec("app", depends=["lib"]), rec("lib", depends=["numpy <1.25"]), *WORLD],
            "app",
            "python=3.12",
        ),
        """
        'app' and 'python=3.12' cannot be fulfilled together.
          app (env.yml:5)
            app 1 needs lib
              lib 1 needs numpy <1.25
                numpy 1.19.5 to 1.24.4 need python >=3.8,<3.12, but env.yml:6 asks for python=3.12
          python=3.12 (env.yml:6)
        would work: env.yml:6: python=3.11 instead of python=3.12 (gives python 3.11.2 with app 1)
        would work: env.yml:5: drop app (gives python 3.12.7)
        """,
    ),
    "two lines that meet in a third name": (
        case(
            [rec("a", depends=["c <2"]), rec("b", depends=["c >=2"]), rec("c", "1"), rec("c", "2")], "a", "b"
        ),
        """
        'a' and 'b' cannot be fulfilled together.
          a (env.yml:5)
            a 1 needs c <2
          b (env.yml:6)
            b 1 needs c >=2, which excludes the c above
        would work: env.yml:6: drop b (gives a 1)
        would work: env.yml:5: drop a (gives b 1)
        """,
    ),
    "a dependency that no channel has": (
        case([rec("app", "1", depends=["gone >=2"]), rec("app", "2", depends=["gone >=3"])], "app"),
        """
        'app' (env.yml:5) cannot be fulfilled.
          app 1 to 2 need gone, which is not in main
        """,
    ),
    "a dependency in versions that do not exist": (
        case([rec("app", depends=["numpy >=2"]), *NUMPYS], "app"),
        """
        'app' (env.yml:5) cannot be fulfilled.
          app 1 needs numpy >=2, but main has none; the nearest numpy is 1.26.0
        """,
    ),
    "several reasons for several versions": (
        case(
            [
                rec("app", "1", depends=["gone"]),
                rec("app", "2", depends=["numpy >=2"]),
                rec("app", "3", depends=["__cuda"]),
                *NUMPYS,
            ],
            "app",
        ),
        """
        'app' (env.yml:5) cannot be fulfilled.
          app 3 needs __cuda, but this machine has no __cuda (CONDA_OVERRIDE_CUDA overrides it)
          app 2 needs numpy >=2, but main has none; the nearest numpy is 1.26.0
          app 1 needs gone, which is not in main
        would work: solve for another machine with CONDA_OVERRIDE_CUDA=12.0 (gives app 3)
        """,
    ),
    "a virtual package that is too old": (
        case([rec("app", depends=["__glibc >=2.28,<3.0.a0"])], "app", virtual={"__glibc": "2.17"}),
        """
        'app' (env.yml:5) cannot be fulfilled.
          app 1 needs __glibc >=2.28,<3, but this machine has __glibc 2.17 (CONDA_OVERRIDE_GLIBC overrides it)
        would work: solve for another machine with CONDA_OVERRIDE_GLIBC=2.28 (gives app 1)
        """,
    ),
    "a virtual package asked for by a line": (
        case([], "__cuda >=12", virtual={"__cuda": "11.8"}),
        """
        '__cuda >=12' (env.yml:5) cannot be fulfilled.
          this machine has __cuda 11.8 (CONDA_OVERRIDE_CUDA overrides it)
        would work: solve for another machine with CONDA_OVERRIDE_CUDA=12
        """,
    ),
    "a run constraint against another line": (
        case([rec("app", constrains=["numpy >=1.25"]), *WORLD], "app", "numpy=1.24"),
        """
        'app' and 'numpy=1.24' cannot be fulfilled together.
          app (env.yml:5)
            app 1 works only with numpy >=1.25, but env.yml:6 asks for numpy=1.24
          numpy=1.24 (env.yml:6)
        would work: env.yml:6: numpy=1.26 instead of numpy=1.24 (gives numpy 1.26.0 with app 1)
        would work: env.yml:5: drop app (gives numpy 1.24.4)
        """,
    ),
    "a lower channel that strict priority hides": (
        case([rec("numpy", "1.26.0"), rec("numpy", "2.0.0", channel="other")], "numpy >=2"),
        """
        'numpy >=2' (env.yml:5) cannot be fulfilled.
          main and other have none; the nearest numpy is 1.26.0; strict channel priority hides the numpy of other
        would work: use --channel-priority flexible (gives numpy 2.0.0)
        would work: env.yml:5: relax numpy >=2 to numpy >=1.26 (gives numpy 1.26.0)
        """,
    ),
    "a lower channel that would not help either": (
        case([rec("numpy", "1.26.0"), rec("numpy", "2.0.0", channel="other")], "numpy >=3"),
        """
        'numpy >=3' (env.yml:5) cannot be fulfilled.
          main and other have none; the nearest numpy is 1.26.0
        would work: env.yml:5: relax numpy >=3 to numpy >=1.26 (gives numpy 1.26.0)
        """,
    ),
    "a need that a lower channel could fulfil": (
        case(
            [
                rec("p", depends=["lib >=2"], channel="m"),
                rec("lib", channel="m"),
                rec("lib", "2", channel="a"),
            ],
            "p",
        ),
        """
        'p' (env.yml:5) cannot be fulfilled.
          p 1 needs lib >=2, but m and a have none; the nearest lib is 1; strict channel priority hides the lib of a
        would work: use --channel-priority flexible (gives p 1)
        """,
    ),
    "two lines that a lower channel could fulfil together": (
        case([rec("a", "1"), rec("a", "3"), rec("a", "2", channel="other")], "a >=2", "a <3"),
        """
        'a >=2' and 'a <3' cannot be fulfilled together.
          a >=2 (env.yml:5)
          a <3 (env.yml:6)
            no a fulfils all of these lines; strict channel priority hides the a of other
        would work: use --channel-priority flexible (gives a 2)
        would work: env.yml:6: relax a <3 to a <4 (gives a 3)
        would work: env.yml:5: relax a >=2 to a >=1 (gives a 1)
        """,
    ),
    "a name whose records cannot be read": (
        case([rec("x", "1-bad!!")], "x"),
        """
        'x' (env.yml:5) cannot be fulfilled.
          no x may be used; x 1-bad!! of main has an unreadable version
        """,
    ),
    "a version beside one that cannot be read": (
        case([rec("x", "1"), rec("x", "2!!"), rec("x", "3!!", channel="other")], "x >=2"),
        """
        'x >=2' (env.yml:5) cannot be fulfilled.
          main and other have none; the nearest x is 1; x 2!! and 3!! of main and other have unreadable versions
        would work: env.yml:5: relax x >=2 to x >=1 (gives x 1)
        """,
    ),
    "a need whose records cannot be read": (
        case([rec("app", depends=["x"]), *(rec("x", f"{number}!!") for number in range(5))], "app"),
        """
        'app' (env.yml:5) cannot be fulfilled.
          app 1 needs x, but no x may be used; x 0!!, 1!!, 2!! and 2 more of main have unreadable versions
        """,
    ),
    "a version that is no text for a sentence": (
        case([rec("x", "\x1b[31m!" + "9" * 500)], "x"),
        f"""
        'x' (env.yml:5) cannot be fulfilled.
          no x may be used; x \\x1b[31m!{"9" * 34}... of main has an unreadable version
        """,
    ),
    "a broken record above a good one of a lower channel": (
        case([rec("x", "1!!"), rec("x", "2", channel="other")], "x"),
        """
        'x' (env.yml:5) cannot be fulfilled.
          no x may be used; x 1!! of main has an unreadable version; strict channel priority hides the x of other
        would work: use --channel-priority flexible (gives x 2)
        """,
    ),
    "a line that names the channel of a broken record": (
        case([rec("x", "1", channel="other"), rec("x", "2-bad!!")], "main::x >=2"),
        """
        'main::x >=2' (env.yml:5) cannot be fulfilled.
          no x may be used; x 2-bad!! of main has an unreadable version
        would work: env.yml:5: relax main::x >=2 to x (gives x 1)
        """,
    ),
    "several versions that no channel has": (
        case([*NUMPYS, rec("x", "1"), rec("a", depends=["x >=2"])], "numpy=7", "a", "x >=2"),
        """
        'numpy=7' and 'x >=2' cannot be fulfilled.
          numpy=7 (env.yml:5): main has none; the nearest numpy is 1.26.0
          x >=2 (env.yml:7): main has none; the nearest x is 1
        would work: env.yml:7: relax x >=2 to x >=1, and drop numpy=7 and a (env.yml:5, 6) (gives x 1)
        """,
    ),
    "several names that no channel has": (
        case(NUMPYS, "zzz", "numpy", "nunpy >=1", "zzz >=2", "numpy=7"),
        """
        'zzz', 'nunpy >=1', 'zzz >=2' and 'numpy=7' cannot be fulfilled.
          main has no zzz (env.yml:5)
          main has no nunpy (env.yml:7); near names: numpy
          main has no zzz (env.yml:8)
          numpy=7 (env.yml:9): main has none; the nearest numpy is 1.26.0
        hint: Check the spelling of these names, or add the channels that have them.
        """,
    ),
    "a name that is alike and no slip": (
        case([rec("check", "1")], "checkm2=1.1"),
        """
        'checkm2=1.1' (env.yml:5) cannot be fulfilled.
          main has no checkm2; near names: check
        hint: Check the spelling of 'checkm2', or add the channel that has it; what only PyPI has goes below `- pip:` in a file.
        """,
    ),
    "a missing name beside one that cannot be read": (
        case([*NUMPYS, rec("x", "1-bad!!")], "x", "nunpy"),
        """
        'x' and 'nunpy' cannot be fulfilled.
          no x may be used (env.yml:5); x 1-bad!! of main has an unreadable version
          main has no nunpy (env.yml:6); near names: numpy
        hint: Did you mean numpy?
        """,
    ),
    "a missing name under a condition that does not hold": (
        case(NUMPYS, 'zzz[when="__win"]', "nunpy"),
        """
        'nunpy' (env.yml:6) cannot be fulfilled.
          main has no nunpy; near names: numpy
        would work: env.yml:6: drop nunpy
        hint: Did you mean numpy?
        """,
    ),
    "no channel at all": (
        case([], "app", channels=[]),
        """
        'app' (env.yml:5) cannot be fulfilled.
          no channel was searched
        hint: Name a channel with -c.
        """,
    ),
    "several lines and no channel at all": (
        case([], "app", "lib", channels=[]),
        """
        'app' and 'lib' cannot be fulfilled.
          no channel was searched
        hint: Name a channel with -c.
        """,
    ),
    "an installed package that needs more, and no channel at all": (
        case([], "app", channels=[], installed=(rec("app", depends=["lib"]),)),
        """
        'app' (env.yml:5) cannot be fulfilled.
          app 1 needs lib, but no channel was searched
        hint: Name a channel with -c.
        """,
    ),
    "a date that excludes what is newer": (
        case([rec("a", "1", timestamp=1_000), rec("a", "2", timestamp=9_000)], "a >=2", exclude_newer=5_000),
        """
        'a >=2' (env.yml:5) cannot be fulfilled.
          main has none; the nearest a is 1; newer ones are excluded by date
        would work: env.yml:5: relax a >=2 to a >=1 (gives a 1)
        would work: allow newer packages than the date given (gives a 2)
        """,
    ),
    "a dependency under a condition": (
        case([rec("app", depends=['gone[when="python>=3.12"]']), *PYTHONS], "app", "python=3.12"),
        """
        'app' and 'python=3.12' cannot be fulfilled together.
          app (env.yml:5)
            app 1 needs gone where there is python>=3.12, which is not in main
          python=3.12 (env.yml:6)
        would work: env.yml:6: python=3.11 instead of python=3.12 (gives python 3.11.2 with app 1)
        would work: env.yml:5: drop app (gives python 3.12.7)
        """,
    ),
    "a line under a condition": (
        case(WORLD, 'numpy[version=">=2",when="python"]', "python"),
        """
        'numpy[version=">=2",when="python"]' and 'python' cannot be fulfilled together.
          numpy[version=">=2",when="python"] (env.yml:5)
            this line needs numpy >=2 where there is python, but main has none; the nearest numpy is 1.26.0
          python (env.yml:6)
        would work: env.yml:5: relax numpy[version=">=2",when="python"] to numpy[version=">=1.26",when="python"] (gives numpy 1.26.0 with python 3.12.7)
        would work: env.yml:6: drop python
        """,
    ),
    "an extra whose dependency is missing": (
        case([rec("app", extra_depends={"plot": ["gone"]})], "app[extras=[plot]]"),
        """
        'app[extras=[plot]]' (env.yml:5) cannot be fulfilled.
          app[plot] 1 needs gone, which is not in main
        would work: env.yml:5: relax app[extras=[plot]] to app (gives app 1)
        """,
    ),
    "a flag that no build carries": (
        case([rec("app", flags=["cpu"]), rec("lib", depends=["app[flags=[cuda]]"])], "lib"),
        """
        'lib' (env.yml:5) cannot be fulfilled.
          lib 1 needs app[flags=[cuda]], but main has only app 1
        """,
    ),
    "a package that refuses itself": (
        case([rec("app", "1", constrains=["app >=2"])], "app"),
        """
        'app' (env.yml:5) cannot be fulfilled.
          app 1 works only with app >=2, which it is not itself
        """,
    ),
    "another word for a package": (
        case([rec("pytorch", "2.1"), rec("torchgeo")], "torch=2.1"),
        """
        'torch=2.1' (env.yml:5) cannot be fulfilled.
          main has no torch; what PyPI calls torch is pytorch here
        would work: env.yml:5: pytorch=2.1 instead of torch=2.1 (gives pytorch 2.1)
        """,
    ),
    "a name that is on a channel which was not searched": (
        case(NUMPYS, "bioconductor-deseq2"),
        """
        'bioconductor-deseq2' (env.yml:5) cannot be fulfilled.
          main has no bioconductor-deseq2
        hint: Packages like 'bioconductor-deseq2' are on the channel bioconda; add it with -c bioconda.
        """,
    ),
    "a name with another language before it": (
        case([rec("r-ggplot2", "3.5")], "ggplot2 >=3.5"),
        """
        'ggplot2 >=3.5' (env.yml:5) cannot be fulfilled.
          main has no ggplot2; near names: r-ggplot2
        would work: env.yml:5: r-ggplot2 >=3.5 instead of ggplot2 >=3.5 (gives r-ggplot2 3.5)
        """,
    ),
    "some builds of a version": (
        case(
            [
                rec("app", "2", "gpu", depends=["__cuda >=11.8"]),
                rec("app", "2", "cpu", depends=["python <3.12"]),
                rec("app", "1", depends=["python <3.11"]),
                *PYTHONS,
            ],
            "app",
            "python=3.12",
        ),
        """
        'app' and 'python=3.12' cannot be fulfilled together.
          app (env.yml:5)
            some builds of app 1 to 2 need python <3.12, but env.yml:6 asks for python=3.12
            some builds of app 2 need __cuda >=11.8, but this machine has no __cuda (CONDA_OVERRIDE_CUDA overrides it)
          python=3.12 (env.yml:6)
        would work: env.yml:6: python=3.11 instead of python=3.12 (gives python 3.11.2 with app 2)
        would work: solve for another machine with CONDA_OVERRIDE_CUDA=11.8 (gives app 2 with python 3.12.7)
        would work: env.yml:5: drop app (gives python 3.12.7)
        """,
    ),
    "a package for another system": (
        case([rec("pywin32", depends=["__win"]), *PYTHONS], "pywin32", "python", virtual={"__unix": "0"}),
        """
        'pywin32' (env.yml:5) cannot be fulfilled.
          pywin32 1 needs __win, but only Windows has it
        would work: env.yml:5: drop pywin32 (gives python 3.12.7)
        """,
    ),
    "a build for another processor": (
        case([rec("app", depends=["__archspec * x86_64_v3"])], "app", virtual={"__archspec": "1"}),
        """
        'app' (env.yml:5) cannot be fulfilled.
          app 1 needs __archspec * x86_64_v3, but this machine has __archspec 0 (CONDA_OVERRIDE_ARCHSPEC overrides it)
        would work: solve for another machine with CONDA_OVERRIDE_ARCHSPEC=x86_64_v3 (gives app 1)
        """,
    ),
    "several builds that need one range together": (
        case(
            [
                *(rec("lib", "1", f"py{n}_0", depends=[f"python >=3.{n},<3.{n + 1}.0a0"]) for n in (10, 11)),
                *PYTHONS,
            ],
            "lib",
            "python=3.12",
        ),
        """
        'lib' and 'python=3.12' cannot be fulfilled together.
          lib (env.yml:5)
            lib 1 needs python >=3.10,<3.12, but env.yml:6 asks for python=3.12
          python=3.12 (env.yml:6)
        would work: env.yml:6: python=3.11 instead of python=3.12 (gives python 3.11.2 with lib 1)
        would work: env.yml:5: drop lib (gives python 3.12.7)
        """,
    ),
    "two conflicts at once": (
        case(
            [
                *WORLD,
                rec("b", "1", depends=["c <2"]),
                rec("b", "2", depends=["c >=2"]),
                rec("c", "1"),
                rec("c", "2"),
            ],
            "numpy=1.24",
            "python=3.12",
            "b=1",
            "c=2",
        ),
        """
        'numpy=1.24' and 'python=3.12' cannot be fulfilled together.
          numpy=1.24 (env.yml:5)
            numpy 1.24.4 needs python >=3.8,<3.12, but env.yml:6 asks for python=3.12
          python=3.12 (env.yml:6)
        would work: env.yml:6: python=3.11 instead of python=3.12, and env.yml:8: c=1 instead of c=2 (gives python 3.11.2 with c 1, numpy 1.24.4 and b 1)
        would work: env.yml:6: python=3.11 instead of python=3.12, and env.yml:7: b=2 instead of b=1 (gives python 3.11.2 with b 2, numpy 1.24.4 and c 2)
        would work: env.yml:5: numpy=1.26 instead of numpy=1.24, and env.yml:8: c=1 instead of c=2 (gives numpy 1.26.0 with c 1, python 3.12.7 and b 1)
        would work: env.yml:5: numpy=1.26 instead of numpy=1.24, and env.yml:7: b=2 instead of b=1 (gives numpy 1.26.0 with b 2, python 3.12.7 and c 2)
        """,
    ),
    "a conflict beside a misspelt name": (
        case(WORLD, "numpy=1.24", "python=3.12", "pythn"),
        """
        'pythn' (env.yml:7) cannot be fulfilled.
          main has no pythn; near names: python
        would work: env.yml:7: python instead of pythn, and env.yml:6: python=3.11 instead of python=3.12 (gives python 3.11.2 with numpy 1.24.4)
        would work: env.yml:7: python instead of pythn, and env.yml:5: numpy=1.26 instead of numpy=1.24 (gives python 3.12.7 with numpy 1.26.0)
        """,
    ),
    "a range that is too high": (
        case(
            [rec("pandas", "1.5.3"), rec("pandas", "2.1.4"), rec("dask", depends=["pandas <2.2"])],
            "pandas >=2.2,<3",
            "dask",
        ),
        """
        'pandas >=2.2,<3' (env.yml:5) cannot be fulfilled.
          main has none; the nearest pandas is 2.1.4
        would work: env.yml:5: relax pandas >=2.2,<3 to pandas >=2.1,<3 (gives pandas 2.1.4 with dask 1)
        """,
    ),
    "a range that is too low": (
        case(
            [rec("pandas", "1.5.3"), rec("pandas", "2.1.4"), rec("dask", depends=["pandas >=2"])],
            "dask",
            "pandas<2",
        ),
        """
        'dask' and 'pandas<2' cannot be fulfilled together.
          dask (env.yml:5)
            dask 1 needs pandas >=2, but env.yml:6 asks for pandas<2
          pandas<2 (env.yml:6)
        would work: env.yml:6: relax pandas<2 to pandas<3 (gives pandas 2.1.4 with dask 1)
        would work: env.yml:5: drop dask (gives pandas 1.5.3)
        """,
    ),
    "an exact version with a build that is gone": (
        case([rec("numpy", "1.26.4", "py312_1"), rec("app")], "numpy=1.26.4=py312_0", "app"),
        """
        'numpy=1.26.4=py312_0' (env.yml:5) cannot be fulfilled.
          main has only other builds of numpy ==1.26.4
        would work: env.yml:5: relax numpy=1.26.4=py312_0 to numpy==1.26.4 (gives numpy 1.26.4 with app 1)
        """,
    ),
    "a line for a channel that does not have it": (
        case([rec("numpy", "2", channel="main"), rec("other", channel="second")], "second::numpy", "other"),
        """
        'second::numpy' (env.yml:5) cannot be fulfilled.
          numpy 2 is only in main
        would work: env.yml:5: relax second::numpy to numpy (gives numpy 2 with other 1)
        """,
    ),
    "three lines of which any two hold": (
        case(
            [
                rec("a", "1", depends=["x 1|2"]),
                rec("b", "1", depends=["x 2|3"]),
                rec("c", "1", depends=["x 1|3"]),
                *(rec("x", version) for version in "123"),
            ],
            "a",
            "b",
            "c",
        ),
        """
        'a', 'b' and 'c' cannot be fulfilled together.
          a (env.yml:5)
            a 1 needs x 1|2
          b (env.yml:6)
            b 1 needs x 2|3
          c (env.yml:7)
            c 1 needs x 1|3, which excludes the x above
        would work: env.yml:7: drop c (gives a 1 with b 1)
        would work: env.yml:6: drop b (gives a 1 with c 1)
        would work: env.yml:5: drop a (gives b 1 with c 1)
        """,
    ),
    "a chain that a plainer reason replaces": (
        case(
            [
                rec("numpy", "1.24", depends=["python >=3.8,<3.12", "python_abi 3.11.* *_cp311"]),
                *(rec("python", f"3.{n}.1", depends=[f"python_abi 3.{n}.* *_cp3{n}"]) for n in (11, 12)),
                *(rec("python_abi", f"3.{n}", f"8_cp3{n}", constrains=[f"python 3.{n}.*"]) for n in (11, 12)),
            ],
            "python=3.12",
            "numpy",
        ),
        """
        'python=3.12' and 'numpy' cannot be fulfilled together.
          python=3.12 (env.yml:5)
          numpy (env.yml:6)
            numpy 1.24 needs python >=3.8,<3.12, but env.yml:5 asks for python=3.12
        would work: env.yml:5: python=3.11 instead of python=3.12 (gives python 3.11.1 with numpy 1.24)
        would work: env.yml:6: drop numpy (gives python 3.12.1)
        """,
    ),
    "a version whose need is missing, beside an older one": (
        case([rec("a", "1.9", depends=["b"]), rec("a", "1.10", depends=["gone"]), rec("b")], "a=1.10", "b"),
        """
        'a=1.10' (env.yml:5) cannot be fulfilled.
          a 1.10 needs gone, which is not in main
        would work: env.yml:5: a=1.9 instead of a=1.10 (gives a 1.9 with b 1)
        """,
    ),
}


KINDS |= {
    "two entries of one build, which hold together": (
        case(
            [
                rec("x", depends=["n >=1.23", "n <1.25"]),
                *(rec("n", version) for version in ("1.22", "1.24", "1.25")),
            ],
            "x",
            "n=1.25",
        ),
        """
        'x' and 'n=1.25' cannot be fulfilled together.
          x (env.yml:5)
            x 1 needs n >=1.23,<1.25, but env.yml:6 asks for n=1.25
          n=1.25 (env.yml:6)
        would work: env.yml:6: n=1.24 instead of n=1.25 (gives n 1.24 with x 1)
        would work: env.yml:5: drop x (gives n 1.25)
        """,
    ),
    "entries that hold together, of builds that differ": (
        case(
            [
                rec("x", "1", "a", depends=["n >=1.21,<3", "n >=1.23"]),
                rec("x", "1", "b", depends=["n >=1.24.1,<3", "n"]),
                *(rec("n", version) for version in ("1.21", "1.24", "2.0")),
            ],
            "x",
            "n=1.21",
        ),
        """
        'x' and 'n=1.21' cannot be fulfilled together.
          x (env.yml:5)
            x 1 needs n >=1.23,<3, but env.yml:6 asks for n=1.21
          n=1.21 (env.yml:6)
        would work: env.yml:6: n=1.24 instead of n=1.21 (gives n 1.24 with x 1)
        would work: env.yml:5: drop x (gives n 1.21)
        """,
    ),
    "entries that are no ranges and hold together": (
        case(
            [rec("x", depends=["n !=1.2", "n 1.* py*"]), rec("n", "1.2", "py_0"), rec("n", "1.3", "other")],
            "x",
        ),
        """
        'x' (env.yml:5) cannot be fulfilled.
          x 1 needs n 1.* py* and !=1.2, but main has only n 1.2 to 1.3
        """,
    ),
    "an entry that is about no name": (
        case([rec("a", depends=["[bad"])], "a"),
        """
        'a' (env.yml:5) cannot be fulfilled.
          a 1 has the entry '[bad', which cannot be read
        """,
    ),
    "an entry about any of many names": (
        case([rec("a", depends=["py* >=1"]), rec("python")], "a", "python"),
        """
        'a' (env.yml:5) cannot be fulfilled.
          a 1 has the entry 'py* >=1', which cannot be read
        would work: env.yml:5: drop a (gives python 1)
        """,
    ),
    "a condition of too many alternatives": (
        case(
            [rec("a", depends=[f"b[when='{' and '.join(f'(x{n} or y{n})' for n in range(13))}']"]), rec("b")],
            "a",
        ),
        """
        'a' (env.yml:5) cannot be fulfilled.
          a 1 has the entry 'b[when='(x0 or y0) and (x1 or y1) and (x2 or y2) and (x3 or ...', which cannot be read
        """,
    ),
    "an entry of nothing": (
        case([rec("a", "1", depends=[""]), rec("a", "2", depends=["", "b c d e f"])], "a"),
        """
        'a' (env.yml:5) cannot be fulfilled.
          a 1 to 2 have the entry '', which cannot be read
        """,
    ),
    "a run constraint that cannot be read": (
        case([rec("a", constrains=["[[["])], "a"),
        """
        'a' (env.yml:5) cannot be fulfilled.
          a 1 has the entry '[[[', which cannot be read
        """,
    ),
    "an entry whose version cannot be read": (
        case([rec("a", depends=["b >=>1"]), rec("b")], "a"),
        """
        'a' (env.yml:5) cannot be fulfilled.
          a 1 has the entry 'b >=>1', which cannot be read
        """,
    ),
    "an entry that would colour the terminal": (
        case([rec("a", depends=["zz\x1b[31mred"]), rec("b", depends=["zz\u202e >=1"])], "a"),
        r"""
        'a' (env.yml:5) cannot be fulfilled.
          a 1 has the entry 'zz\x1b[31mred', which cannot be read
        """,
    ),
    "a version that would turn the line around": (
        case([rec("a", depends=["b >=2"]), rec("b", "1", "\u202ex"), rec("c", "1\u202e")], "a", "c"),
        r"""
        'c' (env.yml:6) cannot be fulfilled.
          no c may be used; c 1\u202e of main has an unreadable version
        """,
    ),
    "a long way to the cause": (
        case(
            [
                *(rec(f"ch{each}", depends=[f"ch{each + 1}"]) for each in range(10)),
                rec("ch10", depends=["py <3"]),
                rec("py", "3"),
            ],
            "ch0",
            "py",
        ),
        """
        'ch0' (env.yml:5) cannot be fulfilled.
          ch0 1 needs ch1
            ch1 1 needs ch2
              ch2 1 needs ch3
                ch3 1 needs ch4
                  ... 5 more on the way ...
                    ch9 1 needs ch10
                      ch10 1 needs py <3, but main has none; the nearest py is 3
        would work: env.yml:5: drop ch0 (gives py 3)
        """,
    ),
    "the smaller one of two conflicts": (
        case(
            [
                *(rec(f"l{each}", depends=[f"t !={each}"]) for each in (1, 2, 3)),
                *(rec(f"m{each}", depends=[f"u =={each}"]) for each in (1, 2)),
                *(rec("t", version) for version in "123"),
                *(rec("u", version) for version in "12"),
            ],
            "l1",
            "l2",
            "l3",
            "m1",
            "m2",
        ),
        """
        'm1' and 'm2' cannot be fulfilled together.
          m1 (env.yml:8)
            m1 1 needs u ==1
          m2 (env.yml:9)
            m2 1 needs u ==2, which excludes the u above
        would work: drop m2 and l3 (env.yml:9, 7) (gives m1 1 with l1 1 and l2 1)
        would work: drop m2 and l2 (env.yml:9, 6) (gives m1 1 with l1 1 and l3 1)
        would work: drop m2 and l1 (env.yml:9, 5) (gives m1 1 with l2 1 and l3 1)
        would work: drop m1 and l3 (env.yml:8, 7) (gives m2 1 with l1 1 and l2 1)
        would work: drop m1 and l2 (env.yml:8, 6) (gives m2 1 with l1 1 and l3 1)
        """,
    ),
}


def told(one: Case) -> str:
    outcome = solve(one.problem(file="env.yml"))
    assert isinstance(outcome, Conflict)
    names = {record.name for record in one.records}
    explanation = explain(outcome, names=names, channels=one.channels)
    proposals = propose(outcome, names=names)
    told = [str(explanation), *(f"would work: {proposal}" for proposal in proposals)]
    hint = hint_beside(explanation.hint, proposals)
    return "\n".join([*told, f"hint: {hint}"] if hint else told)


def dedented(text: str) -> str:
    lines = text.strip("\n").splitlines()
    return "\n".join(line[8:] for line in lines).rstrip()


@pytest.mark.parametrize("kind", KINDS)
def test_the_words_for(kind: str) -> None:
    one, expected = KINDS[kind]
    assert told(one) == dedented(expected)


def test_a_limit_on_a_package_that_nobody_asks_for() -> None:
    one = case([rec("app", depends=["numpy >=1.25"]), *WORLD], "app")
    outcome = solve(one.problem(constraints=lines("numpy <1.25", file="pinned")))
    assert isinstance(outcome, Conflict)
    assert str(explain(outcome, channels=["main"])) == dedented("""
        'app' and 'numpy <1.25' cannot be fulfilled together.
          app (command line)
            app 1 needs numpy >=1.25, but pinned:5 limits it to numpy <1.25
          numpy <1.25 (pinned:5)
    """)


def pins(*texts: str) -> tuple[Requirement, ...]:
    return tuple(Requirement(MatchSpec.parse(text), Source(PINNED, None, text)) for text in texts)


def test_several_limits_of_one_place_are_told_in_one_breath() -> None:
    one = case([rec("app", depends=["numpy 1.20.0|1.26.0"]), *WORLD], "app")
    outcome = solve(one.problem(constraints=pins("numpy <1.25", "numpy >1.21")))
    assert isinstance(outcome, Conflict)
    assert explain(outcome, channels=["main"]).lines[1] == (
        "  app 1 needs numpy 1.20.0|1.26.0, but pinned_packages limits it to numpy <1.25 and numpy >1.21"
    )


def test_pins_in_the_way_can_be_lifted_all_at_once_or_one_by_one() -> None:
    one = case([rec("app", depends=["numpy ==1.24.4"]), *WORLD], "app")
    outcome = solve(one.problem(constraints=pins("numpy <1.21")))
    assert isinstance(outcome, Conflict)
    assert [str(proposal) for proposal in propose(outcome)] == [
        "use --no-pin (gives app 1)",
        "pinned_packages: relax numpy <1.21 to numpy <1.25 (gives app 1)",
    ]
    two = solve(one.problem(constraints=pins("numpy <1.21", "numpy !=1.24.4")))
    assert isinstance(two, Conflict)
    assert [str(proposal) for proposal in propose(two)] == ["use --no-pin (gives app 1)"]


def test_further_conflicts_are_told_where_a_proposal_touches_them() -> None:
    one, _ = KINDS["two conflicts at once"]
    outcome = solve(one.problem(file="env.yml"))
    assert isinstance(outcome, Conflict)
    proposals = propose(outcome)
    beside = lines_beside(proposals, outcome.requirements)
    told = with_further(explain(outcome, channels=["main"]), beside)
    assert told.lines[-1] == "there are further conflicts, with c=2 (env.yml:8) and b=1 (env.yml:7)"
    assert causes_as_json(told.causes)[-1]["kind"] == "more"
    single = solve(case(WORLD, "numpy=1.24", "python=3.12").problem())
    assert isinstance(single, Conflict)
    assert lines_beside(propose(single), single.requirements) == []


def test_what_is_cut_is_counted() -> None:
    builds = [rec("app", str(each), depends=[f"gone{each}"]) for each in range(30)]
    outcome = solve(case(builds, "app").problem())
    assert isinstance(outcome, Conflict)
    told = explain(outcome, channels=["main"]).lines
    assert len(told) == MAX_LINES
    assert told[0] == "app 29 needs gone29, which is not in main"
    assert told[-1] == "... and 17 more"
    outcome = solve(
        case([rec("app", str(each), depends=[f"gone{each}"]) for each in range(300)], "app").problem()
    )
    assert isinstance(outcome, Conflict)
    assert explain(outcome, channels=["main"]).lines[-1].startswith("... and more than 1")


def test_no_explanation_is_longer_than_a_glance() -> None:
    seen = 0
    for seed in range(400):
        one = Maker(seed, rich=seed % 2 == 0).case()
        outcome = solve(one.problem())
        if isinstance(outcome, Conflict):
            seen += 1
            explanation = explain(outcome, channels=one.channels)
            assert 0 < len(explanation.lines) <= MAX_LINES
            assert explanation.requirements
    assert seen > 100


def test_many_missing_names_are_counted_and_the_first_are_told_in_order() -> None:
    names = [f"gone{letter}" for letter in "zyxwvutsrqpo"]
    outcome = solve(case([rec("app")], "app", *names).problem())
    assert isinstance(outcome, Conflict)
    explanation = explain(outcome, channels=["main"])
    assert [requirement.spec.name for requirement in explanation.requirements] == names
    assert explanation.sentence.startswith("'gonez', 'goney', 'gonex', ")
    assert explanation.sentence.endswith("'goneq' and 2 more cannot be fulfilled.")
    assert explanation.lines[0] == "main has no gonez (command line)"
    assert explanation.lines[-1] == "and 2 more"
    assert len(explanation.lines) == 11


def test_a_name_is_not_suggested_for_itself() -> None:
    """A channel may list a name of which no record came through; its own name is no advice then."""
    outcome = solve(case([], "libx").problem())
    assert isinstance(outcome, Conflict)
    explanation = explain(outcome, names=iter(["liby", "libx"]), channels=["main"])
    assert explanation.lines == ("main has no libx that can be read",)
    assert explanation.hint is None
    assert near_names("libx", ["libx", "liby"]) == ["liby"]


def test_names_are_read_once_however_many_are_missing() -> None:
    outcome = solve(case([], "nunpy", "pandsa").problem())
    assert isinstance(outcome, Conflict)
    explanation = explain(outcome, names=iter(["numpy", "pandas"]), channels=["main"])
    assert explanation.lines == (
        "main has no nunpy (command line); near names: numpy",
        "main has no pandsa (command line); near names: pandas",
    )


def test_a_hidden_record_is_of_the_channel_as_the_user_calls_it() -> None:
    one = case([rec("a", "1"), rec("a", "2", channel="channel")], "a >=2")
    outcome = solve(one.problem())
    assert isinstance(outcome, Conflict)
    assert explain(outcome, channels=["main", "local"]).lines == (
        "main and local have none; the nearest a is 1; strict channel priority hides the a of local",
    )


def test_near_names_are_found_among_many() -> None:
    names = [f"package{number}" for number in range(5000)] + ["scikit-learn", "snakemake-minimal", "pandas"]
    assert near_names("scikit-lern", names) == ["scikit-learn"]
    assert near_names("snakemake", names) == ["snakemake-minimal"]
    assert near_names("qqqq", names) == []


def test_of_very_many_likely_names_a_bounded_number_is_compared() -> None:
    names = sorted(f"package-{number:06}-lib" for number in range(60_000))
    compared = narrowed("package-012345-lob", names)
    assert "package-012345-lib" in compared
    assert len(compared) <= 10_000
    assert near_names("package-012345-lob", names)[0] == "package-012345-lib"
    assert narrowed("x", names[:10]) == names[:10], "few are all compared"


def test_a_puzzle_without_an_answer_is_explained_briefly_too() -> None:
    holes, pigeons = range(6), range(7)
    records = [
        rec(f"p{one}", str(hole), constrains=[f"p{other} !={hole}" for other in pigeons if other != one])
        for one in pigeons
        for hole in holes
    ]
    outcome = solve(case(records, *(f"p{one}" for one in pigeons)).problem())
    assert isinstance(outcome, Conflict)
    assert len(outcome.requirements) == len(pigeons)
    assert len(explain(outcome, channels=["main"]).lines) <= MAX_LINES
