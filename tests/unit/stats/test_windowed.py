"""Windowed scores of drift against SciPy and scikit-learn, and their level on data without drift."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance

from tidegate.stats import cells
from tidegate.stats.auc import auc
from tidegate.stats.benjamini_hochberg import adjusted
from tidegate.stats.chisquare import chi_square
from tidegate.stats.domain import domain_classifier
from tidegate.stats.jensen_shannon import jensen_shannon
from tidegate.stats.ks import kolmogorov_smirnov, margin
from tidegate.stats.l_infinity import l_infinity
from tidegate.stats.psi import psi
from tidegate.stats.reconstruction import reconstruction_error
from tidegate.stats.total_variation import by_chance, interval, total_variation
from tidegate.stats.wasserstein import wasserstein


def drawn(kind, rng, n):
    return {
        "normal": lambda: rng.normal(size=n),
        "heavy": lambda: rng.standard_t(1.5, n),
        "lognormal": lambda: rng.lognormal(0, 3, n),
        "ties": lambda: rng.poisson(3, n).astype(float),
        "inflated": lambda: np.where(rng.random(n) < 0.6, 0.0, rng.exponential(size=n)),
        "huge": lambda: np.where(rng.random(n) < 1e-4, 1e300, rng.normal(size=n)),
        "far": lambda: 1e9 + rng.normal(size=n),
    }[kind]()


KINDS = ["normal", "heavy", "lognormal", "ties", "inflated", "huge", "far"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [3_000, 60_000])
def test_cells_give_what_scipy_gives_on_the_values_themselves(kind, rows):
    rng = np.random.default_rng(1)
    a, b = drawn(kind, rng, rows), drawn(kind, rng, rows // 2) * 1.05
    found = cells.compare(a, b)
    assert found.reference.sum() == rows and found.now.sum() == rows // 2
    exact = stats.ks_2samp(a, b, method="asymp").statistic
    ours = kolmogorov_smirnov(found.reference, found.now).statistic
    assert exact - 2 * found.error - 1e-12 <= ours <= exact + 1e-12
    assert found.error <= cells.COARSE
    if kind != "huge":
        wanted = stats.wasserstein_distance(a, b)
        assert wasserstein(found.points, found.reference, found.now) == pytest.approx(wanted, rel=0.02, abs=1e-6)
    middle = found.quantiles(found.reference, np.array([0.1, 0.5, 0.9]))
    ranks = [(a <= q).mean() - at for q, at in zip(middle, (0.1, 0.5, 0.9), strict=True)]
    assert all(-0.01 <= rank <= 0.01 or kind in ("ties", "inflated") for rank in ranks)


def test_large_samples_are_not_sorted_and_lose_little():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=300_000), rng.normal(0.02, 1, 300_000)
    found = cells.compare(a, b)
    assert len(found.points) <= cells.CELLS and found.error < 0.002
    exact = stats.ks_2samp(a, b, method="asymp")
    ours = kolmogorov_smirnov(found.reference, found.now)
    assert ours.statistic == pytest.approx(exact.statistic, abs=2e-4)
    assert ours.p >= exact.pvalue * 0.5


def test_bins_have_equal_shares_of_the_reference_and_keep_ties_whole():
    rng = np.random.default_rng(3)
    found = cells.compare(rng.normal(size=10_000), rng.normal(size=500))
    edges, a, b = found.bins(10)
    assert len(edges) == 9 and a.min() == a.max() == 1000 and b.sum() == 500
    edges, a, b = cells.compare(np.array([0.0] * 90 + [1.0] * 10), np.array([1.0])).bins(10)
    assert edges.tolist() == [0.0] and a.tolist() == [90, 10] and b.tolist() == [0, 1]
    low, high = found.even(8, -2.0, 2.0)
    assert low.sum() == 10_000 and high.sum() == 500 and low.argmax() in (3, 4)


def test_distances_against_scipy():
    rng = np.random.default_rng(4)
    for _ in range(20):
        p, q = rng.integers(0, 50, 8), rng.integers(0, 50, 8)
        assert jensen_shannon(p, q) == pytest.approx(distance.jensenshannon(p, q, 2))
        assert jensen_shannon(p, q, np.e) == pytest.approx(distance.jensenshannon(p, q))
        assert l_infinity(p, q) == pytest.approx(distance.chebyshev(p / p.sum(), q / q.sum()))
        assert total_variation(p, q) == pytest.approx(distance.cityblock(p / p.sum(), q / q.sum()) / 2)
        floored = [np.maximum(x / x.sum(), 1e-4) for x in (p, q)]
        assert psi(p, q) == pytest.approx(sum(stats.entropy([*x, 1 - x.sum()], [*y, 1 - y.sum()]) for x, y in ()) or
                                          ((floored[1] - floored[0]) * np.log(floored[1] / floored[0])).sum())  # fmt: skip
    for empty in (psi, jensen_shannon, l_infinity, total_variation):
        assert np.isnan(empty([0, 0], [1, 2]))


def test_p_values_against_scipy():
    rng = np.random.default_rng(5)
    for n, m in ((50, 50), (200, 1000), (5000, 700)):
        a, b = rng.normal(size=n), rng.normal(0.1, 1, m)
        found = cells.compare(a, b)
        assert kolmogorov_smirnov(found.reference, found.now).p == pytest.approx(
            stats.ks_2samp(a, b, method="asymp").pvalue, abs=0.02
        )
        p, q = rng.multinomial(n, [0.5, 0.3, 0.2]), rng.multinomial(m, [0.5, 0.25, 0.25])
        wanted = stats.chi2_contingency([p, q], correction=False)
        ours = chi_square(p, q)
        assert (ours.statistic, ours.p, ours.freedom) == pytest.approx((wanted.statistic, wanted.pvalue, wanted.dof))
    assert adjusted([0.01, 0.04, 0.03, 0.5, 0.2]) == pytest.approx(
        stats.false_discovery_control([0.01, 0.04, 0.03, 0.5, 0.2])
    )
    assert adjusted([]) == []


@pytest.mark.parametrize("categories", [3, 5, 10])
def test_chi_square_holds_its_level_where_taking_the_reference_as_exact_does_not(categories):
    rng = np.random.default_rng(categories)
    shares = np.full(categories, 1 / categories)
    pairs = [(rng.multinomial(1000, shares), rng.multinomial(1000, shares)) for _ in range(800)]
    ours = np.mean([chi_square(a, b).p <= 0.05 for a, b in pairs])
    exact = np.mean([stats.chisquare(b, a).pvalue <= 0.05 for a, b in pairs])
    assert 0.03 <= ours <= 0.075
    assert exact > 0.18


def test_ks_holds_its_level_and_rare_categories_do_not_break_chi_square():
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(600):
        found = cells.compare(rng.normal(size=1001), rng.normal(size=200))
        hits += kolmogorov_smirnov(found.reference, found.now).p <= 0.05
    assert 0.025 <= hits / 600 <= 0.07
    shares = 1 / np.arange(1, 10_001)
    shares /= shares.sum()
    p = [chi_square(rng.multinomial(5000, shares), rng.multinomial(1000, shares)).p <= 0.05 for _ in range(300)]
    assert np.mean(p) <= 0.09


def test_effects_have_bounds_that_cover():
    rng = np.random.default_rng(8)
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.3, 0.3])
    covered, calm = [], []
    for _ in range(500):
        a, b = rng.multinomial(2000, p), rng.multinomial(800, q)
        low, high = interval(a, b)
        covered.append(low <= 0.1 <= high)
        low, _ = interval(a, rng.multinomial(800, p))
        calm.append(low == 0.0)
    assert np.mean(covered) >= 0.93 and np.mean(calm) >= 0.93
    assert by_chance([1000, 1000], [1000, 1000]) == pytest.approx(0.0126, abs=0.001)
    assert margin(1000, 1000) == pytest.approx(stats.kstwobign.isf(0.05) * np.sqrt(2 / 1000))


def test_a_classifier_tells_what_changed_together_and_nothing_else():
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(9)
    a, clean = rng.normal(size=(1500, 3)), rng.normal(size=(1000, 3))
    y, s = rng.integers(0, 2, 200), rng.random(200).round(1)
    assert auc(y, s) == pytest.approx(sklearn_metrics.roc_auc_score(y, s))
    none = domain_classifier(a, clean, ["a", "b", "c"])
    assert none.low <= 0.5 <= none.high
    turned = clean.copy()
    turned[:, 1] = turned[:, 0] * 0.9 + turned[:, 1] * 0.436  # each column alone is as before
    found = domain_classifier(a, turned, ["a", "b", "c"])
    assert found.low > 0.55 and set(found.by) == {"a", "b"}


def test_reconstruction_errors_against_sklearn():
    decomposition = pytest.importorskip("sklearn.decomposition")
    rng = np.random.default_rng(10)
    basis = rng.normal(size=(2, 5))
    a = rng.normal(size=(4000, 2)) @ basis + 0.1 * rng.normal(size=(4000, 5))
    same = rng.normal(size=(2000, 2)) @ basis + 0.1 * rng.normal(size=(2000, 5))
    calm = reconstruction_error(a, same)
    assert calm.low <= 0 <= calm.high
    off = reconstruction_error(a, rng.normal(size=(2000, 5)))
    assert off.low > 1
    standard = (a - a.mean(0)) / a.std(0)
    pca = decomposition.PCA(0.65).fit(standard)
    wanted = np.linalg.norm(standard - pca.inverse_transform(pca.transform(standard)), axis=1).mean()
    assert calm.components == pca.n_components_ and calm.reference == pytest.approx(wanted, rel=0.05)
