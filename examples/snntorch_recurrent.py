"""A recurrent network of snnTorch's: what fires at one step comes back, through weights of its own, at the next."""

from snntorch import RLeaky
from torch import Tensor, nn, zeros

ROWS, HIDDEN, CLASSES = 8, 48, 10


class Recurrent(nn.Module):
    """Reads images [N, 1, 8, 8] row by row, a row a time step, and gives class scores [N, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.input = nn.Linear(ROWS, HIDDEN)
        self.neuron = RLeaky(beta=0.9, threshold=0.3, linear_features=HIDDEN)
        self.output = nn.Linear(HIDDEN, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores, the mean over the rows."""
        spikes, membrane = self.neuron.init_rleaky()
        scores = zeros(len(images), CLASSES)
        for row in images.flatten(1, 2).unbind(1):
            spikes, membrane = self.neuron(self.input(row), spikes, membrane)
            scores = scores + self.output(spikes)
        return scores / ROWS
