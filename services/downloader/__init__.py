"""Fetches a recording, prepares its sound and cuts it into chunks at silence."""
