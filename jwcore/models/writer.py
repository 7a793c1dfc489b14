"""Writing products: complete or not at all, big-endian bytes straight from the arrays."""

import io
import secrets
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from jwcore.errors import JwcalError
from jwcore.models.asdf_tree import Tagged, encode, fits_table
from jwcore.models.declare import Array, Table
from jwcore.models.exposure import ASDF, Exposure, Extra
from jwcore.models.fits_file import BLOCK, PIECE, FitsFile
from jwcore.models.headers import (
    COLUMN_CARDS,
    PRIMARY_STRUCTURE,
    Cards,
    bytes_structure,
    compose,
    image_structure,
    is_structural,
)
from jwcore.models.history import PROVENANCE, pack
from jwcore.models.keywords import KEYWORDS
from jwcore.models.mapped import release
from jwcore.models.meta import nested

if TYPE_CHECKING:
    from astropy.io import fits


@contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` that takes its place when the block ends, and vanishes when it fails.

    Raises
    ------
    JwcalError
        When the system refuses: no space, no permission, no such folder.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as stream:
            yield stream
        temporary.replace(path)
    except OSError as error:
        cure = "free some space, or choose another output folder that exists and can be written"
        raise JwcalError(f"cannot write: {error.strerror or error}", where=str(path), cure=cure) from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_exposure(exposure: Exposure, path: Path, *, last_use: bool = False) -> None:
    """Write a product as FITS; its meta gets the new file name, date and DATAMODL.

    With `last_use`, arrays are forgotten as soon as they are in the file, which can then take the memory that they had.
    """
    exposure.validate()
    meta = exposure.meta
    meta.set("filename", path.name)
    meta.set("date", datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds"))
    meta.set("model_type", exposure.model_type)
    nodes = {**exposure.extras, **_free_tables(exposure)}
    _detach(exposure, path)
    cards = exposure.header_cards
    with ThreadPoolExecutor(1) as pool, atomic(path) as stream:
        tree = pool.submit(encode, exposure._tree, nodes=nodes, meta=nested(meta.unknown()), wcs=exposure._wcs)
        _write_header(stream, compose_for(exposure, "PRIMARY", PRIMARY_STRUCTURE, cards.get("PRIMARY", ())))
        for name in exposure.arrays():
            spec = exposure.declared()[name]
            _write_declared(stream, exposure, spec)
            if last_use and spec is not exposure.primary():  # which tells the shape of those that follow
                exposure.store(spec, None)
        for extra in exposure.hdus.values():
            _write_extra(stream, exposure, extra)
        if exposure.provenance:
            _write_bytes(stream, PROVENANCE, "PROVENANCE", pack(exposure.provenance))
        _write_bytes(stream, ASDF, "ASDF_METADATA", tree.result())


def _free_tables(exposure: Exposure) -> dict[str, Tagged]:
    """Return the pointers to the tables with free columns, which no schema knows."""
    nodes = {}
    for name in exposure.arrays():
        spec = exposure.declared()[name]
        if isinstance(spec, Table) and spec.columns is None:
            table = exposure._arrays.get(name)
            if table is None:  # still in the file, from which its bytes will be copied
                assert exposure._file is not None
                table = exposure._file.table(exposure._blocks[name])
            nodes[name] = fits_table(spec.hdu, _without_bytes(table))
    return nodes


def _detach(exposure: Exposure, path: Path) -> None:
    """Load what still lives in the file that is about to be replaced."""
    file = exposure._file
    if file is None or not path.exists() or not path.samefile(file.path):
        return
    for name in exposure.arrays():
        getattr(exposure, name)
    for extra in exposure.hdus.values():
        _ = extra.data
    _ = exposure.provenance, exposure._tree.raw


def _write_declared(stream: BinaryIO, exposure: Exposure, spec: Array) -> None:
    """Write one declared array or table, copying its bytes when it was never loaded."""
    block = exposure._blocks.get(spec.name)
    cards = exposure.header_cards.get(spec.hdu.upper(), ())
    if isinstance(spec, Table):
        if block is not None:
            assert exposure._file is not None
            _copy(stream, exposure._file, block.start, block.end)
        else:
            _write_table(stream, spec.hdu, 1, getattr(exposure, spec.name), cards)
        return
    shape = block.shape if block is not None else getattr(exposure, spec.name).shape
    _write_header(stream, compose_for(exposure, spec.hdu, image_structure(spec.hdu, 1, spec.dtype, shape), cards))
    if block is not None and block.is_plain and block.dtype == spec.dtype:
        assert exposure._file is not None
        _copy(stream, exposure._file, block.data, block.data + block.size)
    else:
        _write_array(stream, getattr(exposure, spec.name))


def _write_extra(stream: BinaryIO, exposure: Exposure, extra: Extra) -> None:
    """Write an undeclared HDU: byte by byte, unless its data were touched or its header holds product keywords."""
    block, file, own = extra.block, extra.file, exposure.header_cards.get(extra.name.upper())
    has_keywords = own is not None and any(keyword.hdu == extra.name for keyword in KEYWORDS)
    if block is not None and file is not None and not extra.loaded and not (has_keywords and block.is_image):
        _copy(stream, file, block.start, block.end)
        return
    cards = own if own is not None else Cards("", block.header).unknown if block is not None else []
    if block is not None and file is not None and not extra.loaded:
        structure: Iterable = [(name, block.header[name], "") for name in block.header if is_structural(name)]
        _write_header(stream, compose_for(exposure, extra.name, structure, cards))
        _copy(stream, file, block.data, block.end)
    elif extra.data is not None and extra.data.dtype.names:
        _write_table(stream, extra.name, extra.version, extra.data, cards)
    elif extra.data is not None:
        structure = image_structure(extra.name, extra.version, extra.data.dtype, extra.data.shape)
        _write_header(stream, compose_for(exposure, extra.name, structure, cards))
        _write_array(stream, extra.data)


def compose_for(exposure: Exposure, hdu: str, structure: Any, unknown: Any) -> "fits.Header":
    """Return the header of one HDU of a product."""
    return compose(hdu, structure, exposure.meta, known=exposure._known_cards, unknown=unknown)


def _write_header(stream: BinaryIO, header: "fits.Header") -> None:
    stream.write(header.tostring().encode("ascii"))


def _write_array(stream: BinaryIO, array: np.ndarray) -> None:
    """Write a native array as big-endian, unsigned integers in the FITS convention, piece by piece."""
    flat = np.ascontiguousarray(array).reshape(-1)
    word = np.dtype(f"u{flat.dtype.itemsize}")
    scratch = np.empty(min(PIECE, flat.size), dtype=word.newbyteorder(">"))
    offset = word.type(1 << (8 * word.itemsize - 1) if flat.dtype.kind == "u" and word.itemsize > 1 else 0)
    for start in range(0, flat.size, PIECE):
        piece = flat[start : start + PIECE].view(word)
        np.copyto(scratch[: piece.size], piece ^ offset if offset else piece)  # swaps the bytes on the way
        stream.write(scratch[: piece.size].view("u1").data)
        release(array)
    _pad(stream, flat.nbytes)


def _write_table(stream: BinaryIO, hdu: str, version: int, table: np.ndarray, cards: Iterable["fits.Card"]) -> None:
    """Write a structured array as a table; units and other cards of the old table are kept."""
    from astropy.io import fits

    old = {card.keyword: card.value for card in cards if card.keyword.startswith(COLUMN_CARDS)}
    units = {name: old.get(f"TUNIT{key[5:]}") for key, name in old.items() if key.startswith("TTYPE")}
    made = fits.BinTableHDU(_without_bytes(table), name=hdu, ver=version)
    for column in made.columns:
        if units.get(column.name):
            column.unit = units[column.name]
    made.header.extend((card for card in cards if not card.keyword.startswith(COLUMN_CARDS)), end=True)
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), made]).writeto(buffer)
    stream.write(buffer.getbuffer()[BLOCK:])


def _without_bytes(table: np.ndarray) -> np.ndarray:
    """Return a table whose int8 columns are int16: FITS has no signed bytes, and astropy would write truth values."""
    fields = [(name, table.dtype[name]) for name in table.dtype.names or ()]
    plain = [(name, "i2" if dtype.base == np.int8 else dtype.base, dtype.shape) for name, dtype in fields]
    return table.astype(plain) if any(dtype.base == np.int8 for _, dtype in fields) else table


def _write_bytes(stream: BinaryIO, hdu: str, column: str, content: bytes) -> None:
    """Write a table of one cell that holds `content`."""
    from astropy.io import fits

    _write_header(stream, fits.Header([fits.Card(*card) for card in bytes_structure(hdu, column, len(content))]))
    stream.write(content)
    _pad(stream, len(content))


def _copy(stream: BinaryIO, file: FitsFile, start: int, end: int) -> None:
    """Copy the bytes from `start` to `end` of a file, padded to whole blocks."""
    with file.open() as source:
        source.seek(start)
        left = end - start
        while left and (piece := source.read(min(left, 1 << 22))):
            stream.write(piece)
            left -= len(piece)
    _pad(stream, end - start - left)


def _pad(stream: BinaryIO, size: int) -> None:
    """Fill the last block after `size` bytes."""
    stream.write(bytes(-size % BLOCK))
