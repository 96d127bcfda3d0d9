"""Reads typed recipe values out of an evaluated tree, and names file and line of what is wrong.

Every mapping is checked for keys that do not exist, so that a misspelt key is an error and not silence.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from envmgr.build.document import Items, Scalar, Table, iter_items, kind_of, to_plain
from envmgr.build.pins import Pin
from envmgr.build.recipe import (
    Build,
    ContentCheck,
    Dependency,
    DynamicLinking,
    FileFilter,
    PrefixDetection,
    RecipeTest,
    Requirements,
    RunExports,
    Script,
    Source,
)
from envmgr.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.build.document import Node, Place

_SCRIPT_SUFFIXES = (".sh", ".bash", ".py", ".bat")
_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]*\Z")
_SHA256, _MD5 = re.compile(r"[0-9a-f]{64}\Z"), re.compile(r"[0-9a-f]{32}\Z")
_ENTRY_POINT = re.compile(r"\s*[^\s=]+\s*=\s*[\w.]+\s*:\s*[\w.]+\s*\Z")

_BUILD_KEYS = [
    "number",
    "string",
    "skip",
    "noarch",
    "script",
    "merge_build_and_host_envs",
    "always_include_files",
    "always_copy_files",
    "files",
    "variant",
    "python",
    "prefix_detection",
    "dynamic_linking",
]
_ABOUT_KEYS = ["summary", "description", "license", "license_file", "homepage", "repository", "documentation"]
_PYTHON_KEYS = [
    "entry_points",
    "skip_pyc_compilation",
    "site_packages_path",
    "version_independent",
    "use_python_app_entrypoint",
    "preserve_egg_dir",
]


def table_of(node: Node | None, what: str, keys: Sequence[str] | None = None) -> Table | None:
    """*node* as a mapping whose keys are among *keys*; None where it is missing."""
    if node is None:
        return None
    if not isinstance(node, Table):
        node.place.fail(f"{what} must be a mapping, found {kind_of(node)}.")
    if keys is not None:
        node.check_keys(keys, what)
    return node


def text_of(node: Node | None, what: str) -> str | None:
    """*node* as text; numbers are refused where their spelling would be lost."""
    if node is None:
        return None
    if not isinstance(node, Scalar) or isinstance(node.value, (bool, Pin)):
        node.place.fail(f"{what} must be text, found {kind_of(node)}.")
    if isinstance(node.value, float):
        node.place.fail(f"{what} must be text, found the number {node.value}.", hint="Write it in quotes.")
    return str(node.value)


def texts_of(node: Node | None, what: str) -> tuple[str, ...]:
    """*node* as a list of texts; a single text counts as a list of one."""
    return tuple(text for item in iter_items(node) if (text := text_of(item, what)) is not None)


def flag_of(node: Node | None, what: str, *, default: bool) -> bool:
    """*node* as true or false."""
    if node is None:
        return default
    if not isinstance(node, Scalar) or not isinstance(node.value, bool):
        node.place.fail(f"{what} must be true or false, found {kind_of(node)}.")
    return node.value


def number_of(node: Node | None, what: str, *, default: int) -> int:
    """*node* as an integer; text of digits is accepted because expressions may produce it."""
    if node is None:
        return default
    text = str(node.value) if isinstance(node, Scalar) and not isinstance(node.value, bool) else ""
    if not re.fullmatch(r"-?[0-9]+", text):
        node.place.fail(f"{what} must be an integer, found {kind_of(node)}.")
    return int(text)


def _choice_of(node: Node | None, what: str, choices: Sequence[str], default: Any) -> Any:
    text = text_of(node, what)
    if text is None:
        return default
    if text not in choices and node is not None:
        node.place.fail(f"{what} must be one of {', '.join(choices)}, found {text!r}.")
    return text


def _flag_or_globs(node: Node | None, what: str, *, default: bool) -> bool | tuple[str, ...]:
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return node.value
    return default if node is None else texts_of(node, what)


def decode_package(node: Node | None, fallback_version: str | None, place: Place) -> tuple[str, str]:
    """Name and version of a package section; the version may come from the recipe's top level."""
    package = table_of(node, "'package'", ("name", "version"))
    if package is None:
        place.fail("the recipe needs a 'package' section with name and version.")
    name = text_of(package.get("name"), "the package's name")
    version = text_of(package.get("version"), "the package's version") or fallback_version
    if not name or not _NAME.match(name):
        package.place.fail(
            f"the package's name must be lower-case letters, digits, '.', '_' and '-', found {name!r}."
        )
    if not version:
        package.place.fail(f"the package {name!r} has no version.")
    _check_version(version, package.places.get("version", package.place))
    return name, version


def _check_version(version: str, place: Place) -> None:
    from envmgr.models.version import Version

    try:
        Version.parse(version)
    except DataError as error:
        place.fail(f"{version!r} is not a version: {error}")
    if "-" in version:
        place.fail(f"the version {version!r} holds a '-', which file names of packages use as separator.")


def decode_dependencies(node: Node | None, what: str) -> tuple[Dependency, ...]:
    """A requirement list; every text must be a match spec."""
    return tuple(_dependency(item, what) for item in iter_items(node))


def _dependency(item: Node, what: str) -> Dependency:
    if isinstance(item, Scalar) and isinstance(item.value, Pin):
        return Dependency(item.value, item.place)
    text = text_of(item, f"an entry of {what}") or ""
    return Dependency(_check_spec(text, item.place), item.place)


def _check_spec(text: str, place: Place) -> str:
    from envmgr.models.match_spec import MatchSpec

    try:
        MatchSpec.parse(text)
    except DataError as error:
        place.fail(f"{text!r} is not a package requirement: {error}")
    return " ".join(text.split())


def decode_requirements(node: Node | None) -> Requirements:
    """The requirements section."""
    keys = ("build", "host", "run", "run_constraints", "run_exports", "ignore_run_exports")
    table = table_of(node, "'requirements'", keys)
    if table is None:
        return Requirements()
    ignored = table_of(table.get("ignore_run_exports"), "'ignore_run_exports'", ("by_name", "from_package"))
    lists = {key: decode_dependencies(table.get(key), f"requirements.{key}") for key in keys[:4]}
    return Requirements(
        **lists,
        run_exports=_run_exports(table.get("run_exports")),
        ignore_by_name=texts_of(ignored.get("by_name"), "a name") if ignored else (),
        ignore_from_package=texts_of(ignored.get("from_package"), "a name") if ignored else (),
    )


def _run_exports(node: Node | None) -> RunExports:
    if not isinstance(node, Table):
        return RunExports(weak=decode_dependencies(node, "run_exports"))
    node.check_keys(("weak", "strong", "noarch", "weak_constraints", "strong_constraints"), "'run_exports'")
    lists = {
        key.replace("constraints", "constrains"): decode_dependencies(value, f"run_exports.{key}")
        for key, value in node.entries.items()
    }
    return RunExports(**lists)


def decode_script(node: Node | None) -> Script:
    """A script in any of its forms (CEP 14 "Script section")."""
    if node is None:
        return Script()
    if isinstance(node, Table):
        return _script_table(node)
    if isinstance(node, Items):
        return Script(content="\n".join(texts_of(node, "a line of the script")), place=node.place)
    text = text_of(node, "the script") or ""
    if "\n" not in text and " " not in text.strip() and text.strip().endswith(_SCRIPT_SUFFIXES):
        return Script(file=text.strip(), place=node.place)
    return Script(content=text, place=node.place)


def _script_table(table: Table) -> Script:
    table.check_keys(("file", "content", "interpreter", "env", "secrets", "cwd"), "a script")
    content, file = table.get("content"), text_of(table.get("file"), "'file'")
    if content is not None and file is not None:
        table.place.fail("a script has either 'file' or 'content', not both.")
    env = table_of(table.get("env"), "the script's 'env'")
    pairs = tuple((key, _env_text(value)) for key, value in env.entries.items()) if env else ()
    return Script(
        content="\n".join(texts_of(content, "a line of the script")) if content is not None else None,
        file=file,
        interpreter=text_of(table.get("interpreter"), "'interpreter'"),
        env=pairs,
        secrets=texts_of(table.get("secrets"), "the name of a secret"),
        cwd=text_of(table.get("cwd"), "'cwd'"),
        place=table.place,
    )


def _env_text(node: Node) -> str:
    if not isinstance(node, Scalar):
        node.place.fail(f"a variable of the script must be text, found {kind_of(node)}.")
    return str(node.value).lower() if isinstance(node.value, bool) else str(node.value)


def decode_sources(node: Node | None) -> tuple[Source, ...]:
    """The sources in order."""
    return tuple(_source(item) for item in iter_items(node))


_SOURCE_KEYS = {
    "url": "url sha256 md5 file_name target_directory patches",
    "path": "path sha256 md5 file_name target_directory patches use_gitignore",
    "git": "git rev tag branch depth lfs target_directory patches",
}


def _source(item: Node) -> Source:
    table = table_of(item, "a source")
    kinds = [kind for kind in _SOURCE_KEYS if table is not None and kind in table.entries]
    if table is None or len(kinds) != 1:
        item.place.fail("a source needs exactly one of 'url', 'path' and 'git'.")
    kind = kinds[0]
    table.check_keys(_SOURCE_KEYS[kind].split(), f"a {kind} source")
    fields = {
        key: text_of(table.get(key), repr(key)) for key in ("sha256", "md5", "file_name", "target_directory")
    }
    _check_sums(fields["sha256"], fields["md5"], table, needed=kind == "url")
    revisions = (
        texts_of(table.get("rev"), "'rev'")
        + texts_of(table.get("tag"), "'tag'")
        + texts_of(table.get("branch"), "'branch'")
    )
    if len(revisions) > 1:
        table.place.fail("a git source has only one of 'rev', 'tag' and 'branch'.")
    return Source(
        place=table.place,
        urls=texts_of(table.get("url"), "a URL"),
        path=text_of(table.get("path"), "'path'"),
        git=text_of(table.get("git"), "'git'"),
        revision=revisions[0] if revisions else None,
        depth=number_of(table.get("depth"), "'depth'", default=-1) if "depth" in table.entries else None,
        patches=texts_of(table.get("patches"), "a patch"),
        use_gitignore=flag_of(table.get("use_gitignore"), "'use_gitignore'", default=True),
        **fields,
    )


def _check_sums(sha256: str | None, md5: str | None, table: Table, *, needed: bool) -> None:
    if sha256 is not None and not _SHA256.match(sha256):
        table.places["sha256"].fail(f"a sha256 has 64 digits of 0-9 and a-f, found {sha256!r}.")
    if md5 is not None and not _MD5.match(md5):
        table.places["md5"].fail(f"an md5 has 32 digits of 0-9 and a-f, found {md5!r}.")
    if needed and sha256 is None and md5 is None:
        table.place.fail("a url source needs its sha256.")


def decode_build(node: Node | None) -> Build:
    """The build section without ``skip``, which is decided before; ``string`` stays a template."""
    table = table_of(node, "'build'", _BUILD_KEYS)
    if table is None:
        return Build()
    variant = table_of(
        table.get("variant"), "'variant'", ("use_keys", "ignore_keys", "down_prioritize_variant")
    )
    python = table_of(table.get("python"), "'python'", _PYTHON_KEYS)
    number = number_of(table.get("number"), "the build number", default=0)
    if number < 0:
        table.places["number"].fail("the build number must not be negative.")
    return Build(
        number=number,
        string=text_of(table.get("string"), "the build string"),
        noarch=_choice_of(table.get("noarch"), "'noarch'", ("python", "generic"), None),
        script=decode_script(table.get("script")),
        merge_environments=flag_of(
            table.get("merge_build_and_host_envs"), "'merge_build_and_host_envs'", default=False
        ),
        always_include=texts_of(table.get("always_include_files"), "a path"),
        always_copy=texts_of(table.get("always_copy_files"), "a pattern"),
        files=_file_filter(table.get("files")),
        use_keys=texts_of(variant.get("use_keys"), "a key") if variant else (),
        ignore_keys=texts_of(variant.get("ignore_keys"), "a key") if variant else (),
        down_prioritize=number_of(
            variant.get("down_prioritize_variant"), "'down_prioritize_variant'", default=0
        )
        if variant
        else 0,
        **(_python_fields(python) if python else {}),
        prefix_detection=_prefix_detection(table.get("prefix_detection")),
        dynamic_linking=_dynamic_linking(table.get("dynamic_linking")),
    )


def _python_fields(table: Table) -> dict[str, Any]:
    points = texts_of(table.get("entry_points"), "an entry point")
    for point in points:
        if not _ENTRY_POINT.match(point):
            table.places["entry_points"].fail(
                f"an entry point is written 'command = module:function', found {point!r}."
            )
    return {
        "entry_points": points,
        "skip_pyc": texts_of(table.get("skip_pyc_compilation"), "a pattern"),
        "site_packages_path": text_of(table.get("site_packages_path"), "'site_packages_path'"),
        "version_independent": flag_of(
            table.get("version_independent"), "'version_independent'", default=False
        ),
    }


def _file_filter(node: Node | None) -> FileFilter:
    if node is None:
        return FileFilter()
    if not isinstance(node, Table):
        return FileFilter(include=texts_of(node, "a pattern"))
    node.check_keys(("include", "exclude"), "'files'")
    include = texts_of(node.get("include"), "a pattern") if "include" in node.entries else ("**",)
    return FileFilter(include, texts_of(node.get("exclude"), "a pattern"))


def _prefix_detection(node: Node | None) -> PrefixDetection:
    table = table_of(node, "'prefix_detection'", ("force_file_type", "ignore", "ignore_binary_files"))
    if table is None:
        return PrefixDetection()
    forced = table_of(table.get("force_file_type"), "'force_file_type'", ("text", "binary"))
    return PrefixDetection(
        text=texts_of(forced.get("text"), "a pattern") if forced else (),
        binary=texts_of(forced.get("binary"), "a pattern") if forced else (),
        ignore=_flag_or_globs(table.get("ignore"), "'ignore'", default=False),
        ignore_binary_files=flag_of(table.get("ignore_binary_files"), "'ignore_binary_files'", default=False),
    )


def _dynamic_linking(node: Node | None) -> DynamicLinking:
    keys = [
        "rpaths",
        "binary_relocation",
        "missing_dso_allowlist",
        "rpath_allowlist",
        "overdepending_behavior",
        "overlinking_behavior",
    ]
    table = table_of(node, "'dynamic_linking'", keys)
    if table is None:
        return DynamicLinking()
    behaviors = ("error", "ignore")
    _choice_of(table.get("overdepending_behavior"), "'overdepending_behavior'", behaviors, None)
    return DynamicLinking(
        rpaths=texts_of(table.get("rpaths"), "an rpath") if "rpaths" in table.entries else ("lib/",),
        relocate=_flag_or_globs(table.get("binary_relocation"), "'binary_relocation'", default=True),
        missing_dso_allowlist=texts_of(table.get("missing_dso_allowlist"), "a pattern"),
        rpath_allowlist=texts_of(table.get("rpath_allowlist"), "a pattern"),
        overlinking=_choice_of(
            table.get("overlinking_behavior"), "'overlinking_behavior'", behaviors, "error"
        ),
    )


def decode_tests(node: Node | None) -> tuple[RecipeTest, ...]:
    """The tests in order."""
    return tuple(_test(item) for item in iter_items(node))


def _test(item: Node) -> RecipeTest:
    table = table_of(item, "a test")
    assert table is not None
    if "python" in table.entries:
        table.check_keys(("python",), "a python test")
        return _python_test(table)
    if "package_contents" in table.entries:
        table.check_keys(("package_contents",), "a package_contents test")
        return RecipeTest(
            "package_contents", table.place, contents=_content_checks(table.get("package_contents"))
        )
    if "downstream" in table.entries:
        table.check_keys(("downstream",), "a downstream test")
        return RecipeTest(
            "downstream", table.place, downstream=text_of(table.get("downstream"), "'downstream'") or ""
        )
    return _script_test(table)


def _python_test(table: Table) -> RecipeTest:
    python = table_of(table.get("python"), "'python'", ("imports", "pip_check"))
    if python is None or python.get("imports") is None:
        table.place.fail("a python test needs 'imports'.")
    check = flag_of(python.get("pip_check"), "'pip_check'", default=True)
    return RecipeTest(
        "python", table.place, imports=texts_of(python.get("imports"), "a module"), pip_check=check
    )


def _script_test(table: Table) -> RecipeTest:
    table.check_keys(("script", "requirements", "files"), "a test")
    if table.get("script") is None:
        table.place.fail("a test needs one of 'script', 'python', 'package_contents' and 'downstream'.")
    needs = table_of(table.get("requirements"), "the test's 'requirements'", ("run", "build"))
    files = table_of(table.get("files"), "the test's 'files'", ("source", "recipe"))
    run, build = (_unpinned(needs.get(key) if needs else None) for key in ("run", "build"))
    return RecipeTest(
        "script",
        table.place,
        script=decode_script(table.get("script")),
        run=run,
        build=build,
        source_files=texts_of(files.get("source"), "a pattern") if files else (),
        recipe_files=texts_of(files.get("recipe"), "a pattern") if files else (),
    )


def _unpinned(node: Node | None) -> tuple[Dependency, ...]:
    """The requirements of a test, which are kept in the package as they are and so cannot be pins."""
    needs = decode_dependencies(node, "the test's requirements")
    for need in needs:
        if isinstance(need.what, Pin):
            need.place.fail(f"the requirements of a test cannot hold a pin, here that of {need.name!r}.")
    return needs


def _content_checks(node: Node | None) -> tuple[ContentCheck, ...]:
    table = table_of(node, "'package_contents'", ("files", "site_packages", "bin", "lib", "include"))
    checks: list[ContentCheck] = []
    for section, value in table.entries.items() if table else ():
        exists, missing = value, None
        if isinstance(value, Table):
            value.check_keys(("exists", "not_exists"), repr(section))
            exists, missing = value.get("exists"), value.get("not_exists")  # type: ignore[assignment]
        patterns = texts_of(exists, "a pattern"), texts_of(missing, "a pattern")
        checks.append(ContentCheck(section, *patterns))  # type: ignore[arg-type]
    return tuple(checks)


def decode_about(node: Node | None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The about section as plain values, and its licence files; the licence must be an SPDX expression."""
    table = table_of(node, "'about'", _ABOUT_KEYS)
    if table is None:
        return {}, ()
    about = {
        key: text_of(table.get(key), repr(key))
        for key in _ABOUT_KEYS
        if key != "license_file" and table.get(key)
    }
    if about.get("license"):
        _check_license(str(about["license"]), table.places["license"])
    return about, texts_of(table.get("license_file"), "a licence file")


def _check_license(expression: str, place: Place) -> None:
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        canonicalize_license_expression(expression)
    except InvalidLicenseExpression:
        place.fail(
            f"{expression!r} is not an SPDX licence expression.",
            hint="Use an identifier of the SPDX list such as MIT, joined by AND, OR or WITH, or LicenseRef-NAME.",
        )


def decode_extra(node: Node | None) -> dict[str, Any]:
    """The extra section as plain values."""
    table = table_of(node, "'extra'")
    return to_plain(table) if table else {}
