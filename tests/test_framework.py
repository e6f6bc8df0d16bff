"""`auxtask.framework` makes TensorFlow, Keras 2, Addons and transformers live together, silently, in any order."""

from __future__ import annotations

import importlib.util
import itertools
import subprocess
import sys
import textwrap

import pytest

IMPORTS = {
    "tf": "from auxtask.framework import tf; tf.constant(1)",
    "keras": "from auxtask.framework import keras; keras.layers.Dense(1)",
    "tfa": "from auxtask.framework import tfa; tfa.losses.TripletSemiHardLoss()",
    "transformers": "from auxtask.framework import transformers; transformers.TFBertModel",
}


def fresh(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter; its standard output and error are kept apart."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=300, check=False
    )


def assert_silent(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr == ""


ORDERS = list(itertools.permutations(IMPORTS))


@pytest.mark.parametrize("order", [ORDERS[0], ORDERS[-1], ("tfa", "tf", "transformers", "keras")], ids="-".join)
def test_the_four_import_in_any_order_with_nothing_on_the_terminal(order: tuple[str, ...]) -> None:
    assert_silent(fresh("\n".join(IMPORTS[name] for name in order)))


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS[1:-1], ids="-".join)
def test_every_other_order_imports_silently_too(order: tuple[str, ...]) -> None:
    assert_silent(fresh("\n".join(IMPORTS[name] for name in order)))


def test_keras_is_keras_2_and_is_what_tensorflow_uses() -> None:
    done = fresh("""
        from auxtask.framework import keras, tf
        print(keras.__version__.split(".")[0] == "2", isinstance(keras.layers.Dense(1), tf.keras.layers.Layer))
    """)
    assert done.stdout.split() == ["True", "True"], done.stderr


def test_an_addons_loss_optimizer_and_image_operation_each_run() -> None:
    done = fresh("""
        from auxtask.framework import keras, tf, tfa
        loss = tfa.losses.TripletSemiHardLoss()(tf.constant([0, 0, 1, 1]), tf.random.normal((4, 8)))
        assert loss.shape == ()
        model = keras.Sequential([keras.layers.Dense(1, input_shape=(2,))])
        before = model.get_weights()[0].copy()
        model.compile(tfa.optimizers.LAMB(0.1), "mse")
        model.fit(tf.ones((4, 2)), tf.zeros((4, 1)), verbose=0)
        assert (model.get_weights()[0] != before).any()
        turned = tfa.image.rotate(tf.reshape(tf.range(4.0), (2, 2, 1)), 3.14159265)
        assert abs(turned[0, 0, 0] - 3.0) < 1e-3
    """)
    assert done.returncode == 0, done.stderr


def test_a_keras_that_the_user_imported_before_is_left_as_it_was() -> None:
    done = fresh("""
        import sys, keras
        before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "keras"}
        from auxtask.framework import tfa
        tfa.losses.ContrastiveLoss
        after = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "keras"}
        assert before == after, set(before) ^ set(after)
        import keras as again
        assert again is keras and again.__version__.startswith("3")
    """)
    assert done.returncode == 0, done.stderr


def test_a_keras_that_the_user_imports_afterwards_is_keras_3() -> None:
    done = fresh("""
        from auxtask.framework import tfa
        tfa.losses.ContrastiveLoss
        import keras
        assert keras.__version__.startswith("3"), keras.__version__
        assert keras.layers.Dense(1)(keras.ops.ones((2, 3))).shape == (2, 1)
    """)
    assert done.returncode == 0, done.stderr


def test_what_was_held_back_from_the_terminal_is_replayed_if_the_import_fails() -> None:
    done = fresh("""
        import os
        from auxtask import framework
        try:
            with framework._quiet_standard_error():
                os.write(2, b"why it failed")
                raise ImportError("broken")
        except ImportError:
            pass
        with framework._quiet_standard_error():
            os.write(2, b"noise")
    """)
    assert done.returncode == 0
    assert done.stderr == "why it failed"


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
def test_with_pytorch_installed_transformers_does_not_import_it() -> None:
    asked = "from auxtask.framework import tf, transformers; transformers.TFBertModel"
    done = fresh(f"{asked}\nimport sys; assert 'torch' not in sys.modules")
    assert done.returncode == 0, done.stderr


def test_importing_auxtask_imports_no_tensorflow() -> None:
    done = fresh("""
        import sys
        import auxtask as at
        assert "tensorflow" not in sys.modules and "numpy" not in sys.modules
        assert "reuse" in dir(at)
    """)
    assert done.returncode == 0, done.stderr


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    import auxtask

    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        auxtask.no_such_name  # noqa: B018
