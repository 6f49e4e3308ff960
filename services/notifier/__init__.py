"""Tells webhooks what happens to their jobs: signed, retried on the ladder, each delivery recorded."""
