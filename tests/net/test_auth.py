"""Logins as values and keys: what is sent where, and that nothing shows a secret."""

from __future__ import annotations

import copy
import pickle

import msgspec
import pytest

from envmgr.net.auth import (
    BasicLogin,
    BearerToken,
    CondaToken,
    S3Keys,
    Secret,
    authorization,
    fits,
    with_conda_token,
)
from envmgr.net.auth_json import decode_login, encode_login
from envmgr.net.auth_keys import Origin, login_key, logout_keys, lookup_keys, normal_key

EACH_KIND = [
    BasicLogin("ann", Secret("hunter2")),
    BearerToken(Secret("hunter2")),
    CondaToken(Secret("hunter2")),
    S3Keys("AKIA1", Secret("hunter2"), Secret("hunter2-session")),
]


@pytest.mark.parametrize("credential", EACH_KIND, ids=lambda each: each.kind)
def test_no_way_of_writing_a_login_out_shows_its_secret(credential):
    for text in (repr(credential), str(credential), f"{credential}", f"{[credential]!r}"):
        assert "hunter2" not in text
    for writes in (msgspec.json.encode, pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError) as caught:
            writes(credential)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("credential", EACH_KIND, ids=lambda each: each.kind)
def test_rattlers_json_holds_every_kind(credential):
    assert decode_login(encode_login(credential)) == credential


def test_rattlers_json_is_spelt_as_rattler_spells_it():
    assert [encode_login(each) for each in EACH_KIND] == [
        {"BasicHTTP": {"username": "ann", "password": "hunter2"}},
        {"BearerToken": "hunter2"},
        {"CondaToken": "hunter2"},
        {
            "S3Credentials": {
                "access_key_id": "AKIA1",
                "secret_access_key": "hunter2",
                "session_token": "hunter2-session",
            }
        },
    ]


def test_an_oauth_login_counts_until_it_expires():
    login = {"access_token": "at", "refresh_token": "rt", "token_endpoint": "https://x", "client_id": "c"}
    assert decode_login({"OAuth": login}) == BearerToken(Secret("at"))
    assert decode_login({"OAuth": {**login, "expires_at": 4_000_000_000}}) == BearerToken(Secret("at"))
    assert decode_login({"OAuth": {**login, "expires_at": 1_000_000_000}}) is None


def test_a_kind_of_another_program_is_passed_over():
    assert decode_login({"Fingerprint": {"finger": "hunter2"}}) is None


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("hunter2", "an object such as"),
        (["hunter2"], "an object such as"),
        ({"BearerToken": ["hunter2"]}, "a text as `BearerToken`"),
        ({"BearerToken": ""}, "a text as `BearerToken`"),
        ({"BearerToken": "hunter2\r\nX: y"}, "visible ASCII"),
        ({"CondaToken": "hunter2/.."}, "letters, digits"),
        ({"BasicHTTP": "hunter2"}, "an object as `BasicHTTP`"),
        ({"BasicHTTP": {"username": "ann"}}, "a text as `password`"),
        ({"BasicHTTP": {"username": "a:b", "password": "hunter2"}}, "no colon"),
        ({"BasicHTTP": {"username": "a", "password": "hunter2\n"}}, "no control characters"),
        ({"S3Credentials": {"access_key_id": "a"}}, "a text as `secret_access_key`"),
        ({"S3Credentials": {"access_key_id": "a b", "secret_access_key": "hunter2"}}, "visible ASCII"),
    ],
)
def test_an_entry_that_is_no_login_is_explained_without_being_quoted(entry, expected):
    with pytest.raises(ValueError, match=expected) as caught:
        decode_login(entry)
    assert "hunter2" not in str(caught.value)


def test_basic_is_utf8_and_s3_has_no_header():
    assert authorization(BasicLogin("jörg", Secret("pässword"))) == "Basic asO2cmc6cMOkc3N3b3Jk"
    assert authorization(BearerToken(Secret("t"))) == "Bearer t"
    assert authorization(EACH_KIND[2]) is None
    assert authorization(EACH_KIND[3]) is None


@pytest.mark.parametrize(
    ("scheme", "kinds"),
    [
        ("https", "basic bearer conda-token"),
        ("http", "basic bearer conda-token"),
        ("oci", "basic bearer"),
        ("s3", "s3"),
        ("file", ""),
    ],
)
def test_each_scheme_takes_its_kinds(scheme, kinds):
    assert [each.kind for each in EACH_KIND if fits(each, scheme)] == kinds.split()


@pytest.mark.parametrize(
    ("url", "base", "expected"),
    [
        ("https://h/a/noarch/x.json?q=1", "", "https://h/t/tk/a/noarch/x.json?q=1"),
        ("https://h/conda/a/x", "/conda", "https://h/conda/t/tk/a/x"),
        ("https://h/condax/a", "/conda", "https://h/t/tk/condax/a"),
        ("https://h/t/other/a/x", "", "https://h/t/other/a/x"),
    ],
)
def test_a_conda_token_goes_into_the_path_once(url, base, expected):
    assert with_conda_token(url, CondaToken(Secret("tk"), base=base)) == expected


@pytest.mark.parametrize(
    ("url", "keys"),
    [
        ("https://127.0.0.1:8080/x", ["https://127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1"]),
        ("https://[::1]/x", ["https://[::1]", "[::1]:443", "[::1]"]),
        ("http://User:pw@HOST/x", ["http://host", "host:80", "host", "*.host"]),
        ("s3://bucket/a/b/c", ["s3://bucket/a/b", "s3://bucket/a", "s3://bucket", "bucket", "*.bucket"]),
        ("https://h:port/x", []),
        ("file:///x", []),
        ("no url", []),
    ],
)
def test_keys_are_looked_up_from_the_narrowest_to_the_widest(url, keys):
    assert list(lookup_keys(url)) == keys


@pytest.mark.parametrize(
    ("named", "key"),
    [
        ("prefix.dev", "*.prefix.dev"),
        ("https://prefix.dev", "*.prefix.dev"),
        ("Repo.Prefix.dev", "repo.prefix.dev"),
        ("localhost", "localhost"),
        ("localhost:8080", "localhost:8080"),
        ("127.0.0.1", "127.0.0.1"),
        ("*.a.b.example", "*.a.b.example"),
        ("https://h.example.org:443/", "h.example.org"),
        ("https://h:8443", "https://h:8443"),
        ("http://h", "http://h"),
        ("https://h/private/", "https://h/private"),
        ("s3://my-bucket", "my-bucket"),
        ("s3://my-bucket/folder", "s3://my-bucket/folder"),
        ("oci://ghcr.io/owner", "oci://ghcr.io/owner"),
    ],
)
def test_a_login_is_stored_as_narrowly_as_it_was_named_and_as_rattler_would(named, key):
    assert login_key(named) == key
    assert normal_key(key) == key
    assert key in logout_keys(named)


@pytest.mark.parametrize(
    "text",
    [
        *["", " ", "/path", "a b", "ftp://h", "h/pw", "https://", "a\tb", "h\udc80", "**", "*.*.h"],
        *["ann:pw@h", "https://ann:pw@h/", "https://pw@h", "https://h/?pw", "pw@"],
        *["h:pw", "https://h:pw/", "https://[pw"],
    ],
)
def test_what_is_no_host_is_refused_without_being_quoted(text):
    with pytest.raises(ValueError, match="a host") as caught:
        login_key(text)
    assert "pw" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize(
    ("before", "after", "keeps"),
    [
        ("https://h/a", "https://h/b", True),
        ("https://h/a", "https://H:443/b", True),
        ("http://h/a", "https://h/b", True),
        ("https://h/a", "http://h/b", False),
        ("http://h:8080/a", "https://h/b", False),
        ("http://h/a", "https://h:8443/b", False),
        ("https://h/a", "https://h:8443/b", False),
        ("https://h/a", "https://h.evil/b", False),
        ("https://h.x/a", "https://x/b", False),
    ],
)
def test_a_redirect_keeps_a_login_only_within_one_place(before, after, keeps):
    assert Origin.of(after).may_follow(Origin.of(before)) is keeps
