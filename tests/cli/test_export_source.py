"""envmgr export --from-history of environments that came from a file: the file, as far as it still says it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.builders import make_channel, pkg
from tests.servers import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.command import Envmgr

TEXT = """\
# See https://me:s3kr1t@example.org and {home}/notes.
name: demo   # the name
channels:
- {channel}
- nodefaults

dependencies:
    # the base
    - 'app <2'   # not yet 2
    - lib
    # windows only
    - pywin32 >=300   # [win]
    - sel(osx): appnope
variables: {{MODE: "fast", MY_TOKEN: s3kr1t}}
prefix: {home}/demo
"""


EDITED = (
    "warning: env.yml has been edited since the environment was made or updated from it;"
    " the export goes by its text of then.\n"
)


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a served channel."""
    served = tmp_path_factory.mktemp("served")
    versions = [("app", "1.2"), ("app", "2.0"), ("lib", "1.5"), ("extra", "3!1.5.post1")]
    make_channel(served / "main", [pkg(name, version) for name, version in versions])
    with serve(served) as server:
        yield f"{server.url}/main"


@pytest.fixture
def file(channel: str, tmp_path: Path) -> Path:
    written = tmp_path / "env.yml"
    written.write_text(TEXT.format(channel=channel, home=Path.home()).replace(", MY_TOKEN: s3kr1t", ""))
    return written


@pytest.fixture
def kept(file: Path) -> str:
    """What others get of the file."""
    text = file.read_text().replace("me:s3kr1t@", "").replace(f"{Path.home()}/notes", "~/notes")
    return text[: text.index("prefix")]


@pytest.fixture
def prefix(envmgr: Envmgr, file: Path, tmp_path: Path) -> Path:
    return made_of(envmgr, tmp_path / "envs/demo", file)


def made_of(envmgr: Envmgr, place: Path, *files: Path, options: tuple[object, ...] = ()) -> Path:
    named = [word for each in files for word in ("-f", each)]
    done = envmgr("create", "-y", "-p", place, *named, *options)
    assert done.code == 0, done.err
    return place


def exported(envmgr: Envmgr, prefix: Path, *options: str) -> str:
    done = envmgr("export", "-p", prefix, "--from-history", *options)
    assert (done.code, done.err) == (0, "")
    return done.out


def changed(envmgr: Envmgr, *words: object) -> None:
    done = envmgr(*words)
    assert done.code == 0, done.err


def test_the_file_comes_back_whatever_became_of_it(envmgr: Envmgr, prefix: Path, file: Path, kept: str):
    assert exported(envmgr, prefix) == kept
    file.write_text("dependencies: [extra]\n")
    for words in ("env.yml has been edited since", "env.yml, which the environment came from, is not there"):
        done = envmgr("export", "-p", prefix, "--from-history")
        assert (done.out, done.code, words in done.err, done.err.count("\n")) == (kept, 0, True, 1)
        file.unlink(missing_ok=True)
    os.mkfifo(file)
    assert exported(envmgr, prefix) == kept


def test_what_is_saved_into_the_file_is_no_edit_of_others(envmgr: Envmgr, channel: str, tmp_path: Path):
    file = tmp_path / "env.yml"
    file.write_text(f"channels: [{channel}, nodefaults]\ndependencies:\n- lib  # the library\n")
    prefix = made_of(envmgr, tmp_path / "envs/demo", file)
    changed(envmgr, "install", "-y", "-p", prefix, "extra", "--save")
    file.write_text(file.read_text() + "# more to come\n")
    assert exported_text(envmgr, prefix).endswith("- extra\n" + EDITED)
    changed(envmgr, "update", "-y", "-p", prefix, "-f", file)
    assert exported(envmgr, prefix) == f"name: demo\n{file.read_text()}"


def test_an_environment_made_elsewhere_exports_the_same_file(
    envmgr: Envmgr, prefix: Path, tmp_path: Path, kept: str, monkeypatch: pytest.MonkeyPatch
):
    changed(envmgr, "install", "-y", "-p", prefix, "extra >0")
    changed(envmgr, "remove", "-y", "-p", prefix, "lib")
    for number, options in enumerate(((), ("--versions", "minor"), ("--versions", "exact"))):
        first = exported(envmgr, prefix, *options)
        place = tmp_path / f"{number}"
        place.mkdir()
        (place / "shared.yml").write_text(first)
        monkeypatch.setenv("ENVMGR_ROOT", str(place))
        monkeypatch.setenv("ENVMGR_CHANNELS", "https://127.0.0.1:9/none")
        copy = made_of(envmgr, place / "envs/demo", place / "shared.yml")
        assert exported(envmgr, copy, *options) == first
    assert first == kept.replace("app <2'", "app==1.2'").replace("lib\n", "extra==3!1.5.post1\n")


def test_changes_and_rollbacks_move_its_lines(envmgr: Envmgr, prefix: Path, kept: str):
    changed(envmgr, "install", "-y", "-p", prefix, "extra", "app >=2")
    after = kept.replace("'app <2'", "'app >=2'").replace("- lib\n", "- lib\n    - extra\n")
    assert exported(envmgr, prefix) == after
    changed(envmgr, "rollback", "-y", "-p", prefix)
    assert exported(envmgr, prefix) == kept
    changed(envmgr, "env", "config", "vars", "set", "-p", prefix, "MODE=slow")
    assert exported(envmgr, prefix) == kept.replace("fast", "slow")


def test_an_updated_file_takes_the_place_of_the_old_one_and_another_adds_to_it(
    envmgr: Envmgr, prefix: Path, file: Path, tmp_path: Path, kept: str
):
    more = tmp_path / "more.yml"
    more.write_text("# more\ndependencies: [extra]\n")
    changed(envmgr, "update", "-y", "-p", prefix, "-f", more)
    with_extra = kept.replace("- lib\n", "- lib\n    - extra\n")
    assert exported(envmgr, prefix) == with_extra
    file.write_text(file.read_text().replace("# the base", "# our base").replace("<2", ">=2"))
    changed(envmgr, "update", "-y", "-p", prefix, "-f", file)
    assert exported(envmgr, prefix) == with_extra.replace("# the base", "# our base").replace("<2", ">=2")
    changed(envmgr, "update", "-y", "-p", prefix, "-f", more, "--prune")
    assert exported(envmgr, prefix).startswith("# more\nname: demo\n")


def test_clones_have_the_file_of_what_they_are_cloned_from(envmgr: Envmgr, prefix: Path, kept: str):
    copy = prefix.parent / "copy"
    changed(envmgr, "create", "-y", "-p", copy, "--clone", prefix)
    assert exported(envmgr, copy) == kept.replace("name: demo", "name: copy")


def test_secrets_of_the_file_are_not_kept_with_the_environment(
    envmgr: Envmgr, channel: str, file: Path, tmp_path: Path
):
    file.write_text(
        TEXT.format(channel=channel.replace("//", "//me:s3kr1t@"), home=Path.home()).replace(
            ", MY_TOKEN: s3kr1t", ""
        )
    )
    token = "ghp_" + 4 * "s3kr1t789"
    file.write_text(file.read_text().replace("# the base", f"# the base {token} is ours"))
    prefix = made_of(envmgr, tmp_path / "envs/demo", file)
    assert "s3kr1t" not in exported_text(envmgr, prefix)
    assert "    # the base is ours\n" in exported_text(envmgr, prefix)
    found = subprocess.run(["grep", "-r", "s3kr1t", prefix / "conda-meta"], capture_output=True, check=False)
    assert found.stdout == b""
    assert f"the login for {channel} is left out" in envmgr("export", "-p", prefix, "--from-history").err


def exported_text(envmgr: Envmgr, prefix: Path) -> str:
    """With what is said beside it."""
    done = envmgr("export", "-p", prefix, "--from-history")
    assert done.code == 0
    return done.out + done.err


def test_what_one_file_does_not_tell_alone_is_exported_plainly(
    envmgr: Envmgr, channel: str, file: Path, tmp_path: Path
):
    more = tmp_path / "more.yml"
    more.write_text("# more\ndependencies: [extra]\ngroups: {test: [lib]}\n")
    two = made_of(envmgr, tmp_path / "two", file, more)
    assert "#" not in exported(envmgr, two)
    options = ("-c", channel, "--override-channels", "--group", "test")
    assert "#" not in exported(envmgr, made_of(envmgr, tmp_path / "grouped", more, options=options))
    without = made_of(envmgr, tmp_path / "plain", more, options=options[:-2])
    assert exported(envmgr, without).startswith("# more\n")


def test_a_file_that_cannot_be_changed_line_by_line_is_told(envmgr: Envmgr, channel: str, tmp_path: Path):
    file = tmp_path / "odd.yml"
    file.write_text(f"{{channels: [{channel}, nodefaults], dependencies: [lib]}}  # odd\n")
    prefix = made_of(envmgr, tmp_path / "envs/odd", file)
    done = envmgr("export", "-p", prefix, "--from-history")
    assert "#" not in done.out
    assert (
        "the text of odd.yml is not kept, with its comments and its order: its keys stand in br" in done.err
    )


def test_a_generation_of_an_earlier_envmgr_is_exported_plainly(envmgr: Envmgr, prefix: Path):
    (generation,) = (prefix / "conda-meta/envmgr/generations").iterdir()
    content = json.loads(generation.read_text())
    del content["source"]
    generation.write_text(json.dumps(content))
    assert "#" not in exported(envmgr, prefix)


def test_pins_stay_as_they_are_written_and_go_where_they_are_gone(
    envmgr: Envmgr, file: Path, kept: str, tmp_path: Path
) -> None:
    pins = "pins:\n  - lib 1.*   # until the port is done\n"
    file.write_text(file.read_text() + pins)
    made = made_of(envmgr, tmp_path / "envs/demo", file)
    assert exported(envmgr, made) == kept + pins
    pinned = made / "conda-meta/pinned"
    pinned.write_text("lib=1\napp <3\n")
    assert exported(envmgr, made) == f"{kept}{pins}  - app <3\n"
    pinned.unlink()
    assert exported(envmgr, made) == kept


def test_pins_that_the_file_does_not_have_follow_it(envmgr: Envmgr, prefix: Path, kept: str) -> None:
    (prefix / "conda-meta/pinned").write_text("lib 1.*\n")
    assert exported(envmgr, prefix) == f"{kept}pins:\n  - lib=1\n"
