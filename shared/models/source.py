"""The failure of a place that models come from."""


class SourceFailed(Exception):
    """This source cannot give the model; the message is one line that names the source and says why."""
