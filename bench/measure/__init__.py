"""Measuring: what a model knows and what it costs. Takes any torch.nn.Module."""

from bench.measure.synops import SynOpCounter as SynOpCounter
