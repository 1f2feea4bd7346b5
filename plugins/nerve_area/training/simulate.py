"""Simulated transverse nerves with known outline: speckle over an echo map, log-compressed.

The outline is the *inner* border of the bright rim, the convention of the plugin. Scatterers are many per
resolution cell, so speckle is a filtered complex Gaussian field (fully developed speckle, Rayleigh amplitude).
"""

from __future__ import annotations

import cv2
import numpy as np

SIDE = 288


def closed_shape(rng, half_axes, angle, roughness):
    """Radius as a function of angle: an ellipse with low harmonics, as polygon points around (0, 0)."""
    phi = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    wobble = np.ones_like(phi)
    for k in (2, 3, 4, 5):
        wobble += roughness / k * rng.normal() * np.cos(k * phi + rng.uniform(0, 2 * np.pi))
    x, y = half_axes[0] * wobble * np.cos(phi), half_axes[1] * wobble * np.sin(phi)
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([c * x - s * y, s * x + c * y], 1)


def fill(points, centre, value=1.0, canvas=None):
    """Draw a filled polygon."""
    canvas = np.zeros((SIDE, SIDE), np.float32) if canvas is None else canvas
    cv2.fillPoly(canvas, [np.round((points + centre) * 16).astype(np.int32)], value, cv2.LINE_8, 4)
    return canvas


def background(rng):
    """Echo amplitude of layered tissue: fat and muscle bands, fascia lines, streaks."""
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    bend = rows + rng.uniform(-0.25, 0.25) * columns + rng.uniform(0, 8) * np.sin(columns / rng.uniform(30, 90))
    edges = np.sort(rng.uniform(0, SIDE, rng.integers(2, 6)))
    layer = np.searchsorted(edges, bend)
    echo = rng.uniform(0.12, 0.8, len(edges) + 1)[layer].astype(np.float32)
    for edge in edges:
        echo += rng.uniform(0.5, 2.5) * np.exp(-(((bend - edge) / rng.uniform(1, 3)) ** 2))
    blobs = cv2.GaussianBlur(rng.normal(size=(SIDE, SIDE)).astype(np.float32), (0, 0), rng.uniform(6, 14), None, 3)
    echo *= np.exp(0.45 * blobs / blobs.std())
    for _ in range(rng.integers(0, 30)):
        p = rng.uniform(0, SIDE, 2)
        d = rng.uniform(6, 40) * np.array([1, rng.normal() * 0.15])
        cv2.line(echo, tuple((p - d).astype(int).tolist()), tuple((p + d).astype(int).tolist()), rng.uniform(1, 3), 1)
    return echo


def inside_nerve(rng, mask, centre, half_axes):
    """Echo amplitude within the nerve: dark fascicles between bright septa, or an even dark interior."""
    bright, dark = rng.uniform(0.5, 1.6), rng.uniform(0.08, 0.3)
    even = rng.random() < 0.25
    echo = np.full((SIDE, SIDE), dark if even else bright, np.float32)
    size = rng.uniform(0.12, 0.4) * min(half_axes)
    for _ in range(0 if even else int(rng.uniform(0.4, 0.9) * mask.sum() / (np.pi * size**2 + 1))):
        p = centre + rng.normal(size=2) * np.array(half_axes) * 0.5
        cv2.circle(echo, tuple(p.astype(int).tolist()), max(1, int(size * rng.uniform(0.6, 1.2))), dark, -1)
    return echo


def add_vessel(rng, echo, taken):
    """An anechoic lumen with a thin wall and enhancement behind it; returns the lumen's mask."""
    half = rng.uniform(10, 45, 2)
    centre = rng.uniform(30, SIDE - 30, 2)
    mask = fill(closed_shape(rng, half, rng.uniform(0, 3), 0.05), centre)
    if (mask * cv2.dilate(taken, np.ones((9, 9)))).any():
        return np.zeros_like(mask)
    wall = cv2.GaussianBlur(mask, (0, 0), 2)
    echo += 1.2 * np.where(mask > 0, 0, wall)
    echo[mask > 0] = rng.uniform(0.0, 0.06)
    rows = np.arange(SIDE)[:, None]
    columns = np.arange(SIDE)[None]
    echo *= np.where((rows > centre[1]) & (abs(columns - centre[0]) < 0.8 * half[0]) & (mask == 0), 1.5, 1)
    return mask


def speckle(rng, echo):
    """Scatterers filtered by a point spread that is wider across than along the beam, then log compression."""
    axial, lateral = rng.uniform(0.7, 1.6), rng.uniform(1.2, 3.2)
    noise = rng.normal(size=(2, SIDE, SIDE)).astype(np.float32) * echo
    real, imaginary = (cv2.GaussianBlur(n, (0, 0), lateral, None, axial) for n in noise)
    amplitude = np.hypot(real, imaginary) * np.sqrt(axial * lateral)
    decibel = 20 * np.log10(amplitude + 1e-4) + rng.uniform(0, 12)
    span = rng.uniform(45, 65)
    grey = np.clip(255 * (decibel + span - 8) / span, 0, 255)
    return cv2.GaussianBlur(grey, (0, 0), rng.uniform(0.4, 0.9)).astype(np.uint8)


def simulated(rng):
    """One picture: grey levels (uint8) and labels (1 nerve, 2 vessel)."""
    echo = background(rng)
    nerve = np.zeros_like(echo)
    for _ in range(rng.integers(1, 3)):
        major = np.exp(rng.uniform(np.log(14), np.log(60)))
        half = (major, major * rng.uniform(0.35, 1.0))
        centre = rng.uniform(60, SIDE - 60, 2)
        shape = closed_shape(rng, half, rng.normal() * 0.4, rng.uniform(0, 0.16))
        mask = fill(shape, centre)
        if (mask * cv2.dilate(nerve, np.ones((9, 9)))).any():
            continue
        rim = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rng.integers(2, 5) + 1,) * 2))
        echo = np.where(rim > 0, np.maximum(echo, rng.uniform(0.5, 2.5)), echo)
        echo = np.where(mask > 0, inside_nerve(rng, mask, centre, half), echo).astype(np.float32)
        nerve = np.maximum(nerve, mask)
    vessel = np.zeros_like(nerve)
    for _ in range(rng.integers(0, 3)):
        vessel = np.maximum(vessel, add_vessel(rng, echo, np.maximum(nerve, vessel)))
    return speckle(rng, echo), (nerve + 2 * vessel).astype(np.uint8)
