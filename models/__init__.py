"""Spiking networks of Guo et al. (ECCV 2022) and their ANN twins: `create_model` and `load_model`."""

from inflor_bench.models.checkpoints import load_model
from inflor_bench.models.create import create_model

__all__ = ["create_model", "load_model"]
