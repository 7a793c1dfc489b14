"""Truth tests of declared deviations that no other test makes."""

import numpy as np

from tests.builtin.test_source_catalog import mosaic, run


def test_boxes_enclose_the_segments():
    exposure = mosaic()
    products = run(exposure, npixels=10)
    table, labels = products["cat"].table, products["segm"].data
    for row in table[:20]:
        y, x = np.nonzero(labels == row["label"])
        sides = {"l": y.min() - 0.5, "u": y.max() + 0.5}, {"l": x.min() - 0.5, "r": x.max() + 0.5}
        for corner in ("ll", "ul", "lr", "ur"):
            position = row[f"sky_bbox_{corner}"]
            found = exposure.wcs.invert(position.ra.deg, position.dec.deg, with_bounding_box=False)
            np.testing.assert_allclose(found, (sides[1][corner[1]], sides[0][corner[0]]), atol=1e-3)
