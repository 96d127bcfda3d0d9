"""Logins in rattler's JSON: ``{"BearerToken": "..."}`` and its siblings, as its file and the keyring hold them.

Kinds that are not known here belong to other programs: they are passed over, never changed.
"""

from __future__ import annotations

import time
from typing import Any

from envmgr.net.auth import BasicLogin, BearerToken, CondaToken, Credential, S3Keys, Secret


def decode_login(entry: object) -> Credential | None:
    """The login that *entry* holds; None for an unknown kind, and for an OAuth token that has expired.

    Raises ValueError, which says what was expected and quotes nothing.
    """
    if not isinstance(entry, dict):
        raise ValueError('an object such as {"BearerToken": "..."}')
    if "BearerToken" in entry:
        return BearerToken(Secret(_text(entry, "BearerToken")))
    if "CondaToken" in entry:
        return CondaToken(Secret(_text(entry, "CondaToken")))
    for kind in ("BasicHTTP", "BasicHttp"):
        if kind in entry:
            login = _object(entry, kind)
            return BasicLogin(_text(login, "username"), Secret(_text(login, "password")))
    if "S3Credentials" in entry:
        return _s3_keys(_object(entry, "S3Credentials"))
    if "OAuth" in entry:
        return _oauth_token(_object(entry, "OAuth"))
    return None


def _s3_keys(keys: dict[str, Any]) -> S3Keys:
    session = keys.get("session_token")
    return S3Keys(
        access_key_id=_text(keys, "access_key_id"),
        secret_access_key=Secret(_text(keys, "secret_access_key")),
        session_token=None if session is None else Secret(_text(keys, "session_token")),
    )


def _oauth_token(login: dict[str, Any]) -> BearerToken | None:
    """The token of a login by OAuth, which another program made and renews; `expires_at` is in seconds, UTC."""
    expires = login.get("expires_at")
    if expires is not None and (not isinstance(expires, (int, float)) or expires <= time.time()):
        return None
    return BearerToken(Secret(_text(login, "access_token")))


def _text(entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"a text as `{name}`")
    return value


def _object(entry: dict[str, Any], name: str) -> dict[str, Any]:
    value = entry[name]
    if not isinstance(value, dict):
        raise ValueError(f"an object as `{name}`")
    return value


def encode_login(credential: Credential) -> dict[str, Any]:
    """The JSON that rattler and `decode_login` read."""
    if isinstance(credential, BearerToken):
        return {"BearerToken": credential.token.reveal()}
    if isinstance(credential, CondaToken):
        return {"CondaToken": credential.token.reveal()}
    if isinstance(credential, BasicLogin):
        login = {"username": credential.username, "password": credential.password.reveal()}
        return {"BasicHTTP": login}
    session = credential.session_token
    keys = {
        "access_key_id": credential.access_key_id,
        "secret_access_key": credential.secret_access_key.reveal(),
        "session_token": None if session is None else session.reveal(),
    }
    return {"S3Credentials": keys}
