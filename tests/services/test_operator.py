"""The `scribe` command: its messages, its bars, its gateway client and its doctor."""

import asyncio
import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from aiohttp import BodyPartReader, web
from pydantic import SecretStr

from services.operator import demo, jobs
from services.operator.demo import clock, sample, show
from services.operator.failed import Failed
from services.operator.gateway import Gateway
from services.operator.jobs import located
from services.operator.main import build, main
from services.operator.message import job_message
from services.operator.screen import screen
from services.operator.settings import OperatorSettings
from services.operator.up import scales
from shared.settings import WrongSettings, load
from tests.fakes.operator import gateway_that

SCRIBE = Path(sys.executable).with_name("scribe")
COMPLETED = b'event: completed\ndata: {"happening": "completed"}\n\n'


def test_options_are_json_or_text_and_a_dot_reaches_inside() -> None:
    """What was not given is not sent."""
    asked = ["beam_size=3", "vad.threshold=0.4", "vad.padding=0", "metadata.title=a b", "initial_prompt=x=y"]
    assert job_message(asked, language="he", model=None, diarize=False) == {
        "language": "he",
        "diarize": False,
        "beam_size": 3,
        "vad": {"threshold": 0.4, "padding": 0},
        "metadata": {"title": "a b"},
        "initial_prompt": "x=y",
    }


@pytest.mark.parametrize("wrong", ["beam_size", "=3", "language.code=he"])
def test_an_option_that_cannot_be_meant_is_named(wrong: str) -> None:
    """No sign, no name, and a way into a value that has no inside."""
    with pytest.raises(Failed, match=f"'{wrong}'"):
        job_message([wrong], language="he")


async def test_a_file_goes_up_with_its_options_and_the_token(tmp_path: Path) -> None:
    """As the form's two fields, `options` first so that they can be checked before the file is read."""
    recording = tmp_path / "talk.wav"
    recording.write_bytes(b"RIFF" * 1000)
    seen: dict[str, Any] = {}

    async def take(request: web.Request) -> web.Response:
        seen["authorization"] = request.headers["Authorization"]
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            seen[str(part.name)] = await part.read(decode=False)
        return web.json_response({"id": "7", "state": "accepted"}, status=202)

    async with gateway_that(take) as server, Gateway(str(server.make_url("")), "t0") as gateway:
        assert await gateway.upload(recording, {"language": "he"}) == "7"
    assert list(seen) == ["authorization", "options", "file"]
    assert seen["authorization"] == "Bearer t0"
    assert json.loads(seen["options"]) == {"language": "he"}
    assert seen["file"] == recording.read_bytes()


def test_headers_of_a_source_go_with_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked of the source besides is not lost."""
    asked: list[dict[str, Any]] = []

    class Taking:
        async def submit(self, job: dict[str, Any]) -> str:
            asked.append(job)
            return "7"

    monkeypatch.setattr(jobs, "with_gateway", lambda do: asyncio.run(do(Taking())))
    jobs.submit("https://example.org/a.mp3", option=["source.headers.Authorization=Bearer abc"])
    assert asked == [{"source": {"url": "https://example.org/a.mp3", "headers": {"Authorization": "Bearer abc"}}}]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (422, {"errors": [{"field": "language", "error": "is not known"}]}, "^language: is not known$"),
        (401, {}, "set SCRIBE_TOKEN"),
        (404, {"detail": "no such job"}, "404 Not Found: .*no such job"),
    ],
)
async def test_what_the_gateway_refuses_is_said_with_its_reason(status: int, body: Any, said: str) -> None:
    """Each wrong field by name; else status and text."""

    async def refuse(_: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    async with gateway_that(refuse) as server, Gateway(str(server.make_url(""))) as gateway:
        with pytest.raises(Failed, match=said):
            await gateway.submit({"language": "xx"})


async def test_a_gateway_that_is_away_is_named_with_what_to_type(unused_tcp_port: int) -> None:
    """A refused connection says how to start one."""
    async with Gateway(f"http://127.0.0.1:{unused_tcp_port}") as gateway:
        with pytest.raises(Failed, match=f"{unused_tcp_port} does not answer.*scribe up"):
            await gateway.cancel("7")


def test_a_missing_file_is_named_and_an_address_passes() -> None:
    """Before anything is sent."""
    assert located("https://example.org/a.mp3") == "https://example.org/a.mp3"
    with pytest.raises(Failed, match="there is no file 'nowhere"):
        located("nowhere.wav")


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what the system says."""

    def closed(*_: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "talk.wav").touch()
    monkeypatch.setattr(Path, "open", closed)
    with pytest.raises(Failed, match="talk\\.wav' cannot be read: Permission denied"):
        located(str(tmp_path / "talk.wav"))


@pytest.mark.parametrize("wrong", ["transcriber", "transcriber=\N{SUPERSCRIPT TWO}"])
def test_scales_are_numbers_of_services(wrong: str) -> None:
    """A wrong word is named."""
    assert scales(["transcriber=2", "diarizer=1"]) == {"transcriber": 2, "diarizer": 1}
    with pytest.raises(Failed, match=f"'{wrong}'"):
        scales([wrong])


def test_what_a_running_mesh_left_here_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`scribe up` writes its addresses into the folder; the environment still has the last word."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".scribe").mkdir()
    (tmp_path / ".scribe/running.env").write_text("SCRIBE_GATEWAY_URL=http://127.0.0.1:1\nSCRIBE_SEAL_KEY=x\n")
    assert OperatorSettings().gateway_url == "http://127.0.0.1:1"
    monkeypatch.setenv("SCRIBE_GATEWAY_URL", "http://127.0.0.1:2")
    assert OperatorSettings().gateway_url == "http://127.0.0.1:2"


def test_times_read_as_minutes_and_seconds() -> None:
    """Hours only when there are any; rounding carries over."""
    assert [clock(seconds) for seconds in (0, 6.66, 59.97, 3725.04)] == ["0:00.0", "0:06.7", "1:00.0", "1:02:05.0"]


def test_the_transcript_is_shown_with_times_speakers_and_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    """As the words stand, brackets included."""
    paragraph = {"start": 1, "end": 2.5, "speaker": "A", "text": "[laughs] hello", "segments": [0]}
    said = {"job": "7", "text": "", "language": "en", "language_probability": 1, "duration": 3, "segments": []}
    show(screen(), json.dumps({**said, "paragraphs": [paragraph], "speakers": [], "warnings": ["quiet"]}))
    assert capsys.readouterr().out == "[0:01.0 - 0:02.5] A: [laughs] hello\nwarning: quiet\n"


def test_the_sample_is_there() -> None:
    """The demonstration needs no file of the operator's."""
    assert sample().is_file()


def test_every_command_is_wired() -> None:
    """One function a command."""
    app = build()
    names = {command.callback.__name__ for command in app.registered_commands if command.callback}
    assert names == {"up", "submit", "watch", "transcript", "cancel", "show", "doctor", "demo"}
    groups = {group.name for group in app.registered_groups}
    assert groups == {"dead", "models"}


def test_a_failure_is_one_line_and_a_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback for what the operator can put right."""
    monkeypatch.setattr("sys.argv", ["scribe", "submit", "nowhere.wav"])
    with pytest.raises(SystemExit, match="1"):
        main()
    assert capsys.readouterr().err.startswith("scribe: there is no file 'nowhere.wav'")


def test_output_that_a_disk_has_no_room_for_is_told_in_one_line() -> None:
    """As of `scribe transcript ... > talk.txt`: with the reason, and an exit status that says that it failed."""
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run([SCRIBE, "models", "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603 - the project's own command
    assert ended.returncode == 1
    assert ended.stderr == "scribe: the output cannot be written: No space left on device; make room and try again\n"


def test_a_token_that_no_header_can_carry_is_refused_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that was pasted with a line break inside; it is not quoted."""
    monkeypatch.setenv("SCRIBE_TOKEN", "to\nken")
    with pytest.raises(WrongSettings, match="SCRIBE_TOKEN: has a line break") as told:
        load(OperatorSettings)
    assert "ken" not in str(told.value).removeprefix("wrong settings:\n  SCRIBE_TOKEN")


@pytest.mark.parametrize("said", [["watch", ""], ["cancel", "../dead"], ["up", "--port", "70000"]])
def test_what_can_be_no_id_or_port_is_refused_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said: list[str]
) -> None:
    """An empty variable, or what would lead to another address of the gateway."""
    monkeypatch.setattr("sys.argv", ["scribe", *said])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "Invalid value" in capsys.readouterr().err


def test_a_refusal_cannot_rewrite_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It quotes what others wrote."""
    monkeypatch.setattr("sys.argv", ["scribe", "submit", "no\x1b]0;title\x07.wav"])
    with pytest.raises(SystemExit, match="1"):
        main()
    assert r"'no\x1b]0;title\x07.wav'" in capsys.readouterr().err


async def test_the_demonstration_shows_the_token_that_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its mesh has the tenants of the environment, too."""
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    shown = set[str | None]()

    async def answer(request: web.Request) -> web.Response:
        shown.add(request.headers.get("Authorization"))
        await request.read()
        return web.json_response({"id": "7"}) if request.method == "POST" else web.Response(body=COMPLETED)

    async with gateway_that(answer) as server:
        monkeypatch.setattr(demo, "logged_mesh", lambda *_: nullcontext(str(server.make_url("")).rstrip("/")))
        settings = OperatorSettings(token=SecretStr("t0"))
        await demo._demo(tmp_path, settings, tmp_path / "a.wav", screen())
    assert shown == {"Bearer t0"}
