"""The Earth's magnetic field, IGRF-14 to degree 8 (IAGA Working Group V-MOD 2024, doi 10.5281/zenodo.14012302).

Definitive coefficients of 2020.0 with linear change to those of 2025.0 (before 2020 too), and from 2025.0 on the
published yearly change. At 550 km the degrees left out amount to some 54 nT rms (vector).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sim.orbit import Floats

REFERENCE_RADIUS_M: Final = 6_371_200.0
EPOCH_2020_UNIX_S: Final = 1_577_836_800.0
YEAR_S: Final = 31_557_600.0
DEGREE: Final = 8

# degree, order, g and h of 2020.0, g and h of 2025.0 (nT), change of g and h from 2025.0 on (nT a year)
COEFFICIENTS: Final = (
    (1, 0, -29403.41, 0.0, -29350.0, 0.0, 12.6, 0.0),
    (1, 1, -1451.37, 4653.35, -1410.3, 4545.5, 10.0, -21.5),
    (2, 0, -2499.78, 0.0, -2556.2, 0.0, -11.2, 0.0),
    (2, 1, 2981.96, -2991.72, 2950.9, -3133.6, -5.3, -27.3),
    (2, 2, 1676.85, -734.62, 1648.7, -814.2, -8.3, -11.1),
    (3, 0, 1363.0, 0.0, 1360.9, 0.0, -1.5, 0.0),
    (3, 1, -2380.8, -81.96, -2404.2, -56.9, -4.4, 3.8),
    (3, 2, 1236.06, 241.8, 1243.8, 237.6, 0.4, -0.2),
    (3, 3, 525.6, -542.52, 453.4, -549.6, -15.6, -3.9),
    (4, 0, 902.82, 0.0, 894.7, 0.0, -1.7, 0.0),
    (4, 1, 809.47, 282.1, 799.6, 278.6, -2.3, -1.3),
    (4, 2, 86.18, -158.5, 55.8, -134.0, -5.8, 4.1),
    (4, 3, -309.47, 199.75, -281.1, 212.0, 5.4, 1.6),
    (4, 4, 47.44, -350.3, 12.0, -375.4, -6.8, -4.1),
    (5, 0, -234.42, 0.0, -232.9, 0.0, 0.6, 0.0),
    (5, 1, 363.26, 47.52, 369.0, 45.3, 1.3, -0.5),
    (5, 2, 187.86, 208.36, 187.2, 220.0, 0.0, 2.1),
    (5, 3, -140.73, -121.43, -138.7, -122.9, 0.7, 0.5),
    (5, 4, -151.16, 32.09, -141.9, 42.9, 2.3, 1.7),
    (5, 5, 13.98, 99.14, 20.9, 106.2, 1.0, 1.9),
    (6, 0, 65.97, 0.0, 64.3, 0.0, -0.2, 0.0),
    (6, 1, 65.56, -19.22, 63.8, -18.4, -0.3, 0.3),
    (6, 2, 72.96, 25.02, 76.7, 16.8, 0.8, -1.6),
    (6, 3, -121.57, 52.76, -115.7, 48.9, 1.2, -0.4),
    (6, 4, -36.06, -64.4, -40.9, -59.8, -0.8, 0.8),
    (6, 5, 13.6, 8.96, 14.9, 10.9, 0.4, 0.7),
    (6, 6, -64.8, 68.04, -60.8, 72.8, 0.9, 0.9),
    (7, 0, 80.54, 0.0, 79.6, 0.0, -0.1, 0.0),
    (7, 1, -76.63, -51.5, -76.9, -48.9, -0.1, 0.6),
    (7, 2, -8.23, -16.85, -8.8, -14.4, -0.1, 0.5),
    (7, 3, 56.45, 2.36, 59.3, -1.0, 0.5, -0.7),
    (7, 4, 15.8, 23.56, 15.8, 23.5, -0.1, 0.0),
    (7, 5, 6.3, -2.19, 2.5, -7.4, -0.8, -0.9),
    (7, 6, -7.21, -27.19, -11.2, -25.1, -0.8, 0.5),
    (7, 7, 9.77, -1.9, 14.3, -2.2, 0.9, -0.3),
    (8, 0, 23.66, 0.0, 23.1, 0.0, -0.1, 0.0),
    (8, 1, 9.74, 8.43, 10.9, 7.2, 0.2, -0.3),
    (8, 2, -17.49, -15.23, -17.5, -12.6, 0.0, 0.4),
    (8, 3, -0.49, 12.83, 2.0, 11.5, 0.4, -0.3),
    (8, 4, -21.07, -11.76, -21.8, -9.7, -0.1, 0.4),
    (8, 5, 15.28, 14.94, 16.9, 12.7, 0.3, -0.5),
    (8, 6, 13.65, 3.62, 14.9, 0.7, 0.1, -0.6),
    (8, 7, -16.59, -6.9, -16.8, -5.2, 0.0, 0.3),
    (8, 8, -0.34, 2.9, 1.0, 3.9, 0.3, 0.2),
)


def field(earth_fixed: Floats, t_s: Floats) -> Floats:
    """Magnetic flux density in tesla, Earth-fixed axes, shape (n, 3).

    `earth_fixed` (n, 3) in metres, `t_s` UTC seconds (n,); the epoch of the first row serves all of them. Schmidt
    semi-normalised functions by the usual recursion. On the polar axis itself the metre beside it is meant.
    """
    years = (float(t_s[0]) - EPOCH_2020_UNIX_S) / YEAR_S
    early, late = min(years / 5.0, 1.0), max(years - 5.0, 0.0)
    x, y, z = earth_fixed[:, 0], earth_fixed[:, 1], earth_fixed[:, 2]
    r = np.sqrt(x * x + y * y + z * z)
    x = np.where(np.hypot(x, y) < 1.0, 1.0, x)
    across = np.hypot(x, y)
    cos_t, sin_t = z / r, across / r
    cos_1, sin_1 = x / across, y / across
    p = [[np.zeros_like(r)] * (DEGREE + 1) for _ in range(DEGREE + 1)]
    dp = [[np.zeros_like(r)] * (DEGREE + 1) for _ in range(DEGREE + 1)]
    p[0][0] = np.ones_like(r)
    for n in range(1, DEGREE + 1):
        a = 1.0 if n == 1 else np.sqrt(1.0 - 0.5 / n)
        p[n][n] = a * sin_t * p[n - 1][n - 1]
        dp[n][n] = a * (cos_t * p[n - 1][n - 1] + sin_t * dp[n - 1][n - 1])
        for m in range(n):
            k = np.sqrt(float(n * n - m * m))
            b = np.sqrt(float((n - 1) ** 2 - m * m)) if m < n - 1 else 0.0
            below = p[n - 2][m] if n > 1 else 0.0
            d_below = dp[n - 2][m] if n > 1 else 0.0
            p[n][m] = ((2 * n - 1) * cos_t * p[n - 1][m] - b * below) / k
            dp[n][m] = ((2 * n - 1) * (cos_t * dp[n - 1][m] - sin_t * p[n - 1][m]) - b * d_below) / k
    cos_m, sin_m = [np.ones_like(r)], [np.zeros_like(r)]
    for _ in range(DEGREE):
        cos_m.append(cos_m[-1] * cos_1 - sin_m[-1] * sin_1)
        sin_m.append(sin_m[-1] * cos_1 + cos_m[-2] * sin_1)
    ratio = REFERENCE_RADIUS_M / r
    power = [ratio * ratio]
    for _ in range(DEGREE):
        power.append(power[-1] * ratio)
    b_r, b_t, b_p = np.zeros_like(r), np.zeros_like(r), np.zeros_like(r)
    for n, m, g0, h0, g5, h5, g_year, h_year in COEFFICIENTS:
        g = g0 + (g5 - g0) * early + g_year * late
        h = h0 + (h5 - h0) * early + h_year * late
        wave = power[n] * (g * cos_m[m] + h * sin_m[m])
        b_r += (n + 1) * wave * p[n][m]
        b_t -= wave * dp[n][m]
        if m:
            b_p += m * power[n] * (g * sin_m[m] - h * cos_m[m]) * p[n][m]
    b_p /= sin_t
    radial = b_r * sin_t + b_t * cos_t
    return (
        np.stack((radial * cos_1 - b_p * sin_1, radial * sin_1 + b_p * cos_1, b_r * cos_t - b_t * sin_t), axis=1)
        * 1e-9
    )
