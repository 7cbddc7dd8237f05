# SPDX-License-Identifier: MIT
"""Measures of velocity maps (n, nz, nx) in m/s, shared by the studies of compression."""
import numpy as np
from scipy.ndimage import convolve1d

LOW, HIGH = 1500.0, 4500.0


def squeezed(a):
    return np.asarray(a, dtype=np.float32).reshape(-1, a.shape[-2], a.shape[-1])


def psnr_each(decoded, maps):
    """Range of 3,000 m/s, at most 60 dB, of every map (PSNR_full)."""
    mse = np.mean((np.asarray(decoded, float) - maps) ** 2, axis=(1, 2))
    return np.minimum(10 * np.log10((HIGH - LOW) ** 2 / np.maximum(mse, 1e-6)), 60)


def ssim_openfwi(a, b):
    """Gaussian window of 11 x 11, sigma 1.5, zeros outside, values over 1,500 to 4,500 m/s as [0, 1]; mean over maps."""
    x, y = ((np.asarray(m, float) - LOW) / (HIGH - LOW) for m in (a, b))
    g = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    g /= g.sum()

    def mean(m):
        return convolve1d(convolve1d(m, g, axis=1, mode="constant"), g, axis=2, mode="constant")
    m1, m2 = mean(x), mean(y)
    s1, s2, s12 = mean(x * x) - m1 * m1, mean(y * y) - m2 * m2, mean(x * y) - m1 * m2
    c1, c2 = 1e-4, 9e-4
    return float(np.mean((2 * m1 * m2 + c1) * (2 * s12 + c2) / ((m1 * m1 + m2 * m2 + c1) * (s1 + s2 + c2))))


def gradient_correlation(a, b):
    """Pearson's correlation of the magnitudes of the gradients, mean over maps."""
    def magnitude(m):
        return np.hypot(*np.gradient(m, axis=(1, 2))).reshape(len(m), -1)
    return float(np.mean([np.corrcoef(x, y)[0, 1] for x, y in zip(magnitude(a), magnitude(b))]))


def interface_rmse(decoded, truth, pixel, step=100.0, reach=1.5, apart=3.0):
    """Depth of interfaces along columns, in coarse pixels of `pixel` rows: every jump of at least `step` m/s of the true map
    that has no other within `apart` pixels, against where the decoded column crosses the mean of the two values within
    `reach` pixels. Returns the root of the mean square and the share of interfaces that no crossing was found for."""
    wide, far = int(round(reach * pixel)), int(round(apart * pixel))
    squares, missed = [], 0
    for d, t in zip(decoded, truth):
        jumps = np.abs(np.diff(t, axis=0)) > 1
        for x in range(t.shape[1]):
            rows = np.flatnonzero(jumps[:, x])
            for k, r in enumerate(rows):
                alone = (k == 0 or r - rows[k - 1] > far) and (k + 1 == len(rows) or rows[k + 1] - r > far)
                if not alone or abs(t[r + 1, x] - t[r, x]) < step or r < far or r + far >= len(t) - 1:
                    continue
                level = 0.5 * (t[r, x] + t[r + 1, x])
                part = (d[r - wide:r + wide + 2, x] - level) * np.sign(t[r + 1, x] - t[r, x])
                at = np.flatnonzero((part[:-1] < 0) & (part[1:] >= 0))
                if not len(at):
                    missed += 1
                    continue
                where = at + part[at] / (part[at] - part[at + 1])  # rows from r - wide; the truth is at wide + 1/2
                squares.append(float(np.min(np.abs(where - wide - 0.5)) / pixel) ** 2)
    found = len(squares)
    if not found:
        return None
    return {"rmse_pixels": round(float(np.sqrt(np.mean(squares))), 3), "missed": round(missed / (missed + found), 3),
            "interfaces": found + missed}
