"""Records of Python distributions: packages like any other, under names that no conda package can have."""

from __future__ import annotations

import pytest

from envmgr.cli.render import record_fields, short_channel
from envmgr.errors import DataError
from envmgr.models.wheel_name import WheelName
from envmgr.prefix.generation import entry_of, record_of
from envmgr.pypi.records import WheelNeeds, wheel_record

FOLDER = "https://files.example.org/packages/ab/cd"
SUM = "ab" * 32


def test_a_wheels_record_has_a_name_that_no_conda_package_has_and_is_shown_by_its_own() -> None:
    record = wheel_record(
        f"{FOLDER}/Ruamel.Yaml-0.18.0-py3-none-any.whl", index="https://pypi.org/simple/", sha256=SUM, size=7
    )
    assert (record.name, record.shown_name, record.is_pypi) == ("pypi:ruamel-yaml", "ruamel-yaml", True)
    assert record.dist_name == "ruamel-yaml-0.18.0-pypi_0"
    assert record.url == f"{FOLDER}/Ruamel.Yaml-0.18.0-py3-none-any.whl"
    assert short_channel(record, "") == "pypi"
    shown = record_fields(record)
    keys = ("name", "version", "build_string", "channel", "platform", "base_url")
    assert [shown[key] for key in keys] == [
        "ruamel-yaml", "0.18.0", "pypi_0", "pypi", "pypi", "https://pypi.org/simple",
    ]  # fmt: skip


def test_a_generation_keeps_all_of_a_wheels_record() -> None:
    record = wheel_record(
        f"{FOLDER}/torch-2.9.0%2Bcpu-cp312-cp312-linux_x86_64.whl",
        index="https://download.pytorch.org/whl/cpu",
        sha256=SUM,
        needs=WheelNeeds(("filelock",), ">=3.10"),
    )
    again = record_of(entry_of(record, ["torch"]))
    assert (again, again.to_dict(), again.url) == (record, record.to_dict(), record.url)
    assert record.fn == "torch-2.9.0+cpu-cp312-cp312-linux_x86_64.whl"
    assert record.url.endswith("/torch-2.9.0%2Bcpu-cp312-cp312-linux_x86_64.whl")
    assert record.extra == {"requires_dist": ["filelock"], "requires_python": ">=3.10"}


def test_no_credentials_get_into_a_record() -> None:
    record = wheel_record(
        "https://me:secret@example.org/w/a-1.0-py3-none-any.whl?token=secret#sha256=secret",
        index="https://me:secret@example.org/simple",
        sha256=SUM,
        direct_url={"url": "https://me:secret@example.org/w/a-1.0-py3-none-any.whl", "archive_info": {}},
    )
    assert "secret" not in repr(record) + record.url + repr(record.extra)


def test_two_builds_of_one_version_that_were_named_by_path_are_two_packages() -> None:
    local = {"url": "file:///src/a", "dir_info": {}}
    one, two = (
        wheel_record("file:///w/a-1.0-py3-none-any.whl", sha256=digit * 64, direct_url=local)
        for digit in "12"
    )
    assert one != two
    assert wheel_record("file:///w/a-1.0-py3-none-any.whl", sha256="1" * 64, direct_url=local) == one


@pytest.mark.parametrize(
    "name",
    ["a-1.0.tar.gz", "a-1.0-py3-none.whl", "-1.0-py3-none-any.whl", "a-1.0-x-py3-none-any.whl", ".whl"],
)
def test_what_is_no_wheels_name_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="no file name of a wheel"):
        WheelName.parse(name)


def test_a_sum_that_is_none_is_refused() -> None:
    with pytest.raises(DataError, match="no SHA-256"):
        wheel_record("https://example.org/a-1.0-py3-none-any.whl", sha256="0x1")
