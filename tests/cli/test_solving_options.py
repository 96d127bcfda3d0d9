"""What the options of a solve do to a plan: strategies, pins, dates, and platforms other than this machine's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.builders import make_channel, pkg

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Envmgr, Outcome

DAY = 24 * 3600 * 1000


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    """Three versions of two packages, a day between each, for two platforms."""
    packages = [
        pkg("lib", f"{n}.0", subdir=subdir, timestamp=n * DAY)
        for n in (1, 2, 3)
        for subdir in ("linux-64", "osx-arm64")
    ]
    packages += [
        pkg("app", f"{n}.0", subdir=subdir, timestamp=n * DAY, depends=["lib", *glibc])
        for n in (1, 2, 3)
        for subdir, glibc in (("linux-64", ["__glibc >=2.17"]), ("osx-arm64", ["__osx >=11"]))
    ]
    return make_channel(tmp_path / "channel", packages)


@pytest.fixture
def plan(envmgr: Envmgr, channel: Path) -> Any:
    """Runs a dry run over the channel, for Linux unless another platform is named."""

    def run(*arguments: str, platform: str = "linux-64") -> Outcome:
        fixed = ("-n", "x", "--dry-run", "--override-channels", "-c", channel, "--platform", platform)
        return envmgr("create", *fixed, *arguments)

    return run


@pytest.fixture
def planned(plan: Any) -> Any:
    def run(*arguments: str, **options: str) -> list[str]:
        told = plan("--json", *arguments, **options)
        assert told.code == 0, told.err or told.out
        return sorted(
            f"{each['name']} {each['version']} {each['platform']}" for each in told.json["actions"]["LINK"]
        )

    return run


def test_strategies(planned: Any):
    assert planned("app") == ["app 3.0 linux-64", "lib 3.0 linux-64"]
    assert planned("app", "--strategy", "lowest") == ["app 1.0 linux-64", "lib 1.0 linux-64"]
    assert planned("app", "--strategy", "lowest-direct") == ["app 1.0 linux-64", "lib 3.0 linux-64"]


def test_an_unknown_strategy_is_wrong_usage(envmgr: Envmgr):
    refused = envmgr("create", "-n", "x", "--strategy", "newest", "app")
    assert refused.code == 2
    assert "lowest-direct" in refused.err


def test_pins_limit_and_do_not_ask(planned: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CONDA_PINNED_PACKAGES", "lib <3&absent ==1")
    assert planned("app") == ["app 3.0 linux-64", "lib 2.0 linux-64"]
    assert planned("app", "--no-pin") == ["app 3.0 linux-64", "lib 3.0 linux-64"]


def test_a_conflict_with_a_pin_names_it(plan: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CONDA_PINNED_PACKAGES", "lib <3")
    refused = plan("lib 3.*")
    assert refused.code == 1
    assert "lib <3 (pinned_packages)" in refused.err


@pytest.mark.parametrize("pin", ["lib*", "lib >=", "lib[", ""])
def test_a_pin_that_cannot_be_meant_is_one_sentence(plan: Any, monkeypatch: pytest.MonkeyPatch, pin: str):
    monkeypatch.setenv("CONDA_PINNED_PACKAGES", pin)
    told = plan("lib")
    assert told.code == (1 if pin else 0)
    assert "Traceback" not in told.err
    if pin:
        assert "pinned_packages" in told.err


def test_a_pin_on_the_machine_holds_whoever_mentions_it(plan: Any, monkeypatch: pytest.MonkeyPatch):
    """No package speaks of __unix here, but the machine has it (CEP 30), so the pin is about it."""
    monkeypatch.setenv("CONDA_PINNED_PACKAGES", "__unix ==7")
    refused = plan("lib")
    assert refused.code == 1
    assert "'__unix ==7' (pinned_packages) cannot be fulfilled." in refused.err
    assert "use --no-pin (gives lib 3.0)" in refused.err
    monkeypatch.setenv("CONDA_PINNED_PACKAGES", "__unix&__nothing ==1")
    assert plan("lib").code == 0


def test_a_pin_cannot_ask_for_extras(plan: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CONDA_PINNED_PACKAGES", "lib[extras=[fast]]")
    refused = plan("lib")
    assert refused.code == 1
    assert "pinned_packages: 'lib[extras=[fast]]' asks for extras" in refused.err


def test_dates_count_whole_in_utc(planned: Any):
    """As conda and pixi have it: a day that is given is the last one that counts, to its end."""
    assert planned("app", "--exclude-newer", "1970-01-03") == ["app 2.0 linux-64", "lib 2.0 linux-64"]
    assert planned("app", "--exclude-newer", "1970-01-02") == ["app 1.0 linux-64", "lib 1.0 linux-64"]
    for moment, version in (("1970-01-03T00:00:00Z", 2), ("1970-01-02T23:59:59Z", 1)):
        assert planned("lib", "--exclude-newer", moment) == [f"lib {version}.0 linux-64"]


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--exclude-newer", "", "'' is not a date."),
        ("--exclude-newer", "2023-02-30", "'2023-02-30' is not a date."),
        ("--solve-seconds", "0", "expected a number of seconds above 0, such as 60, not '0'"),
        ("--solve-seconds", "soon", "expected a number of seconds above 0, such as 60, not 'soon'"),
        ("--solve-seconds", "nan", "expected a number of seconds above 0, such as 60, not 'nan'"),
    ],
)
def test_a_value_that_cannot_be_meant_is_wrong_usage(plan: Any, option: str, value: str, expected: str):
    refused = plan(f"{option}={value}", "lib")
    assert refused.code == 2
    assert expected in refused.err


@pytest.mark.parametrize(("option", "least"), [("--depth", 0), ("--limit", 1)])
def test_a_count_says_what_it_expects(envmgr: Envmgr, option: str, least: int):
    refused = envmgr("repoquery", "depends", "a", "--tree", f"{option}=-1")
    assert refused.code == 2
    assert f"argument {option}: expected a whole number from {least} on, not '-1'" in refused.err


def test_a_date_hides_no_better_channel(envmgr: Envmgr, tmp_path: Path):
    """Strict priority: the best channel that has the name is asked, even if all that it has is too new."""
    high = make_channel(tmp_path / "high", [pkg("a", "1", timestamp=9 * DAY)])
    low = make_channel(tmp_path / "low", [pkg("a", "3", timestamp=1 * DAY)])
    arguments = ("create", "-n", "x", "--dry-run", "--override-channels", "-c", high, "-c", low, "a")
    refused = envmgr(*arguments, "--exclude-newer", "1970-01-05")
    assert refused.code == 1
    assert "strict channel priority hides the a of" in refused.err
    assert "newer ones are excluded by date" in refused.err
    assert envmgr(*arguments, "--exclude-newer", "1970-01-05", "--channel-priority", "flexible").code == 0


@pytest.fixture
def special(tmp_path: Path) -> Path:
    """Packages with an extra (CEP 44), a need of each other, and nothing for other platforms than Linux."""
    return make_channel(
        tmp_path / "special",
        [
            pkg("ext", extra_depends={"plot": ["pandas"]}, depends=["base"]),
            pkg("pandas"),
            pkg("base"),
            pkg("python"),
            pkg("numpy", depends=["python", "base"]),
        ],
    )


@pytest.fixture
def names(envmgr: Envmgr, special: Path) -> Any:
    def run(*arguments: str) -> list[str]:
        told = envmgr(
            "create", "-n", "x", "--dry-run", "--json", "--override-channels", "-c", special, *arguments
        )
        assert told.code == 0, told.out
        return sorted(each["name"] for each in told.json["actions"]["LINK"])

    return run


def test_no_deps_means_no_extras_either(names: Any):
    assert names("ext[extras=[plot]]") == ["base", "ext", "pandas"]
    assert names("ext[extras=[plot]]", "--no-deps") == ["ext"]


def test_what_was_installed_without_dependencies_still_says_what_it_needs(
    envmgr: Envmgr, special: Path, tmp_path: Path
):
    made = envmgr(
        "create", "-p", tmp_path / "env", "-y", "--override-channels", "-c", special, "--no-deps", "ext"
    )
    assert made.code == 0, made.err
    (record,) = (tmp_path / "env" / "conda-meta").glob("ext-*.json")
    assert json.loads(record.read_text())["depends"] == ["base"]


def test_only_deps_keeps_what_another_package_needs(names: Any):
    """As conda does: of the named packages only those go that nothing else needs."""
    assert names("--only-deps", "numpy") == ["base", "python"]
    assert names("--only-deps", "numpy", "python") == ["base", "python"]
    assert names("--only-deps", "numpy", "ext[extras=[plot]]") == ["base", "pandas", "python"]


def test_lines_that_do_nothing_are_told(envmgr: Envmgr, special: Path, tmp_path: Path):
    def told(*arguments: object) -> str:
        planned = envmgr("create", "-n", "x", "--dry-run", "--override-channels", "-c", special, *arguments)
        assert planned.code == 0, planned.err
        return planned.err

    assert "'numpy[when='python']' (command line) has no effect, since 'python' does not hold." in told(
        "numpy[when='python']"
    )
    assert "has no effect" in told("numpy[when='python']", "base")
    assert "command line: ext 1.0 has no extra 'plt'; it has plot." in told("ext[extras=[plt]]")
    assert "command line: base 1.0 has no extra 'x'; it has none." in told("base[extras=[x]]")
    silent = ["base", "numpy[when='base >=9']", "pandas[when='__win']", "ext[extras=[plot]]"]
    assert "has no" not in told(*silent)
    file = tmp_path / "e.yml"
    file.write_text("dependencies: [base, \"numpy[when='python']\"]\n")
    assert "has no" not in told("-f", file)


@pytest.mark.parametrize("specs", [["numpy"], ["absent", "numpy"], ["--only-deps", "numpy"]])
def test_a_platform_that_nobody_knows_is_refused(envmgr: Envmgr, special: Path, specs: list[str]):
    arguments = ("create", "-n", "x", "--dry-run", "--override-channels", "-c", special)
    refused = envmgr(*arguments, "--platform", "linux-46", *specs)
    assert refused.code == 1
    assert "'linux-46'" in refused.err
    assert "Did you mean linux-64?" in refused.err


def test_a_platform_that_a_channel_has_is_known(envmgr: Envmgr, tmp_path: Path):
    """CEP 26: every name of this shape may be a platform."""
    channel = make_channel(tmp_path / "odd", [pkg("a", subdir="plan9-mips")])
    arguments = ("create", "-n", "x", "--dry-run", "--override-channels", "-c", channel, "a")
    assert envmgr(*arguments, "--platform", "plan9-mips").code == 0


def test_a_condition_that_is_too_long_is_told_with_its_place(envmgr: Envmgr, special: Path, tmp_path: Path):
    def file_with(count: int) -> Path:
        parts = " and ".join(f"(a{each} or b{each})" for each in range(count))
        file = tmp_path / f"{count}.yml"
        file.write_text(f"dependencies:\n  - base\n  - \"numpy[when='{parts}']\"\n")
        return file

    arguments = ("create", "-n", "x", "--dry-run", "--override-channels", "-c", special)
    assert envmgr(*arguments, "-f", file_with(9)).code == 0
    refused = envmgr(*arguments, "-f", file := file_with(13))
    assert refused.code == 1
    assert f"{file}:3: the condition" in refused.err


def test_another_platform_is_solved_with_its_own_virtual_packages(
    plan: Any, planned: Any, monkeypatch: pytest.MonkeyPatch
):
    """CEP 30: __glibc is not there, and __osx is 0 where this machine cannot tell."""
    assert "CONDA_OVERRIDE_OSX" in plan("app", platform="osx-arm64").err
    monkeypatch.setenv("CONDA_OVERRIDE_OSX", "14.5")
    assert planned("app", platform="osx-arm64") == ["app 3.0 osx-arm64", "lib 3.0 osx-arm64"]
