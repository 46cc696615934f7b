"""The Earth's magnetic field, IGRF-13 to degree 8 (IAGA Working Group V-MOD; Alken et al. 2021).

Coefficients in nT for 2020.0 and the published prediction for 2025.0; between and after them the change is linear.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sim.orbit import Floats

REFERENCE_RADIUS_M: Final = 6_371_200.0
EPOCH_2020_UNIX_S: Final = 1_577_836_800.0
YEAR_S: Final = 31_557_600.0
DEGREE: Final = 8

# degree, order, g and h of 2020.0, g and h of 2025.0
COEFFICIENTS: Final = (
    (1, 0, -29404.8, 0.0, -29376.2, 0.0),
    (1, 1, -1450.9, 4652.5, -1413.8, 4523.0),
    (2, 0, -2499.6, 0.0, -2554.5, 0.0),
    (2, 1, 2982.0, -2991.6, 2947.2, -3142.5),
    (2, 2, 1677.0, -734.6, 1666.2, -846.6),
    (3, 0, 1363.2, 0.0, 1374.2, 0.0),
    (3, 1, -2381.2, -82.1, -2410.6, -52.0),
    (3, 2, 1236.2, 241.8, 1251.5, 236.4),
    (3, 3, 525.7, -543.4, 465.5, -541.1),
    (4, 0, 903.0, 0.0, 897.0, 0.0),
    (4, 1, 809.5, 281.9, 801.8, 281.3),
    (4, 2, 86.3, -158.4, 56.6, -126.0),
    (4, 3, -309.4, 199.7, -283.4, 217.4),
    (4, 4, 48.0, -349.7, 22.5, -374.5),
    (5, 0, -234.3, 0.0, -235.7, 0.0),
    (5, 1, 363.2, 47.7, 365.7, 47.6),
    (5, 2, 187.8, 208.3, 184.8, 220.6),
    (5, 3, -140.7, -121.2, -139.7, -124.0),
    (5, 4, -151.2, 32.3, -144.8, 47.2),
    (5, 5, 13.5, 98.8, 17.8, 100.2),
    (6, 0, 66.0, 0.0, 63.3, 0.0),
    (6, 1, 65.5, -19.1, 63.8, -18.9),
    (6, 2, 72.9, 25.1, 74.9, 17.0),
    (6, 3, -121.5, 52.8, -115.0, 46.1),
    (6, 4, -36.2, -64.5, -43.2, -60.4),
    (6, 5, 13.5, 8.9, 13.4, 9.0),
    (6, 6, -64.7, 68.1, -60.2, 72.9),
    (7, 0, 80.6, 0.0, 79.9, 0.0),
    (7, 1, -76.7, -51.5, -77.4, -48.4),
    (7, 2, -8.2, -16.9, -8.4, -14.0),
    (7, 3, 56.5, 2.2, 59.9, -1.5),
    (7, 4, 15.8, 23.5, 16.2, 22.3),
    (7, 5, 6.4, -2.2, 3.7, -7.7),
    (7, 6, -7.2, -27.2, -11.0, -26.5),
    (7, 7, 9.8, -1.8, 13.6, -0.3),
    (8, 0, 23.7, 0.0, 23.6, 0.0),
    (8, 1, 9.7, 8.4, 10.4, 7.2),
    (8, 2, -17.6, -15.3, -17.8, -12.3),
    (8, 3, -0.5, 12.8, 1.7, 12.0),
    (8, 4, -21.1, -11.7, -21.4, -9.1),
    (8, 5, 15.3, 14.9, 17.4, 13.5),
    (8, 6, 13.7, 3.6, 15.2, 1.4),
    (8, 7, -16.5, -6.9, -16.9, -4.4),
    (8, 8, -0.3, 2.8, 1.6, 3.0),
)


def field(earth_fixed: Floats, t_s: Floats) -> Floats:
    """Magnetic flux density in tesla, Earth-fixed axes, shape (n, 3).

    `earth_fixed` (n, 3) in metres, `t_s` UTC seconds (n,); the epoch of the first row serves all of them. Schmidt
    semi-normalised functions by the usual recursion; not defined on the polar axis itself.
    """
    years = (float(t_s[0]) - EPOCH_2020_UNIX_S) / YEAR_S
    x, y, z = earth_fixed[:, 0], earth_fixed[:, 1], earth_fixed[:, 2]
    r = np.sqrt(x * x + y * y + z * z)
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
    for n, m, g0, h0, g5, h5 in COEFFICIENTS:
        g = g0 + (g5 - g0) / 5.0 * years
        h = h0 + (h5 - h0) / 5.0 * years
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
