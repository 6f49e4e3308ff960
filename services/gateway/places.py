"""Limits on what is done at once, in all and for each tenant, so that none takes the others' places."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class NoPlace(Exception):
    """All places are taken, or all that one tenant may take."""

    def __init__(self, most: int, setting: str) -> None:
        super().__init__(f"{most} at once are as many as fit ({setting}); try again later")


class Places:
    """`most` places, and `most_per_tenant` for each tenant; `setting` is the variable that sets their number."""

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
