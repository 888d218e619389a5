"""The released networks written a second time, as plainly as can be: [T, N, C, H, W], one frame and one step at a time.

These share nothing with `models` but torch's layers. Modules are named as in the format of the released weights, so
that a state dict of these networks is one.
"""

from __future__ import annotations

import torch
from safetensors.torch import save_file
from torch import nn

from inflor_bench.models.released import import_weights

MODIFIED, RESNET19, IMAGENET = "modified", "resnet19", "imagenet"
VGG16 = (64, 64, "pool", 128, 128, "pool", *(256, 256, 256, "pool"), *(512, 512, 512, "pool") * 2)


class Frames(nn.Module):
    """A convolution or a pool, frame by frame."""

    def __init__(self, pool):
        super().__init__()
        self.pool = pool

    def forward(self, x):
        return torch.stack([self.pool(frame) for frame in x])


class Steps(nn.Module):
    """The linear layer, step by step."""

    def __init__(self, conv):
        super().__init__()
        self.conv = conv

    def forward(self, x):
        return torch.stack([self.conv(step) for step in x])


class Norm(nn.Module):
    """Plain batch norm with time as one more dimension of space."""

    def __init__(self, channels):
        super().__init__()
        self.bn = nn.BatchNorm3d(channels)

    def forward(self, x):
        return self.bn(x.permute(1, 2, 0, 3, 4)).permute(2, 0, 1, 3, 4)


def tdbn(x, weight, bias, mean, variance, alpha):
    """Equations 9 and 10 of Zheng et al. for x [T, N, C, H, W]."""
    out = torch.empty_like(x)
    for channel in range(x.shape[2]):
        normal = (x[:, :, channel] - mean[channel]) / (variance[channel] + 1e-5) ** 0.5
        out[:, :, channel] = weight[channel] * (alpha * 0.5 * normal) + bias[channel]
    return out


class TdNorm(nn.Module):
    def __init__(self, channels, alpha):
        super().__init__()
        self.alpha = alpha
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        mean, variance = self.running_mean, self.running_var
        if self.training:
            channels = x.transpose(0, 2).flatten(1)
            mean, variance = channels.mean(1), channels.var(1, correction=0)
            self.num_batches_tracked += 1
            with torch.no_grad():
                self.running_mean.mul_(0.9).add_(0.1 * mean)
                self.running_var.mul_(0.9).add_(0.1 * channels.var(1, correction=1))
        return tdbn(x, self.weight, self.bias, mean, variance, self.alpha)


class SoftNeuron(nn.Module):
    """u = decay * v + c; a spike above 1/2; v = u - spike. Gradients are not needed here."""

    def __init__(self, decay):
        super().__init__()
        self.decay = decay

    def forward(self, x):
        v, spikes = torch.zeros_like(x[0]), []
        for current in x:
            u = self.decay * v + current
            spikes.append((u > 0.5).to(x.dtype))
            v = u - spikes[-1]
        return torch.stack(spikes)


def conv(channels, out, size, stride=1, bias=False):
    return Frames(nn.Conv2d(channels, out, size, stride=stride, padding=size // 2, bias=bias))


class Block(nn.Module):
    def __init__(self, channels, out, stride, pooled, decay):
        super().__init__()
        self.conv1, self.bn1 = conv(channels, out, 3, stride), TdNorm(out, 1)
        self.conv2 = conv(out, out, 3)
        self.downsample = None
        alpha = 1
        if stride == 2 or channels != out:
            alpha = 0.5**0.5
            if pooled:
                self.downsample = nn.Sequential(Frames(nn.AvgPool2d(2)), conv(channels, out, 1), TdNorm(out, alpha))
            else:
                self.downsample = nn.Sequential(conv(channels, out, 1, 2), TdNorm(out, alpha))
        self.bn2 = TdNorm(out, alpha)
        self.neuron1, self.neuron2 = SoftNeuron(decay), SoftNeuron(decay)

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.neuron2(self.bn2(self.conv2(self.neuron1(self.bn1(self.conv1(x))))) + shortcut)


class ResNet(nn.Module):
    def __init__(self, kind, blocks, channels, in_channels, classes, decay):
        super().__init__()
        width = channels[0]
        if kind == MODIFIED:
            layers = []
            for before in (in_channels, width, width):
                layers += [conv(before, width, 3), Norm(width), SoftNeuron(decay)]
            self.conv1 = nn.Sequential(*layers)
            self.after = nn.Sequential(Frames(nn.AvgPool2d(2)))
        else:
            self.conv1 = conv(in_channels, width, *((7, 2) if kind == IMAGENET else (3, 1)))
            self.bn1 = Norm(width)
            pool = [Frames(nn.AvgPool2d(3, 2, 1))] if kind == IMAGENET else []
            self.after = nn.Sequential(SoftNeuron(decay), *pool)
        for stage, (count, out) in enumerate(zip(blocks, channels, strict=True), 1):
            made = []
            for block in range(count):
                made.append(Block(width, out, 2 if block == 0 and stage > 1 else 1, kind == MODIFIED, decay))
                width = out
            setattr(self, f"layer{stage}", nn.Sequential(*made))
        self.stages = len(blocks)
        self.fc = Steps(nn.Linear(width, classes))

    def forward(self, x):
        x = self.conv1(x)
        x = self.after(self.bn1(x) if hasattr(self, "bn1") else x)
        for stage in range(1, self.stages + 1):
            x = getattr(self, f"layer{stage}")(x)
        return self.fc(x.mean((3, 4))).mean(0)


class VGG(nn.Module):
    def __init__(self, plan, in_channels, classes, decay):
        super().__init__()
        layers = []
        for out in plan:
            if out == "pool":
                layers.append(Frames(nn.AvgPool2d(2)))
            else:
                layers += [conv(in_channels, out, 3, bias=True), Norm(out), SoftNeuron(decay)]
                in_channels = out
        self.features = nn.Sequential(*layers)
        self.classifier = Steps(nn.Linear(in_channels, classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean((3, 4))).mean(0)


class Whole(nn.Module):
    """What the released code saves: a network under `model`."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x)


def released(network, classes=10, in_channels=3, decay=1.0):
    """The named network of full width, in the released form, with weights as after training."""
    four = (64, 128, 256, 512)
    if network == "vgg16":
        made = VGG(VGG16, in_channels, classes, decay)
    else:
        plan = {
            "resnet19": (RESNET19, (3, 3, 2), (128, 256, 512)),
            "resnet20-modified": (MODIFIED, (2, 2, 2, 2), four),
            "resnet18": (IMAGENET, (2, 2, 2, 2), four),
            "resnet34": (IMAGENET, (3, 4, 6, 3), four),
        }[network]
        made = ResNet(*plan, in_channels, classes, decay)
    return as_trained(Whole(made))


def as_trained(model):
    """Give statistics and scales as after training, not the 0 and 1 that a network starts with."""
    torch.manual_seed(5)
    for name, value in model.state_dict().items():
        if name.endswith("running_mean"):
            value.normal_(0, 0.1)
        elif name.endswith("running_var"):
            value.uniform_(0.1, 0.5)
        elif name.endswith("num_batches_tracked"):
            value.fill_(7)
        elif name.endswith("bias"):
            value.normal_(0.1, 0.2)
        elif value.ndim == 1:
            value.uniform_(0.5, 1.5)
    return model


def write(path, tensors):
    """Save a state dict, as the path's suffix says."""
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path)
    return path


def import_as(network, source, out, **changes):
    """Import as most tests do."""
    given = {"neuron": "soft-mpr", "timesteps": 2, "num_classes": 10, "in_channels": 3, "decay": 1.0}
    import_weights(source, out, network=network, **{**given, **changes})
    return out
