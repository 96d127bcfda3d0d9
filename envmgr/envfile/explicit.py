"""Plain text lists: explicit files of package URLs, and lists of specs (CEP 23).

A line that reads `@EXPLICIT` makes a file explicit: every other line is then one archive's URL or path, and
may end in `#` and its MD5 or SHA-256. Without it every line is a MatchSpec. Lines that start with `#` are
comments; `# platform: linux-64` is remembered. A list of specs may also hold comments after a spec.

Paths become `file://` URLs; relative ones start at the working directory, as the standard says. Nothing is
opened, and the order of the lines is kept.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from envmgr.envfile.spec_line import parse_requirement
from envmgr.errors import DataError
from envmgr.models.channel import (
    file_url,
    is_url,
    split_distribution,
    split_url,
)
from envmgr.models.credentials import without_credentials_in_text, without_secret_query
from envmgr.models.document import decode_document, quoted
from envmgr.models.named_file import refuse_here
from envmgr.models.path_text import expand_path
from envmgr.models.requirement import Requirement, Source
from envmgr.models.yaml_problem import refuse_merge_markers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envmgr.models.record import PackageRecord

Checksum = Literal["md5", "sha256", "best"]

LARGEST_LIST_BYTES = 10_000_000
"""A hundred thousand archives, more than any environment has."""

_MARKER = "@EXPLICIT"
_LONGEST_LINE = 2000
_MOST_SPECS = 100_000
_PACKAGE = re.compile(
    r"(?P<url>(?:.+[/\\])?(?P<fn>[^/\\#]+(?:\.tar\.bz2|\.conda)))"
    r"(?:#(?:(?P<md5>[0-9a-f]{32})|(?:sha256:)?(?P<sha256>[0-9a-f]{64})))?"
)
_PLATFORM = re.compile(r"#\s*platform:\s*([a-z0-9]+-[a-z0-9]+)\s*$")
_LATE_COMMENT = re.compile(r"\s+#.*$")
_ARCHIVE_NAME = re.compile(r"\.(conda|tar\.bz2)(#|$)")


class ExplicitPackage(Struct, frozen=True):
    """One archive: its URL, which may hold credentials, and the checksum that the line gives."""

    url: str
    md5: str | None
    sha256: str | None
    source: Source


class ExplicitFile(Struct, frozen=True):
    """The archives in file order, and the platform of the `# platform:` comment where there is one."""

    packages: tuple[ExplicitPackage, ...]
    platform: str | None = None


def is_explicit(text: str) -> bool:
    """Whether a line of *text* says `@EXPLICIT`, alone and in capitals.

    >>> is_explicit("# a comment\\n@EXPLICIT\\n"), is_explicit("numpy\\n")
    (True, False)
    """
    return _MARKER in text and any(line.strip() == _MARKER for line in text.splitlines())


def parse_explicit(
    text: str | bytes, *, file: str, environ: Mapping[str, str], cwd: str | None
) -> ExplicitFile:
    """Read an explicit file; *environ* fills `~` and `$NAME`, *cwd* is the absolute start of relative paths.

    Where *cwd* is None the file comes from a server, and may name nothing of this machine.

    Raises DataError with file and line for a line that is no URL or path of a package archive.
    """
    packages: list[ExplicitPackage] = []
    platform = None
    for number, line in _lines(text, file):
        if line.startswith("#"):
            found = _PLATFORM.match(line)
            platform = found[1] if found else platform
        elif line != _MARKER:
            packages.append(
                _parse_package(expand_path(line, environ), Source(file, number, _shown(line)), cwd)
            )
    return ExplicitFile(tuple(packages), platform)


def explicit_lines(records: Iterable[PackageRecord], checksum: Checksum | None = None) -> Iterator[str]:
    """`@EXPLICIT` and a line for each of *records*, which come dependencies first; a comment where no URL is known.

    With *checksum* each URL ends in that checksum as far as the record has it, a SHA-256 with its name before it;
    the "best" is the SHA-256 where there is one, else the MD5.
    """
    yield _MARKER
    for record in records:
        if not record.url:
            yield f"# no URL is known of {record.dist_name}"
            continue
        sha256 = record.sha256 and f"sha256:{record.sha256}"
        digest = {"md5": record.md5, "sha256": sha256, "best": sha256 or record.md5, None: None}[checksum]
        yield f"{record.url}#{digest}" if digest else record.url


def parse_specs_file(text: str | bytes, *, file: str) -> tuple[Requirement, ...]:
    """Read a list of MatchSpecs, one a line; DataError with file and line for one that is none."""
    requirements: list[Requirement] = []
    for number, line in _lines(text, file):
        spec = _LATE_COMMENT.sub("", line)
        if spec and not spec.startswith("#"):
            _refuse_directive(spec, f"{file}:{number}")
            if len(requirements) == _MOST_SPECS:
                raise DataError(f"{file}:{number}: there are more than {_MOST_SPECS} specs.", file=file)
            requirements.append(parse_requirement(spec, Source(file, number, spec)))
    return tuple(requirements)


def _lines(text: str | bytes, file: str) -> Iterator[tuple[int, str]]:
    decoded = decode_document(text, file=file, largest=LARGEST_LIST_BYTES)
    refuse_merge_markers(decoded, file=file)
    for number, line in enumerate(decoded.splitlines(), 1):
        stripped = line.strip()
        if len(stripped) > _LONGEST_LINE and not stripped.startswith("#"):
            what = f"{quoted(_shown(stripped[:_LONGEST_LINE]))} is longer than any URL or package spec"
            raise DataError(f"{file}:{number}: {what}.", file=file, line=number)
        if stripped:
            yield number, stripped


def _refuse_directive(spec: str, place: str) -> None:
    if spec.startswith("@"):
        raise DataError(
            f"{place}: expected a package spec, found {quoted(spec)}.",
            hint=f"Explicit files say `{_MARKER}`.",
        )


def _parse_package(line: str, source: Source, cwd: str | None) -> ExplicitPackage:
    match = _PACKAGE.fullmatch(line)
    if match is None:
        raise _refusal(line, source)
    url = match["url"]
    if cwd is None and (not is_url(url) or url.lower().startswith("file:")):
        raise refuse_here(source.text, source)
    try:
        split_distribution(match["fn"])
        url = url if is_url(url) else file_url(url, cwd or "")
    except DataError as error:
        raise DataError(f"{source}: {error}", hint=error.hint, file=source.file, line=source.line) from None
    if is_url(match["url"]) and not split_url(url)[2]:
        raise _refusal(line, source)
    return ExplicitPackage(url, match["md5"], match["sha256"], source)


def _refusal(line: str, source: Source) -> DataError:
    shown = quoted(_shown(line))
    anchor = line.partition("#")[2] if _ARCHIVE_NAME.search(line) else ""
    if anchor:
        what = f"the checksum after `#` in {shown} is neither an MD5 nor a SHA-256"
        hint = "Expected 32 or 64 hexadecimal digits in lower case."
    else:
        what = f"{shown} is not the URL or path of a .conda or .tar.bz2 archive"
        hint = f"Specs to be solved belong in a file without the line `{_MARKER}`."
    return DataError(f"{source}: {what}.", hint=hint, file=source.file, line=source.line)


def _shown(line: str) -> str:
    return without_secret_query(without_credentials_in_text(line))
