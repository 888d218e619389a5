"""The one error that bad tracking input raises."""


class TrackInputError(ValueError):
    """One sentence that names the file, the key and the remedy; the command line prints it and exits with 2."""
