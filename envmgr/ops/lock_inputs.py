"""Reads what a lock is to be made of, for each platform, from the files and options of a request."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from envmgr.errors import DataError, UsageError
from envmgr.lock.inputs import CHANNELS, PLATFORMS, LockInputs, joined_pairs, lines_in, pairs_in
from envmgr.lock.locked import MAIN
from envmgr.lock.profile import default_profile, overrides, with_words
from envmgr.models.named_file import is_on_server, shown_name
from envmgr.ops.lock_selection import groups_asked, selection_notes
from envmgr.ops.pins import pin_lines
from envmgr.ops.request import read_request, with_python

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from envmgr.envfile.environment_file import EnvironmentFile
    from envmgr.ops.context import Context
    from envmgr.ops.request import Asked, EnvironmentRequest
    from envmgr.ops.resolve import ResolveOptions


LOCK_NAME = "conda-lock.yml"
_NO_DEFAULTS = "nodefaults"


class Target(Struct, frozen=True):
    """One platform of a lock: the request for it, what the lock says of that, and a context that looks like it.

    ``groups`` maps the names of what was asked for, of conda's packages and as ``pypi:NAME``, to their groups.
    """

    subdir: str
    wanted: EnvironmentRequest
    inputs: LockInputs
    context: Context
    groups: Mapping[str, frozenset[str]]
    left_out: tuple[str, ...] = ()


class Asking(Struct, frozen=True):
    """What the inputs depend on: *virtual* are words of the user, *known* what an earlier lock was made of."""

    asked: Asked
    options: ResolveOptions
    virtual: tuple[str, ...] = ()
    known: Mapping[str, LockInputs] = {}


def platforms_of(files: Sequence[EnvironmentFile]) -> tuple[str, ...]:
    """The ``platforms`` of the files; none where they say nothing."""
    return tuple(dict.fromkeys(platform for file in files for platform in file.platforms))


def as_recorded(asked: Asked, notes: Mapping[str, str]) -> Asked:
    """*asked*, with the channels of the command line that a lock with *notes* was made with, if it names none."""
    from envmgr.models.channel import is_url

    if asked.channels or asked.override_channels:
        return asked
    words = [each for each in lines_in(notes.get(CHANNELS, "")) if is_url(each) or each == _NO_DEFAULTS]
    return replace(asked, channels=tuple(words))


def recorded_platforms(notes: Mapping[str, str], files: Sequence[str]) -> tuple[str, ...]:
    """The platforms that a lock with *notes* was asked for, as long as those of the *files* are what they were."""
    pairs = pairs_in(notes.get(PLATFORMS, ""))
    if not pairs or pairs.get("files", "") != ",".join(files):
        return ()
    return tuple(each for each in pairs.get("asked", "").split(",") if each)


def command_line_notes(
    asked: Asked, platforms: Sequence[str], files: Sequence[str], context: Context
) -> dict[str, str]:
    """The notes of what the command line said: channels, groups, extras, *platforms* that are not the *files*'."""
    from envmgr.ops.channels import parse_channels

    named = [each for each in asked.channels if each != _NO_DEFAULTS]
    channels = [each.url for each in parse_channels(named, context)]
    if asked.override_channels or _NO_DEFAULTS in asked.channels:
        channels.append(_NO_DEFAULTS)
    found = {CHANNELS: "\n".join(channels)} if channels else {}
    if files and set(platforms) != set(files):
        found[PLATFORMS] = joined_pairs({"asked": ",".join(platforms), "files": ",".join(files)})
    return found | selection_notes(asked)


def read_target(asking: Asking, subdir: str, context: Context) -> Target:
    """The request for *subdir*; raises UsageError and DataError as `read_request`, and for what no lock can hold.

    A folder of this machine is a channel of the lock only where the command line or an earlier lock names it.
    """
    known = asking.known.get(subdir)
    profile = default_profile(subdir) if known is None else known.virtual_packages
    profile = with_words(profile, asking.virtual, subdir)
    there = replace(context, environ={**context.environ, **overrides(profile)})
    asked = replace(asking.asked, subdir=subdir)
    wanted = with_python(read_request(asked, there))
    if wanted.explicit or wanted.locked is not None or wanted.pylock is not None:
        raise UsageError(
            "a lock is made of specs, and exact packages are none.", hint="Name environment files with -f."
        )
    _check_channels(wanted, asked, () if known is None else known.channels, there)
    intent = _intent(wanted, there)
    groups = groups_asked(asked, subdir, there)
    variables, left_out = _variables(wanted, there)
    inputs = LockInputs(
        channels=tuple(channel.url for channel in wanted.channels),
        specs=tuple(dict.fromkeys(str(each.spec) for each in wanted.requirements)),
        pypi=intent[0],
        constraints=intent[1],
        groups={name: ",".join(sorted(found)) for name, found in sorted(groups.items()) if found != {MAIN}},
        virtual_packages=profile,
        options=option_texts(asking.options),
        variables=variables,
        pins=pin_lines(wanted.pins),
    )
    return Target(subdir, wanted, inputs, there, groups, (*left_out, *_logins(wanted, intent[0])))


def option_texts(options: ResolveOptions) -> dict[str, str]:
    """The options that change an answer, by name, where they are not the usual ones."""
    usual = {"strategy": "highest"}
    found = {
        "strategy": options.strategy,
        "channel_priority": options.channel_priority,
        "exclude_newer": None if options.exclude_newer is None else str(options.exclude_newer),
    }
    return {name: text for name, text in found.items() if text and usual.get(name) != text}


def options_of(texts: Mapping[str, str], options: ResolveOptions) -> ResolveOptions:
    """*options*, with what a lock was made with (*texts*) where they say nothing themselves."""
    said = {*option_texts(options), *(["strategy"] if options.strategy is not None else [])}
    kept = {name: text for name, text in texts.items() if name not in said}
    moment = kept.get("exclude_newer", "")
    if moment.isascii() and moment.isdigit() and len(moment) < 19:
        options = replace(options, exclude_newer=int(moment))
    strategy, priority = kept.get("strategy"), kept.get("channel_priority")
    if strategy in ("lowest", "lowest-direct"):
        options = replace(options, strategy=strategy)
    if priority in ("strict", "flexible", "disabled"):
        options = replace(options, channel_priority=priority)
    return options


def relative_sources(files: Sequence[str], folder: Path, context: Context) -> tuple[str, ...]:
    """The paths of *files* from the lock's *folder*, with slashes, or their URLs (CEP 37, ``sources``)."""
    from envmgr.ops.environments import expanded

    return tuple(
        shown_name(file)
        if is_on_server(file)
        else Path(os.path.relpath(expanded(file, context), folder)).as_posix()
        for file in files
    )


def _check_channels(wanted: EnvironmentRequest, asked: Asked, known: Sequence[str], context: Context) -> None:
    from envmgr.ops.channels import parse_channels

    named = parse_channels([name for name in asked.channels if name != _NO_DEFAULTS], context)
    given = {*known, *(each.url for each in named)}
    for channel in wanted.channels:
        if channel.url.startswith("file:") and channel.url not in given:
            raise DataError(
                f"the channel {channel.url} is a folder of this machine, which a lock cannot hold for others.",
                hint=f"Add -c {channel.url}, if the lock is for this machine alone.",
                channel=channel.url,
            )


def _intent(wanted: EnvironmentRequest, context: Context) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The lines for pip, and its constraints; raises DataError for items that only this machine has."""
    from envmgr.models.credentials import without_secret_query
    from envmgr.ops.pypi_intent import intent_of
    from envmgr.pypi.items import names_place_here

    if not wanted.pypi:
        return (), ()
    intent = intent_of(wanted.pypi, context)
    for each in intent.requirements:
        if each.spec.startswith("-e ") or names_place_here(each.spec):
            place = f"{each.file}:{each.line}" if each.file else "command line"
            raise DataError(
                f"{place}: a file or folder of this machine cannot be in a lock: {each.spec.rpartition('/')[2]}.",
                hint="Install it into the finished environment, or lock a release of it.",
            )
    options = [text for text in intent.options if not names_place_here(text)]
    lines = (*options, *(each.spec for each in intent.requirements))
    return tuple(map(without_secret_query, lines)), tuple(map(without_secret_query, intent.constraints))


def _logins(wanted: EnvironmentRequest, kept: Sequence[str]) -> Iterator[str]:
    """A sentence for each channel and item that stands in the lock without the login that it was written with.

    Of items that are *kept* as they are, a login is the names of variables.
    """
    from envmgr.models.credentials import without_credentials, without_secret_query
    from envmgr.pypi.items import without_login

    channels = [f"{channel.url}/" for channel in wanted.channels]
    shown = {url: without_credentials(url) for url in wanted.written_urls}
    shown = {url: short for url, short in shown.items() if any(each.startswith(short) for each in channels)}
    items = [text for each in wanted.pypi if (text := each.text.strip()) not in kept]
    shown |= {text: without_secret_query(without_login(text)) for text in items}
    for short in dict.fromkeys(short for text, short in shown.items() if text != short):
        yield f"the login for {short} is left out; whoever uses the lock needs one of their own."


def _variables(wanted: EnvironmentRequest, context: Context) -> tuple[dict[str, str], tuple[str, ...]]:
    from envmgr.ops.variables import travelling_variables

    return travelling_variables(wanted.variables, [str(context.home)])
