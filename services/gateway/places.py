"""How much is done at once: of all tenants, and of each, so that none takes the others' places."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class NoPlace(Exception):
    """As many do this already as may."""

    def __init__(self, most: int, setting: str) -> None:
        super().__init__(f"{most} at once are as many as fit ({setting}); try again later")


class Places:
    """So many places, and so many for each tenant; `setting` is the variable that says how many."""

    def __init__(self, setting: str, most: int, most_per_tenant: int) -> None:
        self._setting, self._most, self._most_per_tenant = setting, most, most_per_tenant
        self._taken = Counter[str]()

    @contextmanager
    def taken(self, tenant: str) -> Iterator[None]:
        """Hold a place of the tenant's inside the block; raise NoPlace."""
        if self._taken.total() >= self._most:
            raise NoPlace(self._most, self._setting)
        if self._taken[tenant] >= self._most_per_tenant:
            raise NoPlace(self._most_per_tenant, f"{self._setting}_PER_TENANT")
        self._taken[tenant] += 1
        try:
            yield
        finally:
            self._taken[tenant] -= 1
