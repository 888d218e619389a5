"""The one error that bad model, data or checkpoint input raises."""


class ModelInputError(ValueError):
    """One sentence that names the file, the key and the remedy; the command line prints it and exits with 2."""
