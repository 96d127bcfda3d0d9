"""What the options of a solve do to a plan: strategies, pins, dates, and platforms other than this machine's."""

from __future__ import annotations

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


def test_dates(planned: Any):
    assert planned("app", "--exclude-newer", "1970-01-03") == [
        "app 2.0 linux-64",
        "lib 2.0 linux-64",
    ]


def test_another_platform_is_solved_with_its_own_virtual_packages(
    plan: Any, planned: Any, monkeypatch: pytest.MonkeyPatch
):
    """CEP 30: __glibc is not there, and __osx is 0 where this machine cannot tell."""
    assert "CONDA_OVERRIDE_OSX" in plan("app", platform="osx-arm64").err
    monkeypatch.setenv("CONDA_OVERRIDE_OSX", "14.5")
    assert planned("app", platform="osx-arm64") == ["app 3.0 osx-arm64", "lib 3.0 osx-arm64"]
