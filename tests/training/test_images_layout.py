"""Images from this process and from another one lie in memory alike: torch picks kernels, and so bits, by strides."""

import pickle

import torch

from evonet.training.batches import Batches, images_of
from evonet.training.data import DataSet, load_data


def test_images_that_crossed_a_process_boundary_have_the_same_strides() -> None:
    here = load_data("digits")
    there = DataSet.from_arrays(*pickle.loads(pickle.dumps(here.arrays(), protocol=5)))  # noqa: S301 - our own bytes
    for data in (here, there):
        images = images_of(data, "train")
        assert images.images.stride() == torch.empty(images.images.shape).stride()
        batch, _ = Batches(images, 16, seed=0)[0]
        assert batch.stride() == torch.empty(batch.shape).stride()
