"""Stores, removes and lists logins; the requests themselves find them through `envmgr.net.auth_store`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from envmgr.errors import ConfigError, UsageError
from envmgr.net.auth import S3Keys
from envmgr.net.auth_keys import login_key, logout_keys
from envmgr.net.auth_store import CredentialStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from envmgr.net.auth import Credential
    from envmgr.ops.context import Context

_Key = TypeVar("_Key")


class StoredLogin(Struct, frozen=True):
    """Where a login went: its *key* in *place*; *warning* says why that is not the keyring, or is None."""

    key: str
    kind: str
    place: str
    warning: str | None


class KnownLogin(Struct, frozen=True):
    """A login as it may be shown. One that is not *is_used* stands behind another with the same key."""

    key: str
    kind: str
    place: str
    is_used: bool = True


class LoginStatus(Struct, frozen=True):
    """What a host would get, or None."""

    host: str
    login: KnownLogin | None


def log_in(host: str, credential: Credential, context: Context) -> StoredLogin:
    """Keep *credential* for *host*. UsageError for what is no host, ConfigError when nothing can be written."""
    key = _checked(login_key, host)
    if isinstance(credential, S3Keys) != host.strip().lower().startswith("s3://"):
        raise UsageError(
            "keys of S3 are for buckets, and buckets take no other login.",
            hint="Name a bucket as s3://BUCKET, and give its keys with --s3-access-key-id.",
        )
    place, warning = _store(context).store(key, credential)
    return StoredLogin(key, credential.kind, place, warning)


def log_out(host: str, context: Context) -> tuple[str, ...]:
    """Forget every login for *host*; the places that had one. ConfigError where none could be removed."""
    keys = _checked(logout_keys, host)
    store = _store(context)
    places = store.remove(keys)
    if places:
        return places
    others = sorted({found.source for found in store.entries() if found.key in keys})
    if others:
        raise ConfigError(
            f"the login for {keys[0]} is kept in {', '.join(others)}, which envmgr does not change.",
            hint="Remove it with the program that wrote it.",
        )
    raise ConfigError(
        f"no login for {keys[0]} is stored.", hint="envmgr auth list shows the logins that are known."
    )


def list_logins(context: Context) -> tuple[KnownLogin, ...]:
    """Every login that is known, the strongest places first."""
    known: list[KnownLogin] = []
    for found in _store(context).entries():
        is_used = all(each.key != found.key for each in known)
        known.append(KnownLogin(found.key, found.credential.kind, found.source, is_used))
    return tuple(known)


def find_logins(hosts: Sequence[str], context: Context) -> tuple[LoginStatus, ...]:
    """The login that a request to each host, or below each URL, would use."""
    store = _store(context)
    statuses = []
    for host in hosts:
        _checked(login_key, host)
        text = host.strip().removeprefix("*.").rstrip("/")
        found = store.look_up(f"{text}/" if "://" in text else f"https://{text}/")
        login = KnownLogin(found.key, found.credential.kind, found.source) if found is not None else None
        statuses.append(LoginStatus(host, login))
    return tuple(statuses)


def _checked(make_key: Callable[[str], _Key], host: str) -> _Key:
    """The key for *host*, which no message repeats: it may hold a password that was put in the wrong place."""
    try:
        return make_key(host)
    except ValueError as error:
        raise UsageError(f"the name of the host is none; expected {error}.") from None


def _store(context: Context) -> CredentialStore:
    return CredentialStore.from_settings(
        context.settings, environ=context.environ, home=context.home, warn=context.reporter.warned
    )
