"""Sending webhooks over HTTP: signed, never to a private address, never following a redirect."""

import aiohttp

from shared.addresses import AddressGuard, PrivateAddress, guarded_session
from shared.clock import now
from shared.mesh.outcomes import GiveUp, TryLater
from shared.signing import signed_headers, tenant_secret


class HttpSender:
    """POSTs events; open it before the first."""

    def __init__(self, signing_key: str, guard: AddressGuard, seconds: float) -> None:
        self._signing_key, self._guard = signing_key, guard
        self._timeout = aiohttp.ClientTimeout(total=seconds)
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the session that all deliveries share."""
        self._session = guarded_session(self._guard)

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    async def send(self, url: str, tenant: str, message_id: str, body: str) -> int:
        """Return the HTTP status of the answer; raise TryLater if none came, GiveUp for an address that is refused."""
        if self._session is None:
            raise RuntimeError("the sender is not open")
        headers = signed_headers(tenant_secret(self._signing_key, tenant), message_id, now(), body)
        sent = {**headers, "content-type": "application/json", "user-agent": "scribe-mesh"}
        try:
            self._guard.check_url(url)
            request = self._session.post(url, data=body, headers=sent, allow_redirects=False, timeout=self._timeout)
            async with request as answer:
                return answer.status
        except PrivateAddress as refused:
            raise GiveUp(f"the webhook may not be told: {refused}") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as failure:
            # Without its cause, which would be parked with the dead letter and may quote the address with its query.
            raise TryLater(f"the webhook could not be reached: {type(failure).__name__}") from None
