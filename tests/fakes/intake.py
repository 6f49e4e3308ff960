"""Intake without a broker and a database."""

from services.intake.admission import Admission, Limits
from services.intake.desk import Desk
from shared.options import Source
from tests.fakes.jobs import WINDOW
from tests.fakes.post import MemoryPost
from tests.fakes.store import MemoryStore
from tests.fakes.upkeep import MemoryUpkeep

ROOMY = Limits(1_000, 1_000)


class Sealed:
    """A seal that anyone can open."""

    def seal(self, source: Source) -> str:
        """Return the source turned over."""
        return source.model_dump_json()[::-1]


def admission(store: MemoryStore, post: MemoryPost, limits: Limits = ROOMY) -> Admission:
    """Return the admission to a mesh of fakes."""
    return Admission(MemoryUpkeep(store), store, post, limits, WINDOW)


def intake(store: MemoryStore, post: MemoryPost, limits: Limits = ROOMY) -> Desk:
    """Return intake's desk over fakes."""
    return Desk(store, post, admission(store, post, limits), Sealed(), "intake@here", WINDOW, 30)
