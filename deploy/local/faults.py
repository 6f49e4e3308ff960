"""What can keep the mesh from running on this machine."""


class CannotRun(Exception):
    """A part is missing or does not start; the message is one line that says which, why, and what to type."""
