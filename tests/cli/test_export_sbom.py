"""envmgr export as CycloneDX and SPDX: valid by their own validators, reproducible, with nothing of here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from envmgr.prefix.installed import InstalledPackage, Listing
from envmgr.prefix.store import PrefixStore
from envmgr.pypi.records import wheel_record
from tests.builders import make_channel, pkg
from tests.servers import serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.command import Envmgr

SITE = "lib/python3.11/site-packages"
WHEEL = "https://files.example.org/wheely-1.0-py3-none-any.whl"


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    served = tmp_path_factory.mktemp("served")
    numpy = f"{SITE}/numpy-2.0.dist-info/METADATA"
    packages = [
        pkg("python", "3.11.4", files={"bin/python3.11": "", f"{SITE}/x": ""}, license="Python-2.0"),
        pkg(
            "numpy",
            "2.0",
            files={numpy: "Metadata-Version: 2.1\nName: numpy\nVersion: 2.0\n"},
            depends=["python"],
        ),
        pkg("_mutex", "0.1", noarch="generic", license="mit or Apache-2.0"),
        pkg("mutex", "0.1", license="BSD 3-Clause", depends=["_mutex"]),
        pkg("missing", "1"),
        pkg("own", "1", license="MIT AND LicenseRef-Own", depends=["mutex >=0", "__unix", "missing"]),
        pkg(
            "odd",
            "1",
            extension=".tar.bz2",
            license="Lizenz für alle and\n „frei“ & <x>",
            constrains=["own <2"],
        ),
    ]
    make_channel(served / "main", packages)
    with serve(served) as server:
        yield f"{server.url}/main"


@pytest.fixture
def prefix(envmgr: Envmgr, channel: str, tmp_path: Path) -> Path:
    made = tmp_path / "envs/first"
    done = envmgr(
        "create", "-y", "-p", made, "-c", channel, "--override-channels", "own", "odd", "numpy", "python"
    )
    assert done.code == 0, done.err
    distribution(
        made, "wheely", "1.0", "License-Expression: MIT", "Requires-Dist: by_hand[x]", "Requires-Dist: gone"
    )
    distribution(
        made, "by.hand", "2", "License: UNKNOWN", "Classifier: License :: OSI Approved :: MIT License",
        "Requires-Dist: NumPy>=1; extra == 'x'", "Requires-Dist: never; sys_platform == 'win32'",
    )  # fmt: skip
    metadata = f"{SITE}/wheely-1.0.dist-info"
    wheel = wheel_record(WHEEL, index="https://pypi.example.org/simple", sha256="a" * 64)
    PrefixStore(made).write_record(
        InstalledPackage(wheel, Listing((f"{metadata}/METADATA",)), ("wheely",), metadata=metadata)
    )
    return made


def distribution(prefix: Path, name: str, version: str, *lines: str) -> None:
    folder = prefix / SITE / f"{name.replace('.', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    head = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}"]
    (folder / "METADATA").write_text("\n".join([*head, *lines, "", "License: of the text below"]))


@pytest.fixture(scope="module")
def validator() -> Any:
    """Reading the schema takes most of the time."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    return JsonStrictValidator(SchemaVersion.V1_7)


def cyclonedx(envmgr: Envmgr, prefix: Path, validator: Any = None) -> Any:
    done = envmgr("export", "-p", prefix, "--format", "cyclonedx")
    assert done.code == 0, done.err
    assert validator is None or validator.validate_str(done.out) is None
    return done.json


def spdx(envmgr: Envmgr, prefix: Path, file: Path) -> Any:
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    assert envmgr("export", "-p", prefix, "-f", file).code == 0
    told = [each.validation_message for each in validate_full_spdx_document(parse_file(str(file)))]
    # It takes only hosts with names of domains for such.
    assert [text for text in told if "is: http://127.0.0.1:" not in text] == []
    return json.loads(file.read_text())


def test_cyclonedx_tells_every_package_its_license_sums_and_needs(
    envmgr: Envmgr, prefix: Path, channel: str, validator: Any
) -> None:
    bom = cyclonedx(envmgr, prefix, validator)
    found = {each["name"]: each for each in bom["components"]}
    assert found.keys() == {
        "python",
        "numpy",
        "_mutex",
        "mutex",
        "own",
        "odd",
        "missing",
        "wheely",
        "by-hand",
    }
    licenses = {name: next(iter(each.get("licenses", ())), {}) for name, each in found.items()}
    assert [licenses[name]["license"].get("id") for name in ("python", "wheely")] == ["Python-2.0", "MIT"]
    assert [licenses[name]["expression"] for name in ("_mutex", "own")] == [
        "MIT OR Apache-2.0", "MIT AND LicenseRef-Own",
    ]  # fmt: skip
    assert [licenses[name]["license"]["name"] for name in ("mutex", "odd", "by-hand")] == [
        "BSD 3-Clause", "Lizenz für alle and „frei“ & <x>", "MIT License",
    ]  # fmt: skip
    assert found["odd"]["purl"] == f"pkg:conda/odd@1?build=0&channel={channel}&subdir=linux-64&type=tar.bz2"
    assert found["by-hand"]["purl"] == "pkg:pypi/by-hand@2"
    assert found["wheely"]["purl"] == "pkg:pypi/wheely@1.0?repository_url=https://pypi.example.org/simple"
    records = {each["name"]: each for each in envmgr("list", "-p", prefix, "--json").json}
    for name in ("python", "odd", "wheely"):
        sums = {each["alg"]: each["content"] for each in found[name]["hashes"]}
        assert sums["SHA-256"] == records[name]["sha256"]
        (reference,) = found[name]["externalReferences"]
        assert (reference["type"], reference["url"]) == ("distribution", records[name]["url"])
    names = {each["bom-ref"]: name for name, each in found.items()}
    needs = {
        names.get(each["ref"], "root"): {names[ref] for ref in each.get("dependsOn", ())}
        for each in bom["dependencies"]
    }
    assert needs == {
        "root": {"own", "odd", "numpy", "python", "wheely"},
        "own": {"mutex", "missing"}, "mutex": {"_mutex"}, "numpy": {"python"},
        "wheely": {"python", "by-hand"}, "by-hand": {"python", "numpy"},
        **{name: set() for name in ("python", "odd", "_mutex", "missing")},
    }  # fmt: skip


def test_spdx_says_the_same(envmgr: Envmgr, prefix: Path, tmp_path: Path) -> None:
    bom, document = cyclonedx(envmgr, prefix), spdx(envmgr, prefix, tmp_path / "app.spdx.json")
    packages = {each["SPDXID"]: each for each in document["packages"]}
    root = packages.pop("SPDXRef-Environment")
    assert root["name"] == "first"
    purls = {key: each["externalRefs"][0]["referenceLocator"] for key, each in packages.items()}
    assert sorted(purls.values()) == sorted(each["purl"] for each in bom["components"])
    needs = {
        (purls.get(each["spdxElementId"], "environment"), purls[each["relatedSpdxElement"]])
        for each in document["relationships"]
        if each["relationshipType"] == "DEPENDS_ON"
    }
    assert needs == {(each["ref"], ref) for each in bom["dependencies"] for ref in each.get("dependsOn", ())}
    own = {each["licenseId"]: each["extractedText"] for each in document["hasExtractedLicensingInfos"]}
    by_name = {each["name"]: each for each in packages.values()}
    assert by_name["own"]["licenseDeclared"] == "MIT AND LicenseRef-Own"
    assert own[by_name["odd"]["licenseDeclared"]] == "Lizenz für alle and „frei“ & <x>"
    assert by_name["missing"].get("licenseDeclared", "NOASSERTION") == "NOASSERTION"


@pytest.mark.parametrize("chosen", ["cyclonedx", "spdx"])
def test_the_same_environment_gives_the_same_bytes(
    envmgr: Envmgr, prefix: Path, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = envmgr("export", "-p", prefix, "--format", chosen)
    assert envmgr("export", "-p", prefix, "--format", f"{chosen}-json").out == first.out
    assert "no license is noted of missing, numpy." in first.err
    assert "no checksum is noted of by-hand." in first.err
    for place in (str(prefix.parent), os.environ["HOME"]):
        assert place not in first.out
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert "1970-01-02T00:00:00" in envmgr("export", "-p", prefix, "--format", chosen).out
    assert "1970-01-02" not in first.out
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    refused = envmgr("export", "-p", prefix, "--format", chosen)
    assert (refused.code, "SOURCE_DATE_EPOCH is 'yesterday'" in refused.err) == (2, True)


def test_of_folders_of_this_machine_and_of_nothing_documents_are_valid(
    envmgr: Envmgr, tmp_path: Path, validator: Any
) -> None:
    local = make_channel(tmp_path / "local", [pkg("own")])
    for name, specs in (("full", ["own"]), ("empty", [])):
        made = tmp_path / name
        assert envmgr("create", "-y", "-p", made, "-c", local, "--override-channels", *specs).code == 0
        bom = cyclonedx(envmgr, made, validator)
        document = spdx(envmgr, made, tmp_path / f"{name}.spdx.json")
        assert [each["name"] for each in bom.get("components", [])] == specs
        assert str(tmp_path) not in json.dumps(bom) + json.dumps(document)


def test_without_the_library_the_extra_is_named(envmgr: Envmgr, prefix: Path) -> None:
    program = (
        "import sys; sys.modules['cyclonedx'] = None; from envmgr.cli.main import run_command_line;"
        " sys.exit(run_command_line(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "export", "-p", str(prefix), "--format", "cyclonedx"],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "needs the Python package cyclonedx, which is not installed" in done.stderr
    assert "pip install 'envmgr[sbom]'" in done.stderr
