"""Webhook signatures, as the Standard Webhooks specification (1.0, symmetric) has them.

Each tenant has a secret of its own, derived from the deployment's signing key, so no secret is kept in a document.
"""

import base64
import hashlib
import hmac
from datetime import datetime

from standardwebhooks.webhooks import Webhook


def tenant_secret(signing_key: str, tenant: str) -> str:
    """Return the tenant's webhook secret (`whsec_` and base64): HMAC-SHA256 of its name under the signing key."""
    digest = hmac.new(signing_key.encode(), tenant.encode(), hashlib.sha256).digest()
    return f"whsec_{base64.b64encode(digest).decode()}"


def signed_headers(secret: str, message_id: str, at: datetime, body: str) -> dict[str, str]:
    """Return the three `webhook-` headers that let the receiver check the body, its id and its age."""
    signature = Webhook(secret).sign(message_id, at, body)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }
