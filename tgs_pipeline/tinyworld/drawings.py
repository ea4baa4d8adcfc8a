"""The drawing of every category, upright and facing right: shapes in the unit box of `pen.Pen`."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from tgs_pipeline.tinyworld.categories import COLORS
from tgs_pipeline.tinyworld.pen import DARK, GREY, PALE, SKIN, WOOD, Pen


def _bird(pen: Pen) -> None:
    pen.polygon([(0.36, 0.5), (0.1, 0.02), (0.3, 0.08), (0.62, 0.44)], pen.shade)  # raised wings
    pen.polygon([(0.4, 0.5), (0.52, 0.0), (0.68, 0.12), (0.72, 0.5)], pen.body)
    pen.polygon([(0.3, 0.58), (0.0, 0.62), (0.04, 0.86), (0.38, 0.7)], pen.shade)  # tail
    pen.ellipse(0.5, 0.6, 0.28, 0.2, pen.body)
    pen.ellipse(0.52, 0.66, 0.18, 0.11, pen.light)
    pen.ellipse(0.76, 0.46, 0.14, 0.15, pen.body)
    pen.polygon([(0.87, 0.4), (1.0, 0.48), (0.86, 0.54)], (240, 170, 30) if pen.body != COLORS["orange"] else DARK)
    pen.ellipse(0.79, 0.43, 0.03, 0.035, PALE if max(pen.body) < 60 else DARK)
    for x in (0.44, 0.56):
        pen.line([(x, 0.78), (x + 0.02, 0.96)], 0.03, DARK)


def _car(pen: Pen) -> None:
    pen.polygon([(0.2, 0.46), (0.34, 0.06), (0.7, 0.06), (0.84, 0.46)], pen.body)
    pen.polygon([(0.27, 0.42), (0.37, 0.14), (0.5, 0.14), (0.5, 0.42)], PALE if min(pen.body) < 200 else GREY)
    pen.polygon([(0.54, 0.42), (0.54, 0.14), (0.67, 0.14), (0.77, 0.42)], PALE if min(pen.body) < 200 else GREY)
    pen.box(0.0, 0.4, 1.0, 0.78, pen.body, 0.07)
    pen.box(0.02, 0.64, 0.98, 0.74, pen.shade)
    pen.ellipse(0.96, 0.52, 0.035, 0.06, (255, 244, 170))
    for x in (0.22, 0.78):
        pen.ellipse(x, 0.78, 0.125, 0.22, DARK)
        pen.ellipse(x, 0.78, 0.06, 0.105, GREY)


def _cat(pen: Pen) -> None:
    pen.line([(0.7, 0.92), (0.93, 0.86), (0.94, 0.62), (0.84, 0.5)], 0.09, pen.shade)  # curled tail
    pen.ellipse(0.46, 0.74, 0.32, 0.26, pen.body)
    pen.polygon([(0.24, 0.5), (0.68, 0.5), (0.76, 0.8), (0.18, 0.8)], pen.body)
    pen.polygon([(0.14, 0.3), (0.12, 0.0), (0.4, 0.14)], pen.body)
    pen.polygon([(0.78, 0.3), (0.8, 0.0), (0.52, 0.14)], pen.body)
    pen.polygon([(0.19, 0.2), (0.17, 0.07), (0.3, 0.14)], pen.light)
    pen.polygon([(0.73, 0.2), (0.75, 0.07), (0.62, 0.14)], pen.light)
    pen.ellipse(0.46, 0.3, 0.36, 0.21, pen.body)
    for x in (0.33, 0.59):
        pen.ellipse(x, 0.27, 0.065, 0.045, (250, 236, 120) if pen.body != COLORS["yellow"] else PALE)
        pen.ellipse(x, 0.27, 0.025, 0.04, DARK)
    pen.polygon([(0.42, 0.35), (0.5, 0.35), (0.46, 0.39)], (230, 130, 140))
    whisker = PALE if max(pen.body) < 60 else DARK
    for side in (-1, 1):
        pen.line([(0.46 + side * 0.12, 0.38), (0.46 + side * 0.38, 0.35)], 0.018, whisker)
        pen.line([(0.46 + side * 0.12, 0.4), (0.46 + side * 0.37, 0.43)], 0.018, whisker)
    pen.ellipse(0.46, 0.72, 0.17, 0.15, pen.light)
    for x in (0.32, 0.6):
        pen.ellipse(x, 0.95, 0.12, 0.05, pen.light)


def _chair(pen: Pen) -> None:
    for left in (0.04, 0.84):
        pen.box(left, 0.0, left + 0.12, 0.56, pen.body)
    for top in (0.04, 0.2, 0.36):
        pen.box(0.08, top, 0.92, top + 0.09, pen.shade if top == 0.2 else pen.body)
    pen.polygon([(0.08, 0.52), (0.92, 0.52), (1.0, 0.66), (0.0, 0.66)], pen.light)
    pen.box(0.0, 0.64, 1.0, 0.71, pen.body)
    for left in (0.02, 0.86):
        pen.box(left, 0.68, left + 0.12, 1.0, pen.body)
    for left in (0.2, 0.7):
        pen.box(left, 0.68, left + 0.09, 0.9, pen.shade)


def _clock(pen: Pen) -> None:
    for x in (0.24, 0.76):
        pen.ellipse(x, 0.13, 0.16, 0.12, pen.shade)  # two alarm bells
        pen.line([(x, 0.84), (x - 0.08 if x < 0.5 else x + 0.08, 0.98)], 0.08, pen.shade)
    pen.box(0.46, 0.0, 0.54, 0.14, DARK)
    pen.ellipse(0.5, 0.54, 0.44, 0.42, pen.body)
    face = (250, 248, 238) if min(pen.body) < 200 else (190, 194, 204)
    pen.ellipse(0.5, 0.54, 0.3, 0.29, face)
    for hour in range(12):
        angle = hour * math.pi / 6
        pen.ellipse(0.5 + 0.25 * math.sin(angle), 0.54 - 0.24 * math.cos(angle), 0.02, 0.02, DARK)
    pen.line([(0.5, 0.54), (0.5, 0.34)], 0.035, DARK)
    pen.line([(0.5, 0.54), (0.64, 0.62)], 0.045, DARK)


def _dog(pen: Pen) -> None:
    pen.line([(0.12, 0.46), (0.03, 0.3), (0.06, 0.14)], 0.07, pen.body)  # raised tail
    for x, fill in ((0.2, pen.shade), (0.62, pen.shade), (0.12, pen.body), (0.53, pen.body)):
        pen.box(x, 0.56, x + 0.1, 1.0, fill, 0.02)
    pen.box(0.08, 0.38, 0.7, 0.72, pen.body, 0.13)
    pen.polygon([(0.52, 0.42), (0.64, 0.14), (0.8, 0.2), (0.72, 0.62)], pen.body)
    pen.box(0.6, 0.08, 0.86, 0.4, pen.body, 0.09)
    pen.box(0.76, 0.22, 1.0, 0.4, pen.light, 0.06)
    pen.ellipse(0.97, 0.27, 0.035, 0.04, DARK)
    pen.polygon([(0.6, 0.1), (0.7, 0.1), (0.68, 0.46), (0.57, 0.42)], pen.shade)  # hanging ear
    pen.ellipse(0.78, 0.19, 0.028, 0.035, PALE if max(pen.body) < 60 else DARK)
    pen.line([(0.6, 0.49), (0.72, 0.53)], 0.04, DARK)


def _drum(pen: Pen) -> None:
    pen.line([(0.06, 0.02), (0.5, 0.3)], 0.045, WOOD)
    pen.line([(0.94, 0.02), (0.52, 0.3)], 0.045, WOOD)
    pen.box(0.06, 0.32, 0.94, 0.8, pen.body)
    pen.ellipse(0.5, 0.8, 0.44, 0.19, pen.body)
    for k in range(6):
        x = 0.06 + k * 0.88 / 6
        pen.line([(x, 0.36), (x + 0.073, 0.88), (x + 0.147, 0.36)], 0.022, pen.light)
    pen.ellipse(0.5, 0.34, 0.46, 0.2, pen.shade)
    pen.ellipse(0.5, 0.32, 0.4, 0.155, (244, 238, 220) if min(pen.body) < 200 else (186, 190, 196))
    pen.line([(0.06, 0.02), (0.46, 0.3)], 0.045, WOOD)
    pen.line([(0.94, 0.02), (0.56, 0.3)], 0.045, WOOD)
    for x in (0.46, 0.56):
        pen.ellipse(x, 0.3, 0.04, 0.045, DARK)


def _guitar(pen: Pen) -> None:
    pen.box(0.42, 0.08, 0.58, 0.6, WOOD)
    pen.polygon([(0.36, 0.0), (0.64, 0.0), (0.6, 0.13), (0.4, 0.13)], DARK)
    for y in (0.04, 0.09):
        pen.ellipse(0.33, y, 0.05, 0.018, PALE)
        pen.ellipse(0.67, y, 0.05, 0.018, PALE)
    pen.ellipse(0.5, 0.56, 0.36, 0.16, pen.body)
    pen.ellipse(0.5, 0.8, 0.49, 0.2, pen.body)
    pen.ellipse(0.5, 0.64, 0.17, 0.085, DARK)
    pen.box(0.3, 0.83, 0.7, 0.87, DARK)
    for x in (0.455, 0.5, 0.545):
        pen.line([(x, 0.1), (x, 0.84)], 0.018, PALE)


def _hair_dryer(pen: Pen) -> None:
    pen.polygon([(0.36, 0.42), (0.62, 0.42), (0.52, 1.0), (0.28, 1.0)], pen.shade)  # handle
    pen.ellipse(0.32, 0.28, 0.32, 0.28, pen.body)
    pen.polygon([(0.34, 0.02), (0.8, 0.12), (0.8, 0.44), (0.34, 0.54)], pen.body)
    pen.polygon([(0.8, 0.06), (1.0, 0.0), (1.0, 0.56), (0.8, 0.5)], DARK)
    pen.ellipse(0.28, 0.28, 0.19, 0.17, pen.light)
    for angle in range(0, 180, 45):
        dx, dy = 0.17 * math.cos(math.radians(angle)), 0.15 * math.sin(math.radians(angle))
        pen.line([(0.28 - dx, 0.28 - dy), (0.28 + dx, 0.28 + dy)], 0.028, pen.shade)
    pen.box(0.4, 0.6, 0.5, 0.72, PALE, 0.02)


def _helicopter(pen: Pen) -> None:
    pen.box(0.1, 0.02, 1.0, 0.09, DARK, 0.02)  # rotor
    pen.box(0.57, 0.06, 0.62, 0.26, DARK)
    pen.polygon([(0.08, 0.36), (0.5, 0.32), (0.5, 0.6), (0.08, 0.46)], pen.shade)  # tail boom
    pen.polygon([(0.0, 0.12), (0.1, 0.12), (0.14, 0.46), (0.04, 0.46)], pen.body)
    pen.ellipse(0.06, 0.26, 0.055, 0.1, PALE)
    pen.ellipse(0.64, 0.5, 0.32, 0.29, pen.body)
    pen.polygon([(0.7, 0.3), (0.82, 0.28), (0.94, 0.5), (0.7, 0.52)], PALE if min(pen.body) < 200 else GREY)
    pen.box(0.46, 0.56, 0.9, 0.62, pen.light)
    for x in (0.52, 0.76):
        pen.line([(x, 0.74), (x - 0.02, 0.92)], 0.03, DARK)
    pen.line([(0.36, 0.94), (0.94, 0.94), (1.0 - 0.03, 0.88)], 0.04, DARK)


def _lamp(pen: Pen) -> None:
    pen.box(0.45, 0.34, 0.55, 0.92, GREY)
    pen.ellipse(0.5, 0.94, 0.38, 0.06, pen.shade)
    pen.ellipse(0.5, 0.42, 0.13, 0.06, (255, 244, 170))
    pen.polygon([(0.28, 0.0), (0.72, 0.0), (1.0, 0.42), (0.0, 0.42)], pen.body)
    for k in range(1, 5):
        pen.line([(0.28 + 0.44 * k / 5, 0.01), (k / 5, 0.41)], 0.025, pen.shade)
    pen.box(0.02, 0.38, 0.98, 0.42, pen.light)


def _man(pen: Pen) -> None:
    for x in (0.32, 0.54):
        pen.box(x, 0.58, x + 0.15, 0.97, (62, 66, 84))
        pen.box(x - 0.03, 0.94, x + 0.17, 1.0, DARK, 0.03)
    for side in (-1, 1):
        pen.line([(0.5 + side * 0.2, 0.28), (0.5 + side * 0.38, 0.44), (0.5 + side * 0.42, 0.5)], 0.13, pen.shade)
        pen.ellipse(0.5 + side * 0.43, 0.52, 0.075, 0.045, SKIN)
    pen.box(0.26, 0.22, 0.74, 0.62, pen.body, 0.1)
    pen.box(0.43, 0.17, 0.57, 0.25, SKIN)
    pen.ellipse(0.5, 0.11, 0.18, 0.105, SKIN)
    pen.polygon([(0.32, 0.1), (0.34, 0.02), (0.5, 0.0), (0.66, 0.02), (0.68, 0.1), (0.6, 0.05), (0.4, 0.05)], DARK)
    for x in (0.43, 0.57):
        pen.ellipse(x, 0.11, 0.022, 0.014, DARK)
    pen.line([(0.44, 0.155), (0.56, 0.155)], 0.02, (150, 60, 60))


def _piano(pen: Pen) -> None:
    pen.box(0.02, 0.0, 0.98, 0.5, pen.body, 0.03)
    pen.box(0.08, 0.07, 0.92, 0.38, pen.shade)
    pen.box(0.3, 0.12, 0.7, 0.34, PALE if min(pen.body) < 200 else GREY)
    pen.box(0.0, 0.46, 1.0, 0.74, pen.body)
    pen.box(0.05, 0.5, 0.95, 0.68, (252, 252, 252))
    for k in range(1, 12):
        x = 0.05 + 0.9 * k / 12
        pen.line([(x, 0.5), (x, 0.68)], 0.008, GREY)
        if k % 4:
            pen.box(x - 0.018, 0.5, x + 0.018, 0.6, (16, 16, 16))
    pen.box(0.2, 0.74, 0.8, 0.92, pen.shade)
    for x in (0.03, 0.87):
        pen.box(x, 0.72, x + 0.1, 1.0, pen.body)


def _sheep(pen: Pen) -> None:
    for x in (0.2, 0.34, 0.56, 0.68):
        pen.box(x, 0.7, x + 0.07, 1.0, DARK)
    for k in range(9):
        angle = 2 * math.pi * k / 9
        pen.ellipse(0.46 + 0.26 * math.cos(angle), 0.48 + 0.24 * math.sin(angle), 0.17, 0.2, pen.body)
    pen.ellipse(0.46, 0.48, 0.3, 0.3, pen.body)
    for k in range(5):
        angle = 2 * math.pi * k / 5 + 0.3
        pen.ellipse(0.45 + 0.15 * math.cos(angle), 0.47 + 0.15 * math.sin(angle), 0.06, 0.07, pen.light)
    pen.ellipse(0.84, 0.42, 0.13, 0.2, DARK)
    pen.polygon([(0.74, 0.32), (0.66, 0.42), (0.76, 0.44)], DARK)
    pen.ellipse(0.8, 0.22, 0.1, 0.09, pen.body)
    pen.ellipse(0.88, 0.37, 0.028, 0.04, PALE)


def _table(pen: Pen) -> None:
    for x, fill in ((0.2, pen.shade), (0.72, pen.shade)):
        pen.box(x, 0.3, x + 0.08, 0.84, fill)
    for x in (0.04, 0.86):
        pen.box(x, 0.3, x + 0.1, 1.0, pen.body)
    pen.polygon([(0.16, 0.0), (0.84, 0.0), (1.0, 0.3), (0.0, 0.3)], pen.light)
    pen.box(0.0, 0.28, 1.0, 0.46, pen.body)
    pen.box(0.36, 0.34, 0.64, 0.42, pen.shade)


def _telephone(pen: Pen) -> None:
    pen.polygon([(0.26, 0.26), (0.74, 0.26), (0.96, 0.92), (0.04, 0.92)], pen.body)
    pen.box(0.02, 0.88, 0.98, 1.0, pen.shade, 0.03)
    pen.ellipse(0.5, 0.62, 0.2, 0.26, PALE if min(pen.body) < 200 else GREY)
    for k in range(8):
        angle = 2 * math.pi * k / 8
        pen.ellipse(0.5 + 0.13 * math.cos(angle), 0.62 + 0.17 * math.sin(angle), 0.03, 0.04, DARK)
    pen.ellipse(0.5, 0.62, 0.06, 0.08, pen.body)
    pen.box(0.1, 0.0, 0.9, 0.16, pen.shade, 0.06)  # receiver
    pen.box(0.0, 0.04, 0.22, 0.36, pen.shade, 0.06)
    pen.box(0.78, 0.04, 1.0, 0.36, pen.shade, 0.06)


def _train(pen: Pen) -> None:
    pen.polygon([(0.72, 0.0), (0.94, 0.0), (0.89, 0.16), (0.89, 0.36), (0.77, 0.36), (0.77, 0.16)], DARK)  # chimney
    pen.box(0.02, 0.02, 0.44, 0.12, pen.shade)
    pen.box(0.06, 0.1, 0.4, 0.72, pen.body)
    pen.box(0.13, 0.18, 0.33, 0.4, PALE if min(pen.body) < 200 else GREY)
    pen.ellipse(0.56, 0.3, 0.08, 0.12, pen.shade)
    pen.box(0.36, 0.32, 0.92, 0.7, pen.body, 0.06)
    for x in (0.52, 0.68):
        pen.box(x, 0.32, x + 0.035, 0.7, pen.light)
    pen.polygon([(0.9, 0.66), (1.0, 0.92), (0.82, 0.92), (0.82, 0.66)], GREY)  # cow catcher
    pen.box(0.02, 0.68, 0.92, 0.77, pen.shade)
    for x in (0.2, 0.5, 0.74):
        radius = 0.14 if x == 0.2 else 0.105
        pen.ellipse(x, 1.0 - 1.5 * radius, radius, 1.5 * radius, DARK)
        pen.ellipse(x, 1.0 - 1.5 * radius, radius * 0.45, radius * 0.68, pen.light)


def _trumpet(pen: Pen) -> None:
    pen.polygon([(0.66, 0.34), (0.84, 0.22), (1.0, 0.0), (1.0, 0.8), (0.84, 0.58), (0.66, 0.46)], pen.body)  # bell
    pen.ellipse(0.985, 0.4, 0.035, 0.4, pen.shade)
    pen.box(0.06, 0.33, 0.7, 0.47, pen.body)
    pen.polygon([(0.0, 0.26), (0.07, 0.34), (0.07, 0.46), (0.0, 0.54)], pen.shade)
    pen.box(0.2, 0.42, 0.32, 0.88, pen.body, 0.05)
    pen.box(0.2, 0.74, 0.72, 0.9, pen.body, 0.05)
    pen.box(0.6, 0.42, 0.72, 0.88, pen.body, 0.05)
    for x in (0.36, 0.45, 0.54):
        pen.box(x, 0.14, x + 0.065, 1.0, pen.light, 0.01)
        pen.box(x - 0.01, 0.06, x + 0.075, 0.16, pen.shade, 0.01)


DRAWINGS: Mapping[str, Callable[[Pen], None]] = MappingProxyType(
    {
        "bird": _bird,
        "car": _car,
        "cat": _cat,
        "chair": _chair,
        "clock": _clock,
        "dog": _dog,
        "drum": _drum,
        "guitar": _guitar,
        "hair-dryer": _hair_dryer,
        "helicopter": _helicopter,
        "lamp": _lamp,
        "man": _man,
        "piano": _piano,
        "sheep": _sheep,
        "table": _table,
        "telephone": _telephone,
        "train": _train,
        "trumpet": _trumpet,
    }
)
