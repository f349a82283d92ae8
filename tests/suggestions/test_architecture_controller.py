"""The controller's gradient is that of its loss, its probabilities add up, and it learns what it is rewarded for."""

import itertools

import numpy as np
import pytest

from suggestions._architecture_controller import Architectures, Controller, Outline


def controller(*, layers=4, operations=3, hidden=6, temperature=5.0, tanh_constant=2.25, skip_target=0.4, spread=8.0):
    outline = Outline(layers, operations, hidden, temperature, tanh_constant, skip_target)
    made = Controller(outline, np.random.default_rng(0))
    for name in made.weights:
        made.weights[name] *= spread  # away from the nearly linear beginning
    return made


@pytest.mark.parametrize(("temperature", "tanh_constant"), [(5.0, 2.25), (None, 2.25), (2.0, None), (None, None)])
@pytest.mark.parametrize(("entropy", "skip"), [(0.0, 0.0), (0.3, 0.7)])
def test_gradient_is_that_of_finite_differences(temperature, tanh_constant, entropy, skip):
    made = controller(temperature=temperature, tanh_constant=tanh_constant)
    networks = made.sample(np.random.default_rng(1), 5)
    advantages = np.random.default_rng(2).normal(size=5)

    def loss():
        return made.loss(networks, advantages, entropy=entropy, skip=skip)[0]

    _, gradient = made.loss(networks, advantages, entropy=entropy, skip=skip)
    for name, weight in made.weights.items():
        for place in np.ndindex(weight.shape):
            kept = weight[place]
            weight[place] = kept + 1e-5
            above = loss()
            weight[place] = kept - 1e-5
            below = loss()
            weight[place] = kept
            assert gradient[name][place] == pytest.approx((above - below) / 2e-5, abs=1e-7), (name, place)


def test_probabilities_of_all_architectures_add_up_to_one():
    made = controller(layers=3, operations=2)
    every = [
        (kinds, bits) for kinds in itertools.product(range(2), repeat=3) for bits in itertools.product((0, 1), repeat=3)
    ]
    skips = np.zeros((len(every), 3, 3))
    for place, (_, bits) in enumerate(every):
        skips[place, 1, 0], skips[place, 2, 0], skips[place, 2, 1] = bits
    networks = Architectures(np.array([kinds for kinds, _ in every]), skips)
    assert np.exp(made.log_probabilities(networks)).sum() == pytest.approx(1)


def test_samples_come_as_often_as_their_probability_says():
    made = controller(layers=2, operations=2)
    drawn = made.sample(np.random.default_rng(3), 20_000)
    shares = np.exp(made.log_probabilities(drawn))
    keys = drawn.operations[:, 0] * 4 + drawn.operations[:, 1] * 2 + drawn.skips[:, 1, 0].astype(int)
    for key in np.unique(keys):
        assert (keys == key).mean() == pytest.approx(shares[keys == key][0], abs=0.02)


def test_penalty_brings_the_share_of_skips_to_its_target():
    for target in (0.1, 0.9):
        made = controller(layers=6, skip_target=target, temperature=None, spread=1.0)
        for step in range(150):
            networks = made.sample(np.random.default_rng(step), 8)
            made.step(networks, np.zeros(8), rate=0.02, entropy=0.0, skip=1.0)
        drawn = made.sample(np.random.default_rng(9), 400)
        assert drawn.skips.sum() / (400 * 15) == pytest.approx(target, abs=0.07)


def test_extreme_weights_give_finite_numbers():
    made = controller(temperature=None, tanh_constant=None, skip_target=1.0, spread=1e4)
    networks = made.sample(np.random.default_rng(0), 4)
    loss, gradient = made.loss(networks, np.ones(4), entropy=1.0, skip=1.0)
    assert np.isfinite(loss)
    assert all(np.isfinite(slope).all() for slope in gradient.values())
