"""Objects of S3 and of what speaks like it, by ``s3://BUCKET/KEY``: GET requests, signed where there are keys.

Where a bucket is, from strong to weak: what the setting ``s3_options`` says for it, AWS's variables and profile,
and else Amazon's own endpoint. Keys come from the store of credentials (asked by URL), else from AWS's variables
or profile; without keys the request is not signed, which public buckets allow. A bucket of another region than
thought is asked again where the answer says it is.

The requests go through a transport for http that follows no redirect, so that a signature and a session token
reach nobody but the endpoint. S3 answers 403 for a missing object to those who may not list the bucket, so a plain
refusal is an answer as 404 is; only ``noarch/repodata.json``, which every channel has (CEP 26, "Identifying
channels"), must not be refused.
"""

from __future__ import annotations

import datetime
import re
import threading
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from envmgr.config.settings import S3Options
from envmgr.errors import ChannelError
from envmgr.models.channel import without_credentials
from envmgr.net.aws import AwsDefaults, load_aws_defaults
from envmgr.net.bodiless import BodilessResponse
from envmgr.net.sigv4 import EMPTY_SHA256, AccessKey, Scope, Target, encode_path, sign

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from envmgr.net.auth import S3Keys
    from envmgr.ports import Response, Transport

_DEFAULT_REGION: Final = "us-east-1"
_REGION: Final = re.compile(r"[a-z0-9-]{1,40}")
_DNS_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_LONGEST_COMPLAINT: Final = 1 << 16
_KEYS_HINT: Final = (
    "Keys: `envmgr auth login s3://BUCKET`, AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY, AWS_PROFILE."
)
_COMPLAINTS: Final = {
    "InvalidAccessKeyId": ("does not know the access key", _KEYS_HINT),
    "SignatureDoesNotMatch": (
        "does not accept the signature: the secret key is not the access key's",
        _KEYS_HINT,
    ),
    "ExpiredToken": ("does not accept the session token any more", "Get new keys and try again."),
    "InvalidToken": ("does not accept the session token", "Get new keys and try again."),
    "NoSuchBucket": ("has no such bucket", "Check the bucket's name, and the endpoint_url of `s3_options`."),
    "InvalidBucketName": ("says that the bucket's name is not valid", None),
    "InvalidObjectState": ("has archived the object: it must be restored first", None),
}


class _Place(Struct, frozen=True):
    """Where the objects of a bucket are: *base* is the URL that a key is appended to."""

    base: str
    region: str


class S3Transport:
    """The Transport for s3 URLs; may be used by several threads at once.

    *http* must not follow redirects nor add credentials of its own. *find_keys* looks into the store of
    credentials. The files in *home* are read when the first object is asked for.
    """

    def __init__(
        self,
        http: Transport,
        options: Mapping[str, S3Options],
        environ: Mapping[str, str],
        home: Path,
        *,
        find_keys: Callable[[str], S3Keys | None] = lambda _url: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._http = http
        self._options = options
        self._environ = environ
        self._home = home
        self._find_keys = find_keys
        self._now = now
        self._lock = threading.Lock()
        self._defaults: AwsDefaults | None = None
        self._regions: dict[str, str] = {}

    def open(self, url: str, headers: Mapping[str, str] | None = None) -> Response:
        """GET the object; ChannelError with the reason where the store gives one, and for a URL of no object."""
        shown, bucket, name = _split(url)
        options = self._options.get(bucket, S3Options())
        key = None if options.unsigned else self._find_key(shown)
        merged = _merged(options, self._load_defaults())
        for tries_left in (1, 0):
            place = _place(bucket, merged, self._regions.get(bucket))
            signed = self._signed(place, name, key, headers)
            response = self._http.open(f"{place.base}{encode_path(name)}", signed)
            if 200 <= response.status < 300 or response.status == 304 or response.status >= 500:
                return response
            refusal = _Refusal.read(shown, place, response)
            region = refusal.other_region
            if region is None or not tries_left:
                return refusal.as_answer(is_signed=key is not None, now=self._now())
            with self._lock:
                self._regions[bucket] = region
        raise AssertionError("the last try returns or raises")

    def _load_defaults(self) -> AwsDefaults:
        with self._lock:
            if self._defaults is None:
                self._defaults = load_aws_defaults(self._environ, self._home)
            return self._defaults

    def _find_key(self, shown: str) -> AccessKey | None:
        stored = self._find_keys(shown)
        if stored is not None:
            return _key_of(stored)
        defaults = self._load_defaults()
        if defaults.key is None and defaults.other_way:
            raise ChannelError(
                f"{shown} was not fetched: the AWS profile '{defaults.profile}' gets its keys by "
                f"{defaults.other_way}, which envmgr does not do.",
                hint='Put them into variables: eval "$(aws configure export-credentials --format env)"',
                url=shown,
            )
        return defaults.key

    def _signed(
        self, place: _Place, name: str, key: AccessKey | None, headers: Mapping[str, str] | None
    ) -> dict[str, str]:
        """*headers* as they are, which S3 does not ask to sign, and those of the signature."""
        if key is None:
            return dict(headers or {})
        parts = urlsplit(place.base)
        target = Target(parts.netloc, f"{parts.path}{encode_path(name)}")
        moment = datetime.datetime.fromtimestamp(self._now(), datetime.timezone.utc)
        signature = sign(target, {"x-amz-content-sha256": EMPTY_SHA256}, key, Scope(place.region), moment)
        return {**(headers or {}), **signature}


def _split(url: str) -> tuple[str, str, str]:
    """The URL without credentials, the bucket, and ``/KEY`` decoded."""
    shown = without_credentials(url)
    parts = urlsplit(shown)
    if parts.netloc != urlsplit(url).netloc.lower():
        raise ChannelError(
            f"{shown} was written with a user name or keys, which S3 URLs do not have.", url=shown
        )
    if not parts.netloc or not parts.path.strip("/") or parts.query or parts.fragment:
        raise ChannelError(f"{shown} is no object of S3: expected s3://BUCKET/KEY.", url=shown)
    return shown, parts.netloc, unquote(parts.path)


def _key_of(keys: S3Keys) -> AccessKey:
    token = keys.session_token.reveal() if keys.session_token is not None else None
    return AccessKey(keys.access_key_id, keys.secret_access_key.reveal(), token)


def _merged(options: S3Options, defaults: AwsDefaults) -> S3Options:
    """What the bucket's own settings leave open, from AWS's configuration."""
    style = options.force_path_style
    return replace(
        options,
        endpoint_url=options.endpoint_url or defaults.endpoint_url,
        region=options.region or defaults.region,
        force_path_style=defaults.force_path_style if style is None else style,
    )


def _place(bucket: str, options: S3Options, learned_region: str | None) -> _Place:
    """Amazon's buckets are host names where they can be, other stores' are folders unless they say otherwise."""
    region = learned_region or options.region or _DEFAULT_REGION
    if not _REGION.fullmatch(region):
        raise ChannelError(f"'{region}' is no region for the bucket '{bucket}': expected one like us-east-1.")
    scheme, netloc, path = _endpoint(bucket, options.endpoint_url, region)
    style = options.force_path_style
    if style is None:
        style = bool(options.endpoint_url) or not _DNS_BUCKET.fullmatch(bucket)
    base = f"{scheme}://{netloc}{path}/{bucket}" if style else f"{scheme}://{bucket}.{netloc}{path}"
    return _Place(base, region)


def _endpoint(bucket: str, endpoint_url: str | None, region: str) -> tuple[str, str, str]:
    if not endpoint_url:
        return "https", f"s3.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else ""), ""
    parts = urlsplit(endpoint_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.query:
        shown = without_credentials(endpoint_url)
        raise ChannelError(
            f"the endpoint of the bucket '{bucket}', '{shown}', is no web address of a server."
        )
    default_port = {"http": ":80", "https": ":443"}[parts.scheme]
    return parts.scheme, parts.netloc.removesuffix(default_port).lower(), encode_path(parts.path.rstrip("/"))


class _Refusal(Struct, frozen=True):
    """An answer that is not the object: its status, S3's word for the reason, and what else it says."""

    url: str
    place: _Place
    status: int
    headers: Mapping[str, str]
    code: str
    body: str

    @classmethod
    def read(cls, url: str, place: _Place, response: Response) -> _Refusal:
        """Reads the answer and closes it; a body that breaks off has said enough."""
        body = b""
        with response:
            try:
                for chunk in response.iter_bytes(_LONGEST_COMPLAINT):
                    body += chunk
                    if len(body) > _LONGEST_COMPLAINT:
                        break
            except ChannelError:
                pass
        text = body.decode("utf-8", "replace")
        return cls(url, place, response.status, response.headers, _element(text, "Code"), text)

    @property
    def other_region(self) -> str | None:
        """The region where the bucket is, if the answer says that it is in another one than was asked."""
        if self.status not in (301, 307, 400):
            return None
        region = self.headers.get("x-amz-bucket-region") or _element(self.body, "Region")
        return region if _REGION.fullmatch(region) and region != self.place.region else None

    def as_answer(self, *, is_signed: bool, now: float) -> BodilessResponse:
        """The answer where it means that there is no such object; else raises ChannelError with the reason."""
        if self.code in _COMPLAINTS:
            raise self._error(*_COMPLAINTS[self.code])
        if self.code in ("RequestTimeTooSkewed", "RequestExpired"):
            raise self._error(
                f"does not accept the time of the request: {_skew(self.body, now)}", "Set the clock."
            )
        if 300 <= self.status < 400:
            place = self.headers.get("location") or _element(self.body, "Endpoint")
            where = f" to {without_credentials(place).partition('?')[0]}" if place else ""
            raise self._error(
                f"redirects{where}", "Set endpoint_url and region for the bucket in `s3_options`."
            )
        if self.status in (401, 403) and self.url.endswith("/noarch/repodata.json"):
            why = (
                "the keys do not allow it" if is_signed else "there are no keys for it, and it is not public"
            )
            raise self._error(f"refuses it (HTTP status {self.status}); {why}", _KEYS_HINT)
        if self.status in (401, 403, 404, 410, 412, 416):
            return BodilessResponse(self.url, self.status, self.headers)
        code = f", {self.code}" if self.code else ""
        raise self._error(f"answered with HTTP status {self.status}{code}")

    def _error(self, what: str, hint: str | None = None) -> ChannelError:
        sentence = f"{self.url} cannot be fetched: {urlsplit(self.place.base).netloc} {what}."
        return ChannelError(sentence, hint=hint, url=self.url, status=self.status)


def _element(text: str, name: str) -> str:
    """The text of the first element called *name*, where it is a plain word; S3's errors are one level deep."""
    found = re.search(rf"<{name}>\s*([\w.:/-]{{1,200}})\s*</{name}>", text, re.ASCII)
    return found.group(1) if found else ""


def _skew(body: str, now: float) -> str:
    """How far this machine's clock is off, where the answer holds the server's time."""
    try:
        text = _element(body, "ServerTime").replace("Z", "+00:00")
        there = datetime.datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return "this machine's clock is wrong"
    minutes = round(abs(now - there) / 60)
    return f"this machine's clock is {minutes} min {'ahead' if now > there else 'behind'}"
