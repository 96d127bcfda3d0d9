"""``envmgr auth``: store, remove and show logins. Secrets are read here and never shown."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from envmgr.cli.options import CommandParser, add_output
from envmgr.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from envmgr.net.auth import Credential

ACTIONS = {
    "login": "store a login for a host",
    "logout": "remove the login of a host",
    "list": "show which logins there are",
    "status": "the same as list",
}
"""What stands after ``auth``, and what it does."""
_READ = "-"


def run(arguments: Sequence[str]) -> int:
    """Run the action that the first argument names."""
    if not arguments or arguments[0] in ("-h", "--help"):
        _parser().parse_args(["--help"])
    action, rest = arguments[0], list(arguments[1:])
    if action == "login":
        return _login(rest)
    if action == "logout":
        return _logout(rest)
    if action in ("list", "status"):
        return _list(action, rest)
    raise UsageError(
        "this action of auth does not exist.", hint=f"There are: auth {', auth '.join(ACTIONS)}."
    )


def _parser() -> argparse.ArgumentParser:
    made = CommandParser(
        "auth",
        "auth login and auth logout store and remove the login of a host; auth list shows which there are.",
    )
    made.add_argument("action", choices=list(ACTIONS))
    return made


def action_parser(action: str) -> argparse.ArgumentParser:
    """The options of one of `ACTIONS`."""
    if action == "login":
        return _login_parser()
    if action == "logout":
        made = CommandParser(
            "auth logout", "Remove the login of a host from every place that envmgr can write."
        )
        made.add_argument("host", metavar="HOST", help="the host or URL that auth login was given")
    else:
        made = CommandParser(
            f"auth {action}", "Show which logins there are, or which one each HOST would get."
        )
        made.add_argument(
            "hosts", nargs="*", metavar="HOST", help="a host or URL; exit code 1 if one has no login"
        )
    add_output(made)
    return made


def _login_parser() -> argparse.ArgumentParser:
    made = CommandParser(
        "auth login",
        "Store a login for a host. A secret given as - is asked for, or read from standard input, a line each.",
    )
    made.add_argument("host", metavar="HOST", help="a host, HOST:PORT, a URL, or s3://BUCKET")
    made.add_argument("--token", metavar="TOKEN", help="a bearer token")
    made.add_argument(
        "--conda-token", metavar="TOKEN", help="a token for /t/TOKEN/ URLs (anaconda.org, Quetz)"
    )
    made.add_argument("--username", metavar="USER", help="a user name; without --password it is asked for")
    made.add_argument("--password", metavar="PASSWORD", help="the user's password")
    made.add_argument("--s3-access-key-id", metavar="ID", help="the identifier of the keys of a bucket")
    made.add_argument(
        "--s3-secret-access-key", metavar="SECRET", help="the secret key; without it, it is asked for"
    )
    made.add_argument("--s3-session-token", metavar="TOKEN", help="the token of keys for a limited time")
    add_output(made)
    return made


def _login(arguments: list[str]) -> int:
    options = _parsed(action_parser("login"), arguments)
    credential = _credential(options)
    from envmgr.cli.render import note, write_json
    from envmgr.cli.session import open_context
    from envmgr.ops.auth import log_in

    context, _ = open_context(options)
    stored = log_in(options.host, credential, context)
    if options.json:
        write_json({"success": True, "host": stored.key, "kind": stored.kind, "source": stored.place})
        return 0
    if stored.warning:
        note(f"{stored.warning} The login goes into a file, which only you can read.")
    note(f"The login for {stored.key} ({stored.kind}) is stored in {stored.place}.")
    return 0


def _parsed(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    """The options; a word that is not understood may be a secret, so that only names of options are repeated."""
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        names = [word.partition("=")[0] for word in unknown if word.startswith("--")]
        what = f"there is no option {', '.join(names)}" if names else "there are words too many"
        parser.error(what)
    return options


_KINDS = {
    "token": ("token",),
    "conda_token": ("conda_token",),
    "username": ("username", "password"),
    "s3_access_key_id": ("s3_access_key_id", "s3_secret_access_key", "s3_session_token"),
}


def _credential(options: argparse.Namespace) -> Credential:
    """The one login that the options spell; UsageError for none, several, or one that cannot be sent."""
    given = {name for names in _KINDS.values() for name in names if getattr(options, name) is not None}
    kind = next((kind for kind, names in _KINDS.items() if kind in given and given <= set(names)), None)
    if kind is None:
        raise UsageError(
            "auth login takes one login.",
            hint="Give --token, --conda-token, --username and --password, or --s3-access-key-id and "
            "--s3-secret-access-key.",
        )
    from envmgr.net.auth import BasicLogin, BearerToken, CondaToken, S3Keys, Secret

    try:
        if kind == "token":
            return BearerToken(Secret(_secret(options.token, "Token")))
        if kind == "conda_token":
            return CondaToken(Secret(_secret(options.conda_token, "Conda token")))
        if kind == "username":
            return BasicLogin(options.username, Secret(_secret(options.password, "Password")))
        session = options.s3_session_token
        return S3Keys(
            access_key_id=options.s3_access_key_id,
            secret_access_key=Secret(_secret(options.s3_secret_access_key, "Secret access key")),
            session_token=Secret(_secret(session, "Session token")) if session is not None else None,
        )
    except ValueError as error:
        raise UsageError(f"the login cannot be sent to a server: {error}.") from None


def _secret(given: str | None, name: str) -> str:
    """*given*, or what the user types without echo, or the next line of standard input."""
    if given is not None and given != _READ:
        text = given
    elif sys.stdin.isatty():
        import getpass

        text = getpass.getpass(f"{name}: ", stream=sys.stderr)
    else:
        text = sys.stdin.readline().rstrip("\r\n")
    if not text:
        raise UsageError(
            f"no {name.lower()} was given.",
            hint="Give it on standard input, or at the question on a terminal.",
        )
    return text


def _logout(arguments: list[str]) -> int:
    options = _parsed(action_parser("logout"), arguments)
    from envmgr.cli.render import note, write_json
    from envmgr.cli.session import open_context
    from envmgr.ops.auth import log_out

    context, _ = open_context(options)
    places = log_out(options.host, context)
    if options.json:
        write_json({"success": True, "sources": list(places)})
    else:
        note(f"The login was removed from {' and '.join(places)}.")
    return 0


def _list(action: str, arguments: list[str]) -> int:
    options = _parsed(action_parser(action), arguments)
    from envmgr.cli.render import note, table, write_json, write_lines
    from envmgr.cli.session import open_context
    from envmgr.ops.auth import find_logins, list_logins

    context, _ = open_context(options)
    statuses = find_logins(options.hosts, context)
    known = [each.login for each in statuses if each.login is not None] if statuses else list_logins(context)
    missing = [each.host for each in statuses if each.login is None]
    if options.json:
        logins = [
            {"host": each.key, "kind": each.kind, "source": each.place, "used": each.is_used}
            for each in known
        ]
        write_json({"logins": logins, "missing": missing})
        return 1 if missing else 0
    if known:
        rows = [[each.key, each.kind, each.place, "" if each.is_used else "not used"] for each in known]
        write_lines(table(rows, ["host", "kind", "kept in", ""]))
    elif not statuses:
        note("No logins are known. envmgr auth login HOST stores one.")
    for host in missing:
        note(f"{host}: no login is known.")
    return 1 if missing else 0
