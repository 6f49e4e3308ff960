#!/bin/sh
# Becomes the service that $SERVICE names: SIGTERM goes straight to it and starts its drain.
set -eu
case "$SERVICE" in
gateway)
    exec uvicorn services.gateway.main:build --factory --host 0.0.0.0 --port 8000 --timeout-graceful-shutdown 30
    ;;
*)
    exec faststream run "services.$SERVICE.main:build" --factory
    ;;
esac
