"""`inflor-bench ab`: measures a base commit and this one on this machine, their processes interleaved, and compares."""
