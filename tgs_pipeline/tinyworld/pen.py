"""A pen for one sprite: filled shapes in unit coordinates, in the colour of an object and its shades."""

from collections.abc import Sequence

from PIL import Image, ImageDraw

Rgb = tuple[int, int, int]
Points = Sequence[tuple[float, float]]

GREY: Rgb = (128, 128, 132)
PALE: Rgb = (225, 222, 214)
DARK: Rgb = (44, 42, 44)
SKIN: Rgb = (226, 178, 142)
WOOD: Rgb = (150, 104, 62)


class Pen:
    """Draws into one sprite: unit coordinates, and the body colour with its darker and lighter shade."""

    def __init__(self, size: tuple[int, int], color: Rgb) -> None:
        """`size` is (width, height) of the canvas in px."""
        self.image = Image.new("RGBA", size, (*color, 0))
        self._draw = ImageDraw.Draw(self.image)
        self._width, self._height = size
        self.body = color
        self.shade = _mix(color, (0, 0, 0), 0.34) if max(color) > 60 else (70, 70, 78)
        self.light = _mix(color, (255, 255, 255), 0.4) if min(color) < 200 else (206, 208, 214)

    def _points(self, points: Points) -> list[tuple[float, float]]:
        return [(x * (self._width - 1), y * (self._height - 1)) for x, y in points]

    def polygon(self, points: Points, fill: Rgb) -> None:
        """Fill a polygon."""
        self._draw.polygon(self._points(points), fill=(*fill, 255))

    def ellipse(self, x: float, y: float, radius_x: float, radius_y: float, fill: Rgb) -> None:
        """Fill an ellipse around (x, y)."""
        box = self._points([(x - radius_x, y - radius_y), (x + radius_x, y + radius_y)])
        self._draw.ellipse([*box[0], *box[1]], fill=(*fill, 255))

    def box(self, left: float, top: float, right: float, bottom: float, fill: Rgb, radius: float = 0.0) -> None:
        """Fill a rectangle, its corners rounded by `radius` of the width."""
        corners = self._points([(left, top), (right, bottom)])
        self._draw.rounded_rectangle([*corners[0], *corners[1]], radius=radius * self._width, fill=(*fill, 255))

    def line(self, points: Points, width: float, fill: Rgb) -> None:
        """Draw a line with round ends; `width` is a fraction of the canvas width."""
        width_px = max(1, round(width * self._width))
        scaled = self._points(points)
        self._draw.line(scaled, fill=(*fill, 255), width=width_px, joint="curve")
        for x, y in (scaled[0], scaled[-1]):
            half = width_px / 2
            self._draw.ellipse([x - half, y - half, x + half, y + half], fill=(*fill, 255))


def _mix(color: Rgb, other: Rgb, share: float) -> Rgb:
    mixed = [round(a * (1 - share) + b * share) for a, b in zip(color, other, strict=True)]
    return mixed[0], mixed[1], mixed[2]
