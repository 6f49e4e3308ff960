"""Wires the gateway: the routes, and what they stand on, opened and closed with the application."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from services.gateway.application import application
from services.gateway.dead_letter_office import DeadLetterOffice
from services.gateway.desk import Desk
from services.gateway.letters import DeadLetters
from services.gateway.listeners import Listeners
from services.gateway.places import Places
from services.gateway.settings import GatewaySettings
from services.gateway.stopping import told_to_stop
from services.gateway.submitter import Submitter, connect
from services.gateway.tenants import Tenants
from shared.blobs import ObjectStore
from shared.jobs import mongo
from shared.jobs.mongo import MongoStore
from shared.mesh.declare import declare
from shared.mesh.health import Health
from shared.mesh.post import AmqpPost
from shared.settings import BROKER, naming
from shared.telemetry import begin

NAME = "gateway"


def build() -> FastAPI:
    """Return the gateway; opens nothing yet."""
    settings = begin(NAME, GatewaySettings)
    return application(lifespan=lambda app: _lifespan(app, settings))


@asynccontextmanager
async def _lifespan(app: FastAPI, settings: GatewaySettings) -> AsyncIterator[None]:
    async with AsyncExitStack() as opened:
        client = mongo.connect(settings.mongo_url)
        opened.callback(client.close)
        store, blobs = MongoStore(client, settings.mongo_database), ObjectStore(settings.blobs_url)
        with naming(*BROKER):
            await declare(settings.amqp_url)
            post = await opened.enter_async_context(AmqpPost(settings.amqp_url))
            connection = await opened.enter_async_context(await connect(settings.amqp_url))
        submitter = Submitter(connection, post.publish, settings.gateway_reply_seconds)
        await submitter.open()
        listeners = Listeners(
            Places("SCRIBE_GATEWAY_LISTENERS", settings.gateway_listeners, settings.gateway_listeners_per_tenant)
        )
        await listeners.open(connection)
        opened.enter_context(told_to_stop(listeners.close))
        tenants = Tenants(settings.gateway_tokens, settings.gateway_operator_token)
        office = DeadLetterOffice(DeadLetters(connection), store, post, settings.window)
        uploads = Places("SCRIBE_GATEWAY_UPLOADS", settings.gateway_uploads, settings.gateway_uploads_per_tenant)
        most = settings.gateway_max_upload
        app.state.desk = Desk(store, blobs, submitter, listeners, tenants, office, uploads, most)
        pings = {"broker": post.ping, "database": store.ping, "object store": blobs.ping}
        app.state.health = Health(settings.health_host, settings.health_port, pings)
        await app.state.health.open()
        opened.push_async_callback(app.state.health.close)
        yield
