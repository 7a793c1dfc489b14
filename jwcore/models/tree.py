"""Products that are no images and no tables."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from jwcore.errors import BadInput
from jwcore.models.writer import atomic


class Tree:
    """A product kept as an ASDF file: a tree of mappings, lists, values and arrays.

    Parameters
    ----------
    content : mapping
        The tree.
    """

    extension = "asdf"

    def __init__(self, content: Mapping[str, Any]):
        self.content = dict(content)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the tree in `path`, with all of its arrays.

        Raises
        ------
        BadInput
            When it is not an ASDF file.
        """
        from jwcore.algorithms._asdf import asdf

        try:
            with asdf.open(path, lazy_load=False, memmap=False) as file:
                return cls({key: value for key, value in file.tree.items() if key not in ("asdf_library", "history")})
        except (OSError, ValueError) as error:
            raise BadInput(f"not an ASDF file: {error}", where=str(path), cure="give an .asdf file") from None

    def write(self, path: Path) -> None:
        """Write the tree to `path`, complete or not at all."""
        from jwcore.algorithms._asdf import asdf

        whole = io.BytesIO()
        asdf.AsdfFile(self.content).write_to(whole)
        with atomic(path) as stream:
            stream.write(whole.getvalue())

    @property
    def provenance(self) -> list[dict]:
        """Records of the runs that made the product; none are kept in such files."""
        return []

    def copy(self) -> Self:
        """Return a tree that can be changed independently at its top level."""
        return type(self)(self.content)

    def __repr__(self) -> str:
        return f"<Tree {', '.join(self.content)}>"

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"a Tree has no {name}; what it holds is in .content")
