"""The file that is read while it is written."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.downloader import growing
from services.downloader.growing import GRAIN, Abandoned, Growing, Reader


def test_a_reader_waits_for_what_it_asks_for(tmp_path: Path) -> None:
    """Not a byte less than was asked for comes before the end, whatever the order in which both sides are quick."""
    data = os.urandom(3 * GRAIN + 5)
    with Growing(tmp_path) as file:
        read: list[bytes] = []
        reader = Reader(file)
        thread = threading.Thread(target=lambda: read.extend(iter(lambda: reader.read(1_000), b"")))
        thread.start()
        for at in range(0, len(data), 70_000):
            file.write(data[at : at + 70_000])
        file.end()
        thread.join()
    assert b"".join(read) == data
    assert {len(piece) for piece in read[:-1]} == {1_000}


def test_each_reader_has_its_own_place(tmp_path: Path) -> None:
    """Places count from the start, from here and from the end, as in any file."""
    with Growing(tmp_path) as file:
        file.write(b"0123456789")
        file.end()
        one, other = Reader(file), Reader(file)
        assert (one.read(4), other.read(2), one.tell()) == (b"0123", b"01", 4)
        assert (one.seek(-3, os.SEEK_END), one.read(9)) == (7, b"789")
        assert (other.seek(3, os.SEEK_CUR), other.read(1)) == (5, b"5")


def test_a_stated_length_is_known_before_the_end(tmp_path: Path) -> None:
    """Going to the end and back costs no wait where the size is known."""
    with Growing(tmp_path) as file:
        file.expect(1_000)
        assert Reader(file).seek(0, os.SEEK_END) == 1_000
        file.write(b"less")
        file.end()
        assert Reader(file).seek(0, os.SEEK_END) == 4


def test_what_is_shown_can_be_read_however_little_was_written_at_once(tmp_path: Path) -> None:
    """Nothing of it is left behind in memory, or a reader would take it for the end."""
    with Growing(tmp_path) as file:
        while file.size < GRAIN:
            file.write(bytes(1_000))
        assert len(file.read(0, file.size)) == file.size


def test_who_waits_for_the_length_has_it_as_soon_as_it_is_stated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decoder that looks at the end first begins when the server has said how much will come, not when it is in."""
    waits = threading.Event()

    class Told(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            waits.set()
            return super().wait(timeout)

    monkeypatch.setattr(growing, "Condition", Told)
    with Growing(tmp_path) as file, ThreadPoolExecutor(1) as threads:
        length = threads.submit(file.length)
        waits.wait()
        file.expect(1_000)
        assert length.result(10) == 1_000


def test_a_file_lies_in_its_folder_which_may_be_missing_and_is_freed(tmp_path: Path) -> None:
    """The folder is where there is room for a recording; a temporary one may be the memory."""
    folder = tmp_path / "spool" / "here"
    with Growing(folder) as file:
        place = Path(f"/proc/self/fd/{file._file.fileno()}").readlink()
    assert place.is_relative_to(folder)
    assert file._file.closed


def test_a_share_is_known_once_the_length_is(tmp_path: Path) -> None:
    """Of a length that is stated or that the end has shown, a place is a fraction; before that it is none."""
    with Growing(tmp_path) as file, Growing(tmp_path) as stated:
        stated.expect(8)
        assert (stated.share(2), stated.share(9)) == (0.25, 1.0)
        file.write(b"0123")
        assert file.share(2) == 0.0
        file.end()
        assert file.share(2) == 0.5


def test_an_abandoned_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    """Who waits for bytes or for the length is woken with an error, and so is who comes later or writes on."""
    with Growing(tmp_path) as file:
        woken: list[str] = []

        def wait(name: str) -> None:
            try:
                file.length() if name == "length" else file.read(0, 1)
            except Abandoned:
                woken.append(name)

        threads = [threading.Thread(target=wait, args=[name]) for name in ("length", "bytes")]
        for thread in threads:
            thread.start()
        file.abandon()
        for thread in threads:
            thread.join()
        assert sorted(woken) == ["bytes", "length"]
        with pytest.raises(Abandoned):
            file.read(0, 0)
        with pytest.raises(Abandoned):
            file.write(b"x")
