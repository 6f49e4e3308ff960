"""The `scribe` command: starts the mesh on one machine, submits and follows jobs, and says what is wrong."""
