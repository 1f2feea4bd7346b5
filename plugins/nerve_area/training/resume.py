"""The shipped ONNX weights as a checkpoint to train on: ``python -m …training.resume weights.onnx START.pt``.

The export folds every batch normalisation into its convolution. Here each gets a normalisation back that undoes itself
on training crops: the checkpoint answers as the ONNX file does, and can be trained like any other.
"""

from __future__ import annotations

import sys

import onnx
import torch
from onnx import numpy_helper

from plugins.nerve_area.training.dataset import load
from plugins.nerve_area.training.network import SeededNet
from plugins.nerve_area.training.samples import Samples

CROPS = 128


def tensors(path):
    """Weights by name; those kept in half precision under the name that their cast gives them."""
    graph = onnx.load(path).graph
    stored = {t.name: torch.from_numpy(numpy_helper.to_array(t).astype("float32")) for t in graph.initializer}
    casts = {n.output[0]: stored[n.input[0]] for n in graph.node if n.op_type == "Cast"}
    convolutions = [n for n in graph.node if n.op_type == "Conv"]
    return stored | casts, [(n.input[1], n.input[2]) for n in convolutions]


def blocks(net):
    """Convolutions of the network in the order in which they run, each with its normalisation or none."""
    for block in net.down:
        yield from ((block.a, block.na), (block.b, block.nb))
    for across, block in zip(net.across, net.up, strict=True):
        yield from ((across, None), (block.a, block.na), (block.b, block.nb))
    yield net.head, None


def restored(path, crops):
    """A network that answers as the file does, its normalisations measured on ``crops`` (n, 4, SIDE, SIDE)."""
    net = SeededNet().eval()
    known, order = tensors(path)
    for (convolution, norm), (weight, bias) in zip(blocks(net), order, strict=True):
        convolution.weight.data.copy_(known[weight])
        if norm is None:
            convolution.bias.data.copy_(known[bias])
        else:
            convolution.register_forward_hook(undone(norm, known[bias]))
    with torch.no_grad():
        net(crops)
    for convolution, _ in blocks(net):
        convolution._forward_hooks.clear()
    return net


def undone(norm, bias):
    """A hook that sets the normalisation so that it only adds the folded bias to what it is given."""

    def hook(_module, _inputs, output):
        norm.running_mean.copy_(output.mean((0, 2, 3)))
        norm.running_var.copy_(output.var((0, 2, 3)))
        norm.weight.data.copy_(torch.sqrt(norm.running_var + norm.eps))
        norm.bias.data.copy_(norm.running_mean + bias)

    return hook


def main(source, target):
    torch.set_num_threads(1)
    samples = iter(Samples([c for c in load() if c.fold >= 0], 5, fading=0, pool=20))
    crops = torch.stack([next(samples)[0] for _ in range(CROPS)])
    torch.save(restored(source, crops).state_dict(), target)


if __name__ == "__main__":
    main(*sys.argv[1:])
