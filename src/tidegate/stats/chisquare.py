"""Two-sample chi-square test of homogeneity: are two sets of counts from the same shares?

    X2 = sum over both sides of (observed - expected)^2 / expected,  expected from the shares of both together

Both sides have sampling error, so a reference of 1,000 rows doesn't make five times the false alarms that it makes where it is
taken as exact. Categories expected fewer than 5 times on a side are put together (Cochran 1954). Source: Pearson 1900, 1911.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tidegate.stats.ks import Test

RARE = 5.0


def chi_square(reference: npt.ArrayLike, now: npt.ArrayLike) -> Test:
    """Of counts [k] of the same categories; p 1 where a side has none or all is one category.

    >>> chi_square([500, 500], [500, 500]).p
    1.0
    >>> round(chi_square([480, 520], [530, 470]).p, 4)
    0.0253
    """
    from scipy.special import chdtrc

    a, b = np.asarray(reference, float), np.asarray(now, float)
    n, m = a.sum(), b.sum()
    if n <= 0 or m <= 0:
        return Test(0.0, 1.0)
    rare = (a + b) * (min(n, m) / (n + m)) < RARE
    if rare.any():
        a = np.append(a[~rare], a[rare].sum())
        b = np.append(b[~rare], b[rare].sum())
    both = a + b
    kept = both > 0
    a, b, both = a[kept], b[kept], both[kept]
    if len(both) < 2:
        return Test(0.0, 1.0)
    # with expected counts both*n/(n+m) and both*m/(n+m) the two sides' terms join to this
    statistic = float(((a * m - b * n) ** 2 / both).sum() / (n * m))
    freedom = len(both) - 1
    return Test(statistic, float(chdtrc(freedom, statistic)), freedom)
