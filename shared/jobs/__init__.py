"""Job documents: their shape, their states, and where they are stored."""
