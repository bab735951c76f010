"""What a worker process calls once: plain arguments that crossed the process boundary -> an evaluator."""

import msgspec
import numpy as np
import numpy.typing as npt

from evonet.evaluation.evaluate import Evaluator
from evonet.evaluation.settings import EvaluationSettings
from evonet.training.data import DataSet


def make_evaluator(
    settings: bytes,
    header: bytes,
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    splits: npt.NDArray[np.int32],
) -> Evaluator:
    """`settings`: EvaluationSettings as msgpack; the rest: `DataSet.arrays()`."""
    decoded = msgspec.msgpack.decode(settings, type=EvaluationSettings)
    return Evaluator(decoded, DataSet.from_arrays(header, images, labels, splits))
