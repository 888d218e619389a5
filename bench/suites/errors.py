"""The one error that a bad suite or cell name raises."""


class SuiteInputError(ValueError):
    """One sentence that names the file, the key and the remedy; the command line prints it and exits with 2."""
