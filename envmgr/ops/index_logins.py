"""The logins of `envmgr auth login`, the keyring, netrc and auth files, for indexes of Python packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envmgr.ops.context import Context
    from envmgr.pypi.index_options import FindLogin

TOKEN_USER = "__token__"
"""The name that indexes expect beside a token, which pip and uv can only send as a password."""


def login_finder(context: Context) -> FindLogin:
    """What gives the user and the password for a URL; None where there are none, or of a kind for channels alone.

    No place is looked into before the first question.
    """
    from envmgr.net.auth import BasicLogin, BearerToken
    from envmgr.net.auth_store import CredentialStore

    store = CredentialStore.from_settings(
        context.settings, environ=context.environ, home=context.home, warn=context.reporter.warned
    )

    def find(url: str) -> tuple[str, str] | None:
        found = store.find(url)
        if isinstance(found, BasicLogin):
            return found.username, found.password.reveal()
        if isinstance(found, BearerToken):
            return TOKEN_USER, found.token.reveal()
        return None

    return find
