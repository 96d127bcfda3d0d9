"""Objects of S3: against moto's server where a real store can say it, and against our own where it cannot."""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path

import pytest

from envmgr.config.settings import S3Options
from envmgr.errors import ChannelError
from envmgr.net.aws import load_aws_defaults
from envmgr.net.http import HttpOptions, HttpTransport
from envmgr.net.s3 import S3Transport
from tests import real_servers
from tests.builders import make_channel, pkg, script
from tests.command import in_process
from tests.servers import Fault, serve

SECRET = "wJalr/XUtnFEMI+SECRET"
TOKEN = "session-token-SECRET"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET}


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    """A store that answers everybody."""
    with real_servers.moto_server(tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A store with a user who may read one bucket, and their keys as variables."""
    folder = tmp_path_factory.mktemp("guarded")
    channel = make_channel(folder / "channel", [pkg("hello", "1.0", files={"bin/hello": script("echo hi")})])
    with real_servers.moto_server(folder / "moto") as url:
        real_servers.upload_folder(url, "private", "team/channel", channel)
        real_servers.upload_folder(url, "other", "channel", channel)
        iam = real_servers.aws_client("iam", url)
        iam.create_user(UserName="reader")
        statement = {
            "Effect": "Allow",
            "Action": "s3:*",
            "Resource": ["arn:aws:s3:::private/*", "arn:aws:s3:::gone/*"],
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName="reader", PolicyName="reads", PolicyDocument=policy)
        key = iam.create_access_key(UserName="reader")["AccessKey"]
        real_servers.demand_signatures(url)
        yield url, {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def transport(home, environ=None, options=None, **more):
    quick = HttpOptions(retries=1, backoff_seconds=0, follow_redirects=False)
    return S3Transport(HttpTransport(quick), options or {}, environ or {}, home, **more)


def at(url, **more):
    return {"mine": S3Options(url, **more)}


def read(transport, url, headers=None):
    with transport.open(url, headers) as response:
        return response.status, b"".join(response.iter_bytes()), response.headers


# Against a real store


def test_an_object_arrives_whole_in_parts_or_not_at_all_when_it_is_known(moto, tmp_path):
    client = real_servers.aws_client("s3", moto)
    client.create_bucket(Bucket="plain")
    client.put_object(Bucket="plain", Key="a/file", Body=b"0123456789" * 1000)
    store = transport(tmp_path, {**KEYS, "AWS_ENDPOINT_URL_S3": moto})
    status, body, headers = read(store, "s3://plain/a/file")
    assert (status, body) == (200, b"0123456789" * 1000)
    assert read(store, "s3://plain/a/file", {"If-None-Match": headers["etag"]})[0] == 304
    status, body, headers = read(store, "s3://plain/a/file", {"Range": "bytes=9990-"})
    assert (status, body, headers["content-range"]) == (206, b"0123456789", "bytes 9990-9999/10000")
    assert read(store, "s3://plain/a/other")[0] == 404


def test_a_public_object_needs_no_keys_and_a_private_one_is_refused_without(moto, tmp_path):
    client = real_servers.aws_client("s3", moto)
    client.create_bucket(Bucket="shown")
    client.put_object(Bucket="shown", Key="public", Body=b"for all", ACL="public-read")
    client.put_object(Bucket="shown", Key="private", Body=b"for some")
    store = transport(tmp_path, {"AWS_ENDPOINT_URL": moto})
    assert read(store, "s3://shown/public")[:2] == (200, b"for all")
    assert read(store, "s3://shown/private")[:2] == (403, b"")


@pytest.mark.parametrize("key", ["my channel/a b", "x/a-1!2+3-0.conda", "é/ü", "a%2Fb", "a=1&b,(c)~_"])
def test_keys_may_hold_any_character(guarded, tmp_path, key):
    from urllib.parse import quote

    url, keys = guarded
    boto3 = pytest.importorskip("boto3")
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    )
    client.put_object(Bucket="private", Key=key, Body=key.encode())
    store = transport(tmp_path, {**keys, "AWS_ENDPOINT_URL": url})
    assert read(store, f"s3://private/{quote(key)}")[:2] == (200, key.encode())


def test_a_private_object_is_had_with_the_right_keys_only(guarded, tmp_path):
    url, keys = guarded
    options = {"private": S3Options(url), "other": S3Options(url)}
    name = "s3://private/team/channel/noarch/repodata.json"
    assert read(transport(tmp_path, keys, options), name)[0] == 200
    cases = [
        ({**keys, "AWS_SECRET_ACCESS_KEY": SECRET}, name, "does not accept the signature"),
        ({**keys, "AWS_ACCESS_KEY_ID": "AKIANOBODY"}, name, "does not know the access key"),
        (
            keys,
            "s3://other/channel/noarch/repodata.json",
            r"refuses it \(HTTP status 403\); the keys do not allow it",
        ),
    ]
    for environ, target, complaint in cases:
        with pytest.raises(
            ChannelError, match=f"{target} cannot be fetched: 127.0.0.1:.* {complaint}"
        ) as caught:
            transport(tmp_path, environ, options).open(target)
        said = f"{caught.value} {caught.value.facts} {caught.value.hint}"
        assert SECRET not in said
        assert keys["AWS_SECRET_ACCESS_KEY"] not in said
    assert read(transport(tmp_path, keys, options), "s3://other/channel/noarch/other.json")[0] == 403


def test_a_bucket_that_does_not_exist_is_named(moto, tmp_path):
    with pytest.raises(ChannelError, match=r"s3://nowhere/x cannot be fetched: .* has no such bucket"):
        transport(tmp_path, {"AWS_ENDPOINT_URL": moto}).open("s3://nowhere/x")


def test_environments_are_made_from_a_private_bucket(guarded, tmp_path, monkeypatch, capfd, isolated_home):
    url, keys = guarded
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    config = isolated_home / ".config" / "envmgr" / "config.yml"
    config.parent.mkdir(parents=True)
    config.write_text(
        f"s3_options:\n  private: {{endpoint-url: {url}, region: us-east-1, force-path-style: true}}\n"
    )
    envmgr = in_process(capfd)
    arguments = (
        "--override-channels",
        "-c",
        "s3://private/team/channel",
        "--platform",
        "linux-64",
        "hello",
        "-y",
    )
    done = envmgr("create", "-p", tmp_path / "env", *arguments, "--json")
    assert done.code == 0, done.err
    [linked] = done.json["actions"]["LINK"]
    assert linked["url"] == "s3://private/team/channel/linux-64/hello-1.0-0.conda"
    assert (tmp_path / "env" / "bin" / "hello").read_text() == "#!/bin/sh\necho hi\n"
    again = envmgr("create", "-p", tmp_path / "other", *arguments, "--offline")
    assert again.code == 0, again.err
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("ENVMGR_INDEX_MAX_AGE_SECONDS", "0")
    failed = envmgr("create", "-p", tmp_path / "third", *arguments)
    assert failed.code == 1
    assert "does not accept the signature" in failed.err
    written = [path for path in (*isolated_home.rglob("*"), *tmp_path.rglob("*")) if path.is_file()]
    for secret in (SECRET, keys["AWS_SECRET_ACCESS_KEY"]):
        assert secret not in done.out + done.err + again.out + again.err + failed.out + failed.err
        assert not [path for path in written if secret.encode() in path.read_bytes()]


def test_keys_of_a_login_are_used_for_their_bucket(guarded, tmp_path, monkeypatch, capfd):
    url, keys = guarded
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    envmgr = in_process(capfd)
    secret = ("--s3-secret-access-key", keys["AWS_SECRET_ACCESS_KEY"])
    login = envmgr("auth", "login", "s3://private", "--s3-access-key-id", keys["AWS_ACCESS_KEY_ID"], *secret)
    assert login.code == 0, login.err
    arguments = ("--override-channels", "--platform", "linux-64", "hello", "--dry-run", "--json")
    done = envmgr("create", "-p", tmp_path / "env", "-c", "s3://private/team/channel", *arguments)
    assert done.code == 0, done.err


# Which request is sent


def requests_of(tmp_path, environ, options=None, *, url="s3://mine/a/b", key=None):
    """What our server saw of one GET of *url*."""
    served = tmp_path / "served"
    (served / "mine" / "a").mkdir(parents=True, exist_ok=True)
    (served / "mine" / "a" / "b").write_bytes(b"x")
    with serve(served) as server:
        home = tmp_path / "home"
        environ = {name: value.replace("SERVER", server.url) for name, value in environ.items()}
        for file in (path for path in home.rglob("*") if path.is_file()):
            file.write_text(file.read_text().replace("SERVER", server.url))
        found = {name: S3Options(server.url, each.region) for name, each in (options or {}).items()}
        assert read(transport(home, environ, found, find_keys=lambda _url: key), url)[0] == 200
        return server.requests


def scope_of(seen):
    return seen.headers["authorization"].partition("Credential=")[2].partition(",")[0].split("/")


def aws_file(tmp_path, name, text):
    path = tmp_path / "home" / ".aws" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_without_keys_nothing_is_signed(tmp_path):
    [seen] = requests_of(tmp_path, {"AWS_ENDPOINT_URL": "SERVER"})
    assert seen.path == "/mine/a/b"
    assert not [name for name in seen.headers if name.startswith("x-amz") or name == "authorization"]


def test_variables_are_stronger_than_the_profile_and_a_buckets_options_than_both(tmp_path):
    aws_file(tmp_path, "credentials", "[default]\naws_access_key_id = FILEID\naws_secret_access_key = y\n")
    aws_file(tmp_path, "config", "[default]\nregion = sa-east-1\nendpoint_url = SERVER\n")
    [seen] = requests_of(tmp_path, {})
    assert scope_of(seen)[0::2] == ["FILEID", "sa-east-1", "aws4_request"]
    [seen] = requests_of(tmp_path, {**KEYS, "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "SERVER"})
    assert scope_of(seen)[0::2] == ["AKIDEXAMPLE", "eu-west-1", "aws4_request"]
    environ = {
        **KEYS,
        "AWS_REGION": "eu-west-2",
        "AWS_DEFAULT_REGION": "x",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    }
    [seen] = requests_of(tmp_path, environ, {"mine": S3Options(region="auto")})
    assert scope_of(seen)[0::2] == ["AKIDEXAMPLE", "auto", "aws4_request"]


def test_a_named_profile_is_found_in_both_files(tmp_path):
    aws_file(
        tmp_path,
        "credentials",
        "[work]\naws_access_key_id=ID\naws_secret_access_key=y\naws_session_token=tok\n",
    )
    aws_file(
        tmp_path, "config", "[work]\nregion = no\n[profile work]\nregion = us-west-2\nendpoint_url = SERVER\n"
    )
    [seen] = requests_of(tmp_path, {"AWS_PROFILE": "work"})
    assert scope_of(seen)[0::2] == ["ID", "us-west-2", "aws4_request"]
    assert seen.headers["x-amz-security-token"] == "tok"


def test_stored_keys_are_stronger_than_awss(tmp_path):
    auth = pytest.importorskip("envmgr.net.auth")
    key = auth.S3Keys("STORED", auth.Secret("x"), auth.Secret("tok"))
    [seen] = requests_of(tmp_path, {**KEYS, "AWS_ENDPOINT_URL": "SERVER"}, key=key)
    assert (scope_of(seen)[0], seen.headers["x-amz-security-token"]) == ("STORED", "tok")


def test_a_bucket_that_is_said_to_be_public_is_asked_without_the_keys(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "b").write_bytes(b"x")
    with serve(tmp_path) as server:
        store = transport(tmp_path, KEYS, at(server.url, unsigned=True))
        assert read(store, "s3://mine/b")[0] == 200
        assert "authorization" not in server.requests[0].headers


class Recorder:
    """Stands where the network would be, for hosts that tests cannot reach."""

    def __init__(self):
        self.urls = []

    def open(self, url, headers=None):
        self.urls.append(url)
        raise ChannelError("enough")


@pytest.mark.parametrize(
    ("bucket", "environ", "options", "url"),
    [
        ("mine", {}, None, "https://mine.s3.us-east-1.amazonaws.com/k"),
        ("mine", {"AWS_REGION": "eu-west-1"}, None, "https://mine.s3.eu-west-1.amazonaws.com/k"),
        ("mine", {"AWS_REGION": "cn-north-1"}, None, "https://mine.s3.cn-north-1.amazonaws.com.cn/k"),
        ("my.own", {}, None, "https://s3.us-east-1.amazonaws.com/my.own/k"),
        ("mine", {"AWS_ENDPOINT_URL": "https://h.org:443/"}, None, "https://h.org/mine/k"),
        ("mine", {}, S3Options("https://H.org/deep"), "https://h.org/deep/mine/k"),
        ("mine", {}, S3Options("https://h.org", force_path_style=False), "https://mine.h.org/k"),
        ("mine", {}, S3Options(force_path_style=True), "https://s3.us-east-1.amazonaws.com/mine/k"),
    ],
)
def test_a_bucket_is_a_host_name_at_amazon_and_a_folder_elsewhere(tmp_path, bucket, environ, options, url):
    recorder = Recorder()
    store = S3Transport(recorder, {bucket: options} if options else {}, environ, tmp_path)
    with pytest.raises(ChannelError, match="enough"):
        store.open(f"s3://{bucket}/k")
    assert recorder.urls == [url]


def test_the_profile_chooses_the_style_of_addresses(tmp_path):
    aws_file(tmp_path, "config", "[default]\ns3 =\n    max_queue_size = 10\n    addressing_style = path\n")
    assert load_aws_defaults({}, tmp_path / "home").force_path_style is True


# What a store answers

TIME = "HOST does not accept the time of the request"


def complaint(code, **elements):
    inner = "".join(f"<{name}>{text}</{name}>" for name, text in {"Code": code, **elements}.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode()


def answering(tmp_path, fault, environ=None, url="s3://mine/key", **more):
    """The sentence for what the store at our server answers."""
    with serve(tmp_path, faults={"*": fault}) as server:
        store = transport(
            tmp_path / "home", {**KEYS, "AWS_SESSION_TOKEN": TOKEN, **(environ or {})}, at(server.url)
        )
        with pytest.raises(ChannelError) as caught:
            store.open(url)
        said = f"{caught.value} {caught.value.hint} {caught.value.facts}"
        assert SECRET not in said
        assert TOKEN not in said
        return str(caught.value).replace(server.url.removeprefix("http://"), "HOST"), server.requests


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (400, complaint("ExpiredToken"), "HOST does not accept the session token any more."),
        (404, complaint("NoSuchBucket", BucketName="mine"), "HOST has no such bucket."),
        (403, complaint("InvalidObjectState"), "HOST has archived the object: it must be restored first."),
        (418, complaint("Teapot"), "HOST answered with HTTP status 418, Teapot."),
        (418, b"\xff<Code>not <b>closed", "HOST answered with HTTP status 418."),
        (403, complaint("RequestExpired"), f"{TIME}: this machine's clock is wrong."),
    ],
)  # fmt: skip
def test_a_stores_complaint_becomes_a_sentence(tmp_path, status, body, sentence):
    said, _ = answering(tmp_path, Fault(status=status, body=body))
    assert said == f"s3://mine/key cannot be fetched: {sentence}"


def test_a_clock_that_is_wrong_is_said_to_be_so_and_by_how_much(tmp_path):
    there = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=20)
    body = complaint("RequestTimeTooSkewed", ServerTime=there.strftime("%Y-%m-%dT%H:%M:%SZ"))
    said, _ = answering(tmp_path, Fault(status=403, body=body))
    assert said.endswith("the time of the request: this machine's clock is 20 min behind.")


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchKey"])
def test_a_refusal_is_an_answer_since_missing_objects_look_like_that(tmp_path, code):
    status = 404 if code == "NoSuchKey" else 403
    with serve(tmp_path, faults={"*": Fault(status=status, body=complaint(code))}) as server:
        store = transport(tmp_path, KEYS, at(server.url))
        assert read(store, "s3://mine/linux-64/repodata.json")[:2] == (status, b"")


def test_the_index_that_every_channel_has_must_not_be_refused(tmp_path):
    refused = Fault(status=403, body=complaint("AccessDenied"))
    said, _ = answering(tmp_path, refused, url="s3://mine/noarch/repodata.json")
    assert said.endswith("HOST refuses it (HTTP status 403); the keys do not allow it.")
    with (
        serve(tmp_path, faults={"*": refused}) as server,
        pytest.raises(ChannelError, match="no keys") as caught,
    ):
        transport(tmp_path / "home", {}, at(server.url)).open("s3://mine/noarch/repodata.json")
    assert "AWS_ACCESS_KEY_ID" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "fault",
    [
        Fault(
            status=301,
            body=complaint("PermanentRedirect"),
            headers={"x-amz-bucket-region": "eu-north-1"},
            times=1,
        ),
        Fault(status=400, body=complaint("AuthorizationHeaderMalformed", Region="eu-north-1"), times=1),
    ],
)
def test_a_bucket_of_another_region_is_asked_again_there_and_the_region_is_remembered(tmp_path, fault):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "key").write_bytes(b"x")
    with serve(tmp_path, faults={"*": fault}) as server:
        store = transport(tmp_path, KEYS, at(server.url))
        assert [read(store, "s3://mine/key")[0] for _ in range(2)] == [200, 200]
        assert [scope_of(seen)[2] for seen in server.requests] == ["us-east-1", "eu-north-1", "eu-north-1"]


def test_a_region_that_would_change_the_host_is_not_believed(tmp_path):
    fault = Fault(status=301, headers={"x-amz-bucket-region": "evil.example.org/"})
    said, seen = answering(tmp_path, fault)
    assert said == "s3://mine/key cannot be fetched: HOST redirects."
    assert len(seen) == 1


def test_keys_and_session_token_follow_no_redirect(tmp_path):
    with serve(tmp_path) as other:
        said, _ = answering(tmp_path, Fault(status=307, redirect=f"{other.url}/mine/key?x=1"))
        assert other.requests == []
    assert said == f"s3://mine/key cannot be fetched: HOST redirects to {other.url}/mine/key."


def test_a_store_that_is_busy_is_asked_again(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "key").write_bytes(b"x")
    with serve(tmp_path, faults={"*": Fault(status=503, body=complaint("SlowDown"), times=1)}) as server:
        assert read(transport(tmp_path, KEYS, at(server.url)), "s3://mine/key")[0] == 200


# What is configured wrongly


@pytest.mark.parametrize("url", ["s3://bucket", "s3:///key", "s3://bucket/", "s3://bucket/key?versionId=1"])
def test_a_url_of_no_object_is_refused(tmp_path, url):
    with pytest.raises(ChannelError, match="is no object of S3: expected s3://BUCKET/KEY"):
        transport(tmp_path).open(url)


def test_keys_within_the_url_are_refused_and_not_repeated(tmp_path):
    with pytest.raises(ChannelError, match="s3://bucket/key was written with a user name or keys") as caught:
        transport(tmp_path).open(f"s3://AKID:{SECRET.replace('/', '%2F')}@bucket/key")
    assert "SECRET" not in f"{caught.value} {caught.value.facts}"


@pytest.mark.parametrize("endpoint", ["ftp://host", "http://", "http://user:secret@host"])
def test_an_endpoint_that_is_none_is_refused(tmp_path, endpoint):
    with pytest.raises(ChannelError, match="the endpoint of the bucket 'mine'") as caught:
        transport(tmp_path, {"AWS_ENDPOINT_URL": endpoint}).open("s3://mine/key")
    assert "secret" not in str(caught.value)


def test_a_region_that_is_none_is_refused(tmp_path):
    with pytest.raises(ChannelError, match="'Frankfurt' is no region"):
        transport(tmp_path, {"AWS_REGION": "Frankfurt"}).open("s3://mine/key")


@pytest.mark.parametrize(
    "text", [f"aws_secret_access_key = {SECRET}\n", f"[default]\n\n{SECRET}\n", "[default\n"]
)
def test_a_broken_file_is_named_with_its_line_and_not_quoted(tmp_path, text):
    path = aws_file(tmp_path, "credentials", text)
    with pytest.raises(ChannelError, match=rf"{path}:\d: expected a \[section\] or a line") as caught:
        transport(tmp_path / "home").open("s3://mine/key")
    assert SECRET not in f"{caught.value} {caught.value.__context__ and caught.value.facts}"


def test_a_file_that_may_not_be_read_is_named(tmp_path):
    (tmp_path / "home" / ".aws" / "config").mkdir(parents=True)
    with pytest.raises(ChannelError, match=r"\.aws/config cannot be read: Is a directory"):
        transport(tmp_path / "home").open("s3://mine/key")


def test_a_profile_that_is_in_no_file_is_named_unless_the_keys_are_variables(tmp_path):
    with pytest.raises(ChannelError, match="the AWS profile 'work' is neither in"):
        load_aws_defaults({"AWS_PROFILE": "work"}, tmp_path)
    assert load_aws_defaults({**KEYS, "AWS_PROFILE": "work"}, tmp_path).key is not None


@pytest.mark.parametrize("way", ["role_arn", "credential_process", "sso_session"])
def test_keys_that_would_have_to_be_fetched_elsewhere_are_asked_for_as_variables(tmp_path, way):
    aws_file(tmp_path, "config", f"[default]\n{way} = x\n")
    with pytest.raises(ChannelError, match=f"gets its keys by {way}, which envmgr does not do") as caught:
        transport(tmp_path / "home").open("s3://mine/key")
    assert "export-credentials" in (caught.value.hint or "")


def test_the_files_may_be_elsewhere(tmp_path):
    config, secrets = tmp_path / "one", tmp_path / "two"
    config.write_text("[default]\nregion = eu-west-3\n")
    secrets.write_text("[default]\naws_access_key_id = ID\naws_secret_access_key = %y${\n")
    environ = {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": str(secrets)}
    found = load_aws_defaults(environ, Path(os.devnull))
    assert (found.region, found.key and found.key.secret) == ("eu-west-3", "%y${")
