"""The bins of membranes in information loss, for Python and for the C that counts them."""

# 80 bins over [-2, 3). The width 1/16 is a power of two: which bin a value belongs to is then decided without rounding.
LOW, HIGH, BINS_PER_UNIT = -2, 3, 16
BINS = (HIGH - LOW) * BINS_PER_UNIT
