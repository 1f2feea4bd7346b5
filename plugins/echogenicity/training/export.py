"""Write trained weights as ONNX: ``python -m plugins.echogenicity.training.export runs/fold-all.pt lines.onnx``."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from plugins.echogenicity.region.geometry import COLUMNS, ROWS
from plugins.echogenicity.training.model import Network

OPSET = 18


def export(weights: Path, target: Path) -> None:
    """One file, any number of pictures at a time, readable by onnxruntime 1.20 and later."""
    network = Network()
    network.load_state_dict(torch.load(weights, weights_only=True))
    network.eval()
    example = torch.zeros(2, 1, ROWS, COLUMNS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (example,),
            input_names=["picture"],
            output_names=["logits"],
            opset_version=OPSET,
            dynamo=True,
            dynamic_shapes={"picture": {0: torch.export.Dim("pictures", min=1, max=64)}},
            verbose=False,
        )
    assert program is not None  # noqa: S101 - the exporter returns None only when it was given a file
    model = program.model_proto
    model.ir_version = min(model.ir_version, 10)
    del model.metadata_props[:]
    for node in model.graph.node:
        # the exporter writes the source lines of this machine into every node
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.initializer, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    halve(model)
    onnx.checker.check_model(model)
    target.write_bytes(model.SerializeToString())


def halve(model: onnx.ModelProto) -> None:
    """Keep the large weights in half precision and widen them when the network is loaded: half the size."""
    widened = []
    for weight in model.graph.initializer:
        if weight.data_type != onnx.TensorProto.FLOAT or np.prod(weight.dims) < 1000:
            continue
        values = numpy_helper.to_array(weight).astype(np.float16)
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values, f"{name}_half"))
        widened.append(onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))
    for place, node in enumerate(widened):
        model.graph.node.insert(place, node)


if __name__ == "__main__":
    export(Path(sys.argv[1]), Path(sys.argv[2]))
