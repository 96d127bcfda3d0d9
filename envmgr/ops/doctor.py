"""Finds out why a channel cannot be reached: each step on the way to it, and what it answers there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from envmgr.models.channel import is_url, login_hint, without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from envmgr.net.auth_store import CredentialStore
    from envmgr.net.probe import Step
    from envmgr.ops.context import Context
    from envmgr.ports import Response, Transport

# The form that all tools know comes last: what is said about it is what a user is told.
_INDEX_FILES = (
    "noarch/repodata.json.zst",
    "noarch/repodata_shards.msgpack.zst",
    "noarch/repodata.json.bz2",
    "noarch/repodata.json",
)
_TOLD_HEADERS = ("server", "cache-control", "age", "etag", "last-modified")


class Place(Struct, frozen=True):
    """One place to look at: a channel's URL, and the URL that is asked in its place (a mirror's, or the same).

    ``asked_url`` may hold credentials and is never shown.
    """

    channel: str
    asked_url: str

    @property
    def url(self) -> str:
        """The URL that is asked, without credentials."""
        return without_credentials(self.asked_url)


def find_places(names: Sequence[str], context: Context) -> tuple[Place, ...]:
    """Where the channels called *names* (names or URLs; none: those of the settings) are asked for, mirrors first.

    Raises DataError for what is no channel.
    """
    from envmgr.net.credentials import CredentialTransport
    from envmgr.net.mirrors import find_prefix
    from envmgr.ops.channels import parse_channels

    settings = context.settings
    asked = tuple(names) or settings.channels
    written = [*(name for name in asked if is_url(name)), settings.channel_alias]
    credentials = CredentialTransport(context.transport, written)
    places: list[Place] = []
    for channel in parse_channels(asked, context):
        prefix = find_prefix(channel.url, settings.mirrors)
        mirrors = settings.mirrors[prefix] if prefix is not None else (channel.url,)
        for mirror in mirrors:
            url = mirror + channel.url[len(prefix) :] if prefix is not None else mirror
            places.append(Place(channel.url, credentials.as_written(url) if url == channel.url else url))
    return tuple(places)


def examine(place: Place, context: Context) -> Iterator[Step]:
    """The steps of one place, as they are done; each takes about ``connect_timeout_seconds`` at most."""
    from envmgr.net.probe import Step
    from envmgr.net.transport import AnyTransport

    settings = replace(
        context.settings, retries=0, read_timeout_seconds=context.settings.connect_timeout_seconds, mirrors={}
    )
    scheme = place.url.partition(":")[0]
    if settings.offline and scheme != "file":
        source = context.setting_sources.get("offline", "a setting")
        yield Step("offline", "failed", f"envmgr is offline ({source})", "Set offline to false.")
        return
    if scheme in ("http", "https"):
        is_reached = True
        for step in _walk(place.asked_url, context):
            is_reached = is_reached and step.status != "failed"
            yield step
        if not is_reached:
            yield Step("index", "skipped", "an earlier step failed")
            yield _examine_login(place, context)
            return
    transport = AnyTransport.from_settings(settings, environ=context.environ, home=context.home)
    yield _examine_index(place, transport)
    if scheme != "file":
        yield _examine_login(place, context)


def _walk(url: str, context: Context) -> Iterator[Step]:
    from envmgr.net.certificates import TlsOptions, make_context
    from envmgr.net.probe import WayOptions, walk
    from envmgr.net.proxies import Proxies

    settings = context.settings
    tls = TlsOptions(settings.ssl_verify, settings.client_ssl_cert, settings.client_ssl_cert_key)
    return walk(
        url,
        WayOptions(
            proxies=Proxies(settings.proxy_servers),
            tls=tls,
            context=lambda: make_context(tls, context.environ),
            environ=context.environ,
            timeout_seconds=settings.connect_timeout_seconds,
        ),
    )


def _examine_index(place: Place, transport: Transport) -> Step:
    from envmgr.net.probe import run_step

    def ask() -> tuple[str, Mapping[str, Any]]:
        for name in _INDEX_FILES:
            with transport.open(f"{place.asked_url}/{name}", {"range": "bytes=0-0"}) as answer:
                if answer.status not in (404, 410) or name == _INDEX_FILES[-1]:
                    return _described(name, place, answer)
        raise AssertionError("the last file is described, whatever the answer")

    return run_step("index", ask)


def _described(name: str, place: Place, answer: Response) -> tuple[str, Mapping[str, Any]]:
    from envmgr.net.probe import StepFailedError

    status = answer.status
    if status in (404, 410):
        raise StepFailedError(
            f"there is none of {', '.join(_INDEX_FILES)} (HTTP status {status})",
            "Check the spelling of the channel.",
        )
    if status in (401, 403):
        what = "wants a login for" if status == 401 else "does not give out"
        raise StepFailedError(f"the server {what} {name} (HTTP status {status})", login_hint(place.url))
    if status >= 400:
        raise StepFailedError(f"the server answered with HTTP status {status} for {name}")
    told = {key: answer.headers[key] for key in _TOLD_HEADERS if key in answer.headers}
    words = [f"{key} {value}" for key, value in told.items() if key in _TOLD_HEADERS[:3]]
    moved = [] if answer.url == f"{place.url}/{name}" else [f"from {answer.url}"]
    facts = {"http_status": status, "url": answer.url, "headers": told}
    return ", ".join([f"HTTP status {status} for {name}", *moved, *words]), facts


def _examine_login(place: Place, context: Context) -> Step:
    from envmgr.net.auth_store import CredentialStore
    from envmgr.net.probe import run_step

    store = CredentialStore.from_settings(
        context.settings, environ=context.environ, home=context.home, warn=context.reporter.warned
    )

    def find() -> tuple[str, Mapping[str, Any]]:
        kind, source = _login(place, store)
        if kind is None:
            return "no login is sent", {"kind": None}
        return f"a login is sent: {kind}, from {source}", {"kind": kind, "source": source}

    return run_step("auth", find)


def _login(place: Place, store: CredentialStore) -> tuple[str | None, str]:
    """The kind of login that a request for the place carries, and where it comes from."""
    if place.asked_url != place.url:
        kind = "basic" if "@" in place.asked_url.split("/", 3)[2] else "conda-token"
        return kind, "the URL"
    found = store.look_up(f"{place.url}/{_INDEX_FILES[0]}")
    return (found.credential.kind, f"{found.source} ({found.key})") if found is not None else (None, "")
