from __future__ import annotations

import errno
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier

import pytest

from cnai_magic.errors import InputError
from cnai_magic.magics.cell_words import CELL
from cnai_magic.notebook.files import read_text, write_new


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


def refuse_links(*_: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.fixture(params=[False, True], ids=["links", "no links"])
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system with hard links, and one without."""
    if request.param:
        monkeypatch.setattr(os, "link", refuse_links)


# -- written ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("file_system")
def test_a_new_file_holds_the_bytes_as_they_are_and_nothing_else_is_left(tmp_path: Path) -> None:
    data = bytes(range(256)) * 1000 + b"\r\n\n"
    write_new(tmp_path / "chat.md", data)
    assert (tmp_path / "chat.md").read_bytes() == data
    assert names(tmp_path) == ["chat.md"]


@pytest.mark.usefixtures("file_system")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o000])
def test_a_new_file_has_the_mode_that_any_new_file_has(tmp_path: Path, mask: int) -> None:
    with umask(mask):
        write_new(tmp_path / "chat.md", b"x")
        write_new(tmp_path / "forced.md", b"x", force=True)
    assert mode(tmp_path / "chat.md") == mode(tmp_path / "forced.md") == 0o666 & ~mask


@pytest.mark.usefixtures("file_system")
def test_a_file_that_exists_is_not_replaced_and_the_error_says_how_to(tmp_path: Path) -> None:
    path = tmp_path / "chat.md"
    path.write_text("mine")
    with pytest.raises(InputError) as caught:
        write_new(path, b"other")
    assert str(path) in caught.value.what
    assert "--force" in caught.value.next_step.at(CELL)
    assert path.read_text() == "mine"
    assert names(tmp_path) == ["chat.md"]


@pytest.mark.usefixtures("file_system")
def test_a_file_that_appears_at_the_last_moment_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "chat.md"
    monkeypatch.setattr(os, "fsync", lambda _: path.write_text("mine"))
    with pytest.raises(InputError, match="exists already"):
        write_new(path, b"other")
    assert path.read_text() == "mine"
    assert names(tmp_path) == ["chat.md"]


@pytest.mark.usefixtures("file_system")
def test_of_many_that_write_one_file_exactly_one_does(tmp_path: Path) -> None:
    writers = 8
    start = Barrier(writers)

    def write(number: int) -> int | None:
        start.wait()
        try:
            write_new(tmp_path / "chat.md", str(number).encode() * 100_000)
        except InputError:
            return None
        return number

    with ThreadPoolExecutor(writers) as pool:
        for _ in range(10):
            (tmp_path / "chat.md").unlink(missing_ok=True)
            done = [each for each in pool.map(write, range(writers)) if each is not None]
            assert len(done) == 1
            assert (tmp_path / "chat.md").read_bytes() == str(done[0]).encode() * 100_000
    assert names(tmp_path) == ["chat.md"]


@pytest.mark.parametrize("kept", [0o600, 0o644, 0o640, 0o755])
def test_force_replaces_a_file_and_keeps_its_mode(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "chat.md"
    path.write_text("a much longer text than the new one")
    path.chmod(kept)
    with umask(0o022):
        write_new(path, b"new", force=True)
    assert (path.read_bytes(), mode(path)) == (b"new", kept)
    assert names(tmp_path) == ["chat.md"]


def test_force_replaces_what_a_link_points_to_and_not_the_link(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "real.md", tmp_path / "link.md"
    target.write_text("old")
    link.symlink_to(Path("folder") / "real.md")
    write_new(link, b"new", force=True)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["folder", "link.md"]
    assert names(tmp_path / "folder") == ["real.md"]


def test_force_writes_through_a_link_that_leads_nowhere_yet_and_without_it_the_name_is_taken(
    tmp_path: Path,
) -> None:
    target, link = tmp_path / "real.md", tmp_path / "link.md"
    link.symlink_to(target)
    with pytest.raises(InputError, match="exists already"):
        write_new(link, b"new")
    assert not target.exists()
    write_new(link, b"new", force=True)
    assert target.read_bytes() == b"new"
    assert link.is_symlink()


def test_the_home_folder_is_expanded() -> None:
    write_new(Path("~/chat.md"), b"x")
    assert (Path.home() / "chat.md").read_bytes() == b"x"
    assert read_text(Path("~/chat.md")) == "x"


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("name", "why", "next_step"),
    [
        ("missing/chat.md", "folder does not exist", "make the folder"),
        ("file/chat.md", "not a folder", "another folder"),
        ("a\0b", "called so", "another name"),
        ("\ud800", "called so", "another name"),
        ("x" * 300, "too long", "shorter"),
    ],
)
def test_what_cannot_be_written_says_why_and_what_to_do(
    tmp_path: Path, name: str, why: str, next_step: str, force: bool
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError) as caught:
        write_new(tmp_path / name, b"x", force=force)
    assert why in caught.value.why
    assert next_step in caught.value.next_step.at(CELL)
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("force", [False, True])
def test_what_is_no_file_is_never_replaced(tmp_path: Path, force: bool) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    for path, what in [
        (tmp_path / "pipe", "is a pipe"),
        (tmp_path / "folder", "is a folder"),
        (tmp_path / "link", "is a folder"),
        (tmp_path, "is a folder"),
        (Path("/dev/null"), "is a device"),
        (Path(), "is a folder"),
    ]:
        with pytest.raises(InputError, match=what):
            write_new(path, b"x", force=force)
    assert names(tmp_path) == ["folder", "link", "pipe"]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_link_that_leads_back_to_itself_is_not_replaced(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(link)
    with pytest.raises(InputError, match="back to itself"):
        write_new(link, b"x", force=True)
    with pytest.raises(InputError, match="back to itself"):
        read_text(link)
    assert link.is_symlink()


def test_without_permission_the_error_says_so() -> None:
    if not Path("/sys").is_dir():
        pytest.skip("needs a folder in which nobody may write")
    with pytest.raises(InputError) as caught:
        write_new(Path("/sys/cnai-test.md"), b"x")
    assert "permission" in caught.value.why or "only be read" in caught.value.why
    assert "another folder" in caught.value.next_step.at(CELL)


@pytest.mark.usefixtures("file_system")
@pytest.mark.parametrize("force", [False, True])
def test_a_file_for_which_there_is_no_room_leaves_nothing_behind_and_the_old_one_whole(
    tmp_path: Path, force: bool
) -> None:
    path = tmp_path / "chat.md"
    if force:
        path.write_text("mine")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(InputError) as caught:
            write_new(path, b"x" * 200_000, force=force)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert "larger" in caught.value.why
    assert names(tmp_path) == (["chat.md"] if force else [])
    assert not force or path.read_text() == "mine"


@pytest.mark.parametrize(
    ("number", "why"), [(errno.ENOSPC, "disk is full"), (errno.EDQUOT, "quota"), (errno.EIO, "put/output")]
)
def test_a_disk_that_fails_is_told_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, why: str
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InputError) as caught:
        write_new(tmp_path / "chat.md", b"x")
    assert why in caught.value.why
    assert names(tmp_path) == []


@pytest.mark.usefixtures("file_system")
def test_an_interrupt_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    for force in (False, True):
        with pytest.raises(KeyboardInterrupt):
            write_new(tmp_path / "chat.md", b"x", force=force)
    assert names(tmp_path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_without_links_what_fails_at_last_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    calls = iter([False, True])

    def fail(*_: object) -> None:
        if next(calls):
            raise error

    monkeypatch.setattr(os, "link", refuse_links)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises((InputError, KeyboardInterrupt)):
        write_new(tmp_path / "chat.md", b"x")
    assert names(tmp_path) == []
    assert next(calls, None) is None


def test_a_process_that_is_killed_leaves_no_half_file_under_the_name(tmp_path: Path) -> None:
    path = tmp_path / "chat.md"
    path.write_bytes(b"old")
    code = (
        "import sys; from pathlib import Path; from cnai_magic.notebook.files import write_new\n"
        "print(flush=True)\n"
        "for number in range(10**9): write_new(Path(sys.argv[1]), b'%d' % (number % 10) * 10**6, force=True)"
    )
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as process:
            assert process.stdout
            process.stdout.readline()
            while path.read_bytes() == b"old":
                assert process.poll() is None
            process.kill()
        data = path.read_bytes()
        assert len(data) == 10**6
        assert len(set(data)) == 1


# -- read ---------------------------------------------------------------------------------------


def test_a_text_is_read_with_its_line_ends_and_without_a_bom(tmp_path: Path) -> None:
    path = tmp_path / "chat.md"
    path.write_bytes("\ufeffa\r\nb\rc\n\u2028\0é\ufeff".encode())
    assert read_text(path) == "a\r\nb\rc\n\u2028\0é\ufeff"
    path.write_bytes(b"")
    assert read_text(path) == ""


def test_a_link_to_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "real.md").write_text("x")
    (tmp_path / "link.md").symlink_to("real.md")
    assert read_text(tmp_path / "link.md") == "x"


def test_a_missing_file_names_those_that_are_like_it(tmp_path: Path) -> None:
    for name in ("planning.md", "planing.json", "other.txt"):
        (tmp_path / name).write_text("")
    with pytest.raises(InputError) as caught:
        read_text(tmp_path / "planing.md")
    assert str(tmp_path / "planing.md") in caught.value.what
    assert caught.value.why == "did you mean 'planning.md' or 'planing.json'?"
    with pytest.raises(InputError, match="it is not in"):
        read_text(tmp_path / "zzz")
    with pytest.raises(InputError, match="there is no folder"):
        read_text(tmp_path / "nowhere" / "planing.md")
    (tmp_path / "lost.md").symlink_to("nowhere.md")
    with pytest.raises(InputError, match="leads nowhere"):
        read_text(tmp_path / "lost.md")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"abc\xff", "byte 4 (0xff)"),
        (b"\xef\xbb\xbfab\xe9 ", "byte 6 (0xe9)"),
        ("😀".encode()[:3], "byte 1 (0xf0)"),
        (b"\xed\xa0\x80", "byte 1 (0xed)"),
        ("text".encode("utf-16"), "it looks like UTF-16"),
    ],
)
def test_what_is_not_utf_8_says_where(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "chat.md").write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_text(tmp_path / "chat.md")
    assert why in caught.value.why
    assert "UTF-8" in caught.value.next_step.at(CELL)


def test_a_file_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "chat.md"
    path.write_bytes(b"12345678")
    assert read_text(path, limit=8) == "12345678"
    with pytest.raises(InputError, match="too large"):
        read_text(path, limit=7)
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(InputError, match="268,435,456 bytes"):
        read_text(path)


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    # To open a pipe that nobody writes to would block for ever.
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for path, what in [
        (tmp_path / "pipe", "is a pipe"),
        (tmp_path / "link", "is a pipe"),
        (tmp_path, "is a folder"),
        (Path("/dev/zero"), "is a device"),
    ]:
        with pytest.raises(InputError, match=what):
            read_text(path)


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        with pytest.raises(InputError, match="is a socket"):
            read_text(Path("socket"))


@pytest.mark.parametrize(
    ("name", "why"),
    [("a\0b", "called so"), ("\ud800", "called so"), ("x" * 300, "too long"), ("file/x", "not a folder")],
)
def test_a_name_that_cannot_be_read_says_why(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError) as caught:
        read_text(tmp_path / name)
    assert why in caught.value.why


def test_an_unknown_home_folder_says_so() -> None:
    for use in (read_text, lambda path: write_new(path, b"x")):
        with pytest.raises(InputError) as caught:
            use(Path("~nobody-of-this-name/chat.md"))
        assert caught.value.next_step.at(CELL) == "write the path out"
