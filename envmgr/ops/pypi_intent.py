"""What an environment is to hold of PyPI over all commands: kept in generations, asked again by changes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.prefix.generation import AskedFor, PypiIntent

_VARIABLE_OPTION = lazy_pattern(r"\s*--?[a-z][a-z-]*[ =].*\$\{[A-Z0-9_]+\}")

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.models.requirement import Source
    from envmgr.ops.context import Context
    from envmgr.pypi.requirement_lines import RequirementLine
    from envmgr.pypi.resolution import PypiItem


_EXTRAS = lazy_pattern(r"\[[^\]]*\]$")
_REVISION = lazy_pattern(r"(?<=[^/])@[^@]*$")


def intent_of(items: Iterable[PypiItem], context: Context) -> PypiIntent:
    """*items* as they are kept: requirement files read, paths absolute, no credentials.

    Raises DataError with the place of a line that cannot be read.
    """
    from envmgr.models.credentials import without_credentials_in_text
    from envmgr.ops.named_file import place_of, read_content
    from envmgr.pypi.items import without_login
    from envmgr.pypi.requirement_files import gather

    items = tuple(items)
    # A variable in an option is kept as such: it may be a login, and is asked for again each time.
    variable = [each.text.strip() for each in items if _VARIABLE_OPTION.match(each.text)]
    fixed = [each for each in items if each.text.strip() not in variable]
    gathered = gather(fixed, context.environ, lambda url: read_content(url, context))

    def placed(line: RequirementLine) -> AskedFor:
        file = None if line.source.file is None else place_of(line.source.file, context)
        shown = without_login(f"{'-e ' if line.editable else ''}{line.text}")
        text = " ".join([shown, *(f"--hash={each}" for each in line.hashes)])
        return AskedFor(text, file, line.source.line if file else None)

    options = [without_credentials_in_text(f"{each.name} {each.value}".rstrip()) for each in gathered.options]
    return PypiIntent(
        requirements=tuple(map(placed, gathered.requirements)),
        constraints=tuple(line.shown for line in gathered.constraints),
        options=tuple(dict.fromkeys([*options, *map(_kept, variable)])),
    )


def _kept(text: str) -> str:
    """An option with variables, as it is kept: a login that is all variables is no secret."""
    from envmgr.models.credentials import without_credentials_in_text

    login = re.search(r"://([^/@\s]+)@", text)
    by_variables = login is not None and re.fullmatch(r"(\$\{[A-Z0-9_]+\}:?)+", login[1])
    return text if by_variables else without_credentials_in_text(text)


def intent_of_records(records: Iterable[PackageRecord], file: str) -> PypiIntent:
    """The exact distributions *records*, as lines that ask for just these; the lock *file* did."""
    lines = []
    for record in records:
        direct = record.extra.get("direct_url")
        text = f"{record.shown_name}=={record.version}"
        if isinstance(direct, dict):
            commit = direct.get("vcs_info", {}).get("commit_id")
            url = direct.get("url", "")
            text = f"{record.shown_name} @ {f'git+{url}@{commit}' if commit else url}"
        lines.append(AskedFor(text, file, None))
    return PypiIntent(requirements=tuple(lines))


def merged_intent(earlier: PypiIntent, newer: PypiIntent) -> PypiIntent:
    """Both, where what is asked for *newer* takes the place of what was asked for by the same name."""
    names = {name_of(each.spec) for each in newer.requirements} - {None}
    texts = {each.spec for each in newer.requirements}
    kept = [
        each
        for each in earlier.requirements
        if each.spec not in texts and (name_of(each.spec) is None or name_of(each.spec) not in names)
    ]
    return PypiIntent(
        requirements=(*kept, *newer.requirements),
        constraints=tuple(dict.fromkeys([*earlier.constraints, *newer.constraints])),
        options=tuple(dict.fromkeys([*earlier.options, *newer.options])),
    )


def intent_without(intent: PypiIntent, names: Collection[str], lines: Collection[str] = ()) -> PypiIntent:
    """*intent* without the requirements of the distributions *names*, and without those *lines*."""
    left = tuple(
        each for each in intent.requirements if name_of(each.spec) not in names and each.spec not in lines
    )
    return replace(intent, requirements=left)


def items_of(intent: PypiIntent, prefix: Path) -> tuple[PypiItem, ...]:
    """The lines of *intent* as they are asked again; nothing in them depends on a folder."""
    from envmgr.models.requirement import Source
    from envmgr.pypi.resolution import PypiItem

    asked = [
        PypiItem(each.spec, Path(each.file).parent if each.file else prefix, _source(each), is_kept=True)
        for each in intent.requirements
    ]
    options = [PypiItem(text, prefix, Source(None, None, text)) for text in intent.options]
    return (*asked, *options)


def _source(asked: AskedFor) -> Source:
    from envmgr.models.requirement import Source

    return Source(asked.file, asked.line, asked.spec)


def name_of(text: str) -> str | None:
    """The distribution that a kept line names, normalized (PEP 503); None where only the project tells it."""
    line = _parsed(text)
    return line.name if line is not None else None


def requested_by(intent: PypiIntent, wheels: Sequence[PackageRecord]) -> dict[str, tuple[str, ...]]:
    """The lines that ask for each of *wheels*, by the record's name."""
    from envmgr.models.credentials import without_credentials

    by_name = {record.shown_name: record.name for record in wheels}
    by_url = {
        without_credentials(str(record.extra["direct_url"]["url"])): record.name
        for record in wheels
        if isinstance(record.extra.get("direct_url"), dict)
    }
    found: dict[str, tuple[str, ...]] = {}
    for each in intent.requirements:
        line = _parsed(each.spec)
        if line is None:
            continue
        name = by_name.get(line.name or "") or _direct(line, by_url)
        if name is not None:
            found[name] = (*found.get(name, ()), each.spec)
    return found


def _direct(line: RequirementLine, by_url: dict[str, str]) -> str | None:
    """The record that a path or URL without a name brought, by its ``direct_url.json`` (PEP 610)."""
    from envmgr.models.credentials import without_credentials

    body = line.text.partition(" ;")[0]
    if body.startswith("/"):
        return by_url.get(Path(body).as_uri()) or by_url.get(Path(_EXTRAS.sub("", body)).as_uri())
    url = without_credentials(body.partition("#")[0])
    repository = url.partition("+")[2]
    return by_url.get(url) or by_url.get(repository) or by_url.get(_REVISION.sub("", repository))


def _parsed(text: str) -> RequirementLine | None:
    from envmgr.models.requirement import Source
    from envmgr.pypi.requirement_lines import parse_line

    return parse_line(text, Source(None, None, text), "/", {})[0]
