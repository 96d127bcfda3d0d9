"""The store on disk: what goes in comes out, and nothing that befalls a file makes it tell something wrong."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envmgr.channels.index_file import fill_with_records
from envmgr.channels.repodata import RepodataReader
from envmgr.channels.store import DamagedIndexError, IndexStore, State, StoredIndex, UnreadableIndexError
from envmgr.channels.urls import Source
from envmgr.errors import ChannelError, DataError
from envmgr.models.channel import Channel
from envmgr.ports import RecordingReporter
from tests.channels.readers import records_of, table_of

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Source(Channel("conda-forge", "https://example.org/conda-forge"), "linux-64")
STATE = State(url=SOURCE.url, form="zst", etag='"1"', max_age_seconds=60)


def record(name: str, version: str = "1.0", **more: object) -> dict[str, object]:
    return {"name": name, "version": version, "build": "0", "build_number": 0, "depends": ["x >=1"], **more}


def repodata(*records: dict[str, object], extension: str = ".conda", **more: object) -> bytes:
    section = "packages.conda" if extension == ".conda" else "packages"
    files = {f"{each['name']}-{each['version']}-{each['build']}{extension}": each for each in records}
    return json.dumps({section: files, **more}).encode()


@pytest.fixture
def store(tmp_path):
    return IndexStore(tmp_path / "index")


def test_records_come_back_under_their_name_with_file_and_origin(store):
    stored = store.replace(SOURCE, STATE, [repodata(record("a"), record("a", "2.0"), record("b"))])
    found = records_of(stored, "a")
    assert [each.fn for each in found] == ["a-2.0-0.conda", "a-1.0-0.conda"]
    assert found[1].url == "https://example.org/conda-forge/linux-64/a-1.0-0.conda"
    assert found[0].origin.channel == "https://example.org/conda-forge"
    assert found[0].depends == ["x >=1"]
    assert records_of(stored, "nothing") == []
    assert stored.names() == ["a", "b"]
    assert stored.state.records == 3


def test_what_was_stored_is_there_for_the_next_process(store):
    store.replace(SOURCE, STATE, [repodata(record("a"))]).close()
    again = IndexStore(store.folder).open(SOURCE)
    expected = State(url=SOURCE.url, form="zst", etag='"1"', max_age_seconds=60, records=1)
    assert again.state == expected
    assert [each.name for each in records_of(again, "a")] == ["a"]


def test_nothing_stored_is_none_and_makes_no_folder(store):
    assert store.open(SOURCE) is None
    assert not store.folder.exists()


def test_sources_do_not_mix(store):
    other = Source(Channel("conda-forge", "https://mirror.example.org/conda-forge"), "linux-64")
    store.replace(SOURCE, STATE, [repodata(record("a"))])
    store.replace(other, State(url=other.url, form="json"), [repodata(record("b"))])
    assert store.open(SOURCE).names() == ["a"]
    assert store.open(other).names() == ["b"]


def test_a_name_of_several_batches_is_put_together(store):
    records = [record(f"p{number % 7}", f"1.{number}", summary="x" * 3000) for number in range(7000)]
    text = repodata(*records)
    chunks = [text[start : start + 65536] for start in range(0, len(text), 65536)]
    stored = store.replace(SOURCE, STATE, chunks)
    assert len(records_of(stored, "p3")) == 1000
    assert len(stored.names()) == 7


def test_the_new_format_wins_over_the_old_one_of_the_same_package(store):
    old = json.loads(repodata(record("a"), record("a", "0.9"), extension=".tar.bz2"))
    new = json.loads(repodata(record("a")))
    stored = store.replace(SOURCE, STATE, [json.dumps({**old, **new}).encode()])
    assert sorted(each.fn for each in records_of(stored, "a")) == ["a-0.9-0.tar.bz2", "a-1.0-0.conda"]


def test_complete_returns_the_keys_beyond_the_standard(store):
    stored = store.replace(SOURCE, STATE, [repodata(record("a", purls=["pkg:pypi/a"], origin="elsewhere"))])
    (full,) = records_of(stored, "a")
    assert full.extra == {"purls": ["pkg:pypi/a"], "origin": "elsewhere"}


def test_a_record_of_wrong_types_is_left_out_and_the_others_stay(store):
    bad = record("a", "2.0", depends="x")
    stored = store.replace(SOURCE, STATE, [repodata(record("a"), bad, record("a", "3.0", constrains=None))])
    assert [each.version for each in records_of(stored, "a")] == ["3.0", "1.0"]
    ((source, fn, reason),) = table_of(stored, "a").columns.unusable
    assert (source, fn) == (0, "a-2.0-0.conda")
    assert "depends" in reason


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("https://files.example.org/x", "https://files.example.org/x/"),
        ("../files/", "https://example.org/conda-forge/files/"),
        ("//cdn.example.org/y", "https://cdn.example.org/y/"),
        ("https://user:secret@files.example.org/x", "https://files.example.org/x/"),
        (None, "https://example.org/conda-forge/linux-64/"),
    ],
)
def test_base_url_moves_the_packages(store, base_url, expected):
    """CEP 15: "`base_url` can be an absolute or a relative URL."."""
    stored = store.replace(SOURCE, STATE, [repodata(record("a"), info={"base_url": base_url})])
    assert records_of(stored, "a")[0].url == f"{expected}a-1.0-0.conda"


@pytest.mark.parametrize("base_url", ["file:///etc/", "ftp://example.org/"])
def test_a_base_url_that_leads_away_from_the_web_is_refused(store, base_url):
    with pytest.raises(DataError, match="leads away from the web"):
        store.replace(SOURCE, STATE, [repodata(record("a"), info={"base_url": base_url})])
    assert list(store.folder.iterdir()) == []


def test_a_failed_update_leaves_the_old_index_and_nothing_else(store):
    store.replace(SOURCE, STATE, [repodata(record("old"))])

    def breaking_off():
        yield repodata(record("new"))[:40]
        raise ChannelError("the wire is cut")

    with pytest.raises(ChannelError, match="the wire is cut"):
        store.replace(SOURCE, STATE, breaking_off())
    with pytest.raises(DataError, match="not valid JSON"):
        store.replace(SOURCE, STATE, [repodata(record("new"))[:-1]])
    assert store.open(SOURCE).names() == ["old"]
    assert len(list(store.folder.iterdir())) == 1


def test_a_reader_keeps_what_it_opened_while_others_update(store):
    reader = store.replace(SOURCE, STATE, [repodata(record("old"))])
    store.replace(SOURCE, STATE, [repodata(record("new"))])
    assert reader.names() == ["old"]
    assert len(records_of(reader, "old")) == 1
    assert store.open(SOURCE).names() == ["new"]


@pytest.fixture
def large(store):
    """A stored index of several pages, and its bytes."""
    stored = store.replace(
        SOURCE, STATE, [repodata(*(record(f"p{n:04}", md5=f"{n:032x}") for n in range(500)))]
    )
    stored.close()
    return stored.path, stored.path.read_bytes()


def read_all(store: IndexStore) -> int:
    """The number of records, or the error that a reader meets; -1 where nothing is stored."""
    stored = store.open(SOURCE)
    if stored is None:
        return -1
    try:
        return sum(len(records_of(stored, name)) for name in stored.names())
    finally:
        stored.close()


def test_a_file_cut_off_anywhere_is_never_trusted(store, large):
    path, whole = large
    for size in [*range(0, len(whole), 4096), 1, 15, 16, 99, 100, 101, 4095, len(whole) - 1]:
        path.write_bytes(whole[:size])
        try:
            assert read_all(store) == -1, f"cut to {size} of {len(whole)} bytes"
        except DamagedIndexError as error:
            assert str(path) in str(error)


@pytest.mark.parametrize("content", [b"", b"garbage" * 1000, b"SQLite format 3\0" + bytes(5000)])
def test_a_file_that_is_no_index_counts_as_missing_and_is_replaced(store, large, content):
    path, _ = large
    path.write_bytes(content)
    assert store.open(SOURCE) is None
    store.replace(SOURCE, STATE, [repodata(record("a"))])
    assert store.open(SOURCE).names() == ["a"]


def test_bytes_that_changed_in_a_block_are_noticed(store, large):
    path, whole = large
    found = whole.index(b"\x28\xb5\x2f\xfd", 8192)  # A zstandard frame begins like this.
    path.write_bytes(whole[: found + 20] + bytes([whole[found + 20] ^ 0xFF]) + whole[found + 21 :])
    with pytest.raises(DamagedIndexError, match="is damaged"):
        read_all(store)


def test_an_index_of_another_layout_or_another_source_counts_as_missing(store, large):
    import sqlite3

    path, whole = large
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 999")
    connection.commit()
    connection.close()
    assert store.open(SOURCE) is None
    other = Source(Channel("other", "https://example.org/other"), "noarch")
    store.path_of(other).write_bytes(whole)
    assert store.open(other) is None


CHILD = """
import sys, time
from pathlib import Path
from envmgr.channels.store import IndexStore, State
from envmgr.channels.urls import Source
from envmgr.models.channel import Channel
from tests.channels.readers import records_of

source = Source(Channel("conda-forge", "https://example.org/conda-forge"), "linux-64")
store = IndexStore(Path(sys.argv[1]))
"""


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD + textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_a_killed_update_leaves_the_old_index_and_its_traces_are_removed_later(store):
    store.replace(SOURCE, STATE, [repodata(record("old"))])
    process = child(
        """
        def chunks():
            member = '"p%06d-1-0.conda":{"name":"p%06d","version":"1","build":"0","summary":"%s"},'
            yield b'{"packages.conda":{'
            for number in range(28_000):
                yield (member % (number, number, "x" * 600)).encode()
            print("written", flush=True)
            time.sleep(60)
        store.replace(source, State(url=source.url, form="json"), chunks())
        """,
        store.folder,
    )
    with process:
        assert process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGKILL)
        assert process.wait(20) == -signal.SIGKILL
    assert store.open(SOURCE).names() == ["old"]
    (leftover,) = [path for path in store.folder.iterdir() if path != store.path_of(SOURCE)]
    assert leftover.stat().st_size > 100_000
    store.replace(SOURCE, STATE, [repodata(record("new"))])
    assert leftover.exists(), "it might belong to an update that is still under way"
    long_ago = time.time() - 7200
    os.utime(leftover, (long_ago, long_ago))
    store.replace(SOURCE, STATE, [repodata(record("newer"))])
    assert list(store.folder.iterdir()) == [store.path_of(SOURCE)]


def test_processes_that_update_at_once_leave_one_whole_index(store):
    code = """
    import json
    number = sys.argv[2]
    for turn in range(8):
        names = [f"w{number}-{item}" for item in range(400)]
        records = {f"{name}-1-0.conda": {"name": name, "version": "1", "build": "0"} for name in names}
        text = json.dumps({"packages.conda": records}).encode()
        stored = store.replace(source, State(url=source.url, form="json", etag=number), [text])
        now = store.open(source)
        assert now is not None
        assert all(name.startswith(f"w{now.state.etag}-") for name in now.names()), now.state
        assert sum(len(records_of(now, name)) for name in now.names()) == 400
    """
    processes = [child(code, store.folder, number) for number in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    for process in processes:
        process.stdout.close()
    assert len(list(store.folder.glob("*.sqlite"))) == 1
    assert len(store.open(SOURCE).names()) == 400


def test_threads_that_update_different_sources_do_not_disturb_each_other(store):
    sources = [Source(Channel(f"c{n}", f"https://example.org/c{n}"), "noarch") for n in range(6)]

    def fill(source: Source) -> list[str]:
        text = repodata(*(record(f"{source.channel.name}-{n}") for n in range(200)))
        return store.replace(source, State(url=source.url, form="json"), [text]).names()

    with ThreadPoolExecutor(4) as pool:
        for source, names in zip(sources, pool.map(fill, sources), strict=True):
            assert all(name.startswith(f"{source.channel.name}-") for name in names)
            assert len(names) == 200


def test_filling_holds_a_fraction_of_the_text_in_memory(tmp_path):
    process = child(
        """
        import resource
        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        def chunks():
            member = '"p%06d-1-0.conda":{"name":"p%06d","version":"1","build":"0","summary":"%s"},'
            yield b'{"packages.conda":{'
            for number in range(100_000):
                yield (member % (number, number, "x" * 1000)).encode()
            yield b'"z-1-0.conda":{"name":"z","version":"1","build":"0"}}}'
        store.replace(source, State(url=source.url, form="json"), [b"{}"])
        before = peak()
        stored = store.replace(source, State(url=source.url, form="json"), chunks())
        print(stored.state.records, peak() - before)
        """,
        tmp_path,
    )
    output, _ = process.communicate(timeout=60)
    records, grown = output.split()
    assert records == "100001"
    assert float(grown) < 50, "the text has 100 MiB"


def test_a_full_disk_is_an_error_that_names_the_file_and_leaves_the_old_index(store):
    store.replace(SOURCE, STATE, [repodata(record("old"))])
    process = child(
        """
        import json, resource, signal
        from envmgr.errors import ChannelError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        records = {f"p{n}-1-0.conda": {"name": f"p{n}", "version": "1", "md5": f"{n:032x}"} for n in range(20_000)}
        text = json.dumps({"packages.conda": records}).encode()
        try:
            store.replace(source, State(url=source.url, form="json"), [text])
        except ChannelError as error:
            print(error)
        """,
        store.folder,
    )
    output, _ = process.communicate(timeout=30)
    assert output.startswith(f"the index {store.path_of(SOURCE)} cannot be written: ")
    assert output.count("\n") == 1
    assert store.open(SOURCE).names() == ["old"]
    assert len(list(store.folder.iterdir())) == 1


def test_a_folder_that_cannot_be_made_is_replaced_by_a_temporary_one_with_one_warning(tmp_path):
    (tmp_path / "file").write_text("")
    store, reporter = IndexStore(tmp_path / "file" / "index"), RecordingReporter()
    assert store.open(SOURCE) is None
    assert store.replace(SOURCE, STATE, [repodata(record("a"))], reporter).names() == ["a"]
    other = Source(SOURCE.channel, "noarch")
    place = store.replace(other, State(url=other.url, form="zst"), [repodata()], reporter).path.parent
    (warning,) = reporter.warnings
    assert warning == (
        f"the index folder {store.folder} cannot be written (not a directory); "
        "what is fetched is kept for this command only."
    )
    assert store.open(SOURCE).names() == ["a"]
    store.forget(SOURCE)
    assert store.open(SOURCE) is None
    assert [path.name for path in place.iterdir()] == [store.path_of(other).name]
    store.close()
    assert not place.exists()
    assert store.open(other) is None


def test_threads_that_meet_an_unwritable_folder_share_one_temporary_folder_and_warning(tmp_path):
    (tmp_path / "index").write_text("in the way")
    store, reporter = IndexStore(tmp_path / "index"), RecordingReporter()
    sources = [Source(Channel(f"c{n}", f"https://example.org/c{n}"), "noarch") for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        stored = list(
            pool.map(
                lambda each: store.replace(
                    each, State(url=each.url, form="zst"), [repodata(record(each.channel.name))], reporter
                ),
                sources,
            )
        )
    assert len({each.path.parent for each in stored}) == len(reporter.warnings) == 1
    assert [each.names() for each in stored] == [[f"c{n}"] for n in range(8)]
    store.close()


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise RuntimeError"])
def test_the_temporary_folder_goes_with_the_process(tmp_path, monkeypatch, end):
    (tmp_path / "index").write_text("in the way")
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    process = child(
        f"""
        stored = store.replace(source, State(url=source.url, form="json"), [b"{{}}"])
        print(stored.path, stored.path.exists(), flush=True)
        {end}
        """,
        tmp_path / "index",
    )
    output, _ = process.communicate(timeout=30)
    assert output.startswith(str(tmp_path / "scratch"))
    assert output.endswith(" True\n")
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_an_index_has_the_mode_that_the_umask_leaves(store, umask, mode):
    before = os.umask(umask)
    try:
        stored = store.replace(SOURCE, STATE, [repodata(record("a"))])
    finally:
        os.umask(before)
    assert stored.path.stat().st_mode & 0o777 == mode


def test_a_folder_that_only_lets_others_read_serves_them(store, ordinary_user):
    store.mark_checked(store.replace(SOURCE, STATE, [repodata(record("old"))]), 1000.0)
    store.folder.chmod(0o555)
    stored, reporter = store.open(SOURCE), RecordingReporter()
    assert (stored.names(), stored.checked) == (["old"], 1000.0)
    assert store.replace(SOURCE, STATE, [repodata(record("new"))], reporter).names() == ["new"]
    assert len(reporter.warnings) == 1
    assert store.open(SOURCE).names() == ["new"]
    assert IndexStore(store.folder).open(SOURCE).names() == ["old"]


def test_an_index_that_may_not_be_read_is_an_error_that_names_it(store, ordinary_user):
    path = store.replace(SOURCE, STATE, [repodata(record("a"))]).path
    for closed, mode in ((path, 0o200), (store.folder, 0o600)):
        before = closed.stat().st_mode
        closed.chmod(mode)
        with pytest.raises(UnreadableIndexError) as caught:
            store.open(SOURCE)
        closed.chmod(before)
        assert str(caught.value) == f"the stored index {path} cannot be read: permission denied."
        assert caught.value.hint
    assert store.open(SOURCE).names() == ["a"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to somebody else")
def test_an_index_that_belongs_to_somebody_else_in_a_sticky_folder_gets_a_successor_elsewhere(
    store, drop_privileges
):
    path = store.replace(SOURCE, STATE, [repodata(record("old"))]).path
    store.folder.chmod(0o1777)
    os.chown(path, 12345, 12345)
    os.chown(store.folder, 12345, 12345)
    drop_privileges()
    reporter = RecordingReporter()
    assert store.replace(SOURCE, STATE, [repodata(record("new"))], reporter).names() == ["new"]
    assert len(reporter.warnings) == 1
    assert IndexStore(store.folder).open(SOURCE).names() == ["old"]
    assert list(store.folder.iterdir()) == [path]


def test_the_time_of_the_last_question_outlives_the_process(store):
    store.mark_checked(store.replace(SOURCE, STATE, [repodata()]), 1_700_000_000.5)
    assert store.open(SOURCE).checked == 1_700_000_000.5


def test_file_names_are_readable_and_hold_no_credentials():
    path = IndexStore(Path("/x")).path_of(
        Source(Channel.parse("https://user:pw@example.org/t/tk/ch"), "noarch")
    )
    assert path.name.startswith("https+example.org+ch+noarch.")
    assert path.suffix == ".sqlite"


def blocks(stored: StoredIndex) -> dict[str, set[tuple[int, bytes]]]:
    """The rows of each name: number and content."""
    import sqlite3

    connection = sqlite3.connect(stored.path)
    found: dict[str, set[tuple[int, bytes]]] = {}
    for name, row, content in connection.execute("SELECT name, id, records FROM block"):
        found.setdefault(name, set()).add((row, content))
    connection.close()
    return found


def test_an_update_writes_only_the_names_whose_records_changed(store):
    names = [f"p{number:03}" for number in range(300)]
    before = store.replace(SOURCE, STATE, [repodata(*(record(name) for name in names))])
    changed = [record(name, "1.1" if name == "p007" else "1.0") for name in names if name != "p100"]
    first = blocks(before)
    after = store.replace(SOURCE, STATE, [repodata(*changed, record("new"))], before=before)
    second = blocks(after)
    assert second.keys() == (first.keys() | {"new"}) - {"p100"}
    assert [name for name in first if second.get(name) != first[name]] == ["p007", "p100"]
    assert [each.version for each in records_of(after, "p007")] == ["1.1"]
    assert [each.version for each in records_of(before, "p100")] == ["1.0"], "an open index is what it was"
    assert after.state.records == 300
    whole = store.replace(SOURCE, STATE, [repodata(*changed, record("new"))])
    assert {name: [each.to_dict() for each in records_of(whole, name)] for name in whole.names()} == {
        name: [each.to_dict() for each in records_of(after, name)] for name in after.names()
    }


def test_an_update_of_large_names_keeps_each_record_once(store):
    def large(count: int) -> bytes:
        return repodata(*(record("p", f"1.{number}") for number in range(count)))

    stored = store.replace(SOURCE, STATE, [large(100)])
    for count in (101, 64, 500, 3):
        stored = store.replace(SOURCE, STATE, [large(count)], before=stored)
        assert sorted(each.version for each in records_of(stored, "p")) == sorted(
            f"1.{n}" for n in range(count)
        )


def test_updates_in_which_most_is_gone_do_not_leave_a_large_file(store):
    stored = store.replace(
        SOURCE, STATE, [repodata(*(record(f"p{n}", md5=f"{n:032x}") for n in range(3000)))]
    )
    large = stored.path.stat().st_size
    stored = store.replace(SOURCE, STATE, [repodata(record("p1"))], before=stored)
    assert stored.path.stat().st_size < large / 4
    assert stored.names() == ["p1"]


def test_an_update_over_a_damaged_index_is_noticed(store, large):
    path, whole = large
    before = store.open(SOURCE)
    path.write_bytes(whole[:8192] + bytes(len(whole) - 12288) + whole[-4096:])
    with pytest.raises(DamagedIndexError):
        store.replace(SOURCE, STATE, [repodata(record("a"))], before=before)
    assert len(list(store.folder.glob(".*"))) == 0


def test_a_file_that_a_channel_calls_removed_is_left_out(store):
    """CEP 36: ``removed`` lists files that were once included "but are now removed"."""
    text = repodata(
        record("a"), record("a", "2.0"), record("b"), removed=["a-1.0-0.conda", "b-1.0-0.conda", "x"]
    )
    stored = store.replace(SOURCE, STATE, [text])
    assert [each.version for each in records_of(stored, "a")] == ["2.0"]
    assert stored.parts("b") == []
    again = store.replace(SOURCE, STATE, [text], before=stored)
    assert [each.version for each in records_of(again, "a")] == ["2.0"]


def test_a_removed_file_is_left_out_whatever_name_its_record_says(store):
    document = json.loads(repodata(record("a"), record("b")))
    document["packages"] = {"odd-1.0-0.tar.bz2": record("a", "7.0"), "a-8.0-0.tar.bz2": record("a", "8.0")}
    document["removed"] = ["odd-1.0-0.tar.bz2", "none-1.0-0.conda"]
    stored = store.replace(SOURCE, STATE, [json.dumps(document).encode()])
    assert [each.version for each in records_of(stored, "a")] == ["8.0", "1.0"]
    assert [each.version for each in records_of(stored, "b")] == ["1.0"]
    document["removed"] = []
    stored = store.replace(SOURCE, STATE, [json.dumps(document).encode()], before=stored)
    assert [each.version for each in records_of(stored, "a")] == ["8.0", "7.0", "1.0"]


def two_sections(old: dict[str, object], new: dict[str, object]) -> bytes:
    return json.dumps({"packages": old, "packages.conda": new}).encode()


def test_a_record_that_both_sections_held_is_gone_with_them(store):
    files = {"a-1.0-0.conda": record("a")}
    stored = store.replace(SOURCE, STATE, [two_sections(files, files)])
    for text in (two_sections(files, {}), two_sections({}, files), two_sections(files, files)):
        stored = store.replace(SOURCE, STATE, [text], before=stored)
        assert len(records_of(stored, "a")) == 1
    stored = store.replace(SOURCE, STATE, [two_sections({}, {})], before=stored)
    assert stored.names() == []


def test_of_records_that_change_their_sections_the_one_of_the_later_counts(store):
    one, other = ({"a-1.0-0.conda": record("a", license=text)} for text in ("one", "other"))
    stored = store.replace(SOURCE, STATE, [two_sections(one, other)])
    assert [each.license for each in records_of(stored, "a")] == ["other"]
    stored = store.replace(SOURCE, STATE, [two_sections(other, one)], before=stored)
    assert [each.license for each in records_of(stored, "a")] == ["one"]


def test_of_a_file_that_is_listed_in_several_batches_the_last_record_counts_after_updates_too(store):
    def in_many_batches(path, source, state, chunks, before):
        fill_with_records(path, source, state, RepodataReader(chunks, batch_bytes=1), before)

    def text(licenses: str) -> list[bytes]:
        """Each record is followed by more others than are read at once."""
        members = []
        for number, each in enumerate(licenses):
            members.append(f'"a-1.0-0.conda":{json.dumps(record("a", license=each))}')
            filling = [record(f"{letter}{number}", summary="x" * 400_000) for letter in "bcdefg"]
            members += [f'"{other["name"]}-1.0-0.conda":{json.dumps(other)}' for other in filling]
        whole = ('{"packages.conda":{' + ",".join(members) + "}}").encode()
        return [whole[start : start + 65536] for start in range(0, len(whole), 65536)]

    stored = None
    for licenses in ("xy", "xy", "yx", "xy", "xyx", "yx", "xz"):
        stored = store.replace(SOURCE, STATE, text(licenses), before=stored, fill=in_many_batches)
        assert len(stored.parts("a")) == len(licenses)
        assert [each.license for each in records_of(stored, "a")] == [licenses[-1]]


FILES = st.dictionaries(st.integers(0, 3), st.sampled_from("xyz"), max_size=4)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(FILES, FILES, st.sets(st.integers(0, 3))), min_size=2, max_size=5))
def test_after_any_updates_an_index_says_what_one_that_is_filled_anew_says(documents):
    def section(files: dict[int, str]) -> dict[str, object]:
        return {
            name_of(each): record(f"p{each % 2}", str(each), license=text) for each, text in files.items()
        }

    def name_of(file: int) -> str:
        return f"p{file // 2}-{file}-0.conda"

    with tempfile.TemporaryDirectory() as folder:
        store, stored = IndexStore(Path(folder)), None
        fresh = IndexStore(Path(folder) / "fresh")
        for old, new, removed in documents:
            document = {"packages": section(old), "packages.conda": section(new)}
            text = json.dumps({**document, "removed": [*map(name_of, removed)]}).encode()
            stored = store.replace(SOURCE, STATE, [text], before=stored)
            assert content(stored) == content(fresh.replace(SOURCE, STATE, [text]))


def content(stored: StoredIndex) -> dict[str, list[dict[str, object]]]:
    return {name: [each.to_dict() for each in records_of(stored, name)] for name in stored.names()}


def test_a_bit_that_flips_in_the_index_of_names_hides_none_longer_than_until_the_next_update(store):
    names = [f"pearl{number}" for number in range(40)]
    before = store.replace(SOURCE, STATE, [repodata(*(record(name) for name in names))])
    changed = repodata(*(record(name, "1.1" if name == "pearl39" else "1.0") for name in names))
    whole = before.path.read_bytes()
    (part,) = before.parts("pearl7")
    places = [found.start() + 2 for found in re.finditer(b"pearl7", whole)]
    number = whole.index(b"pearl7" + bytes([part.key]) + part.digest) + len("pearl7")
    assert len(places) >= 2, "the name stands in a table and in its index"
    for at, bit in [(at, bit) for at in [*places, number] for bit in (1, 32)]:
        before.path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
        with contextlib.suppress(DamagedIndexError):
            stored = store.replace(SOURCE, STATE, [changed], before=store.open(SOURCE))
            assert stored.names() == sorted(names)
            assert all(len(records_of(stored, name)) == 1 for name in names)


def test_a_block_that_is_gone_is_damage(store):
    stored = store.replace(SOURCE, STATE, [repodata(record("a"), record("b"))])
    (part,) = stored.parts("a")
    change(stored.path, "DELETE FROM block WHERE id = ?", part.key)
    with pytest.raises(DamagedIndexError, match="a block is gone"):
        store.open(SOURCE).block(part)


def test_no_bit_of_a_block_flips_unnoticed(store):
    text = json.dumps({"packages.conda": {"a-1.0-0.conda": record("a", md5=os.urandom(16).hex())}}).encode()
    stored = store.replace(SOURCE, STATE, [text])
    (part,) = stored.parts("a")
    expected = stored.block(part)
    ((_, blob),) = blocks(stored)["a"]
    for at in range(len(blob)):
        change(
            stored.path, "UPDATE block SET records = ?", blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]
        )
        with contextlib.suppress(DamagedIndexError):
            assert store.open(SOURCE).block(part) == expected, f"byte {at}"


def change(path: Path, statement: str, value: int | bytes) -> None:
    import sqlite3

    connection = sqlite3.connect(path)
    connection.execute(statement, (value,))
    connection.commit()
    connection.close()
