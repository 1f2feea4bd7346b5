"""Models for larger cohorts: LMS from 200 subjects, quantile regression from 400.

LMS (Cole & Green 1992) by maximum likelihood: M linear in the chosen columns, ln S linear in age, L one number; the
covariance of all of them is the sandwich of the likelihood (Huber 1967), right also where values are not quite as the
model has them. Quantile regression (Koenker 2005) by linear programming: no assumption about the shape, and so many
subjects; the joint covariance of all levels is the sandwich of Koenker & Bassett (1982), each subject's density at a
level taken from the fitted levels themselves (Hendricks & Koenker 1992).
One value a subject is used (the first side): both models speak of single sides, and sides are not independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import statsmodels.api as sm
from scipy import linalg, optimize, sparse, stats

from reference_store.documents import Quantile, Term
from reference_store.fitting.cohort import Cohort, Floats
from reference_store.fitting.shapes import Candidate, Shape, choose, matrix, terms_of

LMS_FROM, QUANTILES_FROM = 200, 400
_PERCENTS = (2.5, 10.0, 25.0, 50.0, 75.0, 90.0, 97.5)
_NEARLY_LOG = 1e-4
_LIMIT = 1.96
_CONTENT = float(stats.norm.ppf(0.95))
_STEEPEST = 0.2
"""A subject's levels lie never closer than this share of their average distance: crossing levels tell no density."""


@dataclass(frozen=True, slots=True, eq=False)
class WideFit:
    """An LMS or a quantile model."""

    cohort: Cohort
    shape: Shape
    candidates: tuple[Candidate, ...]
    covariance: Floats
    """Of all coefficients, in the order of the document."""
    leverages: Floats
    """Variance of the median at each subject, in units of the population's variance there, shape (n,)."""
    shifts: Floats
    """How far a limit moves, at any subject's covariates and in SD, when each one is left out: to first order, (n,)."""
    tolerance_k: float
    """Deviate of the limit below which 95 % of healthy people lie with 95 % confidence, for half of the subjects."""
    median_terms: tuple[Term, ...] = ()
    sd_terms: tuple[Term, ...] = ()
    power: float = 1.0
    quantiles: tuple[Quantile, ...] = ()

    @property
    def parameters(self) -> int:
        """How many coefficients one value is judged with."""
        if self.quantiles:
            return len(self.quantiles[0].terms)
        return len(self.median_terms) + len(self.sd_terms) + 1


def _values(cohort: Cohort) -> Floats:
    return np.array([values[0] for values in cohort.sides])


@dataclass(frozen=True, slots=True, eq=False)
class _Likelihood:
    """The LMS likelihood of values (n,) given the designs of M (n, p) and ln S (n, 2); coefficients are one vector."""

    values: Floats
    design: Floats
    ages: Floats

    def parts(self, x: Floats) -> tuple[Floats, Floats, float]:
        """M and ln S at each subject, and L."""
        count = self.design.shape[1]
        return self.design @ x[:count], self.ages @ x[count:-1], float(x[-1])

    def scores(self, x: Floats) -> tuple[float, Floats]:
        """Minus log likelihood up to a constant, and each subject's gradient of it, shape (n, coefficients)."""
        medians, log_spreads, power = self.parts(x)
        if (medians <= 0).any():
            return 1e12, np.zeros((len(self.values), len(x)))
        spreads, logs = np.exp(log_spreads), np.log(self.values / medians)
        growth = np.exp(power * logs)
        if abs(power) > _NEARLY_LOG:
            z = np.expm1(power * logs) / power / spreads
            by_power = (logs * growth / spreads - z) / power
        else:
            z = (logs + power * logs**2 / 2) / spreads
            by_power = (logs**2 / 2 + power * logs**3 / 3) / spreads
        loss = float(np.sum(z**2 / 2 + log_spreads - power * logs))
        by_median = (power - z * growth / spreads) / medians
        gradient = [self.design * by_median[:, np.newaxis], self.ages * (1 - z**2)[:, np.newaxis]]
        return loss, np.column_stack([*gradient, z * by_power - logs])

    def moves(self, x: Floats, scale: Floats) -> Floats:
        """What each subject adds to the coefficients, to first order, shape (n, coefficients).

        Raises ``ValueError`` where the likelihood has no maximum.
        """
        steps = 1e-5 * scale
        columns = [
            (self.scores(x + step)[1].sum(axis=0) - self.scores(x - step)[1].sum(axis=0)) / (2 * steps[index])
            for index, step in enumerate(np.diag(steps))
        ]
        curvature = np.column_stack(columns)
        curvature = (curvature + curvature.T) / 2
        if np.linalg.eigvalsh(curvature * np.outer(scale, scale)).min() <= 0:
            raise ValueError("the LMS likelihood has no maximum here; fit the linear model")
        return np.asarray(-self.scores(x)[1] @ np.linalg.inv(curvature))

    def limit_gradients(self, x: Floats, deviates: Sequence[float]) -> Floats:
        """Gradient of w where it has these values, of each subject (see :mod:`reference_store.distributions`)."""
        medians, log_spreads, power = self.parts(x)
        spreads, rows = np.exp(log_spreads), []
        for w in deviates:
            growth = np.maximum(1 + power * spreads * w, 1e-3)
            logs = np.log(growth) / power if abs(power) > _NEARLY_LOG else spreads * w
            by_power = (logs * growth / spreads - w) / power if abs(power) > _NEARLY_LOG else logs**2 / 2 / spreads
            by_median = -growth / (medians * spreads)
            rows.append(np.column_stack([self.design * by_median[:, np.newaxis], -w * self.ages, by_power]))
        return np.concatenate(rows)


def _spanned(moves: Floats) -> Floats:
    """The covariance of the coefficients from what each subject adds to them: the sandwich, for finite samples."""
    n, count = moves.shape
    return np.asarray(moves.T @ moves * n / (n - count))


def _variances(gradients: Floats, covariance: Floats) -> Floats:
    return np.asarray(np.einsum("ij,jk,ik->i", gradients, covariance, gradients))


def _tolerance(variances: Floats) -> float:
    """``u + u sd(w)`` with the normal deviate u of 95 %, which is content and confidence at once."""
    return float(np.median(_CONTENT * (1 + np.sqrt(variances))))


def _shifts(gradients: Floats, moves: Floats) -> Floats:
    return np.asarray(np.abs(gradients @ moves.T).max(axis=0))


def lms(cohort: Cohort) -> WideFit:
    """Fit LMS. Raises ``ValueError`` for too few subjects, or when the likelihood has no maximum."""
    if len(cohort) < LMS_FROM:
        raise ValueError(f"{len(cohort)} subjects are too few for LMS: at least {LMS_FROM}")
    values = _values(cohort)
    shape, candidates = choose(cohort, values)
    terms = terms_of(shape, cohort)
    design = matrix(terms, cohort)
    centre = round(float(cohort.column("age_y").mean()))
    likelihood = _Likelihood(values, design, np.column_stack([design[:, 0], (cohort.column("age_y") - centre) / 10]))
    best, moves = _maximum(likelihood)
    covariance = _spanned(moves)
    medians, log_spreads, power = likelihood.parts(best)
    count = design.shape[1]
    of_median = np.einsum("ij,jk,ik->i", design, covariance[:count, :count], design)
    return WideFit(
        cohort,
        shape,
        candidates,
        covariance,
        np.asarray(of_median / (medians * np.exp(log_spreads)) ** 2),
        _shifts(likelihood.limit_gradients(best, (-_LIMIT, _LIMIT)), moves),
        _tolerance(_variances(likelihood.limit_gradients(best, (_CONTENT,)), covariance)),
        tuple(replace(term, coefficient=float(c)) for term, c in zip(terms, best[:count], strict=True)),
        (Term("intercept", float(best[-3])), Term("age_y", float(best[-2]), float(centre), 10.0)),
        power,
    )


def _maximum(likelihood: _Likelihood) -> tuple[Floats, Floats]:
    """Coefficients and what each subject adds to them, from a normal model of constant spread as start."""
    start = sm.OLS(likelihood.values, likelihood.design).fit()
    first = np.concatenate([start.params, [np.log(np.sqrt(start.scale) / likelihood.values.mean()), 0.0], [1.0]])
    scale = np.maximum(np.abs(first), 0.1)

    def loss(x: Floats) -> tuple[float, Floats]:
        value, scores = likelihood.scores(x * scale)
        return value, scores.sum(axis=0) * scale

    found = optimize.minimize(loss, first / scale, jac=True, method="BFGS", options={"gtol": 1e-5})
    if not np.isfinite(found.fun) or found.fun >= 1e12 or np.abs(found.jac).max() > 1e-2:
        raise ValueError("the LMS likelihood has no maximum here; fit the linear model")
    best = np.asarray(found.x * scale)
    return best, likelihood.moves(best, scale)


def _quantile(values: Floats, design: Floats, level: float) -> Floats:
    """Coefficients of one regression quantile, exactly, as the linear programme that it is (Koenker & Bassett 1978).

    Iterative reweighting does not always converge; the simplex does.
    """
    n, columns = design.shape
    cost = np.concatenate([np.zeros(columns), np.full(n, level), np.full(n, 1 - level)])
    equal = sparse.hstack([sparse.csr_matrix(design), sparse.identity(n), -sparse.identity(n)], format="csr")
    bounds = [(None, None)] * columns + [(0, None)] * (2 * n)
    found = optimize.linprog(cost, A_eq=equal, b_eq=values, bounds=bounds, method="highs")
    if not found.success:
        raise ValueError(f"the {level:.1%} quantile could not be fitted: {found.message}")
    return np.asarray(found.x[:columns])


def quantiles(cohort: Cohort) -> WideFit:
    """Fit quantile regressions. Raises ``ValueError`` for too few subjects."""
    if len(cohort) < QUANTILES_FROM:
        raise ValueError(f"{len(cohort)} subjects are too few for quantile regression: at least {QUANTILES_FROM}")
    values = _values(cohort)
    shape, candidates = choose(cohort, values)
    terms = terms_of(shape, cohort)
    design = matrix(terms, cohort)
    found = np.column_stack([_quantile(values, design, percent / 100) for percent in _PERCENTS])
    deviates, fitted = stats.norm.ppf(np.array(_PERCENTS) / 100), design @ found
    breads = _breads(design, fitted, deviates)
    covariance = _joint_covariance(design, breads)
    count, middle = design.shape[1], _PERCENTS.index(50.0)
    block = slice(middle * count, (middle + 1) * count)
    sds = (fitted[:, middle + 1] - fitted[:, middle - 1]) / (deviates[middle + 1] - deviates[middle - 1])
    of_median = np.einsum("ij,jk,ik->i", design, covariance[block, block], design)
    return WideFit(
        cohort,
        shape,
        candidates,
        covariance,
        np.asarray(of_median / sds**2),
        _outer_shifts(design, values, fitted, deviates, breads),
        _tolerance(_variances(_near_the_top(design, fitted, deviates), covariance)),
        quantiles=tuple(
            Quantile(percent, tuple(replace(term, coefficient=float(c)) for term, c in zip(terms, column, strict=True)))
            for percent, column in zip(_PERCENTS, found.T, strict=True)
        ),
    )


def _breads(design: Floats, fitted: Floats, deviates: Floats) -> tuple[Floats, ...]:
    """``A_t = (Σ f_i(t) x_i x_i' / n)⁻¹`` of every level, from fitted levels (n, levels) and their normal deviates u.

    The density ``f_i(t)`` is ``φ(u) / (dq_i/du)``: the fitted levels of subject i against u, differentiated by three
    points, for that curve is nearly straight where a quantile function is not.
    """
    fitted = np.sort(fitted, axis=1)
    average = (fitted[:, -1] - fitted[:, 0]) / (deviates[-1] - deviates[0])
    slopes = np.maximum(np.gradient(fitted, deviates, axis=1, edge_order=2), _STEEPEST * average[:, np.newaxis])
    densities = stats.norm.pdf(deviates) / slopes
    return tuple(
        np.asarray(np.linalg.inv((design * densities[:, [k]]).T @ design / len(design))) for k in range(len(deviates))
    )


def _joint_covariance(design: Floats, breads: Sequence[Floats]) -> Floats:
    """``(min(s,t) - s t) A_s J A_t / n`` for every pair of levels, J the mean of ``x_i x_i'``."""
    n, count = design.shape
    levels = np.array(_PERCENTS) / 100
    bridge = np.minimum.outer(levels, levels) - np.outer(levels, levels)
    bread = linalg.block_diag(*breads)
    return np.asarray(bread @ np.kron(bridge, design.T @ design / n) @ bread.T / (n - count))


def _near_the_top(design: Floats, fitted: Floats, deviates: Floats) -> Floats:
    """Gradient of w at the 95th percentile, which lies between the uppermost two levels, of each subject."""
    share = (_CONTENT - deviates[-2]) / (deviates[-1] - deviates[-2])
    sds = np.maximum(fitted[:, -1] - fitted[:, -2], 1e-12) / (deviates[-1] - deviates[-2])
    rows = design / sds[:, np.newaxis]
    rest = np.zeros((len(design), design.shape[1] * (len(deviates) - 2)))
    return np.column_stack([rest, (1 - share) * rows, share * rows])


def _outer_shifts(design: Floats, values: Floats, fitted: Floats, deviates: Floats, breads: Sequence[Floats]) -> Floats:
    """``A_t x_i (t - [y_i < q_i])  / n`` moves an outermost level when subject i is left out; the larger of the two."""
    sds = (fitted[:, -1] - fitted[:, 0]) / (deviates[-1] - deviates[0])
    gradients = design / np.maximum(sds, 1e-12)[:, np.newaxis]
    found = []
    for k in (0, -1):
        weight = _PERCENTS[k] / 100 - (values < fitted[:, k])
        found.append(_shifts(gradients, (design * weight[:, np.newaxis]) @ breads[k].T / len(values)))
    return np.maximum(*found)
