"""How a command fails."""


class Failed(Exception):
    """The command could not do what it was asked; the message says what is wrong and what to type."""
