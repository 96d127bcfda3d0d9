"""Writes conda-lock.yml (CEP 37) so that two locks differ only where what they hold differs.

Blocks come by manager, name, platform and group, as conda-lock orders them; keys have a fixed order; nothing tells
when, where or by whom the file was written. Texts stand bare only where no reader of YAML 1.1 or 1.2 could take
them for anything but text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envmgr.lock.conda_lock_blocks import FIRST_LINE, FIRST_LINE_OF_EXPORT
from envmgr.lock.locked import MAIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envmgr.lock.locked import Lock, LockedPackage

_BARE = re.compile(r"[A-Za-z_/][A-Za-z0-9_./%+~=@-]*(?:://[A-Za-z0-9_./%+~=@:!-]*[A-Za-z0-9_/])?")
_SUM = re.compile(r"[0-9a-f]*[a-df][0-9a-f]*")
_WORDS = frozenset(("y", "n", "yes", "no", "true", "false", "on", "off", "null", "inf", "nan", "infinity"))
_SUM_DIGITS = (32, 64)
_UNSAID = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")


def conda_lock_text(lock: Lock) -> str:
    """The text of *lock*, whose packages all have a checksum; without ``sources`` it is an export."""
    return "".join(f"{line}\n" for line in _lines(lock))


def _lines(lock: Lock) -> Iterator[str]:
    yield FIRST_LINE if lock.sources else FIRST_LINE_OF_EXPORT
    yield "version: 1"
    yield "metadata:"
    yield from _texts("content_hash", lock.content_hash)
    yield "  channels:" if lock.channels else "  channels: []"
    for url in lock.channels:
        yield f"  - url: {scalar(url)}"
        yield "    used_env_vars: []"
    yield from _list("platforms", sorted(lock.platforms))
    yield from _list("sources", lock.sources)
    if lock.notes:
        yield from _texts("custom_metadata", lock.notes)
    packages = [
        (each, subdir, group)
        for subdir, packages in lock.platforms.items()
        for each in packages
        for group in each.groups
    ]
    yield "package:" if packages else "package: []"
    for each, subdir, group in sorted(
        packages, key=lambda entry: (entry[0].kind, entry[0].name, entry[1], entry[2] != MAIN, entry[2])
    ):
        yield from _block(each, subdir, group)


def _block(package: LockedPackage, subdir: str, group: str) -> Iterator[str]:
    yield f"- name: {scalar(package.name)}"
    yield f"  version: {scalar(package.version)}"
    yield f"  manager: {'pip' if package.kind == 'pypi' else 'conda'}"
    yield f"  platform: {scalar(subdir)}"
    yield from _texts("dependencies", dict(sorted(package.dependencies)))
    yield f"  url: {scalar(package.url)}"
    yield "  hash:"
    for key, value in (("md5", package.md5), ("sha256", package.sha256)):
        if value:
            yield f"    {key}: {scalar(value)}"
    if package.kind == "conda":
        yield f"  build: {scalar(package.build)}"
    yield f"  category: {scalar(group)}"
    yield f"  optional: {'false' if group == MAIN else 'true'}"


def _list(key: str, texts: tuple[str, ...] | list[str]) -> Iterator[str]:
    yield f"  {key}:" if texts else f"  {key}: []"
    for text in texts:
        yield f"  - {scalar(text)}"


def _texts(key: str, texts: Mapping[str, str]) -> Iterator[str]:
    yield f"  {key}:" if texts else f"  {key}: {{}}"
    for name, text in texts.items():
        lines = text.split("\n")
        if len(lines) > 1 and not any(
            _UNSAID.search(line) or line.strip() != line or not line for line in lines
        ):
            yield f"    {scalar(name)}: |-"
            yield from (f"      {line}" for line in lines)
        else:
            yield f"    {scalar(name)}: {scalar(text)}"


def scalar(text: str) -> str:
    """*text* as a value of YAML that every reader takes for a text.

    >>> scalar("numpy"), scalar("3.10"), scalar("no"), scalar(">=1,<2"), scalar("it's")
    ('numpy', "'3.10'", "'no'", "'>=1,<2'", "'it''s'")
    """
    if len(text) in _SUM_DIGITS and _SUM.fullmatch(text):
        return text
    if _BARE.fullmatch(text) and text.lower() not in _WORDS:
        return text
    if _UNSAID.search(text):
        return '"' + "".join(_escaped(character) for character in text) + '"'
    return "'" + text.replace("'", "''") + "'"


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return f"\\u{ord(character):04x}" if _UNSAID.match(character) else character
