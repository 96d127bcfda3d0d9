"""Sources of recipes: archives, folders, git, patches, downloads, and the work folders around them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from envmgr.build.document import Place
from envmgr.build.environment import read_environment
from envmgr.build.recipe import Source
from envmgr.build.sources import SourceFetcher
from envmgr.build.workplace import Workplace, open_workplace, remove_tree
from envmgr.errors import BuildError, ChannelError
from tests.small_world import NoNetwork, RealRunner

AT = Place("recipe.yaml", 5)
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
needs_patch = pytest.mark.skipif(shutil.which("patch") is None, reason="patch is not installed")


class Served:
    """A transport that answers from a dictionary and counts."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.asked = files, []

    def open(self, url, headers=None):
        self.asked.append(url)
        if url.startswith("down:"):
            raise ChannelError(f"{url} does not answer.")
        return Answer(url, self.files.get(url))


class Answer:
    def __init__(self, url: str, body: bytes | None) -> None:
        self.url, self.body, self.status, self.headers = url, body, 404 if body is None else 200, {}

    def iter_bytes(self, size: int = 1 << 16):
        yield self.body or b""

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        pass


def tar_of(members: dict[str, str], mode: str = "w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:
        for name, text in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


def fetch(tmp_path: Path, *sources: Source, transport=None) -> dict[str, str]:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    fetcher = SourceFetcher(transport or NoNetwork(), RealRunner(), tmp_path / "cache", environ)
    (tmp_path / "recipe").mkdir(exist_ok=True)
    work = tmp_path / "work"
    fetcher.fetch(sources, tmp_path / "recipe", work)
    found = (path for path in sorted(work.rglob("*")) if path.is_file() and ".git" not in path.parts)
    return {path.relative_to(work).as_posix(): path.read_text() for path in found}


def url_source(body: bytes, *urls: str, **options) -> Source:
    return Source(AT, urls=urls, sha256=options.pop("sha256", hashlib.sha256(body).hexdigest()), **options)


@pytest.mark.parametrize(
    ("name", "mode"),
    [("s.tar.gz", "w:gz"), ("s.tgz", "w:gz"), ("s.tar.bz2", "w:bz2"), ("s.tar.xz", "w:xz"), ("s.tar", "w:")],
)
def test_archive_is_unpacked_without_its_top_folder(tmp_path: Path, name: str, mode: str) -> None:
    body = tar_of({"top/a.txt": "A", "top/sub/b.txt": "B"}, mode)
    source = url_source(body, f"http://x/{name}")
    assert fetch(tmp_path, source, transport=Served({f"http://x/{name}": body})) == {
        "a.txt": "A",
        "sub/b.txt": "B",
    }


def test_zip_keeps_executables_and_zst_is_read(tmp_path: Path) -> None:
    import zstandard

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as out:
        info = zipfile.ZipInfo("t/run.sh")
        info.external_attr = 0o755 << 16
        out.writestr(info, "echo")
    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe/z.zip").write_bytes(packed.getvalue())
    (tmp_path / "recipe/z.tar.zst").write_bytes(
        zstandard.ZstdCompressor().compress(tar_of({"t/c.txt": "C"}, "w:"))
    )
    files = fetch(
        tmp_path, Source(AT, path="z.zip"), Source(AT, path="z.tar.zst", target_directory="deep/er")
    )
    assert files == {"run.sh": "echo", "deep/er/c.txt": "C"}
    assert os.access(tmp_path / "work/run.sh", os.X_OK)


def test_named_file_is_kept_as_it_is(tmp_path: Path) -> None:
    body = tar_of({"top/a.txt": "A"})
    source = url_source(body, "http://x/s.tar.gz", file_name="kept.bin")
    environ = Served({"http://x/s.tar.gz": body})
    with pytest.raises(UnicodeDecodeError):
        fetch(tmp_path, source, transport=environ)
    assert (tmp_path / "work/kept.bin").read_bytes() == body


def test_second_build_downloads_nothing(tmp_path: Path) -> None:
    body = tar_of({"a.txt": "A"})
    transport = Served({"http://x/s.tar.gz": body})
    for _ in range(2):
        fetch(tmp_path, url_source(body, "http://x/s.tar.gz"), transport=transport)
    assert transport.asked == ["http://x/s.tar.gz"]


def test_mirror_is_tried_when_the_first_url_fails(tmp_path: Path) -> None:
    body = tar_of({"a.txt": "A"})
    source = url_source(body, "down://1/s.tar.gz", "http://missing/s.tar.gz", "http://x/s.tar.gz")
    assert fetch(tmp_path, source, transport=Served({"http://x/s.tar.gz": body})) == {"a.txt": "A"}


def test_wrong_checksum_and_dead_urls_are_told_with_the_place(tmp_path: Path) -> None:
    transport = Served({"http://x/s.tar.gz": b"other"})
    with pytest.raises(
        BuildError, match=r"recipe.yaml:5: http://x/s.tar.gz has the sha256 \w+, expected \w+"
    ):
        fetch(tmp_path, url_source(b"body", "http://x/s.tar.gz"), transport=transport)
    with pytest.raises(
        BuildError, match=r"recipe.yaml:5: the source could not be downloaded: down://1 does not answer"
    ):
        fetch(tmp_path, url_source(b"body", "down://1"), transport=transport)
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("name", ["../out.txt", "/abs/out.txt", "top/../../out.txt"])
def test_archive_member_cannot_leave_the_work_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe/s.tar").write_bytes(tar_of({name: "x", "other/y": "y"}, "w:"))
    with zipfile.ZipFile(tmp_path / "recipe/s.zip", "w") as out:
        out.writestr(name, "x")
    if name.startswith("/"):  # tarfile's filter makes absolute names relative
        fetch(tmp_path, Source(AT, path="s.tar"))
    else:
        with pytest.raises(BuildError, match=r"recipe.yaml:5: the archive s.tar cannot be unpacked"):
            fetch(tmp_path, Source(AT, path="s.tar"))
    with pytest.raises(BuildError, match=r"recipe.yaml:5: the archive s.zip cannot be unpacked"):
        fetch(tmp_path, Source(AT, path="s.zip"))
    assert not (tmp_path / "out.txt").exists() and not Path("/abs").exists()


def test_target_directory_cannot_leave_the_work_folder(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"recipe.yaml:5: '\.\./x' would leave the work folder"):
        fetch(tmp_path, Source(AT, path=".", target_directory="../x"))


def test_missing_local_source_is_told(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"recipe.yaml:5: there is no source 'nowhere'"):
        fetch(tmp_path, Source(AT, path="nowhere"))


@needs_git
def test_folder_in_git_is_copied_without_what_git_ignores(tmp_path: Path) -> None:
    folder = tmp_path / "recipe/src"
    folder.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    for name, text in {".gitignore": "*.o\n", "a.c": "A", "a.o": "O"}.items():
        (folder / name).write_text(text)
    assert fetch(tmp_path, Source(AT, path="src")) == {".gitignore": "*.o\n", "a.c": "A"}
    assert "a.o" in fetch(tmp_path, Source(AT, path="src", use_gitignore=False))


@needs_git
def test_git_source_is_checked_out_at_its_revision(tmp_path: Path) -> None:
    folder = tmp_path / "recipe/repo"
    git = ["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e@x"]
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    for text in ("one", "two"):
        (folder / "f").write_text(text)
        subprocess.run([*git, "add", "f"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", text], check=True)
    subprocess.run([*git, "tag", "v1", "HEAD~1"], check=True)
    assert fetch(tmp_path, Source(AT, git="repo", revision="v1", target_directory="r")) == {"r/f": "one"}
    with pytest.raises(BuildError, match=r"recipe.yaml:5: git could not bring the source"):
        fetch(tmp_path, Source(AT, git="repo", revision="v9", target_directory="s"))


@needs_patch
def test_patches_are_applied_in_order(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe"
    (recipe / "src").mkdir(parents=True)
    (recipe / "src/f").write_text("one\n")
    (recipe / "p.diff").write_text("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-one\n+two\n")
    assert fetch(tmp_path, Source(AT, path="src", patches=("p.diff",))) == {"f": "two\n"}
    with pytest.raises(BuildError, match=r"recipe.yaml:5: the patch p.diff does not apply"):
        fetch(tmp_path, Source(AT, path="src", target_directory="again", patches=("p.diff", "p.diff")))


def test_host_environment_has_a_path_of_255_characters(tmp_path: Path) -> None:
    for length in (1, 30):
        root = tmp_path / ("r" * length)
        assert len(os.fsencode(Workplace(root, tmp_path).prefix)) == 255
    with (
        pytest.raises(BuildError, match="is too long: the host environment in it has 255 characters"),
        open_workplace(tmp_path / ("d" * 200), "n" * 60, keep_failed=False),
    ):
        pass


def test_workplace_is_fresh_and_goes_away_even_with_locked_folders(tmp_path: Path) -> None:
    (tmp_path / "w/n/left").mkdir(parents=True)
    with open_workplace(tmp_path / "w", "n", keep_failed=True) as place:
        assert list(place.root.iterdir()) == []
        (place.root / "locked/inner").mkdir(parents=True)
        (place.root / "locked").chmod(0o500)
    assert not place.root.exists()
    remove_tree(tmp_path / "never")


def test_environment_is_read_with_run_exports_of_both_forms(tmp_path: Path) -> None:
    prefix = tmp_path / "env"
    (prefix / "conda-meta").mkdir(parents=True)
    for name, exports in {"a": '["x >=1"]', "b": '{"strong": ["y"], "weak": []}', "c": None}.items():
        folder = tmp_path / name / "info"
        folder.mkdir(parents=True)
        if exports:
            (folder / "run_exports.json").write_text(exports)
        record = {"name": name, "version": "1", "build": "0", "extracted_package_dir": str(tmp_path / name)}
        (prefix / f"conda-meta/{name}-1-0.json").write_text(json.dumps(record))
    found = read_environment(prefix)
    assert [dict(found[name].exports) for name in "abc"] == [{"weak": ("x >=1",)}, {"strong": ("y",)}, {}]
    (prefix / "conda-meta/d-1-0.json").write_text("{")
    with pytest.raises(BuildError, match=r"conda-meta/d-1-0.json cannot be read as JSON"):
        read_environment(prefix)


def test_second_build_of_a_recipe_waits_for_the_first(tmp_path: Path) -> None:
    import threading

    order: list[str] = []
    inside = threading.Event()

    def second() -> None:
        inside.wait(10)
        with open_workplace(tmp_path, "n", keep_failed=False):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with open_workplace(tmp_path, "n", keep_failed=False):
        inside.set()
        thread.join(0.2)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert list(tmp_path.iterdir()) == []


def test_wheel_stays_a_file_for_pip(tmp_path: Path) -> None:
    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe/a-1-py3-none-any.whl").write_text("wheel")
    assert fetch(tmp_path, Source(AT, path="a-1-py3-none-any.whl")) == {"a-1-py3-none-any.whl": "wheel"}
