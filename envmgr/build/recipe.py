"""The recipe as evaluated: typed values of CEP 14 and 41, each with its place in the file.

Only values; reading them from the evaluated tree is `decode`'s work, and what they mean together (merging
outputs, hashes, order) `outputs`'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envmgr.build.document import Place
    from envmgr.build.pins import Pin

Glob = str


class Dependency(Struct, frozen=True):
    """One entry of a requirement list: a match spec as text, or a pin that is not resolved yet."""

    what: str | Pin
    place: Place

    @property
    def name(self) -> str:
        """The package's name, in lower case."""
        text = self.what if isinstance(self.what, str) else self.what.name
        return text.replace("=", " ").replace("<", " ").replace(">", " ").split(" ")[0].split("[")[0].lower()


class RunExports(Struct, frozen=True):
    """What this package makes others depend on, by kind (CEP 12, CEP 14)."""

    weak: tuple[Dependency, ...] = ()
    strong: tuple[Dependency, ...] = ()
    noarch: tuple[Dependency, ...] = ()
    weak_constrains: tuple[Dependency, ...] = ()
    strong_constrains: tuple[Dependency, ...] = ()


RUN_EXPORT_KINDS = ("weak", "strong", "noarch", "weak_constrains", "strong_constrains")


class Requirements(Struct, frozen=True):
    """The requirement lists of one output."""

    build: tuple[Dependency, ...] = ()
    host: tuple[Dependency, ...] = ()
    run: tuple[Dependency, ...] = ()
    run_constraints: tuple[Dependency, ...] = ()
    run_exports: RunExports = field(default_factory=RunExports)
    ignore_by_name: tuple[str, ...] = ()
    ignore_from_package: tuple[str, ...] = ()


class Script(Struct, frozen=True):
    """What to run: *content*, or the file *file* of the recipe's folder; both None means nothing.

    *secrets* are names of environment variables whose values never reach a log; *cwd* is relative to the
    source folder.
    """

    content: str | None = None
    file: str | None = None
    interpreter: str | None = None
    env: tuple[tuple[str, str], ...] = ()
    secrets: tuple[str, ...] = ()
    cwd: str | None = None
    place: Place | None = None


class Source(Struct, frozen=True):
    """One source: a URL with mirrors, a local path or a git repository; exactly one of the three is set."""

    place: Place
    urls: tuple[str, ...] = ()
    path: str | None = None
    git: str | None = None
    revision: str | None = None
    depth: int | None = None
    sha256: str | None = None
    md5: str | None = None
    file_name: str | None = None
    target_directory: str | None = None
    patches: tuple[str, ...] = ()
    use_gitignore: bool = True


class PrefixDetection(Struct, frozen=True):
    """How files are searched for the build prefix."""

    text: tuple[Glob, ...] = ()
    binary: tuple[Glob, ...] = ()
    ignore: bool | tuple[Glob, ...] = False
    ignore_binary_files: bool = False


class DynamicLinking(Struct, frozen=True):
    """How ELF files are relocated and checked; *rpaths* are folders relative to the prefix."""

    rpaths: tuple[str, ...] = ("lib/",)
    relocate: bool | tuple[Glob, ...] = True
    missing_dso_allowlist: tuple[Glob, ...] = ()
    rpath_allowlist: tuple[Glob, ...] = ()
    overlinking: Literal["error", "ignore"] = "error"


class FileFilter(Struct, frozen=True):
    """Which of the new files belong to an output (CEP 41)."""

    include: tuple[Glob, ...] = ("**",)
    exclude: tuple[Glob, ...] = ()


class Build(Struct, frozen=True):
    """The build section; *string* is a template that may use ``hash``, or None for the default."""

    number: int = 0
    string: str | None = None
    noarch: Literal["python", "generic"] | None = None
    script: Script = field(default_factory=Script)
    merge_environments: bool = False
    always_include: tuple[Glob, ...] = ()
    always_copy: tuple[Glob, ...] = ()
    files: FileFilter = field(default_factory=FileFilter)
    use_keys: tuple[str, ...] = ()
    ignore_keys: tuple[str, ...] = ()
    down_prioritize: int = 0
    entry_points: tuple[str, ...] = ()
    skip_pyc: tuple[Glob, ...] = ()
    site_packages_path: str | None = None
    version_independent: bool = False
    prefix_detection: PrefixDetection = field(default_factory=PrefixDetection)
    dynamic_linking: DynamicLinking = field(default_factory=DynamicLinking)

    @property
    def is_python_noarch(self) -> bool:
        """Whether files are laid out for any Python version: noarch packages, and abi3 ones (CEP 20)."""
        return self.noarch == "python" or self.version_independent


class ContentCheck(Struct, frozen=True):
    """What the package must and must not hold below one folder; patterns as the recipe writes them."""

    section: Literal["files", "site_packages", "bin", "lib", "include"]
    exists: tuple[Glob, ...]
    not_exists: tuple[Glob, ...]


class RecipeTest(Struct, frozen=True):
    """One test; *kind* says which of the other fields matter."""

    kind: Literal["script", "python", "package_contents", "downstream"]
    place: Place
    script: Script = field(default_factory=Script)
    run: tuple[Dependency, ...] = ()
    build: tuple[Dependency, ...] = ()
    source_files: tuple[Glob, ...] = ()
    recipe_files: tuple[Glob, ...] = ()
    imports: tuple[str, ...] = ()
    pip_check: bool = True
    contents: tuple[ContentCheck, ...] = ()
    downstream: str = ""


class Output(Struct, frozen=True):
    """One output of a recipe: a package, or a staging output that packages inherit from (CEP 41).

    *about* and *extra* are plain mappings with the recipe's keys; *rendered* is the whole output without
    logic, as CEP 40 wants it stored; *used* holds every variable name that its expressions mention.
    """

    name: str
    version: str
    place: Place
    is_staging: bool
    inherits: str | None
    inherits_run_exports: bool
    sources: tuple[Source, ...]
    build: Build
    requirements: Requirements
    tests: tuple[RecipeTest, ...]
    about: Mapping[str, Any]
    license_files: tuple[str, ...]
    extra: Mapping[str, Any]
    rendered: Mapping[str, Any]
    used: frozenset[str]
    is_skipped: bool = False
