"""Make docs/demo.png, the picture of the README, from what ``make demo`` left behind (development only)."""

import sys
from pathlib import Path

import numpy as np

from jwcore import models
from jwcore.report import pictures


def main(folder: Path, output: Path) -> None:
    """Draw the mosaic, and a part of one exposure before and after calibration."""
    mosaic = next((folder / "products").glob("*_nircam_*_i2d.fits"))
    raw = min((folder / "raw").glob("*_uncal.fits"))
    cal = folder / "products" / raw.name.replace("_uncal", "_cal")
    window = np.s_[700:1300, 700:1300]
    arrays = [models.read(mosaic).data[::3, ::3], models.read(raw).data[0, -1][window], models.read(cal).data[window]]
    titles = ["mosaic of four exposures", "raw, last group", "calibrated"]
    output.write_bytes(pictures.png(pictures.images(arrays, titles, size=4.2)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
