"""kept_text makes a file say what is wanted now, and keeps its comments, order, quotes and grouping.

With ``ENVMGR_TEST_ALL_FILES=1`` all real files are gone through, otherwise every twentieth.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from msgspec.structs import replace

from envmgr.envfile.environment_text import WrittenEnvironment
from envmgr.envfile.environment_yml import parse_environment
from envmgr.envfile.source_text import Meanings, kept_text
from envmgr.envfile.text_edit import NotEditableError
from envmgr.errors import DataError
from envmgr.models.document import decode_document
from envmgr.models.match_spec import parse_match_spec
from envmgr.models.spec_style import plain_text, restyled
from envmgr.ops.export_source import item_key
from envmgr.ops.source_file import public_text
from envmgr.pypi.items import item_name, names_place_here
from tests.shared_data import shared_path

EVERY = 1 if os.environ.get("ENVMGR_TEST_ALL_FILES") else 20

FILE = """\
# our tools
name: tools  # the name
channels: [conda-forge]
dependencies:
  # numbers
  - numpy=1  # old

  - "pandas >=2"
  - sel(unix): gdb
  - pywin32   # [win]
  - pip:   # not in conda
      - --extra-index-url https://example.org/simple
      - six>=1 # six
      - Foo_Bar  >= 2
variables:
  # how
  MODE: fast
prefix: /home/me/tools
"""
KEPT = FILE.replace("[conda-forge]", "[conda-forge, nodefaults]").replace("prefix: /home/me/tools\n", "")
ITEMS = ("--extra-index-url https://example.org/simple", "six>=1", "foo-bar>=2")
ASKED = WrittenEnvironment(
    "tools", ("conda-forge",), ("numpy=1", "pandas >=2", "gdb"), ITEMS, {"MODE": "fast"}
)

CASES = {
    "what asks for the same in other words stays": ({}, KEPT),
    "a spec takes the place of the old one, in its quotes": (
        {"dependencies": ("numpy >=2,<3", "pandas=3", "gdb=14")},
        KEPT.replace("numpy=1 ", "numpy >=2,<3 ").replace("pandas >=2", "pandas=3").replace("gdb", "gdb=14"),
    ),
    "a new spec follows the last, before other installers": (
        {"dependencies": (*ASKED.dependencies, "xz", "b[version='>=1', build=x]")},
        KEPT.replace('pandas >=2"\n', 'pandas >=2"\n  - xz\n  - "b[version=\'>=1\', build=x]"\n'),
    ),
    "what is not wanted goes with its line": (
        {"dependencies": ("numpy=1",), "pypi": ITEMS[:2]},
        KEPT.replace('  - "pandas >=2"\n  - sel(unix): gdb\n', "").replace("      - Foo_Bar  >= 2\n", ""),
    ),
    "new items for pip follow the last, new options come first": (
        {"pypi": ("--pre", *ITEMS, "bar @ https://example.org/bar.whl")},
        KEPT.replace("      - --extra", "      - --pre\n      - --extra").replace(
            ">= 2\n", ">= 2\n      - bar @ https://example.org/bar.whl\n"
        ),
    ),
    "a section of which nothing is left goes": (
        {"pypi": ()},
        KEPT[: KEPT.index("  - pip:")] + KEPT[KEPT.index("variables") :],
    ),
    "name, channels and variables change": (
        {"name": "other", "channels": ("pkgs/main", "conda-forge"), "variables": {"MODE": "yes", "N": "1"}},
        KEPT.replace("name: tools", "name: other")
        .replace("[conda", "[pkgs/main, conda")
        .replace("MODE: fast\n", 'MODE: "yes"\n  N: "1"\n'),
    ),
    "what there is no more goes with its key": (
        {"name": None, "variables": {}},
        KEPT.replace("name: tools  # the name\n", "").replace("variables:\n  # how\n  MODE: fast\n", ""),
    ),
    "platforms stand before the dependencies": (
        {"platforms": ("linux-64", "win-64")},
        KEPT.replace("dependencies:", "platforms:\n  - linux-64\n  - win-64\ndependencies:"),
    ),
}


def channel_meanings(names: object) -> dict[str, tuple[str, ...]]:
    known = {"defaults": ("pkgs/main", "pkgs/r")}
    return {str(name): known.get(str(name), (str(name),)) for name in names}  # type: ignore[attr-defined]


def kept(text: str, wanted: WrittenEnvironment, subdir: str = "linux-64") -> str:
    """What is kept of *text*, which keeps itself."""
    written = parse_environment(text, file="e.yml", subdir=subdir).channels
    meanings = Meanings(channel_meanings([*written, *wanted.channels]), item_key, item_name)
    found = kept_text(text, wanted, meanings, subdir)
    assert kept_text(found, wanted, meanings, subdir) == found
    return found


@pytest.mark.parametrize("case", CASES)
def test_only_what_is_wanted_otherwise_changes(case: str):
    changes, expected = CASES[case]
    assert kept(FILE, replace(ASKED, **changes)) == expected
    assert kept(FILE.replace("\n", "\r\n"), replace(ASKED, **changes)) == expected.replace("\n", "\r\n")


def test_lists_without_items_are_filled():
    bare = "channels:\ndependencies: []  # none yet"
    wanted = WrittenEnvironment("x", ("a",), ("numpy",), ("six",))
    assert kept(bare, wanted) == (
        "name: x\nchannels:\n  - a\n  - nodefaults\ndependencies:  # none yet\n"
        "  - numpy\n  - pip:\n      - six\n"
    )


def test_channels_keep_their_words_and_nodefaults_its_place():
    text = "channels:\n- nodefaults\n- defaults # ours\n- b\ndependencies: [a]\n"
    wanted = WrittenEnvironment(None, ("pkgs/main", "pkgs/r", "b"), ("a",))
    assert kept(text, wanted) == text
    other = replace(wanted, channels=("c", "b"))
    assert kept(text, other) == text.replace("- defaults # ours", "- c")


@pytest.mark.parametrize(
    ("text", "wanted", "reason"),
    [
        (FILE, {"dependencies": (*ASKED.dependencies, "pywin32 >1")}, "asks for pywin32 otherwise on win-64"),
        ("{dependencies: [numpy=1, pandas>=2, gdb]}\n", {}, "braces"),
        ("dependencies:\n- [numpy=1\n  ,pandas]\n", {}, None),
        ("dependencies: [numpy=1, # why\n  pandas>=2]\n", {}, "comments"),
        ("dependencies:\n- &n numpy=2\n", {}, "anchors"),
        ("dependencies:\n- include: other.yml\n", {}, "includes"),
        ("dependencies:\n- sel(linux): numpy=1\n  sel(unix): gdb\n", {"dependencies": ("gdb",)}, "choice"),
    ],
)  # fmt: skip
def test_what_cannot_be_changed_line_by_line_is_left_to_others(text: str, wanted: dict, reason: str | None):
    with pytest.raises((NotEditableError, DataError), match=reason):
        kept(text, replace(ASKED, **wanted))


def test_logins_secrets_and_folders_do_not_stay_in_texts():
    text = (
        "# at https://me:pw@example.org/x, in /home/me/x and /home/me, not /home/me2 # [win]\n"
        "variables:\n  MY_TOKEN: abc\n  B: '#1'  # API_KEY=abc\n"
        "dependencies:\n- a  # password: abc # [win]\n- token=1\n- b  # fine\n# SECRET=abc\n"
        "- pip:\n  - x @ git+ssh://git@example.org/x\n"
    )
    assert public_text(text, {"/home/me": "~", "/": "."}) == (
        "# at https://example.org/x, in ~/x and ~, not /home/me2 # [win]\n"
        "variables:\n  B: '#1'\n"
        "dependencies:\n- a  # # [win]\n- token=1\n- b  # fine\n\n"
        "- pip:\n  - x @ git+ssh://git@example.org/x\n"
    )


def as_wanted(text: str) -> WrittenEnvironment:
    """What a file asks for, in the words of exports."""
    file = parse_environment(text, file="e.yml", subdir="linux-64")
    specs = [line.spec for line in file.requirements if line.spec.is_name_exact]
    items = [item.text for item in file.subsections.get("pip", ()) if not names_place_here(item.text)]
    channels = [each for texts in channel_meanings(file.channels).values() for each in texts]
    return WrittenEnvironment(
        file.name,
        tuple(dict.fromkeys(channels)),
        tuple(dict.fromkeys(plain_text(spec) for spec in specs if not spec.name.startswith("__"))),
        tuple(items),
        dict(file.variables),
    )


def changed(wanted: WrittenEnvironment, rng: random.Random) -> WrittenEnvironment:
    """The same after a life: packages came and went, with other versions, under another name."""
    styles = ("asked", "none", "minor", "minimum", "exact")
    specs = [parse_match_spec(text) for text in wanted.dependencies if rng.random() < 0.8]
    specs = [restyled(each, rng.choice(["1.2.3", "1!2", "2024a"]), rng.choice(styles)) for each in specs]
    texts = list(dict.fromkeys(map(plain_text, specs)))
    items = [each for each in wanted.pypi if rng.random() < 0.8]
    return WrittenEnvironment(
        rng.choice([None, "other", wanted.name]),
        wanted.channels[rng.randrange(2) :] + ("zz-new",) * rng.randrange(2),
        (*texts, "zz-new >=1,<2", "zz-forge::zz-other=1=b*"),
        (*items, "Zz-pip[x]>=2; python_version < '4'"),
        rng.choice([dict(wanted.variables), {"NEW": "yes", "OTHER": "a b: c # d"}]),
    )


def test_real_files_are_kept_and_say_what_is_wanted():
    """Of what does not change, 998 of 1,000 lines stay; no change but that of one file has to be refused."""
    rng = random.Random(0)
    refused, stayed, lines = [], 0, 0
    for path in sorted(Path(shared_path("envfiles/files")).iterdir())[::EVERY]:
        try:
            parse_environment(path.read_bytes(), file="e.yml", subdir="linux-64")
        except DataError:
            continue
        text = public_text(decode_document(path.read_bytes(), file="e.yml"), {"/home/me": "~"})
        wanted = as_wanted(text)
        found = set(kept(text, wanted).splitlines())
        before = [line for line in text.splitlines() if not line.startswith(("prefix", "channels"))]
        stayed += sum(line in found for line in before)
        lines += len(before)
        try:
            kept(text, changed(wanted, rng))
        except NotEditableError:
            refused.append(path.stem)
    assert refused in ([], ["3904"])
    assert stayed >= 0.998 * lines
