"""The preset for photos, on drawn faces."""

from __future__ import annotations

import numpy as np
import pytest

from auxtask.backbones.conv import residual_backbone
from auxtask.backbones.embedding import embed
from auxtask.data.augmentation import Augmentation
from auxtask.data.faces import FaceData
from auxtask.evaluation.verification import verification
from auxtask.losses.margin_softmax import MarginSoftmax
from auxtask.losses.supervised_contrastive import SupervisedContrastive
from auxtask.losses.weighted_sum import WeightedSum
from auxtask.tasks.same_face import SameFace
from auxtask.transfer.groups import layer_groups

SETTINGS = {"people": 24, "singles": 8, "validate_every": 8, "ema": 0.95}


def small_backbone():
    return residual_backbone(size=24, stages=(16, 32), embedding=32, dropout=0.1, seed=0)


@pytest.fixture(scope="module")
def faces():
    people = FaceData.drawn(70, 6, seed=1, size=28, name_prefix="a")
    ones = [int(np.flatnonzero(people.labels == label)[0]) for label in range(60, 70)]
    several = np.flatnonzero(people.labels < 60)
    return people.subset(np.concatenate([several, ones]))  # ten people with one photo


@pytest.fixture(scope="module")
def others():
    return FaceData.drawn(20, 5, seed=2, size=28, name_prefix="b")


def auc(backbone, data) -> float:
    return verification(embed(backbone, data.images()), data.labels).auc


def test_it_learns_faces_of_people_never_seen_and_keeps_the_groups(faces, others):
    backbone = small_backbone()
    before = auc(backbone, others)
    task = SameFace(backbone)
    returned = task.pretrain(faces, others, budget="60steps", learning_rate=5e-3, **SETTINGS)
    history = task.pretraining.history
    assert history[-1]["loss"] < history[0]["loss"]
    assert {"supervised_contrastive", "margin_softmax", "val_auc"} <= set(history[0])
    assert auc(returned, others) > before + 0.05 and auc(returned, others) > 0.6
    assert layer_groups(returned).names == ("stem", "block1", "block2", "embedding")
    record = task.pretraining.provenance
    assert record["data"]["fingerprint"] == faces.fingerprint()
    assert set(record["data"]["people"]) == set(faces.people)
    assert record["augment"].startswith("Augmentation(")


@pytest.mark.parametrize(("class_photos", "num_classes"), [(2, 3), (3, 2), (1, 5)])
def test_only_people_with_enough_photos_are_classes(class_photos, num_classes):
    task = SameFace(small_backbone(), class_photos=class_photos, margin=0.2, scale=16.0)
    task.set_classes(np.array([4, 3, 2, 1, 1]))
    contrastive, classes = task.objective.parts
    assert isinstance(task.objective, WeightedSum)
    assert isinstance(contrastive, SupervisedContrastive) and isinstance(classes, MarginSoftmax)
    assert task.objective.part_weights == (1.0, 0.3)
    assert (classes.num_classes, classes.dimension, classes.margin) == (num_classes, 32, 0.2)


def test_labels_reach_the_loss_with_the_people_of_most_photos_first(faces):
    class Spy(SameFace):
        def set_classes(self, counts):
            self.counts_seen = list(counts)
            super().set_classes(counts)

    task = Spy(small_backbone())
    single_first = faces.subset(np.argsort(faces.counts[faces.labels], kind="stable"))
    task.pretrain(single_first, budget="1steps", **SETTINGS)
    assert task.counts_seen == [6] * 60 + [1] * 10
    assert task.objective.parts[1].num_classes == 60
    _, labels = next(iter(task.batches(single_first, seed=0)))
    assert labels.shape == (24 * 2 + 8,)  # static shapes: one trace serves all batches
    assert (np.bincount(labels.numpy(), minlength=70)[60:] <= 1).all()


@pytest.mark.parametrize("counts", [[2, 1, 1], [4, 3]])
def test_without_margin_weight_or_a_second_class_it_is_contrastive_alone(counts):
    task = SameFace(small_backbone(), margin_weight=0.0 if len(counts) == 2 else 0.3)
    task.set_classes(np.array(counts))
    assert isinstance(task.objective, SupervisedContrastive)


def test_the_default_is_the_house_network_and_augmentation_at_its_size():
    task = SameFace()
    assert task.encoder.input_shape == (None, 72, 72, 3)
    assert task.augment == Augmentation(size=72)
    assert SameFace(small_backbone()).augment == Augmentation(size=24)


def test_embeddings_are_averaged_over_the_tasks_views(faces):
    backbone, images = small_backbone(), faces.images(np.arange(5))
    task = SameFace(backbone, crops=(0.8, 1.0), mirror=False)
    np.testing.assert_array_equal(task.embed(images), embed(backbone, images, (0.8, 1.0), False))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"margin_kind": "cosfase"}, "closest: cosface"),
        ({"margin": -0.1}, "margin"),
        ({"scale": 0.0}, "scale"),
        ({"temperature": 0.0}, "temperature"),
        ({"margin_weight": -1.0}, "margin_weight"),
        ({"class_photos": 0}, "class_photos"),
    ],
)
def test_senseless_settings_are_refused_before_any_data_are_read(settings, message):
    with pytest.raises(ValueError, match=message):
        SameFace(small_backbone(), **settings)
