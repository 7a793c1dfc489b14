"""Parameters that name files of the user, for steps that read them."""

from collections.abc import Sequence
from pathlib import Path


def existing(named: str | Sequence[str] | None) -> str | Sequence[str] | None:
    """Refuse files that are not there while a run is planned; None and empty text name no file.

    Parameters
    ----------
    named : str, sequence of str or None
        Value of the parameter.

    Returns
    -------
    str, sequence of str or None
        The same value, as a validator of pydantic must.

    Raises
    ------
    ValueError
        Naming the first file that is missing.
    """
    for name in [named] if isinstance(named, str) else named or ():
        if name and not Path(name).is_file():
            raise ValueError(f"{name} is a folder, not a file" if Path(name).is_dir() else f"there is no file {name}")
    return named
