"""The compose file for its operator: defaults that stay, a password that changes, a disk that does not fill."""

from typing import Any

import pytest

from shared.settings import PREFIX, Settings
from shared.topology import Stage
from tests.deploy.test_compose import COMPOSE, OURS, REQUIRED, read, settings_of

BLOCKS: dict[str, dict[str, Any]] = read(COMPOSE)["services"]


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_variable_for_all_does_not_take_a_services_own_default(name: str) -> None:
    """Webhooks are tried for hours and downloads take them: a number that suits the other stages would end that."""
    fields = settings_of(name).model_fields
    passed = [key.removeprefix(PREFIX).lower() for key, value in BLOCKS[name]["environment"].items() if value is None]
    shared = Settings.model_fields
    assert not [each for each in passed if each in shared and fields[each].default != shared[each].default]


def test_a_container_is_made_anew_when_what_its_configs_say_changes() -> None:
    """Compose compares a service's own block: a new password would otherwise be known to all but the broker."""
    content = read(COMPOSE)
    for block in BLOCKS.values():
        used = [content["configs"][each["source"]]["content"] for each in block.get("configs", ())]
        names = {found[1] for each in used for found in REQUIRED.finditer(each)}
        assert names <= {found[1] for found in REQUIRED.finditer(str(block.get("environment")))}


def test_no_containers_log_grows_without_end() -> None:
    """Docker's own default keeps everything, until the disk that database and broker share is full."""
    assert all({"max-size", "max-file"} <= {*block["logging"]["options"]} for block in BLOCKS.values())


def test_a_forged_recording_takes_no_memory_of_other_containers() -> None:
    """FFmpeg makes tables as long as a header says: the downloader alone ends of it, and counts the attempt."""
    assert BLOCKS[Stage.DOWNLOADER]["mem_limit"] == "4g"
