"""The operator's commands on dead letters and history: what they ask for, and how they say it."""

import pytest
import typer

from services.gateway.letters import Wanted
from services.operator import dead
from services.operator.dead import _asked, _seconds, _step
from services.operator.show import short
from shared.clock import now
from shared.messages import Diagnosis
from shared.topology import Stage


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


@pytest.mark.parametrize(("age", "fits"), [(0, True), (3_600, False), (1e300, False), (float("inf"), False)])
def test_no_age_is_too_great_to_be_asked_for(age: float, fits: bool) -> None:
    """No letter is as old as that."""
    why = Diagnosis(stage=Stage.INTAKE, reason="odd", worker="w", at=now())
    assert Wanted(older_than=age).fits(why, now()) is fits


def test_only_what_was_given_is_asked_for() -> None:
    """A filter that was left out filters nothing."""
    asked = _asked(stage="downloader", reason=None, older_than="10m", limit=5, dry_run=False)
    assert asked == {"stage": "downloader", "limit": "5", "dry_run": "False", "older_than": "600.0"}


def test_steps_and_times_are_short() -> None:
    """A letter that is about no step shows its stage alone."""
    assert _step({"stage": "transcriber", "part": 3}) == "transcriber-3"
    assert _step({"stage": "intake", "part": None}) == "intake"
    assert short("2026-11-24T13:01:46.933000Z") == "24 Nov 13:01:46"
