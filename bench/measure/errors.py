"""The error that measuring raises for bad input."""


class MeasureInputError(ValueError):
    """Input that cannot be measured. The message is one sentence that names what is wrong and the remedy."""


class FormulaError(RuntimeError):
    """A formula failed on an operator. The measurement stops: a count that misses an operator would be wrong."""


class NotCoveredError(Exception):
    """Raised by a formula for a call that it does not cover: the operator is then listed as uncounted."""
