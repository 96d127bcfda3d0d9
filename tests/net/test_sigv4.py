"""Signatures are those that Amazon publishes as examples, and those that its own library makes."""

from __future__ import annotations

import datetime

import pytest

from envmgr.net.sigv4 import EMPTY_SHA256, AccessKey, Scope, Target, encode_path, sign, signing_key

EXAMPLE_KEY = AccessKey("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
SUITE_KEY = AccessKey("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


def test_the_example_get_object_of_the_s3_api_reference():
    signed = sign(
        Target("examplebucket.s3.amazonaws.com", "/test.txt"),
        {"Range": "bytes=0-9", "x-amz-content-sha256": EMPTY_SHA256},
        EXAMPLE_KEY,
        Scope("us-east-1"),
        datetime.datetime(2013, 5, 24, tzinfo=datetime.timezone.utc),
    )
    assert signed == {
        "range": "bytes=0-9",
        "x-amz-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "x-amz-date": "20130524T000000Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    }


def test_the_request_get_vanilla_of_the_signature_4_test_suite():
    signed = sign(
        Target("example.amazonaws.com", "/"),
        {},
        SUITE_KEY,
        Scope("us-east-1", "service"),
        datetime.datetime(2015, 8, 30, 12, 36, tzinfo=datetime.timezone.utc),
    )
    assert signed["authorization"].endswith(
        "SignedHeaders=host;x-amz-date, "
        "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    )


def test_the_signing_key_of_the_general_reference():
    key = signing_key(SUITE_KEY.secret, "20150830", Scope("us-east-1", "iam"))
    assert key.hex() == "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"


@pytest.mark.parametrize(
    "path", ["/b/noarch/repodata.json", "/b/my channel/a-1!2+3-0.conda", "/b/é/x=1,~_.tar.bz2"]
)
@pytest.mark.parametrize("token", [None, "FwoGZXIvYXdzEBYaD//session+token=="])
def test_amazons_own_library_signs_the_same(path, token):
    auth = pytest.importorskip("botocore.auth")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    url = f"http://localhost:9000{encode_path(path)}"
    request = AWSRequest("GET", url, headers={"X-Amz-Content-SHA256": EMPTY_SHA256})
    signer = auth.S3SigV4Auth(Credentials(SUITE_KEY.key_id, SUITE_KEY.secret, token), "s3", "eu-west-3")
    signer.add_auth(request)
    theirs = {name.lower(): str(value) for name, value in request.headers.items()}
    moment = datetime.datetime.strptime(theirs["x-amz-date"], "%Y%m%dT%H%M%S%z")
    ours = sign(
        Target("localhost:9000", encode_path(path)),
        {"x-amz-content-sha256": EMPTY_SHA256},
        AccessKey(SUITE_KEY.key_id, SUITE_KEY.secret, token),
        Scope("eu-west-3"),
        moment,
    )
    assert ours == theirs


def test_a_key_shows_its_identifier_only():
    key = AccessKey("AKIDEXAMPLE", "secret-one", "secret-two")
    assert f"{key} {key!r}" == "AccessKey('AKIDEXAMPLE') AccessKey('AKIDEXAMPLE')"
