"""Where logins are found: the files of rattler and netrc, the keyring, and anaconda-client's tokens."""

from __future__ import annotations

import json
import os
import stat
import threading

import keyring.backends.null
import pytest

from envmgr.config.settings import Settings, default_folders
from envmgr.errors import ConfigError
from envmgr.net.auth import BasicLogin, BearerToken, CondaToken, S3Keys, Secret
from envmgr.net.auth_netrc import NetrcFormError, parse_netrc
from envmgr.net.auth_store import CredentialStore
from tests.keyrings import Ring, used


@pytest.fixture
def ring():
    with used(Ring()) as ring:
        yield ring


class Place:
    """A home with logins."""

    def __init__(self, home):
        self.home = home
        self.environ = {}
        self.warnings = []
        self.options = {}

    @property
    def file(self):
        return self.home / ".rattler" / "credentials.json"

    def write(self, entries, path=None):
        path = path or self.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(entries if isinstance(entries, str) else json.dumps(entries))
        return path

    def write_token(self, name, text):
        folder = self.home / ".config" / "binstar"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.token").write_text(text)

    def open(self):
        settings = Settings(**default_folders(self.home), subdir="linux-64", **self.options)
        return CredentialStore.from_settings(
            settings, environ=self.environ, home=self.home, warn=self.warnings.append
        )

    def find(self, url):
        return self.open().find(url)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def bearer(text):
    return BearerToken(Secret(text))


def test_nothing_stored_is_nothing_found(place):
    assert place.find("https://example.org/x") is None
    assert place.open().entries() == ()


def test_the_narrowest_key_of_a_file_wins(place):
    place.write(
        {
            "*.example.org": {"BearerToken": "wild"},
            "*.b.example.org": {"BearerToken": "wilder"},
            "a.example.org": {"BearerToken": "host"},
            "a.example.org:8443": {"BearerToken": "port"},
            "https://a.example.org/private/": {"BearerToken": "folder"},
            "HTTPS://A.example.org:443/private/deep": {"BearerToken": "deep"},
        }
    )
    expected = {
        "https://example.org/x": "wild",
        "https://c.example.org/x": "wild",
        "https://b.example.org/x": "wilder",
        "https://c.b.example.org/x": "wilder",
        "http://a.example.org/x": "host",
        "https://a.example.org/privateer/x": "host",
        "https://a.example.org:8443/private/x": "port",
        "https://a.example.org/private/noarch/x": "folder",
        "https://a.example.org/private/deep/noarch/x": "deep",
    }
    store = place.open()
    assert {url: store.find(url) for url in expected} == {url: bearer(text) for url, text in expected.items()}
    for url in ("https://example.com/x", "https://notexample.org/x", "https://example.org.evil/x"):
        assert store.find(url) is None


def test_a_login_that_the_scheme_cannot_use_is_passed_over(place):
    keys = {"access_key_id": "a", "secret_access_key": "b", "session_token": None}
    place.write({"bucket": {"S3Credentials": keys}, "*.bucket": {"BearerToken": "t"}})
    store = place.open()
    assert store.find("s3://bucket/x") == store.find_keys("s3://bucket/x") == S3Keys("a", Secret("b"))
    assert store.find_keys("https://bucket/x") is None
    assert store.find("https://bucket/x") == bearer("t")
    assert store.find_authorization("https://bucket/x") == "Bearer t"
    assert store.find_authorization("s3://bucket/x") is None


def test_places_are_asked_from_strong_to_weak(place, ring):
    url = "https://conda.anaconda.org/private/noarch/x"
    host = "conda.anaconda.org"
    place.write_token("https%3A%2F%2Fapi.anaconda.org", "binstar-token\n")
    assert place.find(url) == CondaToken(Secret("binstar-token"))
    (place.home / ".netrc").write_text(f"machine {host} login ann password pw\n")
    assert place.find(url) == BasicLogin("ann", Secret("pw"))
    place.write({host: {"BearerToken": "usual"}})
    assert place.find(url) == bearer("usual")
    ring.entries["rattler", host] = json.dumps({"BearerToken": "ring"})
    assert place.find(url) == bearer("ring")
    place.environ["RATTLER_AUTH_FILE"] = str(
        place.write({host: {"BearerToken": "shared"}}, place.home / "s.json")
    )
    assert place.find(url) == bearer("shared")
    place.options["auth_file"] = place.write({host: {"BearerToken": "own"}}, place.home / "o.json")
    assert place.find(url) == bearer("own")
    assert [found.source for found in place.open().entries()][:2] == [
        str(place.home / "o.json"),
        str(place.home / "s.json"),
    ]


def test_within_rattlers_places_a_narrow_key_beats_a_strong_place(place):
    place.write({"*.example.org": {"BearerToken": "wild"}})
    (place.home / ".netrc").write_text("machine a.example.org login ann password pw\n")
    assert place.find("https://a.example.org/x") == BasicLogin("ann", Secret("pw"))
    place.write_token("https%3A%2F%2Fa.example.org", "token")
    assert place.find("https://b.example.org/x") == bearer("wild")
    assert place.find("https://a.example.org/x") == BasicLogin("ann", Secret("pw"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{\n"h": {"BearerToken": "hunter2"\n}', ":3: it is not JSON"),
        ('{\n"h": {"BearerToken": hunter2}}', ":2: it is not JSON"),
        ('["hunter2"]', ": expected an object with a login for each host"),
        ('{"https://ann:hunter2@h": "hunter2"}', ": the entry `https://h` is no login; expected an object"),
        (
            '{"h": {"BearerToken": ["hunter2"]}}',
            ": the entry `h` is no login; expected a text as `BearerToken`",
        ),
        ('{"ann:hunter2@h": 1}', ": the entry `h` is no login; expected an object"),
        ("[" * 100_000, ": it is nested too deeply"),
    ],
)
def test_a_broken_file_is_named_with_its_place_and_not_quoted(place, text, complaint):
    place.write(text)
    for ask in (lambda: place.find("https://h/x"), lambda: place.open().entries()):
        with pytest.raises(ConfigError) as caught:
            ask()
        assert f"{place.file}{complaint}" in str(caught.value)
        assert "hunter2" not in f"{caught.value} {caught.value.facts} {caught.value.hint}"


@pytest.mark.parametrize("text", ['{"h": {"BearerToken": "hunter2"', '["hunter2"]'])
def test_a_broken_file_is_not_written_over(place, text):
    place.write(text)
    for change in (lambda: place.open().store("h", bearer("t")), lambda: place.open().remove(["h"])):
        with pytest.raises(ConfigError):
            change()
    assert place.file.read_text() == text
    assert os.listdir(place.file.parent) == ["credentials.json"]


def test_a_file_that_is_not_text_is_named(place):
    place.file.parent.mkdir()
    place.file.write_bytes(b'{"h\xff": 1}')
    with pytest.raises(ConfigError, match="it is not UTF-8 text"):
        place.find("https://h/x")


def test_an_empty_file_holds_nothing(place):
    place.write("\n")
    assert place.find("https://h/x") is None


def test_a_named_file_must_be_readable_and_the_usual_one_need_not(place):
    place.file.mkdir(parents=True)
    assert place.find("https://h/x") is None
    assert place.warnings == [f"{place.file} cannot be read and is ignored: Is a directory."]
    place.environ["RATTLER_AUTH_FILE"] = str(place.file)
    with pytest.raises(ConfigError, match="it cannot be read: Is a directory"):
        place.find("https://h/x")


def test_storing_keeps_other_entries_and_closes_the_file_to_others(place):
    entries = {
        "z": {"Later": [1, {"x": None}]},
        "A.example.org": {"BearerToken": "old"},
        "ü": {"BearerToken": "t"},
    }
    place.write(entries)
    place.file.chmod(0o644)
    before = os.umask(0)
    try:
        kept_in, warning = place.open().store("a.example.org", bearer("new"))
    finally:
        os.umask(before)
    assert (kept_in, "keyring" in warning) == (str(place.file), True)
    assert list(json.loads(place.file.read_text()).items()) == [
        ("z", {"Later": [1, {"x": None}]}),
        ("ü", {"BearerToken": "t"}),
        ("a.example.org", {"BearerToken": "new"}),
    ]
    assert stat.S_IMODE(place.file.stat().st_mode) == 0o600
    assert os.listdir(place.file.parent) == ["credentials.json"]
    assert place.open().remove(["a.example.org", "b"]) == (str(place.file),)
    assert list(json.loads(place.file.read_text())) == ["z", "ü"]
    assert place.open().remove(["a.example.org"]) == ()


def test_a_new_folder_is_closed_to_others_and_a_link_is_kept(place):
    place.open().store("h", bearer("t"))
    assert stat.S_IMODE(place.file.parent.stat().st_mode) == 0o700
    real = place.home / "dotfiles.json"
    place.file.rename(real)
    place.file.symlink_to(real)
    place.open().store("i", bearer("u"))
    assert place.file.is_symlink()
    assert list(json.loads(real.read_text())) == ["h", "i"]


def test_a_folder_that_cannot_be_written_leaves_everything(place):
    (place.home / ".rattler").write_text("in the way")
    with pytest.raises(ConfigError, match=r"credentials\.json: it cannot be (written|read)"):
        place.open().store("h", bearer("t"))
    assert os.listdir(place.home) == [".rattler"]


def test_logins_are_seen_at_once_after_they_were_stored(place):
    store = place.open()
    assert store.find("https://h/x") is None
    store.store("h", bearer("t"))
    assert store.find("https://h/x") == bearer("t")
    store.remove(["h"])
    assert store.find("https://h/x") is None


def test_the_keyring_is_used_first_as_rattler_uses_it(place, ring):
    assert place.open().store("h", bearer("t")) == ("the system keyring", None)
    assert json.loads(ring.entries["rattler", "h"]) == {"BearerToken": "t"}
    assert not place.file.exists()
    assert [(found.key, found.source) for found in place.open().entries()] == [("h", "the system keyring")]
    assert place.find("https://h/x") == bearer("t")
    assert place.open().remove(["h"]) == ("the system keyring",)
    assert ("rattler", "h") not in ring.entries
    assert place.open().entries() == ()


def test_the_keyring_is_asked_once_for_each_key(place, ring):
    store = place.open()
    for number in range(20):
        store.find(f"https://h/channel/noarch/{number}")
    assert len(ring.questions) == len(set(ring.questions)) == 6


def test_a_keyring_that_fails_is_left_alone(place, ring):
    ring.is_locked = True
    store = place.open()
    assert store.find("https://h/x") is None
    assert len(ring.questions) == 1
    kept_in, warning = place.open().store("h", bearer("t"))
    assert kept_in == str(place.file)
    assert warning == "the system keyring cannot be used: it failed with RuntimeError."
    assert place.find("https://h/x") == bearer("t")


def test_an_entry_of_the_keyring_that_is_no_login_is_told_and_not_quoted(place, ring):
    ring.entries["rattler", "h"] = "hunter2"
    assert place.find("https://h/x") is None
    assert place.warnings == ["the entry h of the system keyring is no login and is ignored."]


def test_a_keyring_that_keeps_nothing_is_none(place):
    with used(keyring.backends.null.Keyring()):
        kept_in, warning = place.open().store("h", bearer("t"))
    assert (kept_in, warning) == (
        str(place.file),
        "the system keyring cannot be used: this system has none.",
    )


@pytest.mark.parametrize(
    ("text", "machines"),
    [
        ("machine h login ann password pw", {"h": ("ann", "pw")}),
        ("machine\nH\nlogin\nann\naccount a\npassword #pw", {"h": ("ann", "#pw")}),
        ("# all mine\nmachine h user ann password pw # ours\n", {"h": ("ann", "pw")}),
        ("machine h password pw", {"h": ("", "pw")}),
        ("machine h login ann", {}),
        ('machine h login "a b" password "q\\"q"', {"h": ("a b", 'q"q')}),
        ("machine h login a password 1\nmachine h login b password 2", {"h": ("a", "1")}),
        ("default login ann password pw", {}),
        ("machine h login a password 1 default login ann password pw", {"h": ("a", "1")}),
        ("macdef init\ncd /pub\nmachine x\n\nmachine h login a password 1", {"h": ("a", "1")}),
        ("machine machine login login password password", {"machine": ("login", "password")}),
        ("", {}),
    ],
)
def test_netrc_is_read_as_its_manual_says(text, machines):
    found = {key: (login.username, login.password.reveal()) for key, login in parse_netrc(text).items()}
    assert found == machines


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("hunter2 h", 1),
        ("machine h\nlogin ann\npasswort hunter2", 3),
        ("machine h login ann\npassword", 2),
        ("login hunter2", 1),
        ("\nmachine h login a:hunter2 password hunter2", 2),
    ],
)
def test_a_netrc_of_another_form_is_told_with_its_line_and_not_quoted(place, text, line):
    with pytest.raises(NetrcFormError) as caught:
        parse_netrc(text)
    assert (caught.value.line, "hunter2" in str(caught.value)) == (line, False)
    (place.home / ".netrc").write_text(text)
    place.write({"h": {"BearerToken": "t"}})
    assert place.find("https://other/x") is None
    assert place.find("https://h/x") == bearer("t")
    assert place.warnings[0].startswith(f"{place.home}/.netrc:{line}: ")
    assert "hunter2" not in "".join(place.warnings)


def test_netrc_may_be_elsewhere_and_is_never_written(place):
    path = place.home / "elsewhere"
    path.write_text("machine h login ann password pw")
    place.environ["NETRC"] = str(path)
    assert place.find("https://h/x") == BasicLogin("ann", Secret("pw"))
    assert place.open().remove(["h"]) == ()
    assert path.read_text() == "machine h login ann password pw"


def test_tokens_of_anaconda_client_serve_their_servers(place):
    place.write_token("https%3A%2F%2Fapi.anaconda.org", "tk-org")
    place.write_token("https%3A%2F%2Fserver.example%2Fapi", "tk-server")
    place.write_token("https%3A%2F%2Fbad.example", "two words")
    place.write_token("https%3A%2F%2Fempty.example", "\n")
    store = place.open()
    assert store.find("https://conda.anaconda.org/x/noarch/y") == CondaToken(Secret("tk-org"))
    assert store.find("https://api.anaconda.org/x") == CondaToken(Secret("tk-org"))
    assert store.find("https://server.example/conda/x/y") == CondaToken(Secret("tk-server"), base="/conda")
    for url in (
        "https://server.example/other/x",
        "http://conda.anaconda.org/x",
        "https://conda.anaconda.org.evil/x",
    ):
        assert store.find(url) is None
    assert store.find("https://bad.example/x") is None
    (warning,) = place.warnings
    assert "bad.example.token is ignored: a conda token consists of" in warning
    assert "two words" not in warning


def test_tokens_of_anaconda_client_may_be_elsewhere_or_unwanted(place):
    folder = place.home / "binstar" / "data"
    folder.mkdir(parents=True)
    (folder / "https%3A%2F%2Fconda.anaconda.org.token").write_text("tk")
    url = "https://conda.anaconda.org/x/y"
    assert place.find(url) is None
    place.environ["BINSTAR_CONFIG_DIR"] = str(place.home / "binstar")
    assert place.find(url) == CondaToken(Secret("tk"))
    place.options["add_anaconda_token"] = False
    assert place.find(url) is None


def test_several_threads_share_a_store(place, ring):
    place.write({f"h{number}": {"BearerToken": str(number)} for number in range(50)})
    store, wrong = place.open(), []

    def ask():
        wrong.extend(
            number for number in range(50) if store.find(f"https://h{number}/x") != bearer(str(number))
        )

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert wrong == []
    assert len(ring.questions) == len(set(ring.questions))
