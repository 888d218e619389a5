"""The errors that bad tracking input raises."""


class TrackInputError(ValueError):
    """One sentence that names the file, the key and the remedy; the command line prints it and exits with 2."""


class OtherVersionError(TrackInputError):
    """A file of another schema version: nothing is wrong with it, but this program cannot read it."""
