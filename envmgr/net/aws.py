"""What AWS's own tools are configured with, where it says how to reach a bucket: variables and two files.

Read are the variables ``AWS_*`` and one profile of ``~/.aws/credentials`` and ``~/.aws/config``, as the "AWS SDKs
and Tools Reference Guide" describes them; a variable is stronger than the profile. Keys that a profile gets by
asking elsewhere (a role, single sign-on, a program) are not had here, and neither are those of a machine in the
cloud: the profile's way is remembered, so that an error can name it.
"""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import ChannelError
from envmgr.net.sigv4 import AccessKey

if TYPE_CHECKING:
    from collections.abc import Mapping

_OTHER_WAYS = ("role_arn", "sso_session", "sso_start_url", "credential_process", "web_identity_token_file")


class AwsDefaults(Struct, frozen=True):
    """What holds for buckets that have no settings of their own; None where nothing is said.

    ``other_way`` is the setting by which the profile gets its keys, where that is not done here.
    """

    key: AccessKey | None = None
    region: str | None = None
    endpoint_url: str | None = None
    force_path_style: bool | None = None
    profile: str = "default"
    other_way: str | None = None


def load_aws_defaults(environ: Mapping[str, str], home: Path) -> AwsDefaults:
    """Read variables and files; ChannelError names a file that is broken, and a profile that is in neither."""
    asked_for = environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE")
    profile = asked_for or "default"
    key = _key_of({name.lower(): text for name, text in environ.items() if name.startswith("AWS_")})
    config = Path(environ.get("AWS_CONFIG_FILE") or home / ".aws" / "config").expanduser()
    secrets = Path(environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws" / "credentials").expanduser()
    found = [_section(secrets, profile), _section(config, profile, f"profile {profile}")]
    if asked_for and key is None and found == [None, None]:
        raise ChannelError(
            f"the AWS profile '{profile}' is neither in {secrets} nor in {config}.",
            hint="AWS_PROFILE names it; `aws configure list-profiles` shows those that exist.",
        )
    from_secrets, from_config = (section or {} for section in found)
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    style = _nested(from_config.get("s3", "")).get("addressing_style")
    return AwsDefaults(
        key=key or _key_of(from_secrets) or _key_of(from_config),
        region=region or from_config.get("region") or from_secrets.get("region"),
        endpoint_url=endpoint or from_config.get("endpoint_url"),
        force_path_style={"path": True, "virtual": False}.get(style or ""),
        profile=profile,
        other_way=next((way for way in _OTHER_WAYS if way in from_config or way in from_secrets), None),
    )


def _key_of(values: Mapping[str, str]) -> AccessKey | None:
    key_id, secret = values.get("aws_access_key_id"), values.get("aws_secret_access_key")
    return AccessKey(key_id, secret, values.get("aws_session_token") or None) if key_id and secret else None


def _section(path: Path, *names: str) -> dict[str, str] | None:
    """The first of the sections that the file has; None where it has none, or does not exist."""
    parser = configparser.RawConfigParser(strict=False, default_section="")
    try:
        with open(path, encoding="utf-8") as file:
            parser.read_file(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ChannelError(f"{path} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise ChannelError(f"{path} is not text in UTF-8.") from None
    except configparser.MissingSectionHeaderError as error:  # Their own text quotes the line, keys included.
        raise _broken(path, error.lineno) from None
    except configparser.ParsingError as error:
        raise _broken(path, error.errors[0][0]) from None
    found = next((name for name in reversed(names) if parser.has_section(name)), None)
    return {name: value or "" for name, value in parser.items(found)} if found else None


def _broken(path: Path, line: int) -> ChannelError:
    return ChannelError(f"{path}:{line}: expected a [section] or a line `name = value`.")


def _nested(text: str) -> dict[str, str]:
    """The indented ``name = value`` lines below a setting such as ``s3 =``."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {name.strip(): value.strip().lower() for name, mark, value in pairs if mark}
