"""Types of the arrays that the package passes around."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
# of any width: pair numbers are int32 where there can be hundreds of millions
AnyIntArray = npt.NDArray[np.signedinteger[Any]]
BoolArray = npt.NDArray[np.bool_]

T = TypeVar("T", bound=np.generic)


def frozen(array: npt.NDArray[T]) -> npt.NDArray[T]:
    """A view of the array that cannot be written to."""
    view = array.view()
    view.setflags(write=False)
    return view
