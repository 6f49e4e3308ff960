"""The mesh on one machine: a private broker, an embedded database and every service as its own process."""
