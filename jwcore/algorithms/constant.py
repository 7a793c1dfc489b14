"""Arrays that kernels only read."""

import numpy as np

__all__ = ["constant"]


def constant(array: np.ndarray) -> np.ndarray:
    """
    Return a view that cannot be written to.

    A kernel is compiled for every combination of types that it meets, and arrays that can be written are of another type
    than those that cannot. References cannot; what takes their place shall not need a second compilation.

    Parameters
    ----------
    array : ndarray

    Returns
    -------
    ndarray
        The same memory.
    """
    view = array.view()
    view.flags.writeable = False
    return view
