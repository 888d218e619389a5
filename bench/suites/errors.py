"""What is raised where a suite, or a cell name, is bad; and where a cell is lost."""


class SuiteInputError(ValueError):
    """One sentence that names the file, the key and the remedy; the command line prints it and exits with 2."""


class CellLostError(Exception):
    """A cell whose process took too long, or ended; the message says why."""
