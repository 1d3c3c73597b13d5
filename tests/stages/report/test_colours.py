"""Colours that colour-blind people can tell apart, and that stand out from the background."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

import stages.report

CSS = Path(stages.report.__file__).parent / "template" / "report.css"
THEMES = (":root", ':root[data-theme="dark"]')

# Machado, Oliveira and Fernandes (2009), severity 1.0, for linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = TO_XYZ.sum(axis=1)


def variables(theme: str) -> dict[str, str]:
    """Return the colours of one theme by name."""
    block = re.search(re.escape(theme) + r" \{([^}]*)\}", CSS.read_text(encoding="utf-8"))
    assert block
    return dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]{6})", block[1]))


def linear(colour: str) -> np.ndarray:
    """Return linear RGB."""
    values = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """Return CIELAB of linear RGB."""
    t = TO_XYZ @ np.clip(rgb, 0, 1) / WHITE
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def mixed(one: str, other: str, share: float) -> str:
    """Return what ``color-mix(in srgb, one share, other)`` gives."""
    pairs = [(int(one[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in pairs)


def contrast(one: str, other: str) -> float:
    """Return the contrast of WCAG 2."""
    light = sorted((float(TO_XYZ[1] @ linear(c)) for c in (one, other)), reverse=True)
    return (light[0] + 0.05) / (light[1] + 0.05)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("sight", SIGHT)
def test_the_first_five_can_be_told_apart(theme: str, sight: str) -> None:
    colours = variables(theme)
    seen = {f"c{i}": lab(np.array(SIGHT[sight]) @ linear(colours[f"c{i}"])) for i in range(5)}
    for a, b in itertools.combinations(seen, 2):
        assert np.linalg.norm(seen[a] - seen[b]) >= 19, (a, b)


@pytest.mark.parametrize("theme", THEMES)
def test_text_stands_out(theme: str) -> None:
    colours = variables(theme)
    text = ["text", "muted", "accent", "good", "bad", *(f"c{i}" for i in range(8))]
    for name in text:
        assert contrast(colours[name], colours["bg"]) >= 4.5, name
    for name in ("text", "muted", "accent"):
        assert contrast(colours[name], colours["panel"]) >= 4.5, name


@pytest.mark.parametrize("theme", THEMES)
def test_the_type_of_an_entity_stands_out_from_its_marking(theme: str) -> None:
    css = CSS.read_text(encoding="utf-8")
    assert "mark > b" in css and "color-mix(in srgb, var(--k) 70%, var(--text))" in css
    colours = variables(theme)
    block = css[css.index(theme + " {") :]
    found = re.search(r"--mix: (\d+)%", block)
    assert found
    for number in range(8):
        colour = colours[f"c{number}"]
        background = mixed(colour, colours["bg"], int(found[1]) / 100)
        assert contrast(mixed(colour, colours["text"], 0.7), background) >= 4.5, number
