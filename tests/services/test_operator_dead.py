"""The operator's commands on dead letters and history: what they ask for, and how they say it."""

import asyncio

import pytest
import typer
from aiohttp import web
from rich.console import Console

from services.gateway.letters import Wanted
from services.operator import dead
from services.operator.dead import _asked, _seconds, _step
from services.operator.failed import Failed
from services.operator.screen import Rows
from services.operator.show import short
from shared.clock import now
from shared.messages import Diagnosis
from shared.topology import Stage
from tests.fakes.operator import gateway_that


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7_200), ("3d", 259_200)])
def test_ages_are_a_number_and_a_unit(text: str, seconds: float) -> None:
    """Seconds, minutes, hours and days."""
    assert _seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "10", "-5m", "ten minutes", "\N{SUPERSCRIPT TWO}m"])
def test_what_is_no_age_is_refused_by_example(text: str) -> None:
    """The error says what an age looks like."""
    with pytest.raises(typer.BadParameter, match="10m"):
        _seconds(text)


def test_a_reason_is_shown_as_it_stands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A publisher's field or a decoder's message in brackets is neither swallowed nor the end of the list."""
    why = {"letter": "l", "at": "2026-11-24T13:01:46Z", "stage": "intake", "part": None, "attempts": 0}
    letters = [{"why": {**why, "reason": reason}} for reason in ("[/x]: not known", "[mov @ 0] :gem:")]
    monkeypatch.setattr(dead, "with_gateway", lambda _: letters)
    dead.show_all()
    shown = capsys.readouterr().out
    assert "[/x]: not known" in shown
    assert "[mov @ 0] :gem:" in shown


def test_in_a_pipe_a_letter_is_one_line_with_nothing_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that a stage or a reason can be looked for; what a terminal would obey is shown."""
    why = {"letter": "l", "at": "2026-11-24T13:01:46Z", "stage": "downloader", "part": 0, "attempts": 12}
    reason = " ".join(["no such recording"] * 20)
    monkeypatch.setattr(dead, "with_gateway", lambda _: [{"why": {**why, "reason": f"{reason} \x1b[2J"}}])
    dead.show_all()
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "downloader-0" in line]
    assert rf"{reason} \x1b[2J" in row


def test_on_a_narrow_terminal_nothing_is_cut_either() -> None:
    """What does not fit goes on in the next line."""
    rows, console = Rows("step", "worker"), Console(width=20)
    rows.add("transcriber-12", "transcriber@host:1:abcdef")
    with console.capture() as shown:
        console.print(rows)
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown.get()


@pytest.mark.parametrize("letter", ["", "..", "?limit=1", "a/b"])
async def test_a_letter_is_asked_for_by_its_name_whatever_that_is(letter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a filter, not as a part of the address, which would be another one."""
    asked: list[tuple[str, str]] = []

    async def none(request: web.Request) -> web.Response:
        asked.append((request.path, request.query["letter"]))
        return web.json_response([])

    async with gateway_that(none) as server:
        monkeypatch.setenv("SCRIBE_GATEWAY_URL", f"http://{server.host}:{server.port}")
        with pytest.raises(Failed, match="there is no dead letter"):
            await asyncio.to_thread(dead.show, letter)
    assert asked == [("/v1/dead", letter)]


@pytest.mark.parametrize(("age", "fits"), [(0, True), (3_600, False), (1e300, False), (float("inf"), False)])
def test_no_age_is_too_great_to_be_asked_for(age: float, fits: bool) -> None:
    """No letter is as old as that."""
    why = Diagnosis(stage=Stage.INTAKE, reason="odd", worker="w", at=now())
    assert Wanted(older_than=age).fits(why, now()) is fits


def test_only_what_was_given_is_asked_for() -> None:
    """A filter that was left out filters nothing."""
    asked = _asked(stage="downloader", reason=None, older_than="10m", limit=5, dry_run=False)
    assert asked == {"stage": "downloader", "limit": "5", "dry_run": "False", "older_than": "600.0"}
    with pytest.raises(typer.BadParameter):  # a variable that is not set is no wish to have all
        _asked(older_than="")


def test_steps_and_times_are_short() -> None:
    """A letter that is about no step shows its stage alone."""
    assert _step({"stage": "transcriber", "part": 3}) == "transcriber-3"
    assert _step({"stage": "intake", "part": None}) == "intake"
    assert short("2026-11-24T13:01:46.933000Z") == "24 Nov 13:01:46"
