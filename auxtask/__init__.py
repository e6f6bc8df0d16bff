"""auxtask: pretrain on a cheap auxiliary task, reuse the layers on the target task, prove whether it helped.

This file is the table of contents: every public name and where it lives. Names are imported when first used (PEP
562), so that `import auxtask as at` costs no TensorFlow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from auxtask.backbones.applications import application_backbone as application_backbone
    from auxtask.backbones.checkpoint_export import save_for_transformers as save_for_transformers
    from auxtask.backbones.checkpoint_files import checkpoint_folder as checkpoint_folder
    from auxtask.backbones.conv import residual_backbone as residual_backbone
    from auxtask.backbones.description import read_description as read_description
    from auxtask.backbones.embedding import embed as embed
    from auxtask.backbones.embedding import predict_views as predict_views
    from auxtask.backbones.image_backbone import image_backbone as image_backbone
    from auxtask.backbones.image_features import image_features as image_features
    from auxtask.backbones.language import language_backbone as language_backbone
    from auxtask.backbones.language import language_model as language_model
    from auxtask.backbones.pooling import pooled as pooled
    from auxtask.backbones.saving import save_backbone as save_backbone
    from auxtask.backbones.small_nets import conv_backbone as conv_backbone
    from auxtask.backbones.small_nets import dense_backbone as dense_backbone
    from auxtask.backbones.small_nets import rbm_backbone as rbm_backbone
    from auxtask.backbones.text_features import check_tokenizer as check_tokenizer
    from auxtask.backbones.text_features import embed_texts as embed_texts
    from auxtask.backbones.text_features import longest_text as longest_text
    from auxtask.backbones.text_features import pooled_upper_layers as pooled_upper_layers
    from auxtask.backbones.text_features import text_features as text_features
    from auxtask.backbones.whitening import whiten_embeddings as whiten_embeddings
    from auxtask.backbones.word_vectors import set_word_vectors as set_word_vectors
    from auxtask.data.augmentation import Augmentation as Augmentation
    from auxtask.data.cooccurrence import cooccurrence_vectors as cooccurrence_vectors
    from auxtask.data.corpora import Corpus as Corpus
    from auxtask.data.crops import Crops as Crops
    from auxtask.data.duplicates import KnownTexts as KnownTexts
    from auxtask.data.duplicates import drop_duplicates as drop_duplicates
    from auxtask.data.face_classes import lfw_image_data as lfw_image_data
    from auxtask.data.face_pairs import FacePairs as FacePairs
    from auxtask.data.faces import FaceData as FaceData
    from auxtask.data.identity_batches import batch_size as batch_size
    from auxtask.data.identity_batches import identity_batches as identity_batches
    from auxtask.data.image_batches import augmented as augmented
    from auxtask.data.image_batches import image_batches as image_batches
    from auxtask.data.image_data import ImageData as ImageData
    from auxtask.data.images import fit_images as fit_images
    from auxtask.data.labelled_images import LabelledImages as LabelledImages
    from auxtask.data.masking import Masking as Masking
    from auxtask.data.overlap import refuse_overlap as refuse_overlap
    from auxtask.data.seen_pictures import pictures_record as pictures_record
    from auxtask.data.shifts import Shifts as Shifts
    from auxtask.data.splits import fixed_test_half as fixed_test_half
    from auxtask.data.splits import has_both_pairs as has_both_pairs
    from auxtask.data.text_batches import EncodedTexts as EncodedTexts
    from auxtask.data.text_spans import DocumentSpans as DocumentSpans
    from auxtask.data.texts import TextData as TextData
    from auxtask.data.token_cache import TokenCache as TokenCache
    from auxtask.data.tokenizer import TextTokenizer as TextTokenizer
    from auxtask.data.unigram import unigram_baseline as unigram_baseline
    from auxtask.deployment.loading import load as load
    from auxtask.deployment.loading import people_seen as people_seen
    from auxtask.deployment.loading import pictures_seen as pictures_seen
    from auxtask.deployment.loading import provenance_of as provenance_of
    from auxtask.deployment.photo_classifier import PhotoClassifier as PhotoClassifier
    from auxtask.deployment.text_classifier import TextClassifier as TextClassifier
    from auxtask.evaluation.arm_classifier import arm_classifier as arm_classifier
    from auxtask.evaluation.arms import rotated_arm as rotated_arm
    from auxtask.evaluation.comparison import Comparison as Comparison
    from auxtask.evaluation.comparison import Examples as Examples
    from auxtask.evaluation.comparison import Outcome as Outcome
    from auxtask.evaluation.depth import first_layer_weights as first_layer_weights
    from auxtask.evaluation.depth import probe_by_depth as probe_by_depth
    from auxtask.evaluation.depth import standardised as standardised
    from auxtask.evaluation.examples import laid_out as laid_out
    from auxtask.evaluation.gain_gap import gap_over_pairs as gap_over_pairs
    from auxtask.evaluation.gain_gap import gap_over_seeds as gap_over_seeds
    from auxtask.evaluation.label_budgets import label_budgets as label_budgets
    from auxtask.evaluation.layer_features import UPPER_LAYERS as UPPER_LAYERS
    from auxtask.evaluation.layer_features import StandardisedLayers as StandardisedLayers
    from auxtask.evaluation.layer_features import side_by_side as side_by_side
    from auxtask.evaluation.learning_curves import Curve as Curve
    from auxtask.evaluation.learning_curves import LearningCurve as LearningCurve
    from auxtask.evaluation.learning_curves import model_accuracy as model_accuracy
    from auxtask.evaluation.learning_curves import time_to_reach as time_to_reach
    from auxtask.evaluation.neighbours import log_neighbours as log_neighbours
    from auxtask.evaluation.network_arms import linear_arm as linear_arm
    from auxtask.evaluation.network_arms import network_arm as network_arm
    from auxtask.evaluation.principal_components import principal_components as principal_components
    from auxtask.evaluation.probes import against_strangers as against_strangers
    from auxtask.evaluation.probes import logistic_head as logistic_head
    from auxtask.evaluation.probes import nearest_mean_head as nearest_mean_head
    from auxtask.evaluation.pseudo_labels import SelfTraining as SelfTraining
    from auxtask.evaluation.statistics import t_interval as t_interval
    from auxtask.evaluation.text_arms import best_classifier as best_classifier
    from auxtask.evaluation.text_arms import chosen_arm as chosen_arm
    from auxtask.evaluation.text_arms import log_mixture as log_mixture
    from auxtask.evaluation.text_arms import log_probe as log_probe
    from auxtask.evaluation.text_arms import log_probes as log_probes
    from auxtask.evaluation.text_arms import probe_arm as probe_arm
    from auxtask.evaluation.text_arms import remembered as remembered
    from auxtask.evaluation.text_arms import scored_arm as scored_arm
    from auxtask.evaluation.text_network_arms import LinearNetwork as LinearNetwork
    from auxtask.evaluation.text_network_arms import TextTraining as TextTraining
    from auxtask.evaluation.text_network_arms import network_classifier as network_classifier
    from auxtask.evaluation.text_network_arms import pair_fit as pair_fit
    from auxtask.evaluation.text_network_arms import scratch_fit as scratch_fit
    from auxtask.evaluation.text_network_arms import text_network_arm as text_network_arm
    from auxtask.evaluation.text_network_arms import tune_fit as tune_fit
    from auxtask.evaluation.tfidf import TermCounts as TermCounts
    from auxtask.evaluation.tfidf import TfidfWords as TfidfWords
    from auxtask.evaluation.tfidf import log_tfidf as log_tfidf
    from auxtask.evaluation.verdicts import paired_right as paired_right
    from auxtask.evaluation.verdicts import verdicts as verdicts
    from auxtask.evaluation.verification import best_threshold as best_threshold
    from auxtask.evaluation.verification import pair_scores as pair_scores
    from auxtask.evaluation.verification import roc_curve as roc_curve
    from auxtask.evaluation.verification import verification as verification
    from auxtask.evaluation.verification import verification_from_scores as verification_from_scores
    from auxtask.framework import Model as Model
    from auxtask.framework import keras as keras
    from auxtask.framework import tf as tf
    from auxtask.losses.contrastive import Contrastive as Contrastive
    from auxtask.losses.cross_correlation import CrossCorrelation as CrossCorrelation
    from auxtask.losses.margin_softmax import MarginSoftmax as MarginSoftmax
    from auxtask.losses.pair_logistic import PairLogistic as PairLogistic
    from auxtask.losses.supervised_contrastive import SupervisedContrastive as SupervisedContrastive
    from auxtask.losses.triplet import Triplet as Triplet
    from auxtask.losses.weighted_sum import WeightedSum as WeightedSum
    from auxtask.runs.comparison_report import keep_thawing as keep_thawing
    from auxtask.runs.comparison_report import report_comparison as report_comparison
    from auxtask.runs.comparison_report import report_mistakes as report_mistakes
    from auxtask.runs.config import option as option
    from auxtask.runs.figures import plot_curves as plot_curves
    from auxtask.runs.figures import plot_freeze_map as plot_freeze_map
    from auxtask.runs.figures import plot_mistakes as plot_mistakes
    from auxtask.runs.figures import plot_roc as plot_roc
    from auxtask.runs.folder import Run as Run
    from auxtask.runs.picture_figures import plot_samples as plot_samples
    from auxtask.runs.program import run as run
    from auxtask.runs.results_figure import plot_results as plot_results
    from auxtask.runs.speed import StepClock as StepClock
    from auxtask.runs.speed import pytorch_steps_per_second as pytorch_steps_per_second
    from auxtask.runs.speed import ratio_row as ratio_row
    from auxtask.runs.transfer_figures import plot_depth as plot_depth
    from auxtask.runs.transfer_figures import plot_spread as plot_spread
    from auxtask.runs.transfer_figures import plot_time_saved as plot_time_saved
    from auxtask.runs.transfer_figures import plot_verdicts as plot_verdicts
    from auxtask.runs.transfer_figures import plot_weights as plot_weights
    from auxtask.runs.verdict_report import report_verdicts as report_verdicts
    from auxtask.tasks.autoencoder import Autoencoder as Autoencoder
    from auxtask.tasks.auxiliary_task import AuxiliaryTask as AuxiliaryTask
    from auxtask.tasks.barlow_twins import BarlowTwins as BarlowTwins
    from auxtask.tasks.checking import check_task as check_task
    from auxtask.tasks.filled_blanks import fill_blank as fill_blank
    from auxtask.tasks.gan import Gan as Gan
    from auxtask.tasks.greedy import GreedyTask as GreedyTask
    from auxtask.tasks.image_task import ImageTask as ImageTask
    from auxtask.tasks.known_classes import learn_classes as learn_classes
    from auxtask.tasks.masked_words import MaskedAccuracy as MaskedAccuracy
    from auxtask.tasks.masked_words import MaskedWords as MaskedWords
    from auxtask.tasks.rbm import Rbm as Rbm
    from auxtask.tasks.replaced_words import ReplacedWords as ReplacedWords
    from auxtask.tasks.rotation import Rotation as Rotation
    from auxtask.tasks.same_document import SameDocument as SameDocument
    from auxtask.tasks.same_document import teach_labels as teach_labels
    from auxtask.tasks.same_face import SameFace as SameFace
    from auxtask.tasks.same_identity import SameIdentity as SameIdentity
    from auxtask.tasks.same_pair import SamePair as SamePair
    from auxtask.tasks.simclr import SimClr as SimClr
    from auxtask.tasks.stacked_autoencoders import StackedAutoencoders as StackedAutoencoders
    from auxtask.tasks.stacked_rbms import StackedRbms as StackedRbms
    from auxtask.training.budget import Budget as Budget
    from auxtask.training.budget import parse_budget as parse_budget
    from auxtask.training.callbacks import BestWeights as BestWeights
    from auxtask.training.callbacks import Diverged as Diverged
    from auxtask.training.callbacks import NanGuard as NanGuard
    from auxtask.training.callbacks import WeightAverage as WeightAverage
    from auxtask.training.inputs import as_dataset as as_dataset
    from auxtask.training.optimizers import GroupRates as GroupRates
    from auxtask.transfer.cloning import copy_weights as copy_weights
    from auxtask.transfer.cloning import reuse as reuse
    from auxtask.transfer.cutting import cut_at as cut_at
    from auxtask.transfer.cutting import cuts as cuts
    from auxtask.transfer.fine_tuning import fine_tune as fine_tune
    from auxtask.transfer.freezing import freeze as freeze
    from auxtask.transfer.freezing import unfreeze as unfreeze
    from auxtask.transfer.groups import layer_groups as layer_groups
    from auxtask.transfer.groups import set_groups as set_groups
    from auxtask.transfer.ledger import weights_fingerprint as weights_fingerprint
    from auxtask.transfer.plans import Phase as Phase
    from auxtask.transfer.plans import Plan as Plan

_HOME = {
    "Augmentation": "auxtask.data.augmentation",
    "Autoencoder": "auxtask.tasks.autoencoder",
    "AuxiliaryTask": "auxtask.tasks.auxiliary_task",
    "BarlowTwins": "auxtask.tasks.barlow_twins",
    "BestWeights": "auxtask.training.callbacks",
    "Budget": "auxtask.training.budget",
    "Comparison": "auxtask.evaluation.comparison",
    "Contrastive": "auxtask.losses.contrastive",
    "Corpus": "auxtask.data.corpora",
    "Crops": "auxtask.data.crops",
    "CrossCorrelation": "auxtask.losses.cross_correlation",
    "Curve": "auxtask.evaluation.learning_curves",
    "Diverged": "auxtask.training.callbacks",
    "DocumentSpans": "auxtask.data.text_spans",
    "LabelledImages": "auxtask.data.labelled_images",
    "UPPER_LAYERS": "auxtask.evaluation.layer_features",
    "EncodedTexts": "auxtask.data.text_batches",
    "Examples": "auxtask.evaluation.comparison",
    "FaceData": "auxtask.data.faces",
    "FacePairs": "auxtask.data.face_pairs",
    "Gan": "auxtask.tasks.gan",
    "GreedyTask": "auxtask.tasks.greedy",
    "GroupRates": "auxtask.training.optimizers",
    "ImageData": "auxtask.data.image_data",
    "ImageTask": "auxtask.tasks.image_task",
    "KnownTexts": "auxtask.data.duplicates",
    "LearningCurve": "auxtask.evaluation.learning_curves",
    "LinearNetwork": "auxtask.evaluation.text_network_arms",
    "MarginSoftmax": "auxtask.losses.margin_softmax",
    "MaskedAccuracy": "auxtask.tasks.masked_words",
    "MaskedWords": "auxtask.tasks.masked_words",
    "Masking": "auxtask.data.masking",
    "Model": "auxtask.framework",
    "NanGuard": "auxtask.training.callbacks",
    "Outcome": "auxtask.evaluation.comparison",
    "PairLogistic": "auxtask.losses.pair_logistic",
    "Phase": "auxtask.transfer.plans",
    "PhotoClassifier": "auxtask.deployment.photo_classifier",
    "Plan": "auxtask.transfer.plans",
    "Rbm": "auxtask.tasks.rbm",
    "ReplacedWords": "auxtask.tasks.replaced_words",
    "Rotation": "auxtask.tasks.rotation",
    "Run": "auxtask.runs.folder",
    "SameDocument": "auxtask.tasks.same_document",
    "SameFace": "auxtask.tasks.same_face",
    "SameIdentity": "auxtask.tasks.same_identity",
    "SamePair": "auxtask.tasks.same_pair",
    "SelfTraining": "auxtask.evaluation.pseudo_labels",
    "Shifts": "auxtask.data.shifts",
    "SimClr": "auxtask.tasks.simclr",
    "StackedAutoencoders": "auxtask.tasks.stacked_autoencoders",
    "StackedRbms": "auxtask.tasks.stacked_rbms",
    "StandardisedLayers": "auxtask.evaluation.layer_features",
    "StepClock": "auxtask.runs.speed",
    "SupervisedContrastive": "auxtask.losses.supervised_contrastive",
    "TermCounts": "auxtask.evaluation.tfidf",
    "TextClassifier": "auxtask.deployment.text_classifier",
    "TextData": "auxtask.data.texts",
    "TextTokenizer": "auxtask.data.tokenizer",
    "TextTraining": "auxtask.evaluation.text_network_arms",
    "TfidfWords": "auxtask.evaluation.tfidf",
    "TokenCache": "auxtask.data.token_cache",
    "Triplet": "auxtask.losses.triplet",
    "WeightAverage": "auxtask.training.callbacks",
    "WeightedSum": "auxtask.losses.weighted_sum",
    "against_strangers": "auxtask.evaluation.probes",
    "application_backbone": "auxtask.backbones.applications",
    "arm_classifier": "auxtask.evaluation.arm_classifier",
    "as_dataset": "auxtask.training.inputs",
    "augmented": "auxtask.data.image_batches",
    "batch_size": "auxtask.data.identity_batches",
    "best_classifier": "auxtask.evaluation.text_arms",
    "best_threshold": "auxtask.evaluation.verification",
    "check_task": "auxtask.tasks.checking",
    "check_tokenizer": "auxtask.backbones.text_features",
    "checkpoint_folder": "auxtask.backbones.checkpoint_files",
    "chosen_arm": "auxtask.evaluation.text_arms",
    "conv_backbone": "auxtask.backbones.small_nets",
    "cooccurrence_vectors": "auxtask.data.cooccurrence",
    "copy_weights": "auxtask.transfer.cloning",
    "cut_at": "auxtask.transfer.cutting",
    "cuts": "auxtask.transfer.cutting",
    "dense_backbone": "auxtask.backbones.small_nets",
    "drop_duplicates": "auxtask.data.duplicates",
    "embed": "auxtask.backbones.embedding",
    "embed_texts": "auxtask.backbones.text_features",
    "fill_blank": "auxtask.tasks.filled_blanks",
    "fine_tune": "auxtask.transfer.fine_tuning",
    "first_layer_weights": "auxtask.evaluation.depth",
    "fit_images": "auxtask.data.images",
    "fixed_test_half": "auxtask.data.splits",
    "freeze": "auxtask.transfer.freezing",
    "gap_over_pairs": "auxtask.evaluation.gain_gap",
    "gap_over_seeds": "auxtask.evaluation.gain_gap",
    "has_both_pairs": "auxtask.data.splits",
    "identity_batches": "auxtask.data.identity_batches",
    "image_backbone": "auxtask.backbones.image_backbone",
    "image_batches": "auxtask.data.image_batches",
    "image_features": "auxtask.backbones.image_features",
    "keep_thawing": "auxtask.runs.comparison_report",
    "keras": "auxtask.framework",
    "laid_out": "auxtask.evaluation.examples",
    "label_budgets": "auxtask.evaluation.label_budgets",
    "language_backbone": "auxtask.backbones.language",
    "language_model": "auxtask.backbones.language",
    "layer_groups": "auxtask.transfer.groups",
    "learn_classes": "auxtask.tasks.known_classes",
    "lfw_image_data": "auxtask.data.face_classes",
    "linear_arm": "auxtask.evaluation.network_arms",
    "load": "auxtask.deployment.loading",
    "log_mixture": "auxtask.evaluation.text_arms",
    "log_neighbours": "auxtask.evaluation.neighbours",
    "log_probe": "auxtask.evaluation.text_arms",
    "log_probes": "auxtask.evaluation.text_arms",
    "log_tfidf": "auxtask.evaluation.tfidf",
    "logistic_head": "auxtask.evaluation.probes",
    "longest_text": "auxtask.backbones.text_features",
    "model_accuracy": "auxtask.evaluation.learning_curves",
    "nearest_mean_head": "auxtask.evaluation.probes",
    "network_arm": "auxtask.evaluation.network_arms",
    "network_classifier": "auxtask.evaluation.text_network_arms",
    "option": "auxtask.runs.config",
    "pair_fit": "auxtask.evaluation.text_network_arms",
    "pair_scores": "auxtask.evaluation.verification",
    "paired_right": "auxtask.evaluation.verdicts",
    "parse_budget": "auxtask.training.budget",
    "people_seen": "auxtask.deployment.loading",
    "pictures_record": "auxtask.data.seen_pictures",
    "pictures_seen": "auxtask.deployment.loading",
    "plot_curves": "auxtask.runs.figures",
    "plot_depth": "auxtask.runs.transfer_figures",
    "plot_freeze_map": "auxtask.runs.figures",
    "plot_mistakes": "auxtask.runs.figures",
    "plot_results": "auxtask.runs.results_figure",
    "plot_roc": "auxtask.runs.figures",
    "plot_samples": "auxtask.runs.picture_figures",
    "plot_spread": "auxtask.runs.transfer_figures",
    "plot_time_saved": "auxtask.runs.transfer_figures",
    "plot_verdicts": "auxtask.runs.transfer_figures",
    "plot_weights": "auxtask.runs.transfer_figures",
    "pooled": "auxtask.backbones.pooling",
    "pooled_upper_layers": "auxtask.backbones.text_features",
    "predict_views": "auxtask.backbones.embedding",
    "principal_components": "auxtask.evaluation.principal_components",
    "probe_arm": "auxtask.evaluation.text_arms",
    "probe_by_depth": "auxtask.evaluation.depth",
    "provenance_of": "auxtask.deployment.loading",
    "pytorch_steps_per_second": "auxtask.runs.speed",
    "ratio_row": "auxtask.runs.speed",
    "rbm_backbone": "auxtask.backbones.small_nets",
    "read_description": "auxtask.backbones.description",
    "refuse_overlap": "auxtask.data.overlap",
    "remembered": "auxtask.evaluation.text_arms",
    "report_comparison": "auxtask.runs.comparison_report",
    "report_mistakes": "auxtask.runs.comparison_report",
    "report_verdicts": "auxtask.runs.verdict_report",
    "residual_backbone": "auxtask.backbones.conv",
    "reuse": "auxtask.transfer.cloning",
    "roc_curve": "auxtask.evaluation.verification",
    "rotated_arm": "auxtask.evaluation.arms",
    "run": "auxtask.runs.program",
    "save_backbone": "auxtask.backbones.saving",
    "save_for_transformers": "auxtask.backbones.checkpoint_export",
    "scored_arm": "auxtask.evaluation.text_arms",
    "scratch_fit": "auxtask.evaluation.text_network_arms",
    "set_groups": "auxtask.transfer.groups",
    "set_word_vectors": "auxtask.backbones.word_vectors",
    "side_by_side": "auxtask.evaluation.layer_features",
    "standardised": "auxtask.evaluation.depth",
    "t_interval": "auxtask.evaluation.statistics",
    "teach_labels": "auxtask.tasks.same_document",
    "text_features": "auxtask.backbones.text_features",
    "text_network_arm": "auxtask.evaluation.text_network_arms",
    "tf": "auxtask.framework",
    "time_to_reach": "auxtask.evaluation.learning_curves",
    "tune_fit": "auxtask.evaluation.text_network_arms",
    "unfreeze": "auxtask.transfer.freezing",
    "unigram_baseline": "auxtask.data.unigram",
    "verdicts": "auxtask.evaluation.verdicts",
    "verification": "auxtask.evaluation.verification",
    "verification_from_scores": "auxtask.evaluation.verification",
    "weights_fingerprint": "auxtask.transfer.ledger",
    "whiten_embeddings": "auxtask.backbones.whitening",
}

__all__ = sorted([*_HOME, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'auxtask' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
