"""Wires the gateway: the routes, and what they stand on, opened and closed with the application."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from services.gateway.desk import Desk
from services.gateway.listeners import Listeners
from services.gateway.routes import FAILURES, answer, router
from services.gateway.settings import GatewaySettings
from services.gateway.submitter import Submitter, connect
from services.gateway.tenants import Tenants
from shared.blobs import ObjectStore
from shared.jobs import mongo
from shared.jobs.mongo import MongoStore
from shared.mesh.declare import declare
from shared.mesh.health import Health
from shared.mesh.post import AmqpPost
from shared.settings import load
from shared.telemetry import log_as_json

NAME = "gateway"


def build() -> FastAPI:
    """Return the gateway; opens nothing yet."""
    settings = load(GatewaySettings)
    app = FastAPI(title="Scribe Mesh", lifespan=lambda app: _lifespan(app, settings))
    app.include_router(router)
    for failure in FAILURES:
        app.add_exception_handler(failure, answer)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI, settings: GatewaySettings) -> AsyncIterator[None]:
    log_as_json(NAME, settings.log_level)
    async with AsyncExitStack() as opened:
        client = mongo.connect(settings.mongo_url)
        opened.callback(client.close)
        store, blobs = MongoStore(client, settings.mongo_database), ObjectStore(settings.blobs_url)
        await declare(settings.amqp_url)
        post = await opened.enter_async_context(AmqpPost(settings.amqp_url))
        connection = await opened.enter_async_context(await connect(settings.amqp_url))
        submitter = Submitter(connection, post.publish, settings.gateway_reply_seconds)
        await submitter.open()
        listeners = Listeners(settings.gateway_listeners)
        await listeners.open(connection)
        tenants = Tenants(settings.gateway_tokens)
        app.state.desk = Desk(store, blobs, submitter, listeners, tenants, settings.gateway_max_upload)
        pings = {"broker": post.ping, "database": store.ping, "object store": blobs.ping}
        app.state.health = Health(settings.health_host, settings.health_port, pings)
        await app.state.health.open()
        opened.push_async_callback(app.state.health.close)
        yield
