"""Settings: what is refused at the start, and in which words."""

import pytest

from shared.settings import Settings, WrongSettings, load


def test_a_heartbeat_that_counts_as_lost_before_the_next_one_can_come_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every step at work would look abandoned, and be done twice; the error names both variables."""
    monkeypatch.setenv("SCRIBE_HEARTBEAT_LOST", "4")
    with pytest.raises(
        WrongSettings, match="SCRIBE_HEARTBEAT_LOST: must be at least twice SCRIBE_HEARTBEAT, which is 5"
    ):
        load(Settings)
    monkeypatch.setenv("SCRIBE_HEARTBEAT", "2")
    assert load(Settings).heartbeat_lost == 4


def test_every_wrong_variable_is_named_and_none_of_their_values_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once: one at a time would take a start for each. A value may be a secret."""
    monkeypatch.setenv("SCRIBE_AMQP_URL", "http://secret")
    monkeypatch.setenv("SCRIBE_GRACE", "soon")
    with pytest.raises(WrongSettings) as ended:
        load(Settings)
    assert [line.split(":")[0].strip() for line in str(ended.value).splitlines()[1:]] == [
        "SCRIBE_AMQP_URL",
        "SCRIBE_GRACE",
    ]
    assert "secret" not in str(ended.value)


@pytest.mark.parametrize("letter", "/?#[")
def test_a_brokers_password_that_cuts_its_address_off_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, letter: str
) -> None:
    """What stands before the letter would be told as a port that is no number; the refusal says how to write it."""
    monkeypatch.setenv("SCRIBE_AMQP_URL", f"amqp://scribe:secret{letter}1@broker:5672/")
    with pytest.raises(WrongSettings, match=r"SCRIBE_AMQP_URL: is no address: .* write /") as ended:
        load(Settings)
    assert "secret" not in str(ended.value)
