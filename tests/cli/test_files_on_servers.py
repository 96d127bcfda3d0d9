"""Environment files that are named by a URL: read as those on the disk, and leading to nothing on this machine."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from tests.builders import make_channel, pkg
from tests.servers import Fault, Server, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.command import Envmgr, Outcome

HTML = {"Content-Type": "text/html; charset=utf-8"}
LOGIN = "Basic " + base64.b64encode(b"me:s3cret").decode()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "www"
    make_channel(folder / "c", [pkg("a", "1", files={"share/a": "a"}), pkg("python", "3.12.1")])
    (folder / "conf").mkdir()
    with serve(folder) as found:
        text = f"channels: [{found.url}/c, nodefaults]\ndependencies: [a]\n"
        (folder / "conf" / "environment.yml").write_text(f"# Wanted.\n{text}")
        (folder / "conf" / "both.yml").write_text(f"{text}- include: environment.yml\n".replace("[a]", ""))
        (folder / "list.txt").write_text(f"@EXPLICIT\n{found.url}/c/linux-64/a-1-0.conda\n")
        yield found


@pytest.fixture
def create(envmgr: Envmgr, tmp_path: Path):  # type: ignore[no-untyped-def]
    def made(*words: object, name: str = "env") -> Outcome:
        return envmgr("create", "-y", "-p", tmp_path / name, *words)

    return made


def refused(done: Outcome) -> tuple[str, str]:
    """The sentence and the hint of what failed in one sentence, and without a traceback."""
    assert done.code in (1, 2), done.out
    first, *rest = done.err.splitlines()
    return first.removeprefix("envmgr: "), rest[0].strip() if rest else ""


def test_an_environment_is_made_and_updated_from_a_url(
    envmgr: Envmgr, create, server: Server, tmp_path: Path
) -> None:
    url = f"{server.url}/conf/environment.yml"
    done = create("-f", f"{url}?token=s1gned")
    assert done.code == 0, done.err
    assert (tmp_path / "env" / "share" / "a").read_text() == "a"
    assert [seen.path for seen in server.requests if "conf" in seen.path] == ["/conf/environment.yml"]
    (step,) = envmgr("history", "-p", tmp_path / "env", "--json").json
    assert (step["files"], step["specs"]) == ([url], ["a"])
    assert "s1gned" not in done.out + done.err + json.dumps(step)
    exported = envmgr("export", "-p", tmp_path / "env", "--from-history")
    assert ("# Wanted." in exported.out, exported.err) == (True, "")
    assert envmgr("update", "-y", "-p", tmp_path / "env", "--prune", "-f", url).code == 0
    same = envmgr("diff", f"{url}?token=s1gned", tmp_path / "env")
    assert (same.code, same.err) == (0, "both are the same\n")
    told = refused(envmgr("install", "-y", "-p", tmp_path / "env", "--save", "a"))
    assert told[0] == f"{tmp_path}/env came from {url}, which is on a server and cannot be written."


def test_included_files_lie_beside_the_one_that_names_them(create, server: Server, tmp_path: Path) -> None:
    done = create("-f", f"{server.url}/conf/both.yml")
    assert (done.code, (tmp_path / "env" / "share" / "a").exists()) == (0, True), done.err


def test_explicit_files_and_file_urls_are_read(create, server: Server, tmp_path: Path) -> None:
    assert create("-f", f"{server.url}/list.txt").code == 0
    local = tmp_path / "with space.yml"
    local.write_bytes((tmp_path / "www" / "conf" / "environment.yml").read_bytes())
    assert create("-f", local.as_uri(), name="other").code == 0


def test_a_lock_is_made_of_a_file_on_a_server_and_read_from_one(
    envmgr: Envmgr, create, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"{server.url}/conf/environment.yml"
    made = envmgr("lock", "-f", url)
    assert made.code == 0, made.err
    text = (tmp_path / "conda-lock.yml").read_text()
    assert f"- {url}" in text
    assert envmgr("lock", "--check").code == 0
    (tmp_path / "www" / "conda-lock.yml").write_text(text)
    done = create("-f", f"{server.url}/conda-lock.yml")
    assert (done.code, (tmp_path / "env" / "share" / "a").exists()) == (0, True), done.err
    (tmp_path / "www" / "conda-lock.yml").write_text(
        text.replace(f"{server.url}/c", f"file://{tmp_path}/www/c")
    )
    assert "is a place on this machine" in refused(create("-f", f"{server.url}/conda-lock.yml", name="x"))[0]


def test_a_kept_login_is_sent_and_one_in_the_url_is_shown_nowhere(
    envmgr: Envmgr, create, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = server.url.removeprefix("http://")
    (tmp_path / "logins.json").write_text(
        json.dumps({host: {"BasicHTTP": {"username": "me", "password": "s3cret"}}})
    )
    done = create("-f", f"http://me:s3cret@{host}/conf/both.yml")
    assert done.code == 0, done.err
    monkeypatch.setenv("RATTLER_AUTH_FILE", str(tmp_path / "logins.json"))
    kept = create("-f", f"{server.url}/conf/environment.yml", name="kept")
    assert kept.code == 0, kept.err
    assert {seen.headers.get("authorization") for seen in server.requests if "conf" in seen.path} == {LOGIN}
    left = [path for path in (tmp_path / "env").rglob("*") if path.is_file()]
    assert not [path for path in left if b"s3cret" in path.read_bytes()]
    assert "s3cret" not in done.out + done.err


@pytest.mark.parametrize(
    ("fault", "sentence", "hint"),
    [
        (Fault(status=404), "there is no file {url} (HTTP status 404).", "envmgr auth login"),
        (Fault(status=401), "{url} asks for a login (HTTP status 401).", "envmgr auth login"),
        (Fault(status=403), "{url} may not be read (HTTP status 403).", "envmgr auth login"),
        (Fault(status=418), "{url} answered with HTTP status 418.", ""),
        (
            Fault(body=b"x", headers=HTML),
            "{url} is a web page, not the file itself.",
            "of the file itself",
        ),
        (Fault(body=b"\n<!DOCTYPE html>\n<html>"), "{url} is a web page, not the file itself.", "itself"),
        (Fault(body=b"\x89PNG\xff\xfe\x00"), "{url}", ""),
        (Fault(body=b""), "{url}", ""),
    ],
)
def test_what_is_no_environment_file_is_told_in_one_sentence(
    create, server: Server, fault: Fault, sentence: str, hint: str, tmp_path: Path
) -> None:
    server.faults["/conf/environment.yml"] = fault
    url = f"{server.url}/conf/environment.yml"
    told, advice = refused(create("-f", url))
    assert told == sentence.format(url=url) if sentence.endswith(".") else told.startswith(url)
    assert hint in advice
    assert not (tmp_path / "env").exists()


def test_files_of_a_server_lead_to_nothing_on_this_machine(create, server: Server, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("python\n")
    pip = f"channels: [{server.url}/c, nodefaults]\ndependencies:\n- python\n- pip:\n  - {{}}\n"
    for text in (
        f"@EXPLICIT\n{secret.parent}/a-1-0.conda\n",
        "@EXPLICIT\na-1-0.conda\n",
        *map(
            pip.format,
            (
                f"-r {secret.as_uri()}", "-e .", "./project", f"{tmp_path}/project", "x.whl", "-f wheels",
                f"x @ {secret.as_uri()}", f"git+{tmp_path.as_uri()}", "x @ ./project", "~/project", "-i ./index",
                "x @ ${HOME}/project",
            ),
        ),
    ):  # fmt: skip
        (tmp_path / "www" / "environment.yml").write_text(text)
        told = refused(create("-f", f"{server.url}/environment.yml"))[0]
        assert "is a place on this machine, and the file comes from a server." in told, (text, told)
    (tmp_path / "www" / "environment.yml").write_text(pip.format("-r more.txt"))
    assert "/more.txt" in refused(create("-f", f"{server.url}/environment.yml"))[0]
    for place, told in ((secret, "there is no file"), (secret.as_uri(), "only files can be included")):
        (tmp_path / "www" / "environment.yml").write_text(f"dependencies:\n- include: {place}\n")
        assert told in refused(create("-f", f"{server.url}/environment.yml"))[0]


def test_offline_no_server_is_asked(create, server: Server) -> None:
    told = refused(create("--offline", "-f", f"{server.url}/conf/environment.yml"))
    assert (f"{server.url}/conf/environment.yml" in told[0], server.requests) == (True, [])
