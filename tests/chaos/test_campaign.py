"""The small edition of the fault campaign: one mesh, every scenario once."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.chaos.campaign import Campaign, campaign
from tests.chaos.failpoints import NAMES
from tests.chaos.scenarios import SCENARIOS, Scenario

# No less than the scenarios' own patience, which says what it was that did not happen.
pytestmark = [pytest.mark.broker, pytest.mark.chaos, pytest.mark.timeout(900)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Campaign]:
    """Yield a running mesh that the scenarios disturb, one after the other."""
    async with campaign(tmp_path_factory.mktemp("chaos")) as running:
        yield running


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.title)
async def test_nothing_is_lost_and_nothing_happens_twice_under(mesh: Campaign, scenario: Scenario) -> None:
    """Every job ends as it should, with one result, one end and one webhook id, and nothing is left unacked."""
    books = await scenario.run(mesh, scenario.small)
    assert books.wrong == []
    assert (books.lost, books.duplicate_effects) == (0, 0)


def test_every_write_publish_and_acknowledgement_has_its_failpoints() -> None:
    """The names are made from the protocols, so that a new method has its own."""
    assert {"store.save:before", "store.save:after", "post.step:before", "message.ack:after"} <= {*NAMES}
    assert not {"store.find:before", "store.ping:after"} & {*NAMES}
    assert len(NAMES) == len({*NAMES})
