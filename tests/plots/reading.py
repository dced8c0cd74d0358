"""Reading a drawn picture back: its numbers and where its text stands."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import StepPatch
from matplotlib.text import Text

from adlopt._internal.arrays import FloatArray


def stairs(ax: Axes, label: str) -> Any:
    """Values, edges and baseline of the shape with this label."""
    found = [patch for patch in ax.patches if patch.get_label() == label]
    assert len(found) == 1, [patch.get_label() for patch in ax.patches]
    assert isinstance(found[0], StepPatch)
    return found[0].get_data()


def points(one: Line2D) -> FloatArray:
    """(n, 2) points of a line."""
    return np.asarray(one.get_xydata(), dtype=np.float64)


def pixels(ax: Axes) -> FloatArray:
    """The array of the only image."""
    (image,) = ax.images
    return np.asarray(image.get_array(), dtype=np.float64)


def line(ax: Axes, label: str) -> FloatArray:
    """(n, 2) points of the line with this label."""
    found = [one for one in ax.lines if one.get_label() == label]
    assert len(found) == 1, [one.get_label() for one in ax.lines]
    return points(found[0])


def legend(ax: Axes) -> list[str]:
    shown = ax.get_legend()
    assert shown is not None
    return [text.get_text() for text in shown.get_texts()]


def texts(figure: Figure | SubFigure) -> list[Text]:
    """Every text that is seen."""
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    hidden = set()
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            room = 1e-9 * (high - low)
            for ticks in (axis.get_major_ticks(), axis.get_minor_ticks()):
                hidden |= {
                    id(label)
                    for tick in ticks
                    for label in (tick.label1, tick.label2)
                    if not low - room <= tick.get_loc() <= high + room or not tick.get_visible()
                }
    return [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip("\u200b ") and id(text) not in hidden
    ]


def assert_readable(figure: Figure | SubFigure) -> None:
    """No two texts overlap, and none leaves the picture."""
    seen = texts(figure)
    assert len(seen) > 4
    boxes = [text.get_window_extent() for text in seen]
    whole = figure.bbox.padded(1)
    for text, box in zip(seen, boxes, strict=True):
        assert whole.contains(box.x0, box.y0), text
        assert whole.contains(box.x1, box.y1), text
    for at, text in enumerate(seen):
        for other in range(at + 1, len(seen)):
            across = min(boxes[at].x1, boxes[other].x1) - max(boxes[at].x0, boxes[other].x0)
            down = min(boxes[at].y1, boxes[other].y1) - max(boxes[at].y0, boxes[other].y0)
            assert across < 0.5 or down < 0.5 or slanted_apart(text, seen[other]), (
                text,
                seen[other],
            )


def slanted_apart(text: Text, other: Text) -> bool:
    """Whether two slanted neighbours clear each other: their boxes overlap all the same."""
    angle = text.get_rotation()
    if angle % 90 == 0 or other.get_rotation() != angle:
        return False
    (x, y), (u, v) = (one.get_transform().transform(one.get_position()) for one in (text, other))
    between = abs((x - u) * np.sin(np.radians(angle)) - (y - v) * np.cos(np.radians(angle)))
    figure, points = text.get_figure(), text.get_fontsize()
    assert figure is not None
    assert isinstance(points, float)
    return bool(between > 1.2 * points * figure.dpi / 72)
