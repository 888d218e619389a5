"""Training: deterministic from its seed, resumable at any step with the same result, on one process or several.

Nothing random has a state that would have to be kept: the order of an epoch and all that augmentation draws for a step
are each drawn from a generator seeded by (seed, epoch, step).
"""

from inflor_bench.models.training.evaluation import EVALUATION_BATCH, evaluate
from inflor_bench.models.training.loop import Progress, train

__all__ = ["EVALUATION_BATCH", "Progress", "evaluate", "train"]
