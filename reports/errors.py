"""The error that a report raises on input it cannot show."""

from bench.track.errors import TrackInputError


class ReportInputError(TrackInputError):
    """One sentence that names what is wrong with the input or the place to write to, and the remedy."""
