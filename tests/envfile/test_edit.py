"""write_specs changes one line of an environment file, or adds one, and nothing else."""

from __future__ import annotations

import pytest

from envmgr.envfile.edit import write_specs
from envmgr.errors import DataError

FILE = """\
# our tools
name: tools  # the name
dependencies:
  # numbers
  - numpy=1  # old

  - "pandas >=2"
  - pip:
      - six
channels: [conda-forge]
"""

CASES = {
    "a spec takes the place of the old one": (
        FILE,
        {"numpy": "numpy >=2"},
        FILE.replace("numpy=1  #", "numpy >=2  #"),
    ),
    "a quoted one too": (FILE, {"pandas": "pandas=3"}, FILE.replace('"pandas >=2"', "pandas=3")),
    "a new one follows the last spec": (
        FILE,
        {"xz": "xz", "zlib": "zlib<2"},
        FILE.replace('"pandas >=2"\n', '"pandas >=2"\n  - xz\n  - zlib<2\n'),
    ),
    "what YAML would read otherwise is quoted": (
        "dependencies:\n- a\n",
        {"b": "b[version='>=1', build=x]"},
        "dependencies:\n- a\n- \"b[version='>=1', build=x]\"\n",
    ),
    "a list in brackets stays one": (
        "dependencies: [a, b >=1]\nname: x\n",
        {"a": "a >=2,<3", "c": "c"},
        'dependencies: ["a >=2,<3", b >=1, c]\nname: x\n',
    ),
    "an empty list in brackets": ("dependencies: []\n", {"a": "a"}, "dependencies: [a]\n"),
    "nothing at all": ("dependencies:\nname: x\n", {"a": "a"}, "dependencies:\n  - a\nname: x\n"),
    "only another installer's list": (
        "dependencies:\n    - pip: [six]\n",
        {"a": "a"},
        "dependencies:\n    - a\n    - pip: [six]\n",
    ),
    "a file without a line end": ("dependencies:\n- a", {"b": "b"}, "dependencies:\n- a\n- b\n"),
    "Windows' line ends": ("dependencies:\r\n- a\r\n", {"b": "b"}, "dependencies:\r\n- a\r\n- b\r\n"),
    "a comment that chooses a platform stays": (
        "dependencies:\n- a=1  # [linux]\n",
        {"a": "a=2"},
        "dependencies:\n- a=2  # [linux]\n",
    ),
    "a channel before the name": ("dependencies:\n- x::a\n", {"a": "a"}, "dependencies:\n- a\n"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_spec_is_written(case: str):
    before, specs, after = CASES[case]
    assert write_specs(before, specs, file="e.yml") == after
    assert write_specs(after, specs, file="e.yml") == after


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dependencies:\n- a\n- b\n- a=1\n", "e.yml:4: a is listed twice."),
        ("dependencies:\n- sel(linux): a\n- b\n", "e.yml:2: a is part of the choice `sel(linux)`."),
        ("dependencies:\n- &x b\n- *x\n", "e.yml: `dependencies` stands there in a form"),
        ("name: x\n", "e.yml: it has no list of `dependencies`."),
        ("- a\n", "e.yml: it has no list of `dependencies`."),
        ("dependencies: [a\n", "e.yml:"),
    ],
)
def test_what_only_its_writer_can_change_is_refused(text: str, said: str):
    with pytest.raises(DataError) as refused:
        write_specs(text, {"a": "a=2"}, file="e.yml")
    assert said in str(refused.value)
