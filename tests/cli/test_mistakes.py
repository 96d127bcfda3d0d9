"""Common mistakes are understood: each is answered with what was meant, or with what to type instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envmgr.envfile.other_formats import kind_of_file
from envmgr.errors import DataError
from tests.builders import make_channel, pkg

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Envmgr

PACKAGES = [
    pkg("numpy", "1.26.4"),
    pkg("pytorch", "2.3.0"),
    pkg("py-opencv", "4.9", depends=["opencv"]),
    pkg("opencv", "4.9"),
    pkg("beautifulsoup4", "4.12"),
]
OTHERS = [
    pkg("rare", "1.0"),
    pkg("winonly", "1.0", subdir="win-64"),
    pkg("maconly", "1.0", subdir="osx-arm64"),
]


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    return make_channel(tmp_path / "channel", PACKAGES)


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return make_channel(tmp_path / "other", OTHERS)


def refused(envmgr: Envmgr, channel: Path, *words: object) -> str:
    done = envmgr("create", "-n", "x", "--override-channels", "-c", channel, *words)
    assert done.code in (1, 2)
    assert "Traceback" not in done.err
    return done.err


def test_a_package_of_a_configured_channel_is_found_there(
    envmgr: Envmgr, channel, other, isolated_home: Path
):
    (isolated_home / ".condarc").write_text(f"channels: [{other.as_uri()}]\n")
    assert f"Another channel has rare: add -c {other.as_uri()}." in refused(envmgr, channel, "rare")


def test_a_package_of_a_channel_that_was_searched_before_is_found_there(envmgr: Envmgr, channel, other):
    assert "add the channel that has it" in refused(envmgr, channel, "rare")
    assert envmgr("search", "rare", "--override-channels", "-c", other).code == 0
    assert f"Another channel has rare: add -c {other.as_uri()}." in refused(envmgr, channel, "rare")


def test_a_package_for_other_platforms_says_for_which(envmgr: Envmgr, other: Path):
    said = refused(envmgr, other, "winonly", "--platform", "linux-64")
    assert "winonly is there for win-64 only, not for linux-64." in said


def test_a_damaged_index_beside_it_spoils_no_hint(envmgr: Envmgr, channel, other, isolated_home: Path):
    assert envmgr("search", "rare", "--override-channels", "-c", other).code == 0
    for path in (isolated_home / "root" / "index").rglob("*.sqlite"):
        path.write_bytes(path.read_bytes()[:1000])
    assert "rare" in refused(envmgr, channel, "rare")


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("torch", "what PyPI calls torch is pytorch here"),
        ("opencv-python", "what PyPI calls opencv-python is py-opencv or opencv here"),
        ("opencv_python", "what PyPI calls opencv_python is py-opencv or opencv here"),
        ("bs4", "what PyPI calls bs4 is beautifulsoup4 here"),
        ("nmpy", "near names: numpy"),
    ],
)
def test_another_name_for_a_package_is_understood(word: str, answer: str, envmgr: Envmgr, channel: Path):
    assert answer in refused(envmgr, channel, word)


def test_two_equals_signs_where_one_was_meant(envmgr: Envmgr, channel: Path):
    told = "(== is for exactly 1.26; numpy=1.26 is for any 1.26.*)"
    assert told in refused(envmgr, channel, "numpy==1.26")
    assert told in refused(envmgr, channel, "numpy 1.26")
    assert "(==" not in refused(envmgr, channel, "numpy==3")
    assert envmgr("create", "-n", "x", "--override-channels", "-c", channel, "numpy=1.26", "-d").code == 0


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("numpy=>1.2", "Write >= for 'at least'."),
        ("numpy<>1.2", "Write != for 'not'."),
        ("numpy~1.2", "Write ~=1.2 or =1.2."),
        ("numpy^1.2", "Write >= with < for what ^ means elsewhere, as in numpy>=1.2,<2."),
        ("numpy>=1 <2", "Separate clauses by a comma, as in >=1.2,<2."),
        ("numpy-1.26.4", "Did you mean numpy=1.26.4?"),
        ("numpy:1.26", "Did you mean numpy=1.26?"),
    ],
)
def test_versions_in_the_spelling_of_others(spec: str, hint: str, envmgr: Envmgr, channel: Path):
    assert f"hint: {hint}" in refused(envmgr, channel, spec)


@pytest.fixture
def made(envmgr: Envmgr, channel: Path) -> None:
    assert envmgr("create", "-y", "-n", "science", "--override-channels", "-c", channel, "numpy").code == 0


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["list"], "Name one with -n NAME or -p PREFIX; there are: science."),
        (["install", "science", "numpy"], "Did you mean -n science?"),
        (["remove", "science", "numpy"], "Did you mean -n science?"),
        (["list", "-n", "scince"], "Did you mean 'science'?"),
        (["list", "-p", "science"], "For the environment of that name say: -n science"),
        (["list", "-n", "./science"], "For a folder say: -p ./science"),
        (["list", "-n", "/srv/science"], "For a folder say: -p /srv/science"),
        (["lst"], "Did you mean 'list'?"),
        (["upgade", "-n", "science"], "Did you mean 'upgrade'?"),
        (["env", "lst"], "Did you mean 'env list'?"),
        (["-n", "science", "list"], "The command comes first, then its options, as in envmgr list --json."),
        (["list", "--jsn"], "Did you mean '--json'?"),
        (["install", "-n", "science", "--chanel", "x"], "Did you mean '--channel'?"),
        (["install", "-n", "science", "numpy", "--strategy", "higest"], "Did you mean 'highest'?"),
        (["update", "-n", "science", "nunpy"], "Did you mean numpy?"),
        (["remove", "-n", "science", "nunpy"], "Did you mean numpy?"),
        (["install", "-n", "science", "numpy", "1.2"], "Did you mean numpy=1.2?"),
        (["create", "-n", "other", "3.12"], "Write NAME=VERSION, as in python=3.12."),
    ],
    ids=" ".join,
)
def test_slips_on_the_command_line(words: list[str], answer: str, envmgr: Envmgr):
    done = envmgr(*words)
    assert (done.code in (1, 2), f"hint: {answer}" in done.err) == (True, True), done.err


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("requirements.yml", "# c\nnumpy==1.26.4\nopencv >=4  # why\n"),
        ("exported.yml", "# platform: linux-64\nnumpy=1.26.4=0\nopencv=4.9=0\n"),
        ("environment.txt", "dependencies:\n- numpy\n- opencv\n"),
    ],
)
def test_files_with_the_ending_of_others_are_read_as_what_they_are(
    name: str, content: str, envmgr: Envmgr, channel, tmp_path: Path
):
    file = tmp_path / name
    file.write_text(content)
    done = envmgr("create", "-n", "x", "-d", "--json", "--override-channels", "-c", channel, "-f", file)
    assert done.code == 0, done.err
    assert [each["name"] for each in done.json["actions"]["LINK"]] == ["numpy", "opencv"]


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        (
            "l.txt",
            "# packages in environment at /x:\n#\n# Name  Version  Build  Channel\na 1 0 c\n",
            "list --export",
        ),
        ("meta.yaml", "package:\n  name: a\nrequirements:\n  run: []\n", "envmgr build"),
        ("e.json", '{"name": "x"}\n', "without --json"),
        ("Dockerfile", "# c\n\nFROM debian\n", None),
    ],
)
def test_files_of_other_tools_are_told_with_what_makes_one_that_can_be_read(name, content, what):
    with pytest.raises(DataError, match=f"^{name} (is|holds) .*, and no environment file") as caught:
        kind_of_file(content, name)
    assert caught.value.hint is None if what is None else what in str(caught.value.hint)


def test_what_environment_files_have_is_not_taken_for_another_format():
    for text in (
        "name: x\ndependencies: []\n",
        "channels: [a]\ndependencies:\n- numpy\n",
        "",
        "# c\n",
        "{dependencies: []}",
    ):
        assert kind_of_file(text, "e.yml") == "environment"
    for text in ("numpy\n", "numpy[version='>1']\n", "# c\nnumpy ==1\n", ""):
        assert kind_of_file(text, "e.txt") == "specs"


def test_old_forms_of_environment_files_are_answered_with_the_new(envmgr: Envmgr, channel, tmp_path: Path):
    file = tmp_path / "old.yml"
    for text, hint in (
        ("dependencies:\n  conda: [numpy]\n", "Write one `- name` line for each package."),
        ("dependencies:\n- pip: requests\n", "Write `- pip:` and below it, indented deeper, `- requests`."),
        ("name: x\npackages: [numpy]\n", "Did you mean it by `packages`?"),
    ):
        file.write_text(text)
        assert f"hint: {hint}" in refused(envmgr, channel, "-f", file)
