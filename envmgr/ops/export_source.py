"""The export of what was asked for, as the file that the environment came from: with its comments and its order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import DataError
from envmgr.ops.export_content import channel_text

if TYPE_CHECKING:
    from envmgr.envfile.environment_text import WrittenEnvironment
    from envmgr.envfile.source_text import Meanings
    from envmgr.ops.context import Context
    from envmgr.ops.intent import Holdings


class FromSource(Struct, frozen=True):
    """The *text* of the source that says what is wanted; None where it cannot, and *why* not, as a sentence.

    ``changed`` tells, as a sentence, that the file is not what it was.
    """

    text: str | None
    why: str | None = None
    changed: str | None = None

    @property
    def told(self) -> list[str]:
        return [each for each in (self.changed, self.why) if each is not None]


def from_source(wanted: WrittenEnvironment, holdings: Holdings, context: Context) -> FromSource:
    """The text of the environment's source, changed where it does not say what is *wanted*.

    The text that is kept with the environment counts, and not what the file became. Where no source is known, there
    is nothing to tell, either.
    """
    from envmgr.envfile.source_text import kept_text
    from envmgr.envfile.text_edit import NotEditableError
    from envmgr.ops.source_file import changed_since, names_place, public_text

    last = holdings.past.last
    source = last.source if last is not None else None
    if last is None or source is None:
        return FromSource(None)
    places = {str(holdings.prefix): "$CONDA_PREFIX", str(context.home): "~"}
    changed = changed_since(source, context)
    subdir = last.subdir or context.settings.subdir
    try:
        text = public_text(source.text, places)
        text = kept_text(text, wanted, meanings_of(text, wanted, subdir, context), subdir)
        if names_place(text, places):
            raise NotEditableError("it names folders of this machine")
    except (NotEditableError, DataError) as reason:
        told = str(reason).removesuffix(".")
        why = f"the text of {source.name} is not kept, with its comments and its order: {told}."
        return FromSource(None, why, changed)
    return FromSource(text, changed=changed)


def meanings_of(text: str, wanted: WrittenEnvironment, subdir: str, context: Context) -> Meanings:
    """What the channels and the items of *text* stand for, beside those that are *wanted*."""
    from envmgr.envfile.environment_yml import parse_environment
    from envmgr.envfile.source_text import Meanings
    from envmgr.pypi.items import item_name

    file = parse_environment(text, file="environment.yml", subdir=subdir)
    known = {name: (name,) for name in wanted.channels}
    channels = {name: _channel_texts(name, context) for name in file.channels}
    return Meanings({**known, **channels}, item_key, item_name)


def _channel_texts(name: str, context: Context) -> tuple[str, ...]:
    """The channels that *name* stands for, as exports write them; none where it means that on this machine only."""
    from envmgr.models.channel import Channel
    from envmgr.models.match_spec import ANACONDA_CHANNELS
    from envmgr.ops.channels import parse_channels

    try:
        urls = [channel.url for channel in parse_channels([name], context)]
        plain = Channel.parse(name).url
    except DataError:
        return ()
    is_defaults = name == "defaults" and all(url.startswith(ANACONDA_CHANNELS) for url in urls)
    if not is_defaults and (urls != [plain] or plain.startswith("file:")):
        return ()
    return tuple(channel_text(url) for url in urls)


def item_key(text: str) -> str:
    """The same text for all spellings of one item for pip.

    >>> item_key("Foo_Bar >= 2  # why") == item_key("foo-bar>=2"), item_key("-i https://x/") == item_key("--index-url=https://x/")
    (True, True)
    """
    from packaging.requirements import InvalidRequirement, Requirement

    from envmgr.models.requirement import Source
    from envmgr.models.wheel_name import normalized_name
    from envmgr.pypi.items import bare_item, without_login
    from envmgr.pypi.requirement_lines import parse_line

    bare = without_login(bare_item(text))
    try:
        line, options = parse_line(bare, Source(None, None, bare), "/", {})
    except DataError:
        return bare
    if line is None:
        return " ".join(f"{each.name} {each.value}".rstrip() for each in options)
    try:
        parsed = Requirement(line.text)
        parsed.name = normalized_name(parsed.name)
        plain = str(parsed)
    except InvalidRequirement:
        plain = line.text
    return " ".join([*(["-e"] if line.editable else []), plain, *line.hashes])
