"""What of a URL, a word or a sentence may be shown: everything but what somebody could log in with."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmgr.errors import DataError
from envmgr.models.channel import Channel
from envmgr.models.credentials import (
    check_url,
    has_token,
    without_credentials,
    without_credentials_in_text,
    without_credentials_in_word,
)

URLS = [
    ("https://u:PW@h/c", "https://h/c"),
    ("https://PW@h/c", "https://h/c"),
    ("https://u:'PW@h/c", "https://h/c"),
    ("http://ann:PW/x@h/c", "http://h/c"),
    ("http://ann:PW?x@h/c", "http://h/c"),
    ("http://ann:PW#x@h/c", "http://h/c"),
    ("http://ann:99999999/PW@h/c", "http://h/c"),
    ("https:///u:PW@h/c", "https://h/c"),
    ("https://h/t/PW%2Dx/c", "https://h/c"),
    ("https://h/t/PW+b/c", "https://h/c"),
    ("https://h/t/PW:b/c", "https://h/c"),
    ("https://h/T/PW/c", "https://h/c"),
    ("https://h/conda/t/PW", "https://h/conda"),
]
UNCLEAR = [
    ("http://ann:12/PW@h/c", "http://h/c"),
    ("http://ann:12?PW@h/c", "http://h/c"),
    ("http://u:P@W/PW@h:80/c?q", "http://h:80/c?q"),
]
KEPT = [
    "https://h/t/label/dev",
    "https://h/t/linux-64/x-1-0.conda",
    "https://h/tools/t",
    "https://repo.example.org:8443/a@b/c",
    "http://localhost:8080/@scope/c",
    "http://[::1]:80/a@b",
    "file:///srv/a:b@c/d",
    "git+file:///srv/r@v1",
    "git+https://example.org/x.git@main",
]
WORDS = [
    ("https:/u:PW@h/c", "https:/h/c"),
    ("https:/PW@h/c", "https:/h/c"),
    ("htps:/u:PW@h/c", "htps:/h/c"),
    (r"http:\\u:PW@h\c", r"http:\\h\c"),
    ("http ://u:PW@h/c", "http ://h/c"),
    ("http: //u:PW@h/c", "http: //h/c"),
    ("//u:PW@h/c", "//h/c"),
    ("u:PW@h/c", "h/c"),
    ("u:PW@host:1", "host:1"),
    ("u:P@PW@host:1", "host:1"),
]
ONLY_WORDS = [
    ("me:/PW@h:1", "me:/h:1"),
    ("u::PW@h/c", "h/c"),
    ("h/x/t/PW/c", "h/x/c"),
    ("u:P PW@h", "h"),
]


@pytest.mark.parametrize(("url", "shown"), URLS)
def test_a_url_has_no_credentials_anywhere(url: str, shown: str) -> None:
    assert without_credentials(url) == shown
    assert without_credentials(shown) == shown
    for text in (
        url,
        f"'{url}' is not",
        f"found {url}.",
        f"[{url},https://x/y]",
        f"-c{url}",
        f"--channel={url}",
    ):
        assert "PW" not in without_credentials_in_text(text)
    assert without_credentials_in_word(url) == shown


@pytest.mark.parametrize(("url", "shown"), UNCLEAR)
def test_what_may_be_a_login_is_refused_and_not_shown(url: str, shown: str) -> None:
    assert without_credentials_in_word(url) == shown
    assert without_credentials_in_text(f"'{url}' is not") == f"'{shown}' is not"
    with pytest.raises(DataError, match="cannot be told") as caught:
        Channel.parse(url)
    assert "PW" not in str(caught.value)
    assert "%2F" in str(caught.value.hint)


@pytest.mark.parametrize("url", KEPT)
def test_urls_without_credentials_stay(url: str) -> None:
    assert without_credentials(url) == without_credentials_in_word(url) == url
    assert without_credentials_in_text(f"'{url}', but") == f"'{url}', but"


@pytest.mark.parametrize(("word", "shown"), [*WORDS, *ONLY_WORDS])
def test_misspelt_urls_are_refused_without_their_credentials(word: str, shown: str) -> None:
    assert without_credentials_in_word(word) == shown
    with pytest.raises(DataError) as caught:
        Channel.parse(word, cwd="/folder")
    assert "PW" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(("word", "shown"), WORDS)
def test_misspelt_urls_in_sentences_lose_their_credentials(word: str, shown: str) -> None:
    for before, behind in (
        ("'", "' is not a channel."),
        ("command line: ", " is none."),
        ("`", "`"),
        ("x=", ""),
    ):
        assert without_credentials_in_text(f"{before}{word}{behind}") == f"{before}{shown}{behind}"


@pytest.mark.parametrize(
    "text",
    [
        "env.yml:3: '/srv/a:b@c' cannot be read",
        "warning: /srv/x@y/t/z is damaged",
        "the spec 'conda-forge::numpy@1.0' is not valid",
        "write to me@example.org",
        r"C:\Users\me@work\x is missing",
        "git@github.com:org/repo@v1",
        "pkg @ https://example.org/pkg.whl",
        "at 12:30 by a@b",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert without_credentials_in_text(text) == text


def test_tokens_before_a_channels_name_are_refused_and_not_shown() -> None:
    with pytest.raises(DataError, match="token") as caught:
        Channel.parse("t/PW/c")
    assert "PW" not in f"{caught.value} {caught.value.hint}"
    assert Channel.parse("t/label/dev").name == "t/label/dev"
    assert has_token("/t/a+b/c")
    assert not has_token("/t/noarch/x.conda")


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1/",
        "http://h:99999999/c",
        "http://h:x/c",
        "http://",
        "https:///c",
        "http://h:1:2/",
        "http://a b/c",
    ],
)
def test_urls_that_cannot_be_are_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(DataError, match="is not a valid URL"):
        check_url(url)
    with pytest.raises(DataError, match="is not a valid URL"):
        Channel.parse(url)


@pytest.mark.parametrize(
    "url", ["http://[::1]:8/c", "https://h:/c", "file:///c", "s3://bucket/c", "https://ü.org/"]
)
def test_urls_that_can_be_are_left_alone(url: str) -> None:
    check_url(url)


@given(
    st.sampled_from(["http://", "https://", "https:/", "//", "http:\\\\", ""]),
    st.text(st.characters(categories=("L", "N", "P", "S"), exclude_characters="@"), max_size=8),
)
def test_nothing_before_the_last_at_sign_is_shown_of_a_word_with_a_login(scheme: str, middle: str) -> None:
    shown = without_credentials_in_word(f"{scheme}user:{middle}HUNTER2{middle}@example.org/c")
    assert "HUNTER2" not in shown
    assert "example.org/c" in shown


@pytest.mark.parametrize(
    "piece", ["a", "a:", "/", "://", "a://", "a@", "a.", "/t/", "//a:", "a.b/t/", " a:/", "'"]
)
def test_long_texts_take_no_long_time(piece: str) -> None:
    began = time.monotonic()
    without_credentials_in_text(f"@/t/{piece * (100_000 // len(piece))}")
    without_credentials_in_word(f"@/t/{piece * (100_000 // len(piece))}")
    assert time.monotonic() - began < 3
