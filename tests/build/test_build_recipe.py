"""Whole builds: recipe in, archives out."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from envmgr.build.elf import read_elf
from envmgr.build.run import BuildRequest, build_recipe
from envmgr.errors import BuildError
from tests.command import in_process
from tests.small_world import NOW, make_ports, read_archive, read_json

needs_cc = pytest.mark.skipif(
    shutil.which("cc", path="/usr/local/bin:/usr/bin:/bin") is None, reason="no C compiler"
)

LUA_LIKE = """\
context:
  version: "1.2.3"
recipe:
  name: answer-split
  version: ${{ version }}
build:
  number: 4
about:
  license: MIT
  license_file: LICENSE
  homepage: https://example.org/answer
  summary: Answers.
outputs:
  - staging:
      name: answer-build
    source:
      path: src
    requirements:
      build:
        - ${{ compiler('c') }}
    build:
      script:
        - mkdir -p $PREFIX/lib $PREFIX/bin $PREFIX/include
        - cc -c -fPIC -DWHERE="\\"$PREFIX/share\\"" answer.c
        - cc -shared -o $PREFIX/lib/libanswer.so.1.2.3 -Wl,-soname,libanswer.so.1 answer.o -lm
        - ln -s libanswer.so.1.2.3 $PREFIX/lib/libanswer.so.1
        - ln -s $PREFIX/lib/libanswer.so.1 $PREFIX/lib/libanswer.so
        - cp answer.h $PREFIX/include/
        - cc -o $PREFIX/bin/answer main.c -I. -L$PREFIX/lib -lanswer -Wl,-rpath,$SRC_DIR
  - package:
      name: libanswer
    inherit: answer-build
    build:
      files:
        - lib/
        - include/
    requirements:
      run_constraints:
        - answer >=1
      run_exports:
        - ${{ pin_subpackage("libanswer", upper_bound="x.x") }}
    tests:
      - package_contents:
          lib: [libanswer.so.1]
          include: [answer.h]
          bin: {not_exists: [answer]}
  - package:
      name: answer
    inherit: answer-build
    requirements:
      host:
        - ${{ pin_subpackage("libanswer", exact=True) }}
    tests:
      - script:
          - test "$(answer)" = "42 $PREFIX/share"
"""
SOURCES = {
    "LICENSE": "Do what you like.\n",
    "answer.h": "int answer(void); const char *where(void);\n",
    "answer.c": "#include <math.h>\n"
    "int answer(void) { volatile double x = 1764; return (int)sqrt(x); }\n"
    "const char *where(void) { return WHERE; }\n",
    "main.c": '#include "answer.h"\n#include <stdio.h>\n'
    'int main(void) { printf("%d %s\\n", answer(), where()); return 0; }\n',
}


def write_recipe(folder: Path, text: str, files: dict[str, str] | None = None) -> Path:
    for name, content in {"recipe.yaml": text, **(files or {})}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def request_for(tmp_path: Path, recipe: Path, **options) -> BuildRequest:
    return BuildRequest(
        recipe=recipe,
        output_dir=tmp_path / "channel",
        work_root=tmp_path / "w",
        source_cache=tmp_path / "sources",
        subdir="linux-64",
        environ={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **options.pop("environ", {})},
        **options,
    )


def build(tmp_path: Path, text: str, files: dict[str, str] | None = None, *, ports=None, **options):
    recipe = write_recipe(tmp_path / "recipe", text, files)
    return build_recipe(request_for(tmp_path, recipe, **options), ports or make_ports(tmp_path))


def one(tmp_path: Path, text: str, files: dict[str, str] | None = None, **options) -> Path:
    """The archive of a recipe with one output."""
    return build(tmp_path, text, files, **options).artifacts[0].path


def rendered(archive: Path) -> dict:
    return yaml.safe_load(read_archive(archive)["info/recipe/rendered_recipe.yaml"].data)


@needs_cc
def test_c_source_becomes_a_library_and_a_tool_that_find_each_other_anywhere(tmp_path: Path) -> None:
    ports = make_ports(tmp_path)
    sources = {f"src/{name}": text for name, text in SOURCES.items()}
    files = {"variants.yaml": "c_compiler: system\n", **sources}
    result = build(tmp_path, LUA_LIKE, files, ports=ports)
    library, tool = (artifact.path for artifact in result.artifacts)
    assert (library.name[:16], tool.name[:13]) == ("libanswer-1.2.3-", "answer-1.2.3-")

    lib = read_archive(library)
    assert not any(path.startswith("bin/") for path in lib)
    assert lib["lib/libanswer.so"].target == "libanswer.so.1"
    assert lib["info/licenses/LICENSE"].data == b"Do what you like.\n"
    index = read_json(library, "info/index.json")
    assert index["constrains"] == ["answer >=1"]
    assert [spec.split(" ")[0] for spec in index["depends"]] == ["__glibc"]
    assert index["depends"][0].endswith(",<3.0.a0")
    assert index["timestamp"] == int(NOW * 1000)
    assert read_json(library, "info/run_exports.json") == {"weak": ["libanswer >=1.2.3,<1.3.0a0"]}
    pin = {"pin_subpackage": {"name": "libanswer", "upper_bound": "x.x"}}
    assert rendered(library)["recipe"]["requirements"]["run_exports"] == [pin]

    exact = {"pin_subpackage": {"name": "libanswer", "exact": True}}
    assert rendered(tool)["recipe"]["requirements"]["host"] == [exact]

    packed = read_archive(tool)
    assert [path for path in packed if not path.startswith("info/")] == ["bin/answer"]
    elf = read_elf(packed["bin/answer"].data, "answer")
    assert elf.search_path == ("$ORIGIN/../lib",)
    assert read_json(tool, "info/index.json")["depends"][0] == "libanswer >=1.2.3,<1.3.0a0"

    entry = next(
        e for e in read_json(library, "info/paths.json")["paths"] if e["_path"].endswith(".so.1.2.3")
    )
    assert (entry["file_mode"], len(entry["prefix_placeholder"])) == ("binary", 255)
    link = next(e for e in read_json(library, "info/paths.json")["paths"] if e["_path"] == "lib/libanswer.so")
    assert (link["path_type"], link["sha256"]) == ("softlink", entry["sha256"])


def test_two_builds_at_one_time_make_the_same_files(tmp_path: Path) -> None:
    text = """\
package: {name: same, version: "1"}
build:
  script: mkdir -p $PREFIX/share && echo $PREFIX > $PREFIX/share/where && date > /dev/null
"""
    first, second = (read_archive(one(tmp_path, text)) for _ in range(2))
    assert first == second


def test_text_with_the_prefix_is_marked_and_other_text_is_not(tmp_path: Path) -> None:
    text = """\
package: {name: marks, version: "1"}
build:
  script:
    - mkdir -p $PREFIX/etc
    - echo "root=$PREFIX" > $PREFIX/etc/with
    - echo "root=" > $PREFIX/etc/without
    - printf "x\\0$PREFIX/y\\0" > $PREFIX/etc/binary
    - printf "$PREFIX" > $PREFIX/etc/ignored
  prefix_detection:
    ignore: [etc/ignored]
"""
    entries = {entry["_path"]: entry for entry in read_json(one(tmp_path, text), "info/paths.json")["paths"]}
    modes = {path: entry.get("file_mode") for path, entry in entries.items()}
    assert modes == {"etc/binary": "binary", "etc/ignored": None, "etc/with": "text", "etc/without": None}
    assert len(entries["etc/with"]["prefix_placeholder"]) == 255


def test_failing_script_names_place_log_and_last_lines_and_leaves_nothing(tmp_path: Path) -> None:
    text = """\
package: {name: fails, version: "1"}
build:
  script:
    - for i in $(seq 1 30); do echo line $i; done
    - exit 3
    - echo never
"""
    with pytest.raises(BuildError) as caught:
        build(tmp_path, text)
    error = caught.value
    assert "recipe.yaml:4" in str(error) and "exit code 3" in str(error)
    assert error.facts["last_lines"] == [f"line {number}" for number in range(11, 31)]
    assert Path(error.facts["log"]).read_text().startswith("line 1\n")
    assert not (tmp_path / "channel").exists()
    assert [path.name for path in (tmp_path / "w").iterdir() if path.is_dir()] == ["logs"]


def test_work_folder_of_a_failed_build_is_kept_on_request(tmp_path: Path) -> None:
    text = 'package: {name: fails, version: "1"}\nbuild: {script: "touch here; false"}\n'
    with pytest.raises(BuildError):
        build(tmp_path, text, keep_work=True)
    [kept] = (tmp_path / "w").glob("fails-*/work")
    assert (kept / "here").exists()


def test_failing_test_means_no_artifact_of_any_output(tmp_path: Path) -> None:
    text = """\
recipe: {version: "1"}
outputs:
  - package: {name: good}
    build: {script: "mkdir -p $PREFIX/bin; echo > $PREFIX/bin/good"}
  - package: {name: bad}
    build: {script: "mkdir -p $PREFIX/bin; echo > $PREFIX/bin/bad"}
    tests:
      - script: test -e $PREFIX/bin/missing
"""
    with pytest.raises(BuildError, match=r"recipe.yaml:8: test 1 of bad-1-h\w+_0 ended with exit code 1"):
        build(tmp_path, text)
    assert not (tmp_path / "channel").exists()


def test_missing_content_fails_the_build(tmp_path: Path) -> None:
    text = """\
package: {name: hollow, version: "1"}
build: {script: "mkdir -p $PREFIX/bin; echo > $PREFIX/bin/x"}
tests:
  - package_contents:
      files: [bin/x, "share/*.txt"]
"""
    with pytest.raises(BuildError, match=r"recipe.yaml:4: .* has no file for files 'share/\*.txt'"):
        build(tmp_path, text)


@needs_cc
def test_library_that_nothing_provides_is_an_error_that_names_it(tmp_path: Path) -> None:
    text = """\
package: {name: needy, version: "1"}
build:
  script:
    - echo 'int stray(void) { return 1; }' > s.c
    - echo 'int stray(void); int main(void) { return stray(); }' > m.c
    - cc -shared -fPIC -o libstray.so s.c
    - mkdir -p $PREFIX/bin && cc -o $PREFIX/bin/needy m.c -L. -lstray
"""
    with pytest.raises(BuildError, match=r"bin/needy needs libstray.so, which no package provides"):
        build(tmp_path, text)
    allowed = text + "  dynamic_linking: {missing_dso_allowlist: ['libstray.so']}\n"
    assert one(tmp_path, allowed).exists()


@needs_cc
def test_library_of_a_host_package_must_be_required_at_run_time(tmp_path: Path) -> None:
    lib = """\
package: {name: libhost, version: "1"}
build:
  script:
    - echo 'int host(void) { return 7; }' > s.c
    - mkdir -p $PREFIX/lib && cc -shared -fPIC -o $PREFIX/lib/libhost.so s.c
"""
    one(tmp_path, lib)
    user = """\
package: {name: user, version: "1"}
requirements: {host: [libhost]}
build:
  script:
    - echo 'int host(void); int main(void) { return host() - 7; }' > m.c
    - mkdir -p $PREFIX/bin && cc -o $PREFIX/bin/user m.c -L$PREFIX/lib -lhost
tests:
  - script: user
"""
    ports = make_ports(tmp_path, channels=[tmp_path / "channel"])
    with pytest.raises(
        BuildError, match=r"bin/user needs libhost.so, of libhost, which 'run' does not require"
    ):
        build(tmp_path, user, ports=ports)
    good = user.replace("{host: [libhost]}", "{host: [libhost], run: [libhost]}")
    assert read_json(one(tmp_path, good, ports=ports), "info/index.json")["depends"][0] == "libhost"


@needs_cc
def test_file_that_is_hardlinked_from_elsewhere_is_not_changed_there(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (tmp_path / "m.c").write_text("int main(void) { return 0; }\n")
    subprocess.run(["cc", "-o", str(outside), str(tmp_path / "m.c"), "-Wl,-rpath,/nowhere"], check=True)
    before = outside.read_bytes()
    script = f"mkdir -p $PREFIX/bin; ln {outside} $PREFIX/bin/x"
    text = f'package: {{name: shared, version: "1"}}\nbuild: {{script: "{script}"}}\n'
    archive = one(tmp_path, text)
    assert outside.read_bytes() == before
    assert read_elf(read_archive(archive)["bin/x"].data, "x").search_path == ("$ORIGIN/../lib",)


def test_noarch_python_package_keeps_modules_and_leaves_entry_points_to_the_client(tmp_path: Path) -> None:
    text = """\
package: {name: tool, version: "2.0"}
build:
  noarch: python
  python: {entry_points: ["tool = tool.cli:main"]}
  script:
    interpreter: python
    content: |
      import os, pathlib
      site = pathlib.Path(os.environ["PREFIX"], "lib/python3.11/site-packages")
      (site / "tool").mkdir(parents=True)
      (site / "tool/cli.py").write_text("def main(): print('tool')\\n")
      (site / "tool/__pycache__").mkdir()
      (site / "tool/__pycache__/cli.cpython-311.pyc").write_bytes(b"x")
      info = site / "tool-2.0.dist-info"
      info.mkdir()
      (info / "INSTALLER").write_text("pip\\n")
      (info / "direct_url.json").write_text("{}")
      (info / "RECORD").write_text("tool/cli.py,,\\ntool/__pycache__/cli.cpython-311.pyc,,\\n"
          "tool-2.0.dist-info/INSTALLER,sha256=x,4\\n../../../bin/tool,,\\n../../../bin/other,,\\n")
      bin = pathlib.Path(os.environ["PREFIX"], "bin")
      bin.mkdir()
      (bin / "tool").write_text("#!/usr/bin/python3\\n")
      (bin / "other").write_text("#!/usr/bin/python3\\nprint(1)\\n")
requirements: {run: [python >=3.9]}
"""
    archive = one(tmp_path, text)
    files = read_archive(archive)
    assert {path for path in files if not path.startswith("info/")} == {
        "python-scripts/other",
        "site-packages/tool-2.0.dist-info/INSTALLER",
        "site-packages/tool-2.0.dist-info/RECORD",
        "site-packages/tool/cli.py",
    }
    assert archive.parent.name == "noarch"
    assert archive.name.startswith("tool-2.0-pyh")
    assert files["site-packages/tool-2.0.dist-info/INSTALLER"].data == b"conda\n"
    record = files["site-packages/tool-2.0.dist-info/RECORD"].data.decode()
    assert "pyc" not in record and "sha256=x" not in record and "bin/other" in record
    assert files["python-scripts/other"].data.splitlines()[0].endswith(b"/bin/python")
    link = read_json(archive, "info/link.json")
    assert link["noarch"] == {"type": "python", "entry_points": ["tool = tool.cli:main"]}
    assert read_json(archive, "info/index.json")["noarch"] == "python"


def test_noarch_package_with_compiled_code_is_refused(tmp_path: Path) -> None:
    text = """\
package: {name: liar, version: "1"}
build: {noarch: generic, script: "mkdir -p $PREFIX/bin; cp /bin/true $PREFIX/bin/x"}
"""
    with pytest.raises(BuildError, match="liar is noarch and holds compiled code: bin/x"):
        build(tmp_path, text)


def test_script_sees_only_the_controlled_environment(tmp_path: Path) -> None:
    text = """\
package: {name: seen, version: "1"}
build: {script: "mkdir -p $PREFIX/share; env > $PREFIX/share/env; echo ${#PREFIX} > $PREFIX/share/length"}
"""
    environ = {"SECRET_TOKEN": "hush", "PIP_INDEX_URL": "https://index.example/simple"}
    files = read_archive(one(tmp_path, text, environ=environ))
    env = dict(line.split("=", 1) for line in files["share/env"].data.decode().splitlines() if "=" in line)
    assert "SECRET_TOKEN" not in env
    assert env["PIP_INDEX_URL"] == "https://index.example/simple"
    assert env["HOME"].startswith(str(tmp_path / "w"))
    assert env["PATH"].endswith(":/usr/local/bin:/usr/bin:/bin")
    assert (env["PKG_NAME"], env["target_platform"]) == ("seen", "linux-64")
    assert files["share/length"].data == b"255\n"


def test_secrets_reach_the_script_and_never_the_log(tmp_path: Path) -> None:
    text = """\
package: {name: quiet, version: "1"}
build:
  script: {content: "echo token $TOKEN; test -n \\"$TOKEN\\" && false", secrets: [TOKEN]}
"""
    with pytest.raises(BuildError) as caught:
        build(tmp_path, text, environ={"TOKEN": "swordfish"})
    assert caught.value.facts["last_lines"] == ["token ********"]
    assert "swordfish" not in Path(caught.value.facts["log"]).read_text()


def test_facts_of_the_host_reach_templates_and_scripts(tmp_path: Path) -> None:
    write_recipe(tmp_path, "", {"host_facts.py": "import json; print(json.dumps({'FACT_VERSION': '3.4'}))"})
    text = """\
context: {version: "${{ env.get('FACT_VERSION') }}"}
package: {name: factual, version: "${{ version }}"}
build: {script: "mkdir -p $PREFIX/share; echo $FACT_VERSION > $PREFIX/share/v"}
"""
    archive = one(tmp_path, text)
    assert archive.name.startswith("factual-3.4-")
    assert read_archive(archive)["share/v"].data == b"3.4\n"


def test_modules_of_a_package_for_one_python_come_with_bytecode(tmp_path: Path) -> None:
    minor = "{}.{}".format(*sys.version_info[:2])
    text = f"""\
package: {{name: modules, version: "1"}}
build:
  script:
    - mkdir -p $PREFIX/bin $PREFIX/lib/python{minor}/site-packages/m
    - ln -s {sys.executable} $PREFIX/bin/python
    - echo "x = 1" > $PREFIX/lib/python{minor}/site-packages/m/good.py
    - echo "x = = 1" > $PREFIX/lib/python{minor}/site-packages/m/broken.py
    - echo "x = '$PREFIX'" > $PREFIX/lib/python{minor}/site-packages/m/prefix.py
    - rm -f $PREFIX/bin/.keep
  files: {{exclude: [bin/]}}
"""
    files = read_archive(one(tmp_path, text))
    compiled = [path for path in files if path.endswith(".pyc")]
    tag = sys.implementation.cache_tag
    assert compiled == [f"lib/python{minor}/site-packages/m/__pycache__/good.{tag}.pyc"]
    assert str(tmp_path).encode() not in files[compiled[0]].data


def test_link_out_of_the_prefix_is_refused(tmp_path: Path) -> None:
    text = 'package: {name: l, version: "1"}\nbuild: {script: "mkdir $PREFIX/x; ln -s /etc/passwd $PREFIX/x/y"}\n'
    with pytest.raises(BuildError, match="the symlink x/y points out of the prefix, to /etc/passwd"):
        build(tmp_path, text)


def test_skipped_output_is_told_and_not_built(tmp_path: Path) -> None:
    text = 'package: {name: never, version: "1"}\nbuild: {skip: [linux], script: "false"}\n'
    result = build(tmp_path, text)
    assert (result.artifacts, result.skipped) == ((), ("never",))


def test_package_tells_how_it_was_made(tmp_path: Path) -> None:
    text = """\
context: {n: "1"}
package: {name: told, version: "${{ n }}.0"}
source: {path: data}
build: {script: "mkdir -p $PREFIX/share; cp d.txt $PREFIX/share/"}
about: {license: Apache-2.0 OR MIT, repository: "https://example.org/r", summary: Told.}
extra: {recipe-maintainers: [me]}
tests:
  - script: test -e $PREFIX/share/d.txt && test -e extra.txt
    requirements: {run: []}
    files: {recipe: [extra.txt]}
"""
    archive = one(
        tmp_path, text, {"data/d.txt": "d", "extra.txt": "e"}, channels=("https://example.org/channel",)
    )
    files = read_archive(archive)
    assert read_json(archive, "info/about.json") == {
        "channels": ["https://example.org/channel"],
        "dev_url": "https://example.org/r",
        "license": "Apache-2.0 OR MIT",
        "summary": "Told.",
        "extra": {"recipe-maintainers": ["me"]},
    }
    assert read_json(archive, "info/used_build_tool.json")["name"] == "envmgr"
    assert b"version: '1.0'" in files["info/recipe/rendered_recipe.yaml"].data
    assert files["info/recipe/recipe.yaml"].data == text.encode()
    assert files["info/tests/0/extra.txt"].data == b"e"
    assert files["info/files"].data == b"share/d.txt\n"
    assert read_json(archive, "info/hash_input.json") == {"target_platform": "linux-64"}


def test_link_to_a_file_of_another_package_has_that_files_hash(tmp_path: Path) -> None:
    one(
        tmp_path,
        'package: {name: base, version: "1"}\nbuild: {script: "mkdir $PREFIX/d; printf base > $PREFIX/d/f"}\n',
    )
    text = """\
package: {name: linker, version: "1"}
requirements: {host: [base]}
build: {script: "mkdir $PREFIX/e; ln -s ../d/f $PREFIX/e/good; cd $PREFIX/e; ln -s ../d/gone dead; ln -s ../d dir"}
"""
    ports = make_ports(tmp_path, channels=[tmp_path / "channel"])
    entries = read_json(one(tmp_path, text, ports=ports), "info/paths.json")["paths"]
    empty = hashlib.sha256(b"").hexdigest()
    assert [(e["_path"], e["path_type"], e["sha256"], e["size_in_bytes"]) for e in entries] == [
        ("e/dead", "softlink", empty, 0),
        ("e/dir", "softlink", empty, 0),
        ("e/good", "softlink", hashlib.sha256(b"base").hexdigest(), 4),
    ]


@needs_cc
def test_version_independent_package_is_laid_out_as_noarch_for_one_platform(tmp_path: Path) -> None:
    text = """\
package: {name: stable, version: "1"}
build:
  python: {version_independent: true}
  script:
    - mkdir -p $PREFIX/lib/python3.11/site-packages/stable
    - echo 'int f(void) { return 1; }' > s.c
    - cc -shared -fPIC -o $PREFIX/lib/python3.11/site-packages/stable/_s.abi3.so s.c
requirements: {run: [python >=3.11]}
"""
    archive = one(tmp_path, text)
    index = read_json(archive, "info/index.json")
    assert (index["noarch"], index["subdir"], archive.parent.name) == ("python", "linux-64", "linux-64")
    assert "site-packages/stable/_s.abi3.so" in read_archive(archive)
    assert read_json(archive, "info/link.json")["noarch"]["type"] == "python"


def test_merged_environments_are_one(tmp_path: Path) -> None:
    one(
        tmp_path,
        'package: {name: base, version: "1"}\nbuild: {script: "mkdir $PREFIX/d; printf base > $PREFIX/d/f"}\n',
    )
    text = """\
package: {name: merged, version: "1"}
requirements: {build: [base]}
build:
  merge_build_and_host_envs: true
  script: test $BUILD_PREFIX = $PREFIX && mkdir $PREFIX/e && cp $PREFIX/d/f $PREFIX/e/f
"""
    ports = make_ports(tmp_path, channels=[tmp_path / "channel"])
    assert read_archive(one(tmp_path, text, ports=ports))["e/f"].data == b"base"


BASE = 'package: {name: base, version: "1"}\nbuild: {script: "mkdir $PREFIX/d; printf base > $PREFIX/d/f"}\n'


def test_a_package_tells_nothing_of_the_folders_it_was_built_from(tmp_path: Path) -> None:
    one(tmp_path, BASE)
    text = """\
package: {name: user, version: "1"}
requirements: {host: [base]}
build: {script: "mkdir $PREFIX/e; echo e > $PREFIX/e/f"}
"""
    channels = ((tmp_path / "channel").as_uri(), "https://example.org/channel")
    ports = make_ports(tmp_path, channels=[tmp_path / "channel"])
    archive = one(tmp_path, text, ports=ports, channels=channels)
    recipe = rendered(archive)
    assert recipe["build_configuration"]["channels"] == ["https://example.org/channel"]
    (base,) = recipe["finalized_dependencies"]["host"]["resolved"]
    assert (base["name"], base["version"], "url" in base) == ("base", "1", False)
    assert not any(str(tmp_path).encode() in file.data for file in read_archive(archive).values())


def test_environments_are_asked_for_with_the_place_of_each_requirement(tmp_path: Path) -> None:
    one(tmp_path, BASE)
    text = """\
package:
  name: user
  version: "1"
requirements:
  host:
    - base >=1
build:
  script: mkdir $PREFIX/e; echo e > $PREFIX/e/f
tests:
  - script: test -e $PREFIX/d/f
    requirements:
      run:
        - base
"""
    ports = make_ports(tmp_path, channels=[tmp_path / "channel"])
    one(tmp_path, text, ports=ports)
    asked = [[(spec.text, spec.line) for spec in specs] for _, specs in ports.make_environment.requests]
    assert [asked[0], asked[1][1:]] == [[("base >=1", 6)], [("base", 13)]]
    assert {Path(spec.file) for _, specs in ports.make_environment.requests for spec in specs} == {
        tmp_path / "recipe" / "recipe.yaml"
    }


@pytest.mark.parametrize("section", ["host", "test"])
def test_the_command_names_the_line_of_a_package_that_does_not_exist(
    section: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    needs = {
        "host": "requirements:\n  host:\n    - nosuchthing\n",
        "test": "tests:\n  - script: 'true'\n    requirements: {run: [nosuchthing]}\n",
    }
    text = f'package: {{name: user, version: "1"}}\nbuild: {{script: "echo e > $PREFIX/e"}}\n{needs[section]}'
    recipe = write_recipe(tmp_path / "recipe", text)
    monkeypatch.setenv("ENVMGR_ROOT", str(tmp_path / "root"))
    outcome = in_process(capfd)("build", str(recipe), "--override-channels")
    assert outcome.code == 1
    assert f"'nosuchthing' ({recipe / 'recipe.yaml'}:5)" in outcome.err


PYTHON_TEST = """\
package: {name: thing, version: "1"}
build: {script: "echo e > $PREFIX/e"}
requirements: {run: [python]}
tests:
  - python: {imports: [json]}
"""


def make_python(tmp_path: Path) -> None:
    """A package python that starts the interpreter of the tests with the modules of its prefix."""
    text = f"""\
package: {{name: python, version: "3.11.0"}}
build:
  script: |
    mkdir $PREFIX/bin
    cat > $PREFIX/bin/python <<EOF
    #!/bin/sh
    PYTHONPATH=$PREFIX/lib/python3.11/site-packages exec {sys.executable} "\\$@"
    EOF
    chmod 755 $PREFIX/bin/python
"""
    one(tmp_path, text)


def make_pip(tmp_path: Path) -> None:
    """A package pip whose check finds a fault."""
    text = """\
package: {name: pip, version: "30.0"}
build:
  script: |
    mkdir -p $PREFIX/lib/python3.11/site-packages/pip
    cd $PREFIX/lib/python3.11/site-packages/pip
    echo > __init__.py
    echo 'import sys; sys.exit(f"thing has a fault, says pip {sys.argv[1]}")' > __main__.py
"""
    one(tmp_path, text)


def test_pip_check_is_run_where_a_channel_has_pip(tmp_path: Path) -> None:
    make_python(tmp_path)
    make_pip(tmp_path)
    ports = make_ports(tmp_path, channels=[tmp_path / "channel"])
    with pytest.raises(BuildError, match=r"recipe.yaml:5: test 1 of thing-1-\w+ \(pip check\)") as caught:
        one(tmp_path, PYTHON_TEST, ports=ports)
    assert "thing has a fault, says pip check" in (caught.value.hint or "")
    assert ports.reporter.warnings == []


def test_pip_check_that_cannot_be_run_is_warned_about(tmp_path: Path) -> None:
    make_python(tmp_path)
    ports = make_ports(tmp_path, channels=[tmp_path / "channel"])
    one(tmp_path, PYTHON_TEST, ports=ports)
    (warning,) = ports.reporter.warnings
    assert "recipe.yaml:5: pip check was not run on thing-1-" in warning


def test_pip_check_that_the_recipe_declines_is_neither_run_nor_warned_about(tmp_path: Path) -> None:
    make_python(tmp_path)
    make_pip(tmp_path)
    ports = make_ports(tmp_path, channels=[tmp_path / "channel"])
    one(tmp_path, PYTHON_TEST.replace("[json]", "[json], pip_check: false"), ports=ports)
    assert ports.reporter.warnings == []
