"""The operator's commands on dead letters and history: what they ask for, and how they say it."""

import pytest
import typer

from services.operator.dead import _asked, _seconds, _step
from services.operator.show import short


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7_200), ("3d", 259_200)])
def test_ages_are_a_number_and_a_unit(text: str, seconds: float) -> None:
    """Seconds, minutes, hours and days."""
    assert _seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "10", "-5m", "ten minutes"])
def test_what_is_no_age_is_refused_by_example(text: str) -> None:
    """The error says what an age looks like."""
    with pytest.raises(typer.BadParameter, match="10m"):
        _seconds(text)


def test_only_what_was_given_is_asked_for() -> None:
    """A filter that was left out filters nothing."""
    asked = _asked(stage="downloader", reason=None, older_than="10m", limit=5, dry_run=False)
    assert asked == {"stage": "downloader", "limit": "5", "dry_run": "False", "older_than": "600.0"}


def test_steps_and_times_are_short() -> None:
    """A letter that is about no step shows its stage alone."""
    assert _step({"stage": "transcriber", "part": 3}) == "transcriber-3"
    assert _step({"stage": "intake", "part": None}) == "intake"
    assert short("2026-11-24T13:01:46.933000Z") == "24 Nov 13:01:46"
