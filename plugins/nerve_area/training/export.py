"""Write the weights as ONNX in half precision: ``python -m …training.export OUT.onnx IN.pt [IN.pt ...]``.

Several checkpoints are joined into one graph that averages their log odds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from plugins.nerve_area.crops import SIDE
from plugins.nerve_area.training.network import INPUTS, SeededNet


class Ensemble(torch.nn.Module):
    def __init__(self, nets):
        super().__init__()
        self.nets = torch.nn.ModuleList(nets)

    def forward(self, x):
        return torch.stack([net(x) for net in self.nets]).mean(0)


def halved(model):
    """Large weights stored as float16 with a cast in front: half the file, the same arithmetic."""
    graph = model.graph
    for index, tensor in enumerate(list(graph.initializer)):
        values = numpy_helper.to_array(tensor)
        if values.dtype != "float32" or values.size < 64:
            continue
        small = numpy_helper.from_array(values.astype("float16"), tensor.name + "_half")
        graph.initializer.remove(tensor)
        graph.initializer.append(small)
        graph.node.insert(
            0, helper.make_node("Cast", [small.name], [tensor.name], to=TensorProto.FLOAT, name=f"c{index}")
        )
    return model


def main(target, *sources):
    nets = []
    for source in sources:
        net = SeededNet()
        net.load_state_dict(torch.load(source))
        nets.append(net.eval())
    example = torch.zeros(1, INPUTS, SIDE, SIDE)
    torch.onnx.export(
        Ensemble(nets).eval(), (example,), target, input_names=["planes"], output_names=["log_odds"],
        dynamic_axes={"planes": {0: "n"}, "log_odds": {0: "n"}}, opset_version=17, dynamo=False,
    )  # fmt: skip
    onnx.save(halved(onnx.load(target)), target)
    print(target, Path(target).stat().st_size)


if __name__ == "__main__":
    main(*sys.argv[1:])
