from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import binomtest

from lethe.errors import LetheError
from lethe.measures.rates import remaining_accuracy, unlearning_accuracy, wilson


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize("n", [1, 2, 7, 30, 1000, 50_000])
def test_wilson_is_scipys(n: int, confidence: float) -> None:
    for successes in sorted({0, 1, n // 3, n // 2, n - 1, n}):
        rate = wilson(successes, n, confidence)
        scipys = binomtest(successes, n).proportion_ci(confidence, method="wilson")
        assert (rate.low, rate.high) == pytest.approx((scipys.low, scipys.high), rel=1e-12, abs=1e-15)
        assert rate.value == successes / n
        assert rate.n == n
        assert 0 <= rate.low <= rate.value <= rate.high <= 1


@pytest.mark.parametrize("successes_n", [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_what_is_no_count(successes_n: tuple[int, int]) -> None:
    with pytest.raises(LetheError, match="successes"):
        wilson(*successes_n)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_wilson_refuses_what_is_no_confidence(confidence: float) -> None:
    with pytest.raises(LetheError, match="confidence"):
        wilson(1, 2, confidence)


# Study of 3 classes, target 1, a judge with a fourth, noise-like class (3). Each row: condition, what the
# judge sees, how many images. By hand: target images 10, of which 2 are seen as the target, so UA = 0.8.
# Others 20, of which 9 + 6 are right, so RA = 15 / 20.
JUDGED = [(1, 1, 2), (1, 3, 7), (1, 0, 1), (0, 0, 9), (0, 1, 1), (0, 3, 2), (2, 2, 6), (2, 0, 2)]


def judged_images() -> tuple[np.ndarray, np.ndarray]:
    conditions = np.repeat([row[0] for row in JUDGED], [row[2] for row in JUDGED])
    seen = np.repeat([row[1] for row in JUDGED], [row[2] for row in JUDGED])
    logits = np.random.default_rng(0).normal(size=(len(seen), 4))
    logits[np.arange(len(seen)), seen] += 20
    order = np.random.default_rng(1).permutation(len(seen))
    return logits[order], conditions[order]


def test_ua_and_ra_by_hand() -> None:
    logits, conditions = judged_images()
    ua = unlearning_accuracy(logits, conditions, 1, minimum=10)
    ra = remaining_accuracy(logits, conditions, 1, minimum=20)
    assert ua == wilson(8, 10)
    assert ra == wilson(15, 20)


def test_ua_of_a_set_of_target_images_alone() -> None:
    logits, conditions = judged_images()
    kept = conditions == 1
    assert unlearning_accuracy(logits[kept], conditions[kept], 1, minimum=10) == wilson(8, 10)


@pytest.mark.parametrize(("metric", "name", "n"), [(unlearning_accuracy, "UA", 10), (remaining_accuracy, "RA", 20)])
def test_too_few_images_are_refused(metric, name: str, n: int) -> None:
    logits, conditions = judged_images()
    metric(logits, conditions, 1, minimum=n)
    with pytest.raises(LetheError, match=rf"{name}: {n} images.*{n + 1}.*\n.*sample 1 more"):
        metric(logits, conditions, 1, minimum=n + 1)
    with pytest.raises(LetheError, match="at least 30"):
        metric(logits, conditions, 1)


def test_what_cannot_be_judged_is_refused() -> None:
    logits, conditions = judged_images()
    with pytest.raises(LetheError, match="class 4"):
        unlearning_accuracy(logits, conditions, 4, minimum=1)
    with pytest.raises(LetheError, match=r"class 7.*0\.\.3"):
        unlearning_accuracy(logits, np.where(conditions == 2, 7, conditions), 1, minimum=1)
    with pytest.raises(LetheError, match="class -1"):
        unlearning_accuracy(logits, np.where(conditions == 2, -1, conditions), 1, minimum=1)
    with pytest.raises(LetheError, match="shape"):
        remaining_accuracy(logits, conditions[1:], 1, minimum=1)
    with pytest.raises(LetheError, match="float64"):
        remaining_accuracy(logits, conditions.astype(float), 1, minimum=1)
    logits[5, 2] = np.nan
    with pytest.raises(LetheError, match=r"1 images.*image 5"):
        remaining_accuracy(logits, conditions, 1, minimum=1)


def test_the_import_stays_light() -> None:
    heavy = "import sys, lethe.measures; print(sorted({'torch', 'scipy', 'pandas'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
