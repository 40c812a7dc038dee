"""SavedModel folders (Keras 2, Keras 3 `model.export`, plain TensorFlow) as frozen graphs. Runs in the worker alone.

The graph is read without building Python objects, so neither Keras nor an optimizer's slot variables come into it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeq.errors import ConvertError
from edgeq.model.tf import FrozenGraph, fixed_shape, freeze_function, freeze_session, tensorflow

SIGNATURE = "serving_default"


def read_saved_model(folder: Path) -> FrozenGraph:
    """The signature `serving_default` with batch 1; inputs and outputs in the alphabetical order of their keys."""
    tf = tensorflow()
    try:
        return _read_graph(folder)
    except tf.errors.FailedPreconditionError:
        # A Keras 3 model written by tf.saved_model.save: only its object graph says where its variables come from.
        return _read_objects(folder)
    except ValueError as error:
        if (folder / "variables").is_dir() or "checkpoint" not in str(error):
            raise
        raise ConvertError(
            f"The SavedModel '{folder.name}' lacks its folder of variables, which holds the weights.",
            "Copy the folder whole: saved_model.pb and variables/.",
        ) from error
    except OSError as error:
        reason = "saved_model.pb is damaged" if "parse" in str(error) else str(error).splitlines()[0]
        raise ConvertError(
            f"The SavedModel '{folder.name}' cannot be read: {reason}.", "Save it again, or fetch it again."
        ) from error


def _read_graph(folder: Path) -> FrozenGraph:
    tf = tensorflow()
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        meta = tf.compat.v1.saved_model.load(session, ["serve"], str(folder))
        signature = _signature(folder, meta.signature_def)
        inputs, outputs = sorted(signature.inputs.items()), sorted(signature.outputs.items())
        frozen = freeze_session(session, graph, [info.name for _, info in outputs])
    return _with_batch_one(frozen, inputs, outputs)


def _read_objects(folder: Path) -> FrozenGraph:
    tf = tensorflow()
    loaded = tf.saved_model.load(str(folder))
    signature = _signature(folder, loaded.signatures)
    inputs = sorted(signature.structured_input_signature[1].items())
    specs = [tf.TensorSpec(fixed_shape(key, spec.shape.as_list()), spec.dtype, name=key) for key, spec in inputs]
    keys = sorted(signature.structured_outputs)

    @tf.function(input_signature=specs)  # type: ignore[untyped-decorator]
    def infer(*tensors: Any) -> Any:
        results = signature(**{key: tensor for (key, _), tensor in zip(inputs, tensors, strict=True)})
        return [results[key] for key in keys]

    return freeze_function(infer.get_concrete_function(), keys)


def _signature(folder: Path, signatures: Any) -> Any:
    if SIGNATURE in signatures:
        return signatures[SIGNATURE]
    known = ", ".join(sorted(name for name in signatures if not name.startswith("__"))) or "none"
    raise ConvertError(
        f"The SavedModel '{folder.name}' has no signature '{SIGNATURE}' (it has: {known}).",
        "Export it with Keras's model.export(folder), or with signatures={'serving_default': ...}.",
    )


def _with_batch_one(graph: Any, inputs: list[tuple[str, Any]], outputs: list[tuple[str, Any]]) -> FrozenGraph:
    tf = tensorflow()
    specs = [
        tf.TensorSpec(
            fixed_shape(key, [axis.size for axis in info.tensor_shape.dim]), tf.dtypes.as_dtype(info.dtype), name=key
        )
        for key, info in inputs
    ]

    @tf.function(input_signature=specs)  # type: ignore[untyped-decorator]
    def infer(*tensors: Any) -> Any:
        fed = {info.name: tensor for (_, info), tensor in zip(inputs, tensors, strict=True)}
        return tf.graph_util.import_graph_def(graph, fed, [info.name for _, info in outputs])

    return freeze_function(infer.get_concrete_function(), [key for key, _ in outputs])
