"""What the exact packages of a lock become in a request: archives, wheels and sources, all with their checksums."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from msgspec import Struct, field
from msgspec.structs import replace

from envmgr.envfile.environment_file import EnvironmentFile, Item
from envmgr.envfile.explicit import ExplicitPackage
from envmgr.errors import DataError, SolveError
from envmgr.lock.inputs import INDEXES, inputs_in
from envmgr.lock.read import read_lock
from envmgr.models.channel import is_url
from envmgr.models.credentials import without_credentials, without_credentials_in_text
from envmgr.models.document import quoted
from envmgr.models.requirement import Requirement, Source
from envmgr.models.visible_text import shortened
from envmgr.pypi.records import WheelNeeds
from envmgr.pypi.resolution import PypiSolution, PypiSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from envmgr.lock.inputs import LockInputs
    from envmgr.lock.locked import Lock, LockedPackage
    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context
    from envmgr.ops.joint import PypiPart
    from envmgr.packages.unpacked import CachedPackage
    from envmgr.prefix.generation import PypiIntent

_LONGEST_NAME = 200
_LEFT_OUT = "Leave it out of the lock, and install it into the finished environment."
_MADE_AGAIN = (
    "The lock was damaged or edited; make it again from its files, or take it as its author wrote it."
)
_SOURCES = (".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz")


class LockedPackages(Struct, frozen=True):
    """What the lock *file* has for one platform.

    ``depends`` tells by an archive's URL what the channel said that it needs, which its archive may not know of.
    ``needs`` tells by name what distributions need. ``written_urls`` are URLs with logins.
    """

    file: str
    conda: tuple[ExplicitPackage, ...]
    depends: Mapping[str, tuple[tuple[str, str], ...]]
    wheels: tuple[PackageRecord, ...] = ()
    sources: tuple[PypiSource, ...] = ()
    needs: Mapping[str, WheelNeeds] = field(default_factory=dict)
    written_urls: tuple[str, ...] = ()


class LockedEnvironment(Struct, frozen=True):
    """The packages, and what they were chosen for, as an environment file would say it."""

    packages: LockedPackages
    environment: EnvironmentFile


def read_locked(
    content: bytes, path: str, subdir: str, groups: Sequence[str], context: Context
) -> LockedEnvironment:
    """What the lock in *content* has for *subdir* in *groups*.

    Raises DataError for a file that is no lock and for a package without a checksum or that no lock can carry,
    UsageError for a platform or group that it does not have, and SolveError where this machine lacks what a package
    needs of it.
    """
    return locked_environment(read_lock(content, file=path), subdir, groups, context)


def locked_environment(lock: Lock, subdir: str, groups: Sequence[str], context: Context) -> LockedEnvironment:
    """`read_locked`, of a lock that was read."""
    from envmgr.ops.named_file import folder_of

    chosen = lock.select(subdir, groups)
    if subdir == context.settings.subdir:
        check_machine(chosen, subdir, context)
    folder = folder_of(lock.file, context)
    inputs = inputs_in(lock, subdir)
    taking = _Taking(lock, folder, inputs, context)
    for each in chosen:
        with told_of(each):
            taking.take(each)
    packages = LockedPackages(
        lock.file,
        tuple(taking.conda),
        taking.depends,
        tuple(taking.wheels),
        tuple(taking.sources),
        taking.needs,
        tuple(taking.written),
    )
    kept = [each for each in chosen if each not in taking.left_out]
    environment = _environment(lock, inputs, kept)
    return LockedEnvironment(packages, replace(environment, warnings=tuple(taking.warnings)))


@contextlib.contextmanager
def told_of(package: LockedPackage) -> Iterator[None]:
    """Where something is wrong with *package*, say where it stands."""
    try:
        yield
    except DataError as error:
        if "line" in error.facts:
            raise
        raise DataError(f"{package.source}: {error}", hint=error.hint, **error.facts) from None


def check_machine(packages: Iterable[LockedPackage], subdir: str, context: Context) -> None:
    """Raise SolveError where this machine does not have what one of *packages* needs of it (CEP 30)."""
    from envmgr.host.probe import virtual_packages
    from envmgr.models.match_spec import parse_match_spec

    virtual = virtual_packages(subdir, context.environ)
    answers: dict[tuple[str, str], bool] = {}
    for package in packages:
        for name, rest in package.dependencies if package.kind == "conda" else ():
            if not name.startswith("__") or "when" in rest:
                continue
            if (name, rest) not in answers:
                with told_of(package):
                    spec = parse_match_spec(f"{name} {rest}".strip())
                answers[name, rest] = any(map(spec.matches, virtual.records(name)))
            if not answers[name, rest]:
                here = next((f"{each.name} {each.version}" for each in virtual.records(name)), f"no {name}")
                raise SolveError(
                    f"{package.source}: {package.name} {package.version} needs {f'{name} {rest}'.strip()}, and this"
                    f" machine has {here}.",
                    hint=f"Make the lock for such machines: envmgr lock --virtual {name}=VERSION.",
                )


def fixed_part(locked: LockedPackages, subdir: str, intent: PypiIntent, context: Context) -> PypiPart | None:
    """PyPI's half of a plan, of which nothing is left to be resolved; None where the lock has none.

    *intent* tells which of its distributions are asked for.
    """
    from envmgr.ops.joint import PypiPart, PypiQuestion
    from envmgr.ops.provided import Providers
    from envmgr.ops.pypi_intent import requested_by

    if not (locked.wheels or locked.sources):
        return None
    question = PypiQuestion((), subdir, Providers(context))
    asked = requested_by(intent, locked.wheels)
    answer = PypiSolution(
        tool=locked.file,
        wheels=locked.wheels,
        sources=locked.sources,
        requested=frozenset(record.shown_name for record in locked.wheels if record.name in asked),
        needs=locked.needs,
    )
    return PypiPart(question, answer, (), fixed=True)


def with_locked_depends(
    packages: Mapping[PackageRecord, CachedPackage], locked: LockedPackages
) -> dict[PackageRecord, CachedPackage]:
    """*packages* whose records need what the lock says, where channels had mended what archives say."""
    found = dict(packages)
    for record, package in packages.items():
        whole = package.record
        said = locked.depends.get(whole.url)
        if said is not None and dict(joined_depends(whole.depends)) != dict(said):
            depends = [f"{name} {rest}".strip() for name, rest in said]
            found[record] = replace(package, record=replace(whole, depends=depends))
    return found


def joined_depends(texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Dependencies as CEP 37 has them: each name once, with all that is asked of it.

    >>> joined_depends(["python >=3.9", "numpy >=1.19,<2", "python <3.13", "python_abi 3.12.* *_cp312"])
    (('python', '>=3.9,<3.13'), ('numpy', '>=1.19,<2'), ('python_abi', '3.12.* *_cp312'))
    """
    found: dict[str, str] = {}
    for text in texts:
        name, rest = _parted(text)
        found[name] = _both(found[name], rest) if name in found else rest
    return tuple(found.items())


def _parted(text: str) -> tuple[str, str]:
    text = text.strip()
    end = next((place for place, character in enumerate(text) if character in " [=<>!~"), len(text))
    return text[:end], text[end:].strip()


def _both(one: str, other: str) -> str:
    """What fulfils *one* and *other*; where no text says both, the one that names a build."""
    if one == other or not other:
        return one
    if not one:
        return other
    (version, _, build), (other_version, _, other_build) = one.partition(" "), other.partition(" ")
    if "[" in one + other or (build and other_build and build != other_build) or "|" in one + other:
        return one if build or "[" in one else other
    return f"{version},{other_version} {build or other_build}".rstrip()


def _as_requirement(name: str, ranges: str) -> str:
    """A dependency of a distribution (PEP 508); conda-lock writes any version as ``*``, and one without ``==``."""
    return f"{name}{'==' if ranges[:1].isdigit() else ''}{'' if ranges == '*' else ranges}"


class _Taking:
    """Sorts packages of a lock by what is made of them."""

    def __init__(self, lock: Lock, folder: Path | str, inputs: LockInputs | None, context: Context) -> None:
        self.lock, self.folder, self.context = lock, folder, context
        self.lines = inputs.pypi if inputs is not None else ()
        self.indexes = dict(
            line.split("=", 1) for line in lock.notes.get(INDEXES, "").split("\n") if "=" in line
        )
        self.conda: list[ExplicitPackage] = []
        self.depends: dict[str, tuple[tuple[str, str], ...]] = {}
        self.wheels: list[PackageRecord] = []
        self.sources: list[PypiSource] = []
        self.needs: dict[str, WheelNeeds] = {}
        self.written: list[str] = []
        self.left_out: list[LockedPackage] = []

    @property
    def warnings(self) -> Iterator[str]:
        """A sentence for each project of this machine: a lock has no checksum for what is edited."""
        for each in self.left_out:
            yield (
                f"{each.source}: {each.name} is the project in {quoted(each.url)}, for which a lock has no"
                " checksum, and is left out; install it into the finished environment."
            )

    def take(self, package: LockedPackage) -> None:
        url = self._url(package)
        if without_credentials(url) != url:
            self.written.append(url)
        if package.kind == "conda":
            self._take_archive(package, url)
        else:
            self._take_distribution(package, without_credentials(url).partition("#")[0])

    def _take_archive(self, package: LockedPackage, url: str) -> None:
        from envmgr.models.channel import split_distribution, split_url

        if not package.version and "://" not in package.url:
            raise self._refusal(package, "is a package that pixi builds from its source")
        if not (package.sha256 or package.md5):
            raise self._refusal(package, "has no checksum, so that nobody could tell whether it is the same")
        name, version, build, _ = split_distribution(split_url(url)[2])
        said = (package.name.lower(), package.version, package.build or build)
        if said != (name.lower(), version, build):
            inside = shortened(f"{name}-{version}-{build}", _LONGEST_NAME)
            raise self._refusal(package, f"has the URL of {inside}", hint=_MADE_AGAIN)
        self.conda.append(ExplicitPackage(url, package.md5, package.sha256, package.source))
        self.depends[without_credentials(url)] = package.dependencies

    def _take_distribution(self, package: LockedPackage, url: str) -> None:
        from envmgr.models.wheel_name import WheelName, normalized_name
        from envmgr.pypi.records import wheel_record

        if url.startswith("git+"):
            raise self._refusal(package, "is a repository, which has no checksum")
        if "://" not in url:
            self.left_out.append(package)
            return
        if not package.sha256:
            raise self._refusal(package, "has no SHA-256, so that nobody could tell whether it is the same")
        name = normalized_name(package.name)
        if package.dependencies:
            self.needs[name] = WheelNeeds(tuple(_as_requirement(*each) for each in package.dependencies))
        file_name = unquote(urlsplit(url).path.rpartition("/")[2])
        direct = any(url in line for line in self.lines)
        index = package.index or self.indexes.get(name) or self.indexes.get("*", "")
        source = PypiSource(
            kind="archive" if direct else "sdist",
            name=name,
            version=package.version,
            url=url,
            sha256=package.sha256,
            size=package.size,
            index=None if direct else index,
        )
        if file_name.endswith(".whl"):
            if WheelName.parse(file_name).name != name:
                raise self._refusal(package, f"has the URL of the wheel {file_name}", hint=_MADE_AGAIN)
            self.wheels.append(
                wheel_record(
                    url,
                    index="" if direct else index,
                    sha256=package.sha256,
                    size=package.size,
                    direct_url=source.direct_url,
                )
            )
        elif file_name.endswith(_SOURCES):
            self.sources.append(source)
        else:
            raise self._refusal(package, f"is neither a wheel nor a source distribution: {file_name}")

    def _url(self, package: LockedPackage) -> str:
        from envmgr.models.channel import file_url
        from envmgr.models.named_file import refuse_here
        from envmgr.models.path_text import expand_path

        # conda-lock leaves variables with logins in its URLs.
        url = expand_path(package.url, self.context.environ) if "$" in package.url else package.url
        url = url.removeprefix("direct+")  # As pixi marks what was asked for by URL.
        is_here = url.endswith((".conda", ".tar.bz2", ".whl")) and not is_url(url)
        if isinstance(self.folder, str) and (is_here or url.lower().startswith("file:")):
            raise refuse_here(url, package.source)
        if not is_here or url.startswith("git+"):
            return url
        return file_url(url, str(self.folder))

    def _refusal(self, package: LockedPackage, why: str, hint: str = _LEFT_OUT) -> DataError:
        shown = shortened(f"{package.name} {package.version}".rstrip(), _LONGEST_NAME)
        return DataError(
            f"{package.source}: {shown} {why}.",
            hint=hint,
            file=self.lock.file,
            line=package.source.line,
        )


def _environment(lock: Lock, inputs: LockInputs | None, chosen: Sequence[LockedPackage]) -> EnvironmentFile:
    """The lock's inputs as an environment file says them.

    Where another tool made it, those are the channels, and the distributions of PyPI, lest a later change take them
    for what nobody asked for.
    """
    from envmgr.envfile.spec_line import parse_requirement
    from envmgr.pypi.items import names_place_here

    channels = tuple(without_credentials_in_text(each.rstrip("/")) for each in lock.channels)
    places = {each: Source(lock.file, None, each) for each in channels}
    if inputs is None:
        pins = tuple(
            Item(f"{each.name}=={each.version}", each.source) for each in chosen if each.kind == "pypi"
        )
        return EnvironmentFile(
            channels=channels,
            channel_sources=places,
            nodefaults=True,
            subsections={"pip": pins} if pins else {},
        )
    requirements: list[Requirement] = [
        parse_requirement(text, Source(lock.file, None, text)) for text in inputs.specs
    ]
    # A lock leads to no file of this machine, whoever wrote it.
    lines = [text for text in inputs.pypi if not names_place_here(text)]
    items = tuple(Item(text, Source(lock.file, None, text)) for text in lines)
    return EnvironmentFile(
        channels=channels,
        channel_sources=places,
        nodefaults=True,
        requirements=tuple(requirements),
        subsections={"pip": items} if items else {},
        variables=inputs.variables,
        pins=tuple(parse_requirement(text, Source(lock.file, None, text)) for text in inputs.pins),
    )
