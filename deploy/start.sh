#!/bin/sh
# Becomes the service that $SERVICE names: SIGTERM goes straight to it and starts its drain.
set -eu
case "$SERVICE" in
gateway)
    # Idle connections are kept for longer than load balancers keep theirs, which is a minute: whoever closes first may
    # do so under a request that is just coming.
    exec uvicorn services.gateway.main:build --factory --host 0.0.0.0 --port 8000 \
        --timeout-graceful-shutdown 30 --timeout-keep-alive 75
    ;;
*)
    exec faststream run "services.$SERVICE.main:build" --factory
    ;;
esac
