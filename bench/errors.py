"""What bad input raises: one sentence that names the file, the key and the remedy. The command line prints it and exits
with 2.
"""


class InputError(ValueError):
    """Any of them."""


class ModelInputError(InputError):
    """Of networks, data, weights and training."""


class MeasureInputError(InputError):
    """Of what is measured."""


class SuiteInputError(InputError):
    """Of suites, cells and commands."""


class TrackInputError(InputError):
    """Of run files, histories and comparisons."""


class OtherVersionError(TrackInputError):
    """A file of another schema version: nothing is wrong with it, but this program cannot read it."""


class ReportInputError(TrackInputError):
    """Of what a report shows, and where it is written to."""
