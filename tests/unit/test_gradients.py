"""The combination rules against their definitions: brute force by scipy, torchjd, and the papers' identities."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torchjd import aggregation

from lethe.gradients import CAGRAD, CAGRAD_RADIUS, MGDA, NASH, RESTRICTED, RULES, SUM, Gram, Rule

ANGLES = [10, 60, 89, 91, 100, 135, 170, 179]
CONFLICTS = [angle for angle in ANGLES if angle > 90]
NORMS = [(1.0, 1.0), (3.0, 0.5), (0.2, 4.0)]
WEIGHTS = [0.5, 1.0, 5.0]
DOCO = ("doco_first_upload", "doco_release")
# DoCo's release clips the gradients of all tensors together: their scale and their company matter.
UNCLIPPED = {name: rule for name, rule in RULES.items() if name != "doco_release"}


def vectors(angle: float, norms: tuple[float, float] = (1.0, 1.0)) -> np.ndarray:
    """Two rows, g_f and g_r, of five elements, ``angle`` degrees apart."""
    first, second = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 2)))[0].T
    radians = np.radians(angle)
    return np.stack([norms[0] * first, norms[1] * (np.cos(radians) * first + np.sin(radians) * second)])


def gram_of(pair: np.ndarray) -> Gram:
    g_f, g_r = (torch.from_numpy(row) for row in pair)
    return Gram(g_f @ g_f, g_f @ g_r, g_r @ g_r)


def combined(rule: Rule, pair: np.ndarray, retain_weight: float = 1.0) -> np.ndarray:
    return np.array([float(entry) for entry in rule.coefficients(gram_of(pair), retain_weight)]) @ pair


def with_scaled_retain(pair: np.ndarray, retain_weight: float) -> np.ndarray:
    return pair * np.array([[1.0], [retain_weight]])


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def least(objective, start, *above_zero) -> np.ndarray:
    """Where ``objective`` is least while every function in ``above_zero`` is at least 0."""
    constraints = [{"type": "ineq", "fun": function} for function in above_zero]
    options = {"ftol": 1e-15, "maxiter": 1000}
    return minimize(objective, start, method="SLSQP", constraints=constraints, options=options).x


def steepest(goal: np.ndarray, *protected: np.ndarray) -> np.ndarray:
    """The unit u with the largest <u, goal> for which a step along -u raises no loss whose gradient is protected."""
    keeps = [lambda u, gradient=gradient: u @ unit(gradient) for gradient in protected]
    start = unit(sum(unit(gradient) for gradient in (goal, *protected))) / 2
    return unit(least(lambda u: -(u @ unit(goal)), start, lambda u: 1 - u @ u, *keeps))


def test_rules_are_known_by_their_names():
    assert set(RULES) == {"sum", "restricted", "pcgrad_per_tensor", "mgda", "cagrad", "nash", *DOCO}
    assert all(rule.name == name and rule.source for name, rule in RULES.items())
    assert [name for name, rule in RULES.items() if rule.per_tensor] == ["pcgrad_per_tensor", *DOCO]


def test_rules_can_be_read_without_torch():
    program = "import sys, lethe.gradients; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_rules_never_wait_for_the_device(rule):
    # A meta tensor has no values: whatever would look at one, fails.
    entries = torch.empty(3, 4, dtype=torch.float64, device="meta")
    assert [entry.shape for entry in rule.coefficients(Gram(*entries), 0.7)] == [(4,), (4,)]


@pytest.mark.parametrize("rule", UNCLIPPED.values(), ids=UNCLIPPED)
def test_rules_take_many_gram_matrices_at_once(rule):
    grams = [gram_of(vectors(angle, norms)) for angle in ANGLES for norms in NORMS]
    together = rule.coefficients(Gram(*(torch.stack(entries) for entries in zip(*grams, strict=True))), 0.7)
    one_by_one = [rule.coefficients(gram, 0.7) for gram in grams]
    for entries, singles in zip(together, zip(*one_by_one, strict=True), strict=True):
        torch.testing.assert_close(entries, torch.stack(singles), rtol=1e-12, atol=1e-12)


def test_the_sum_weighs_the_retain_gradient():
    pair = vectors(135, (3.0, 0.5))
    np.testing.assert_allclose(combined(SUM, pair, 5.0), pair[0] + 5 * pair[1])


@pytest.mark.parametrize("retain_weight", WEIGHTS)
@pytest.mark.parametrize("norms", NORMS)
@pytest.mark.parametrize("angle", CONFLICTS)
def test_theorem_4_identities_on_conflict(angle, norms, retain_weight):
    pair = g_f, g_r = vectors(angle, norms)
    delta_f = combined(RESTRICTED, pair, 0.0)  # the rule is linear in lambda
    delta_r = combined(RESTRICTED, pair, 1.0) - delta_f
    result = combined(RESTRICTED, pair, retain_weight)
    sine_squared = np.sin(np.radians(angle)) ** 2
    assert delta_f @ g_r == pytest.approx(0, abs=1e-12)
    assert delta_r @ g_f == pytest.approx(0, abs=1e-12)
    assert result @ g_f == pytest.approx(norms[0] ** 2 * sine_squared, rel=1e-9)
    assert result @ g_r == pytest.approx(retain_weight * norms[1] ** 2 * sine_squared, rel=1e-9)


@pytest.mark.parametrize("angle", [0, 10, 60, 89, 90 - 1e-9])
def test_without_conflict_the_restricted_gradient_is_the_sum(angle):
    pair = vectors(angle, (3.0, 0.5))
    np.testing.assert_allclose(combined(RESTRICTED, pair, 5.0), pair[0] + 5 * pair[1], rtol=1e-12)


@pytest.mark.parametrize("norms", NORMS)
@pytest.mark.parametrize("angle", CONFLICTS)
def test_lemma_5_each_projection_is_the_steepest_direction_of_its_own_problem(angle, norms):
    pair = g_f, g_r = vectors(angle, norms)
    delta_f = combined(RESTRICTED, pair, 0.0)
    delta_r = combined(RESTRICTED, pair, 1.0) - delta_f
    np.testing.assert_allclose(unit(delta_f), steepest(g_f, g_r), atol=1e-5)
    np.testing.assert_allclose(unit(delta_r), steepest(g_r, g_f), atol=1e-5)


@pytest.mark.parametrize("norms", NORMS)
@pytest.mark.parametrize("angle", ANGLES)
def test_the_restricted_gradient_adds_the_nearest_harmless_vectors(angle, norms):
    pair = g_f, g_r = vectors(angle, norms)

    def nearest(gradient, protected):
        return least(lambda u: (u - gradient) @ (u - gradient), gradient, lambda u: u @ unit(protected))

    expected = nearest(g_f, g_r) + 0.7 * nearest(g_r, g_f)
    np.testing.assert_allclose(combined(RESTRICTED, pair, 0.7), expected, atol=1e-5)


def definition_3(g_f: np.ndarray, g_r: np.ndarray) -> np.ndarray:
    """The steepest descent on both losses in closed form: where Theorem 4 is not it, this is."""
    total = g_f + g_r
    if total @ g_f >= 0 and total @ g_r >= 0:
        return unit(total)
    longer, shorter = (g_f, g_r) if g_f @ g_f > g_r @ g_r else (g_r, g_f)
    return unit(longer - (longer @ shorter) / (shorter @ shorter) * shorter)


@pytest.mark.parametrize("norms", [*NORMS, (1.0, 0.9), (2.0, 1.0)])
@pytest.mark.parametrize("angle", ANGLES)
def test_definition_3_is_met_by_theorem_4_only_at_equal_norms_or_without_conflict(angle, norms):
    retain_weight = 0.8
    pair = vectors(angle, (norms[0], norms[1] / retain_weight))
    g_f, g_r = with_scaled_retain(pair, retain_weight)
    best = steepest(g_f + g_r, g_f, g_r)
    result = unit(combined(RESTRICTED, pair, retain_weight))
    assert min(result @ unit(g_f), result @ unit(g_r)) > 0  # it descends on both losses
    np.testing.assert_allclose(best, definition_3(g_f, g_r), atol=1e-5)
    if angle < 90 or norms[0] == norms[1]:
        np.testing.assert_allclose(result, best, atol=1e-5)
    else:
        assert result @ (g_f + g_r) < best @ (g_f + g_r) * (1 - 1e-6)


@pytest.mark.parametrize("rule", [RESTRICTED, MGDA, CAGRAD, NASH], ids=lambda rule: rule.name)
@pytest.mark.parametrize("retain_weight", WEIGHTS)
@pytest.mark.parametrize("angle", ANGLES)
def test_lambda_is_a_scale_of_the_retain_gradient(angle, retain_weight, rule):
    pair = vectors(angle, (3.0, 0.5))
    expected = combined(rule, with_scaled_retain(pair, retain_weight), 1.0)
    np.testing.assert_allclose(combined(rule, pair, retain_weight), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("rule", "oracle"),
    [(RESTRICTED, aggregation.PCGrad()), (MGDA, aggregation.MGDA(epsilon=1e-9, max_iters=1000))],
    ids=["pcgrad", "mgda"],
)
@pytest.mark.parametrize("norms", NORMS)
@pytest.mark.parametrize("angle", ANGLES)
def test_two_task_rules_agree_with_torchjd(angle, norms, rule, oracle):
    pair = vectors(angle, norms)
    expected = oracle(torch.from_numpy(with_scaled_retain(pair, 0.7))).numpy()
    np.testing.assert_allclose(combined(rule, pair, 0.7), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("norms", NORMS)
@pytest.mark.parametrize("angle", [0, *ANGLES, 180])
def test_mgda_is_the_shortest_vector_between_the_two(angle, norms):
    pair = vectors(angle, norms)
    shares = np.linspace(0, 1, 100_001)[:, None]
    shortest = np.linalg.norm(shares * pair[0] + (1 - shares) * pair[1], axis=1).min()
    assert np.linalg.norm(combined(MGDA, pair)) == pytest.approx(shortest, abs=5e-5)


@pytest.mark.parametrize("norms", NORMS)
@pytest.mark.parametrize("angle", [0, *ANGLES, 180])
def test_cagrad_gains_most_for_the_worse_off_loss(angle, norms):
    pair = vectors(angle, norms)
    mean = pair.mean(axis=0)
    radius = CAGRAD_RADIUS * np.linalg.norm(mean)
    best = least(
        lambda x: -x[-1],
        np.append(mean, (pair @ mean).min()),
        lambda x: pair @ x[:-1] - x[-1],
        lambda x: radius**2 - (x[:-1] - mean) @ (x[:-1] - mean),
    )
    result = combined(CAGRAD, pair)
    assert (pair @ result).min() == pytest.approx(best[-1], rel=1e-6, abs=1e-8)
    assert np.linalg.norm(result - mean) <= radius * (1 + 1e-9)


def test_cagrad_closes_the_duality_gap_everywhere():
    generator = np.random.default_rng(1)
    for angle, size in zip(generator.uniform(0, 180, 500), 10 ** generator.uniform(-3, 3, 500), strict=True):
        pair = vectors(angle, (size, 1.0))
        a, b = (float(entry) for entry in CAGRAD.coefficients(gram_of(pair), 1.0))
        weights = np.array([a - 0.5, b - 0.5]) / (a + b - 1)
        mean, middle = pair.mean(axis=0), weights @ pair
        bound = middle @ mean + CAGRAD_RADIUS * np.linalg.norm(mean) * np.linalg.norm(middle)
        gain = (pair @ (np.array([a, b]) @ pair)).min()
        assert weights.min() >= 0
        assert gain == pytest.approx(bound, rel=1e-6, abs=1e-6 * min(size, 1) ** 2), (angle, size)


@pytest.mark.parametrize("norms", NORMS)
@pytest.mark.parametrize("angle", ANGLES)
def test_nash_is_the_bargaining_solution(angle, norms):
    pair = vectors(angle, norms)
    weights = np.array([float(entry) for entry in NASH.coefficients(gram_of(pair), 1.0)])
    np.testing.assert_allclose(pair @ pair.T @ weights, 1 / weights, rtol=1e-6)
    # Of all directions, it has the largest product of the two gains.
    between = unit(pair[0]) + unit(pair[1])
    start = unit(between) / 2 + 0.1 * np.linalg.norm(between) * unit(pair[0])
    bargain = least(lambda d: -np.log(np.maximum(pair @ d, 1e-12)).sum(), start, lambda d: 1 - d @ d)
    np.testing.assert_allclose(unit(weights @ pair), unit(bargain), atol=1e-4)


@pytest.mark.parametrize(
    ("rule", "share"),
    [(SUM, 1.0), (RESTRICTED, 1.0), (MGDA, 0.0), (CAGRAD, 0.5), (NASH, 1 / (0.7 * 3.0))],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_zero_gradient_gives_no_nan(rule, share):
    gradient, zero = vectors(100, (3.0, 1.0))[0], np.zeros(5)
    only_retain = combined(rule, np.stack([zero, gradient]), 0.7)
    np.testing.assert_allclose(only_retain, share * 0.7 * gradient, rtol=1e-12)
    only_forget = combined(rule, np.stack([0.7 * gradient, zero]), 0.7)
    np.testing.assert_allclose(only_forget, share * 0.7 * gradient, rtol=1e-12)
    assert not combined(rule, np.zeros((2, 5)), 0.7).any()


@pytest.mark.parametrize("rule", [RESTRICTED, MGDA, NASH], ids=lambda rule: rule.name)
@pytest.mark.parametrize("norms", NORMS)
def test_opposite_gradients_cancel(norms, rule):
    assert np.linalg.norm(combined(rule, vectors(180, norms))) < 1e-9


@pytest.mark.parametrize(
    ("rule", "length"),
    [(SUM, 3.5), (RESTRICTED, 3.5), (MGDA, 0.5), (NASH, np.sqrt(2))],
    ids=lambda value: str(value)[:12],
)
def test_parallel_gradients(rule, length):
    pair = vectors(0, (3.0, 0.5))
    np.testing.assert_allclose(combined(rule, pair), length * unit(pair[0]), rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-18, 1e18])
@pytest.mark.parametrize("rule", UNCLIPPED.values(), ids=UNCLIPPED)
def test_rules_do_not_depend_on_the_scale_of_the_losses(rule, scale):
    for angle in ANGLES:
        pair = vectors(angle, (3.0, 0.5))
        expected = combined(rule, pair, 0.7) * (1 if rule is NASH else scale)
        np.testing.assert_allclose(combined(rule, scale * pair, 0.7), expected, rtol=1e-7)


@pytest.mark.parametrize("norms", [(1e-12, 1e6), (1e6, 1e-12)])
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_very_unequal_gradients_give_finite_steps_that_follow_the_definition(rule, norms):
    for angle in CONFLICTS:
        pair = vectors(angle, norms)
        result = combined(rule, pair)
        assert np.isfinite(result).all()
        if rule.name in ("restricted", "mgda", "nash"):
            assert (pair / np.array(norms)[:, None] @ unit(result)).min() > -1e-9


@pytest.mark.parametrize("name", sorted(RULES.keys() - {"sum"}))
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_gradient_that_is_not_finite_is_not_hidden(name, value):
    broken = torch.tensor(value, dtype=torch.float64)
    finite = torch.tensor(2.0, dtype=torch.float64)
    coefficients = RULES[name].coefficients(Gram(broken, -broken, finite), 1.0)
    assert not torch.isfinite(torch.stack(coefficients)).all()
