"""The error that measuring raises for bad input."""


class MeasureInputError(ValueError):
    """Input that cannot be measured. The message is one sentence that names what is wrong and the remedy."""
