"""Exported, created elsewhere and exported again, an environment gives the same file, whatever it holds.

ENVMGR_TEST_EXPORTS=N tries N generated environments; a few do for the suite.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.builders import make_channel, pkg
from tests.servers import serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.command import Envmgr

EXAMPLES = int(os.environ.get("ENVMGR_TEST_EXPORTS", "5"))
PLATFORMS = ("linux-64", "osx-arm64", "win-64", "osx-64", "linux-aarch64")
EVERYWHERE = ("app", "lib", "pure", "zed", "a-b_c.d")
SOMEWHERE = {"perf": "linux", "winpty": "win"}
COMMENTS = ("", "", "", "# [linux]", "# [not win]", "# [osx or win]", "# [linux64]")
CHOICES = ("", "", "", "sel(linux): ", "sel(unix): ", "sel(win): ")
FORMS = ("{}", "{}", "{} >0", "{} <2", "{}=1", "'{} >=1,<9'", '"{}"', "{} !=7")
NOTES = ("", "", "  # why: [see below]", "   # ours")
STYLES = ("asked", "none", "minor", "exact")
LEVELS = ((), ("--no-builds",), *(("--from-history", "--versions", each) for each in STYLES))


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a channel of which each platform has other versions."""
    served = tmp_path_factory.mktemp("served")
    packages = [pkg("pure", version, noarch="generic") for version in ("1.0", "3.1.4")]
    for number, subdir in enumerate(PLATFORMS):
        packages += [
            pkg("app", "1.2.3", "h_1", depends=["lib >=1"], subdir=subdir),
            pkg("app", "2.0", depends=["lib >=1", "pure"], subdir=subdir),
            pkg("lib", f"1.{number % 3}", f"h{number}_0", subdir=subdir),
            pkg("zed", "1!1.0rc1", subdir=subdir),
            pkg("a-b_c.d", "1.1+cu118", depends=["zed"] if number == 2 else [], subdir=subdir),
        ]
        packages += [
            pkg(name, "1.5", depends=["lib"], subdir=subdir)
            for name, system in SOMEWHERE.items()
            if subdir.startswith(system)
        ]
    make_channel(served / "main", packages)
    with serve(served) as server:
        yield f"{server.url}/main"


@st.composite
def dependencies(draw: Any) -> list[str]:
    """The lines of a file with selectors of one kind, which can be fulfilled on every platform."""
    has_comments = draw(st.booleans())
    lines = []
    for name in draw(st.permutations((*EVERYWHERE, *SOMEWHERE)))[: draw(st.integers(1, 7))]:
        spec = draw(st.sampled_from(FORMS if name != "zed" else FORMS[:3])).format(name)
        before = "" if has_comments else draw(st.sampled_from(CHOICES))
        behind = draw(st.sampled_from(COMMENTS)) if has_comments else ""
        if name in SOMEWHERE:
            system = SOMEWHERE[name]
            before, behind = ("", f"# [{system}]") if has_comments else (f"sel({system}): ", "")
        note = draw(st.sampled_from(NOTES))
        lines.append(f"- {before}{spec}  {behind}{note}".rstrip())
    return lines


CHANGES = st.lists(
    st.tuples(st.sampled_from(["install", "remove"]), st.sampled_from([*EVERYWHERE, "perf"])), max_size=2
)
NUMBERS = itertools.count()


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(
    lines=dependencies(),
    changes=CHANGES,
    level=st.sampled_from(LEVELS),
    others=st.lists(st.sampled_from(PLATFORMS[1:]), unique=True, max_size=4),
    variables=st.dictionaries(
        st.sampled_from(["MODE", "X_1"]), st.sampled_from(["fast", "1", "a: b #"]), max_size=2
    ),
)
def test_what_is_made_of_an_export_exports_the_same(
    envmgr: Envmgr, channel: str, tmp_path: Path, lines: list[str], changes: list[tuple[str, str]],
    level: tuple[str, ...], others: list[str], variables: dict[str, str],
):  # fmt: skip
    place = tmp_path / str(next(NUMBERS))
    place.mkdir()
    (place / "env.yml").write_text(
        f"# The environment of {'all' if others else 'one'}\nchannels:\n  - {channel}\n  - nodefaults\n\n"
        + "\n".join(["dependencies:", "# first", *lines, "# last", ""])
        + (yaml.safe_dump({"variables": variables}) if variables else "")
    )
    first, second = place / "one/envs/demo", place / "two/envs/demo"
    assume(envmgr("create", "-y", "-p", first, "-f", place / "env.yml").code == 0)
    for command, name in changes:
        envmgr(command, "-y", "-p", first, name)  # One that cannot be changes nothing.
    platforms = [word for each in ("linux-64", *others) for word in ("--platform", each)] if others else []
    shared = envmgr("export", "-p", first, *level, *platforms)
    assert shared.code == 0, shared.err
    (place / "shared.yml").write_text(shared.out)
    made = envmgr("create", "-y", "-p", second, "-f", place / "shared.yml")
    assert made.code == 0, made.err
    again = envmgr("export", "-p", second, *level, *platforms)
    assert (again.code, again.out) == (0, shared.out), again.err
    for each in others:
        done = envmgr(
            "create", "--dry-run", "-p", place / "none", "-f", place / "shared.yml", "--platform", each
        )
        assert done.code == 0, done.err
