"""jwcal: the JWST calibration pipeline that people can take apart.

>>> import jwcore
>>> plan = jwcore.plan("x_rate.fits", recipe="image2")  # doctest: +SKIP
>>> result = plan.run()  # doctest: +SKIP
>>> result["cal"]  # doctest: +SKIP
"""

from typing import Any

__all__ = ["plan", "read", "write"]


def __getattr__(name: str) -> Any:
    if name == "plan":
        from jwcore.planner import plan

        return plan
    if name in ("read", "write"):
        from jwcore import models

        return getattr(models, name)
    raise AttributeError(f"jwcore has no '{name}'")
