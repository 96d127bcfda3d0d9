"""Channels in registries: against Debian's docker-registry, and our own server where that cannot misbehave."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json

import pytest

from envmgr.errors import ChannelError
from envmgr.net.http import HttpOptions, HttpTransport
from envmgr.net.oci import Artifact, OciTransport
from tests import real_servers
from tests.builders import make_channel, pkg, script
from tests.command import in_process
from tests.servers import Fault, serve
from tests.token_service import token_service

PASSWORD = "open/sesame SECRET"
HTPASSWD = "reader:$2b$05$abcdefghijklmnopqrstuujmD4REw5GY86xSiNSROUZwWAEeLaRNu\n"
BASIC = "Basic " + base64.b64encode(f"reader:{PASSWORD}".encode()).decode()
ARCHIVE = "linux-64/_tool-1!2.0+local.1-h1_0.conda"


@pytest.fixture(scope="module")
def channel(tmp_path_factory):
    packages = [
        pkg("_tool", "1!2.0+local.1", "h1_0", depends=["old"], files={"bin/tool": script("echo tool")}),
        pkg("old", "1.0", extension=".tar.bz2", noarch="generic", files={"share/old": "old\n"}),
    ]
    return make_channel(tmp_path_factory.mktemp("channel"), packages)


@pytest.fixture(scope="module")
def open_registry(tmp_path_factory, channel):
    """A registry that asks nobody who they are, with one channel in it."""
    with real_servers.docker_registry(tmp_path_factory.mktemp("registry")) as url:
        real_servers.push_channel(url, "mirrors/mine", channel)
        real_servers.push_channel(url, "plain", channel, forms=("",))
        yield url


@pytest.fixture
def tokens(tmp_path):
    with token_service(tmp_path / "tokens", {"reader": PASSWORD}) as service:
        yield service


@pytest.fixture
def guarded(tmp_path, tokens):
    """A registry that wants a token for everything, with the namespaces `public` and `private`."""
    with real_servers.docker_registry(tmp_path / "registry", auth=tokens.auth) as url:
        for namespace in ("public", "private"):
            repository = f"{namespace}/noarch/repodata.json"
            bearer = {"Authorization": f"Bearer {tokens.token(repository, 'pull', 'push')}"}
            layers = {real_servers.REPODATA_TYPE: b"{}"}
            real_servers.push_artifact(url, repository, "latest", layers, bearer)
        yield url


def transport(**more):
    return OciTransport(
        HttpTransport(HttpOptions(retries=1, backoff_seconds=0, follow_redirects=False)), **more
    )


def oci(url, path, login=""):
    return f"oci://{login}{url.removeprefix('http://')}/{path}"


def read(transport, url, headers=None):
    with transport.open(url, headers) as response:
        return response.status, b"".join(response.iter_bytes()), response.headers


# Names


@pytest.mark.parametrize(
    ("path", "artifact"),
    [
        ("m/linux-64/xtensor-0.25.0-h00_1.conda", ("m/linux-64/xtensor", "0.25.0-h00_1", ".v2")),
        ("m/noarch/a-b-c-1-0.tar.bz2", ("m/noarch/a-b-c", "1-0", ".v1")),
        ("m/noarch/_x-1!2+3-a=b.conda", ("m/noarch/zzz_x", "1__e__2__p__3-a__eq__b", ".v2")),
        ("m/noarch/repodata.json.zst", ("m/noarch/repodata.json", "latest", "+zst")),
        ("m/noarch/repodata.json.bz2", ("m/noarch/repodata.json", "latest", "+bz2")),
        ("m/noarch/repodata.json", ("m/noarch/repodata.json", "latest", "+gzip")),
        ("m/noarch/repodata_shards.msgpack.zst", None),
        ("m/noarch/odd.conda", None),
        ("m/channeldata.json", None),
    ],
)
def test_files_have_their_place_in_a_registry(path, artifact):
    found = Artifact.of_file(path)
    if found is None or artifact is None:
        assert found is artifact
    else:
        assert (found.repository, found.tag) == artifact[:2]
        assert found.media_types[0].endswith(artifact[2])


# Against a real registry


def test_packages_and_indexes_arrive_as_they_were_pushed(open_registry, channel):
    registry = transport()
    for file in (ARCHIVE, "noarch/old-1.0-0.tar.bz2", "linux-64/repodata.json", "noarch/repodata.json"):
        status, body, _ = read(registry, oci(open_registry, f"mirrors/mine/{file}"))
        assert (status, body) == (200, (channel / file).read_bytes())


def test_an_index_comes_packed_where_the_registry_has_it_so(open_registry, channel):
    text = (channel / "linux-64" / "repodata.json").read_bytes()
    for namespace, stored in (("mirrors/mine", None), ("plain", hashlib.sha256(text).hexdigest())):
        status, body, headers = read(transport(), oci(open_registry, f"{namespace}/linux-64/repodata.json"))
        assert (status, body) == (200, text)
        assert (headers["etag"] == f'"sha256:{stored}"') == (stored is not None)
        assert ("content-length" in headers) == (stored is not None)
    assert read(transport(), oci(open_registry, "plain/linux-64/repodata.json.zst"))[:2] == (404, b"")
    status, body, _ = read(transport(), oci(open_registry, "mirrors/mine/linux-64/repodata.json.zst"))
    assert (status, body[:4]) == (200, b"\x28\xb5\x2f\xfd")


def test_what_is_known_by_its_digest_is_not_sent_again(open_registry):
    url = oci(open_registry, "mirrors/mine/noarch/repodata.json")
    tag = read(transport(), url)[2]["etag"]
    assert read(transport(), url, {"If-None-Match": tag})[:2] == (304, b"")
    assert read(transport(), url, {"If-None-Match": '"sha256:other"'})[0] == 200


def test_the_rest_of_an_archive_can_be_asked_for(open_registry, channel):
    url, whole = oci(open_registry, f"mirrors/mine/{ARCHIVE}"), (channel / ARCHIVE).read_bytes()
    tag = read(transport(), url)[2]["etag"]
    status, body, headers = read(transport(), url, {"Range": "bytes=100-", "If-Range": tag})
    assert (status, body) == (206, whole[100:])
    assert headers["content-range"] == f"bytes 100-{len(whole) - 1}/{len(whole)}"
    assert read(transport(), url, {"Range": "bytes=100-", "If-Range": '"another"'})[:2] == (200, whole)


@pytest.mark.parametrize(
    "path",
    [
        "mirrors/mine/osx-64/repodata.json",
        "mirrors/mine/linux-64/_tool-9-0.conda",
        "nothing/noarch/a-1-0.conda",
    ],
)
def test_what_is_not_there_is_a_404(open_registry, path):
    assert read(transport(), oci(open_registry, path))[:2] == (404, b"")


def test_environments_are_made_from_a_registry(open_registry, tmp_path, capfd):
    envmgr = in_process(capfd)
    channel = oci(open_registry, "mirrors/mine")
    arguments = ("--override-channels", "-c", channel, "--platform", "linux-64", "_tool", "-y")
    done = envmgr("create", "-p", tmp_path / "env", *arguments, "--json")
    assert done.code == 0, done.err
    assert {linked["url"] for linked in done.json["actions"]["LINK"]} == {
        f"{channel}/{ARCHIVE}",
        f"{channel}/noarch/old-1.0-0.tar.bz2",
    }
    assert (tmp_path / "env" / "bin" / "tool").read_text() == "#!/bin/sh\necho tool\n"
    assert (tmp_path / "env" / "share" / "old").read_text() == "old\n"
    wrong = envmgr(
        "create", "-p", tmp_path / "other", "-c", oci(open_registry, "no/where"), "--override-channels", "x"
    )
    assert (wrong.code, "is not a channel" in wrong.err) == (1, True)


# Logins


def test_a_public_namespace_is_read_with_a_token_that_is_asked_for_once(guarded, tokens):
    registry = transport()
    url = oci(guarded, "public/noarch/repodata.json")
    assert [read(registry, url)[:2] for _ in range(3)] == [(200, b"{}")] * 3
    [(headers, query)] = tokens.requests
    assert "authorization" not in headers
    assert query["scope"] == ["repository:public/noarch/repodata.json:pull"]


def test_a_token_that_is_about_to_end_is_renewed(guarded, tokens):
    moment = [1000.0]
    registry = transport(now=lambda: moment[0])
    url = oci(guarded, "public/noarch/repodata.json")
    for moment[0], count in ((1000.0, 1), (1260.0, 1), (1280.0, 2)):
        assert read(registry, url)[0] == 200
        assert len(tokens.requests) == count


def test_a_private_namespace_needs_a_login_of_the_url_or_the_store(guarded, tokens):
    url = oci(guarded, "private/noarch/repodata.json")
    assert read(transport(find_authorization=lambda _url: BASIC), url)[:2] == (200, b"{}")
    written = oci(guarded, "private/noarch/repodata.json", "reader:open%2Fsesame%20SECRET@")
    with transport().open(written) as response:
        assert (response.status, response.url) == (200, url)
    assert {headers["authorization"] for headers, _ in tokens.requests} == {BASIC}


def test_a_stored_token_goes_straight_to_the_registry(guarded, tokens):
    bearer = f"Bearer {tokens.token('private/noarch/repodata.json', 'pull')}"
    url = oci(guarded, "private/noarch/repodata.json")
    assert read(transport(find_authorization=lambda _url: bearer), url)[:2] == (200, b"{}")
    assert tokens.requests == []


@pytest.mark.parametrize(
    ("authorization", "why"),
    [
        (None, "it asks for a login"),
        ("Basic cmVhZGVyOlNFQ1JFVA==", "these credentials do not allow to read it"),
    ],
)
def test_a_channel_that_may_not_be_read_is_an_error_and_its_other_files_are_refused(
    guarded, authorization, why
):
    registry = transport(find_authorization=lambda _url: authorization)
    with pytest.raises(ChannelError, match=f"there is no such channel, or {why}") as caught:
        registry.open(oci(guarded, "private/noarch/repodata.json"))
    assert "envmgr auth login 127.0.0.1" in (caught.value.hint or "")
    assert "cmVhZGVyO" not in f"{caught.value} {caught.value.facts}"
    assert read(registry, oci(guarded, "private/linux-64/repodata.json"))[:2] == (403, b"")


def test_a_registry_with_passwords_gets_them_after_it_asked(tmp_path):
    (tmp_path / "passwords").write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "here", "path": str(tmp_path / "passwords")}}
    with real_servers.docker_registry(tmp_path / "registry", auth=auth) as url:
        layers = {real_servers.REPODATA_TYPE: b"{}"}
        real_servers.push_artifact(url, "a/noarch/repodata.json", "latest", layers, {"Authorization": BASIC})
        registry = transport(find_authorization=lambda _url: BASIC)
        assert read(registry, oci(url, "a/noarch/repodata.json"))[:2] == (200, b"{}")
        with pytest.raises(ChannelError, match="it asks for a login"):
            transport().open(oci(url, "a/noarch/repodata.json"))


def test_a_login_is_used_for_its_registry(guarded, tokens, tmp_path, capfd):
    envmgr = in_process(capfd)
    host = guarded.removeprefix("http://")
    login = envmgr("auth", "login", host, "--username", "reader", "--password", PASSWORD)
    assert login.code == 0, login.err
    envmgr(
        "create",
        "-p",
        tmp_path / "env",
        "--override-channels",
        "-c",
        f"oci://{host}/private",
        "x",
        "--dry-run",
    )
    assert {headers["authorization"] for headers, _ in tokens.requests} == {BASIC}


def test_no_login_is_in_what_is_printed_or_kept(guarded, tokens, tmp_path, capfd, isolated_home):
    with_login = oci(guarded, "private", "reader:open%2Fsesame%20SECRET@")
    envmgr = in_process(capfd)
    said = ""
    for arguments in (("x",), ("x", "--json"), ("x", "--offline")):
        done = envmgr("create", "-p", tmp_path / "env", "--override-channels", "-c", with_login, *arguments)
        assert done.code == 1
        said += done.out + done.err
    assert {headers["authorization"] for headers, _ in tokens.requests} == {BASIC}
    files = [path for path in isolated_home.rglob("*") if path.is_file()]
    kept = b"".join(path.read_bytes() for path in files)
    for secret in ("sesame", BASIC.removeprefix("Basic "), "eyJ"):
        assert secret not in said
        assert secret.encode() not in kept


# Where our own server stands for a registry


def put(folder, path, data):
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(data)
    return f"/{path}"


def registry_folder(folder, data=b"{}", kind=real_servers.REPODATA_TYPE, digest=None):
    """A folder that answers as a registry does, with one index; the path of the blob."""
    digest = digest or f"sha256:{hashlib.sha256(data).hexdigest()}"
    layer = {"mediaType": kind, "size": len(data), "digest": digest}
    manifest = json.dumps({"schemaVersion": 2, "layers": [layer]}).encode()
    put(folder, "v2/a/noarch/repodata.json/manifests/latest", manifest)
    return put(folder, f"v2/a/noarch/repodata.json/blobs/{digest}", data)


INDEX = "a/noarch/repodata.json"


def test_a_redirect_to_another_host_gets_no_login(tmp_path):
    blob = registry_folder(tmp_path / "registry")
    put(tmp_path / "store", "blob", b"{}")
    with serve(tmp_path / "store") as store:
        faults = {blob: Fault(redirect=f"{store.url}/blob?signature=x", status=307)}
        with serve(tmp_path / "registry", faults=faults) as server:
            manifest = "/v2/a/noarch/repodata.json/manifests/latest"
            server.faults[manifest] = Fault(
                status=401, headers={"WWW-Authenticate": 'Basic realm="x"'}, times=1
            )
            assert read(transport(find_authorization=lambda _url: BASIC), oci(server.url, INDEX))[:2] == (
                200,
                b"{}",
            )
            assert [seen.headers.get("authorization") for seen in server.requests] == [None, BASIC, BASIC]
            assert [seen.headers.get("authorization") for seen in store.requests] == [None]


def test_another_host_cannot_ask_for_the_login(tmp_path):
    blob = registry_folder(tmp_path / "registry")
    challenge = Fault(status=401, headers={"WWW-Authenticate": 'Basic realm="give me"'})
    with serve(tmp_path / "other", faults={"*": challenge}) as other:
        faults = {blob: Fault(redirect=f"{other.url}/blob")}
        refused = pytest.raises(ChannelError, match=r"refuses it \(HTTP status 401\)")
        with serve(tmp_path / "registry", faults=faults) as server, refused:
            transport(find_authorization=lambda _url: BASIC).open(oci(server.url, INDEX))
        assert [seen.headers.get("authorization") for seen in other.requests] == [None]


def test_a_redirect_away_from_the_web_or_in_circles_ends(tmp_path):
    blob = registry_folder(tmp_path)
    for target, complaint in (("file:///etc/passwd", "is not safe"), (blob, "redirects more than 5 times")):
        ends = pytest.raises(ChannelError, match=complaint)
        with serve(tmp_path, faults={blob: Fault(redirect=target)}) as server, ends:
            transport().open(oci(server.url, INDEX))


@pytest.mark.parametrize(
    ("header", "asked"),
    [
        ('Bearer realm="SERVICE/token",service="s", Basic realm="x"', "/token"),
        ('Basic realm="x", bearer service=s, realm="SERVICE/token"', "/token"),
        ('Bearer realm="ftp://host/token"', None),
        ('Bearer service="s"', None),
        ("Digest x=y", None),
        ("%%%", None),
    ],
)
def test_challenges_are_read_as_registries_write_them(tmp_path, header, asked):
    registry_folder(tmp_path / "registry")
    put(tmp_path / "tokens", "token", b'{"access_token": "abc"}')
    with serve(tmp_path / "tokens") as tokens:
        written = header.replace("SERVICE", tokens.url)
        fault = Fault(status=401, headers={"WWW-Authenticate": written}, times=1 if asked else None)
        with serve(tmp_path / "registry", faults={"*": fault}) as server:
            if asked:
                assert read(transport(), oci(server.url, INDEX))[0] == 200
                assert [seen.headers.get("authorization") for seen in server.requests[1:]] == [
                    "Bearer abc"
                ] * 2
            else:
                with pytest.raises(ChannelError, match="it asks for a login"):
                    transport().open(oci(server.url, INDEX))
        assert tokens.paths == ([asked] if asked else [])


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (Fault(body=b"SECRET"), "something that is no token"),
        (Fault(body=b'{"token": "SECRET\\r\\nX: y"}'), "something that is no token"),
        (Fault(body=b"{}"), "something that is no token"),
        (Fault(status=500), "HTTP status 500"),
    ],
)
def test_a_token_service_that_fails_is_named(tmp_path, fault, found):
    registry_folder(tmp_path)
    with serve(tmp_path, faults={"/token": fault}) as tokens:
        challenge = {"WWW-Authenticate": f'Bearer realm="{tokens.url}/token"'}
        named = pytest.raises(ChannelError, match=f"the token service {tokens.url} answered with {found}")
        with serve(tmp_path, faults={"*": Fault(status=401, headers=challenge)}) as server, named as caught:
            transport().open(oci(server.url, INDEX))
    assert "SECRET" not in f"{caught.value} {caught.value.facts}"


def test_a_blob_is_checked_against_its_digest_however_it_is_packed(tmp_path):
    packed = gzip.compress(b"[1]")
    for data, kind, sent, complaint in (
        (b"{}", "", b"[]", "is damaged: its sha256 is"),
        (packed, "+gzip", packed + b"more", "is damaged: its sha256 is"),
        (packed[:-4], "+gzip", packed[:-4], "end early"),
        (b"{}", "+gzip", b"{}", "not in the form of gzip"),
    ):
        blob = registry_folder(tmp_path, data, f"{real_servers.REPODATA_TYPE}{kind}")
        damaged = pytest.raises(ChannelError, match=f"oci://.*/{INDEX} .*{complaint}")
        with serve(tmp_path, faults={blob: Fault(body=sent)}) as server, damaged:
            read(transport(), oci(server.url, INDEX))


def test_sha512_is_known_too(tmp_path):
    registry_folder(tmp_path, b"{}", digest=f"sha512:{hashlib.sha512(b'{}').hexdigest()}")
    with serve(tmp_path) as server:
        assert read(transport(), oci(server.url, INDEX))[:2] == (200, b"{}")


@pytest.mark.parametrize("digest", ["sha256:../../secret", "md5:d41d8cd98f00b204e9800998ecf8427e", ""])
def test_a_digest_that_is_none_is_not_asked_for(tmp_path, digest):
    layer = {"mediaType": real_servers.REPODATA_TYPE, "size": 2, "digest": digest}
    put(tmp_path, "v2/a/noarch/repodata.json/manifests/latest", json.dumps({"layers": [layer]}).encode())
    with serve(tmp_path) as server:
        with pytest.raises(ChannelError, match="by a digest that is none"):
            transport().open(oci(server.url, INDEX))
        assert len(server.requests) == 1


@pytest.mark.parametrize("manifest", [b"<html>", b'{"layers": [{"digest": 1}]}', b"[" * 100])
def test_what_is_no_manifest_is_said_to_be_none(tmp_path, manifest):
    put(tmp_path, "v2/a/noarch/repodata.json/manifests/latest", manifest)
    with serve(tmp_path) as server, pytest.raises(ChannelError, match="is not a manifest of an OCI artifact"):
        transport().open(oci(server.url, INDEX))


def test_a_manifest_is_not_read_without_end(tmp_path):
    put(tmp_path, "v2/a/noarch/repodata.json/manifests/latest", b" " * (5 << 20))
    with serve(tmp_path) as server, pytest.raises(ChannelError, match="is too large"):
        transport().open(oci(server.url, INDEX))


def test_a_registry_that_fails_is_an_answer(tmp_path):
    with serve(tmp_path, faults={"*": Fault(status=502)}) as server:
        assert read(transport(), oci(server.url, INDEX))[:2] == (502, b"")


# URLs


class Recorder:
    """Stands where the network would be, for hosts that tests cannot reach."""

    def __init__(self):
        self.urls = []

    def open(self, url, headers=None):
        self.urls.append(url)
        raise ChannelError("enough")


@pytest.mark.parametrize(
    ("host", "insecure", "scheme"),
    [
        ("ghcr.io", (), "https"),
        ("ghcr.io", ("ghcr.io:5000",), "https"),
        ("Registry.local:5000", ("registry.local:5000",), "http"),
        ("localhost:5000", (), "http"),
        ("127.0.0.2", (), "http"),
        ("[::1]:5000", (), "http"),
        ("127.0.0.1.example.org", (), "https"),
        ("localhost.example.org", (), "https"),
    ],
)
def test_plain_http_is_for_this_machine_and_for_registries_that_are_listed(host, insecure, scheme):
    recorder = Recorder()
    with pytest.raises(ChannelError, match="enough"):
        OciTransport(recorder, insecure=insecure).open(f"oci://{host}/{INDEX}")
    assert recorder.urls == [f"{scheme}://{host.lower()}/v2/{INDEX}/manifests/latest"]


@pytest.mark.parametrize(
    "url", ["oci://host", "oci://host/file", "oci:///a/repodata.json", "oci://h/a/b-1-0.conda?x=1"]
)
def test_a_url_of_no_file_is_refused(url):
    with pytest.raises(ChannelError, match="is no file of a registry: expected oci://HOST/NAMESPACE/FILE"):
        transport().open(url)


@pytest.mark.parametrize("path", ["Upper/noarch/repodata.json", "a//noarch/repodata.json", "a/../b/repodata.json",
                                  "a/noarch/x-1-0%20.conda", "a/noarch/é-1-0.conda"])  # fmt: skip
def test_names_that_registries_do_not_know_are_refused_without_a_request(path):
    recorder = Recorder()
    with pytest.raises(ChannelError, match="is no valid name there"):
        OciTransport(recorder).open(f"oci://host/{path}")
    assert recorder.urls == []
