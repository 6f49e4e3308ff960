"""Settings: what is refused at the start, and in which words."""

import pytest

from services.gateway.settings import GatewaySettings
from services.intake.settings import IntakeSettings
from services.notifier.settings import NotifierSettings
from services.operator.settings import OperatorSettings
from services.transcriber.settings import TranscriberSettings
from shared.settings import PREFIX, Settings, WrongSettings, load, misspelt
from tests.deploy.test_compose import OURS, settings_of


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


@pytest.mark.parametrize("value", ["inf", "nan", "1e12"])
def test_a_time_that_no_date_can_be_reckoned_with_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every sweep and every look at a running step would end in an overflow, long after the start."""
    named = ("SCRIBE_GRACE", "SCRIBE_HEARTBEAT", "SCRIBE_HEARTBEAT_LOST", "SCRIBE_OVERDUE", "SCRIBE_SWEEP_SECONDS")
    for each in (*named, "SCRIBE_STEP_LIMIT"):
        monkeypatch.setenv(each, value)
    assert {*named, "SCRIBE_STEP_LIMIT"} <= refused(IntakeSettings).keys()


@pytest.mark.parametrize("value", ["", " \n"])
def test_an_empty_value_is_refused_unless_a_list_may_be_empty(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder is the one that a process happens to run in, and an empty host all of the machine's networks."""
    named = ("SCRIBE_CACHE", "SCRIBE_HEALTH_HOST", "SCRIBE_MODELS_FOLDER", "SCRIBE_TRANSCRIBER_MODEL")
    for each in (*named, "SCRIBE_TRANSCRIBER_MODELS"):
        monkeypatch.setenv(each, value)
    assert refused(TranscriberSettings) == dict.fromkeys(named, "is empty; give it a value, or leave it out")


def test_the_white_space_around_a_value_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that came from a file ends with a line feed, and no request could ever show such a token."""
    monkeypatch.setenv("SCRIBE_GATEWAY_OPERATOR_TOKEN", "0123456789abcdef\n")
    token = load(GatewaySettings).gateway_operator_token
    assert token
    assert token.get_secret_value() == "0123456789abcdef"


@pytest.mark.parametrize("url", ["file://", "file://blobs", "file://localhost/var/blobs", "s3://"])
def test_a_folder_of_blobs_that_does_not_begin_at_the_root_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process would make one inside the folder that it runs in, and find nothing of what the others stored."""
    monkeypatch.setenv("SCRIBE_BLOBS_URL", url)
    assert refused(Settings).keys() == {"SCRIBE_BLOBS_URL"}


def test_tokens_that_stand_where_their_tenants_should_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong inside a value is told by the variable that holds it, and by no name out of it."""
    monkeypatch.setenv("SCRIBE_GATEWAY_TOKENS", '{"Bq7/secret+token==": "acme"}')
    told = refused(GatewaySettings)
    assert told.keys() == {"SCRIBE_GATEWAY_TOKENS"}
    assert "secret" not in str(told).lower()


def test_what_is_wrong_in_a_list_is_told_by_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the name of the variable, not of the types that were tried."""
    monkeypatch.setenv("SCRIBE_ALLOWED_NETWORKS", "10.0.0.0/8, 10.0.0.0/33")
    told = refused(NotifierSettings)["SCRIBE_ALLOWED_NETWORKS"]
    assert told.startswith("item 2: ")


def test_a_variable_that_is_nearly_a_settings_is_told_with_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a letter missing, a limit does not hold and a gateway has no tokens."""
    nearly = {"SCRIBE_RETENTION_DAY": "SCRIBE_RETENTION_DAYS", "SCRIBE_GRASE": "SCRIBE_GRACE"}
    for each in (*nearly, "SCRIBE_COLOUR"):
        monkeypatch.setenv(each, "7")
    assert misspelt(IntakeSettings) == nearly


def test_no_setting_of_one_service_looks_like_a_misspelt_one_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """All services may be given the same environment."""
    kinds = [settings_of(name) for name in sorted(OURS)]
    for fields in (OperatorSettings.model_fields, *(kind.model_fields for kind in kinds)):
        for field in fields:
            monkeypatch.setenv(f"{PREFIX}{field.upper()}", "x")
    assert [misspelt(kind) for kind in kinds] == [{}] * len(kinds)


def refused(kind: type[Settings]) -> dict[str, str]:
    """Return what the error says of each variable for which the settings are refused; keys are there."""
    with pytest.raises(WrongSettings) as ended:
        load(kind)
    lines = [line.strip().partition(": ") for line in str(ended.value).splitlines()[1:]]
    return {name: what for name, _, what in lines if not what.startswith("Field required")}
