"""The references of one exposure, as a step receives them."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from jwcore.errors import JwcalError, MissingReference, PluginError
from jwcore.references.fitness import check_owner
from jwcore.references.headers import identify
from jwcore.references.outcomes import Found, Missing, NotApplicable, Outcome
from jwcore.references.reference import Reference
from jwcore.references.subarray import science_window

__all__ = ["References", "undeclared"]


class References(Mapping[str, Reference]):
    """Mapping of reference type to `Reference`, cut to the exposure.

    ``references["flat"]`` raises `jwcore.errors.MissingReference` where there is none, `jwcore.errors.PluginError` when
    the step did not declare the type; ``references.get("superbias")`` gives None.

    Parameters
    ----------
    outcomes : mapping of str to Outcome
        What the providers answered, by type.
    meta : Meta
        Metadata of the exposure: detector and sub-array.
    shape : tuple of int, optional
        Shape of its data, where that is known.
    """

    def __init__(self, outcomes: Mapping[str, Outcome], meta: Any, *, shape: tuple[int, ...] | None = None):
        self._outcomes = dict(outcomes)
        self._meta = meta
        self._shape = shape
        self._open: dict[str, Reference] = {}
        self._images: list[np.ndarray] = []

    @classmethod
    def of(cls, exposure: Any, outcomes: Mapping[str, Outcome]) -> "References":
        """Cut references to an exposure, or to whatever has the metadata of one."""
        return cls(outcomes, getattr(exposure, "meta", None), shape=getattr(exposure, "shape", ()) or None)

    def fit(self, exposure: Any) -> bool:
        """Tell whether this is the mapping of an exposure: of the same metadata and shape."""
        return getattr(exposure, "meta", None) is self._meta and (getattr(exposure, "shape", ()) or None) == self._shape

    def open_all(self) -> None:
        """Open all files, but read no array; what cannot be opened is left to whoever asks for it."""
        for type_ in self:
            with suppress(JwcalError):
                self[type_]

    def read_images(self) -> "References":
        """Read the images of the detector in the open files, to be held as long as this mapping; others are left out."""
        for reference in self._open.values():
            for read in reference.image_readers():
                with suppress(Exception):  # the step that asks for this one will be told
                    self._images.append(read())
        return self

    def __getitem__(self, type: str) -> Reference:  # noqa: A002
        outcome = self._outcomes.get(type)
        if not isinstance(outcome, Found):
            raise _absent(type, outcome)
        if type not in self._open:
            self._check(outcome)
            window = science_window(self._meta, self._shape)
            self._open[type] = Reference.from_file(
                type, outcome.path, provider=outcome.provider, window=window, image=outcome.image
            )
        return self._open[type]

    def get(self, type: str, default: Any = None) -> Any:  # noqa: A002
        """Return the reference of a type, or `default` when the rules call it not applicable."""
        return self[type] if type in self else default  # noqa: SIM401  (this is get itself)

    def __contains__(self, type: object) -> bool:  # noqa: A002
        return isinstance(self._outcomes.get(type), Found)  # type: ignore[call-overload]

    def __iter__(self) -> Iterator[str]:
        return (name for name, outcome in self._outcomes.items() if isinstance(outcome, Found))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """What the providers answered, by type."""
        return dict(self._outcomes)

    def check(self) -> None:
        """Check every file now: it exists, is readable, and belongs to the instrument and detector of the exposure.

        Raises
        ------
        BadInput
            For a damaged file, or one of another instrument or detector.
        MissingReference
            For a file that is not there.
        """
        for type_ in self:
            self[type_]

    def _check(self, found: Found) -> None:
        if not found.path.is_file():
            raise MissingReference(
                f"{found.type} reference is not there",
                where=str(found.path),
                cure="correct the path, or fetch the file",
            )
        instrument, detector = (self._meta.get(f"instrument.{name}") for name in ("name", "detector"))
        check_owner(found, identify(found.path), name=instrument, detector=detector)


def undeclared(type_: str) -> PluginError:
    """Build the error of a step that asks for a reference without having declared it."""
    text = f"the step asks for a {type_} reference that it did not declare"
    return PluginError(text, cure=f'add references=("{type_}",) to @step')


def _absent(type_: str, outcome: NotApplicable | Missing | None) -> JwcalError:
    if outcome is None:
        return undeclared(type_)
    cure = outcome.cure if isinstance(outcome, Missing) else f"--override {type_}=FILE"
    return MissingReference(f"no {type_} reference: {outcome.reason}", where=outcome.provider or None, cure=cure)
