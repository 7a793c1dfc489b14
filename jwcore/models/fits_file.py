"""Reading FITS files: headers once, the bytes of an array when they are wanted.

astropy parses the headers; arrays are read by position, straight into the memory of the result, and turned from
big-endian to native order piece by piece while they are in the processor cache. Nothing is kept open: a file that
changed since its headers were read is refused.
"""

import io
import os
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jwcore.errors import BadInput
from jwcore.models.mapped import release

if TYPE_CHECKING:
    from astropy.io import fits

BLOCK = 2880
"""FITS files are made of blocks of this many bytes."""

PIECE = 1 << 18
"""Elements converted at a time, so that the piece stays in the cache."""

READERS = 2
"""Threads that read one array: the time goes into fresh pages of memory, more than into the disk."""

_STORED = {8: "u1", 16: "i2", 32: "i4", 64: "i8", -32: "f4", -64: "f8"}
_FITS = b"SIMPLE  ="
_GZIP = b"\x1f\x8b"
_DAMAGED = "copy or download the file again"


@dataclass(frozen=True, slots=True)
class Block:
    """One HDU of a file: its header and where its data are; never changed."""

    name: str
    version: int
    header: "fits.Header"
    start: int
    """Position of the header."""
    data: int
    """Position of the data."""
    end: int
    """Position after the data and their padding."""

    def __deepcopy__(self, memo: dict) -> "Block":
        return self

    @property
    def is_image(self) -> bool:
        """True for arrays, False for tables."""
        return self.header.get("XTENSION", "IMAGE").strip() == "IMAGE"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape in numpy order, () without data."""
        return tuple(self.header[f"NAXIS{axis}"] for axis in range(self.header["NAXIS"], 0, -1))

    @property
    def stored(self) -> np.dtype:
        """Native type of the stored numbers, before scaling."""
        return np.dtype(_STORED[self.header["BITPIX"]])

    @property
    def size(self) -> int:
        """Bytes of data, without padding."""
        header = self.header
        elements = int(np.prod(self.shape, dtype=np.int64)) if self.shape else 0
        return abs(header["BITPIX"]) // 8 * (elements + header.get("PCOUNT", 0)) * header.get("GCOUNT", 1)

    @property
    def dtype(self) -> np.dtype:
        """Native type of the values: unsigned for the FITS convention of unsigned integers, float64 for scaled ones."""
        if self.is_unsigned:
            return np.dtype(f"u{self.stored.itemsize}")
        return self.stored if self.is_plain else np.dtype("f8")

    @property
    def scaling(self) -> tuple[float, float]:
        """BSCALE and BZERO."""
        return self.header.get("BSCALE", 1), self.header.get("BZERO", 0)

    @property
    def is_unsigned(self) -> bool:
        """True for unsigned integers, stored as signed ones with an offset of half the range."""
        return self.stored.kind == "i" and self.scaling == (1, 1 << (8 * self.stored.itemsize - 1))

    @property
    def is_plain(self) -> bool:
        """True when the numbers are stored as they are, or as unsigned integers."""
        return self.is_unsigned or self.scaling == (1, 0)


def check_beginning(path: Path) -> None:
    """Refuse what is no FITS file, in our own words: the library speaks to programmers."""
    with path.open("rb") as stream:
        first = stream.read(24)
    if not first:
        raise BadInput("the file is empty", where=str(path), cure=_DAMAGED)
    if first.startswith(_GZIP):
        raise BadInput("the file is compressed", where=str(path), cure="unpack it with gunzip")
    if not first.startswith(_FITS):
        shown = first.decode("ascii", "replace").partition("\n")[0]
        message = f"{path.name} is not a FITS file (it begins with {shown!r})"
        raise BadInput(message, where=str(path), cure="give a FITS file, or download it again")


class FitsFile:
    """The HDUs of a FITS file.

    Raises
    ------
    BadInput
        When the file cannot be read, is empty, is not FITS, or ends before its data do.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._stamp = self._state()
        if self.path.is_file():
            check_beginning(self.path)
        self.blocks = self._scan()
        self._check_end()

    def __deepcopy__(self, memo: dict) -> "FitsFile":
        return self

    def _state(self) -> tuple[int, int, int]:
        """Return size, time of change and inode."""
        try:
            state = self.path.stat()
        except OSError as error:
            raise BadInput(error.strerror or str(error), where=str(self.path), cure="check the path") from None
        return state.st_size, state.st_mtime_ns, state.st_ino

    def _check_end(self) -> None:
        """Refuse a file that does not end where its last HDU ends; zeros may follow."""
        last, size = self.blocks[-1], self._stamp[0]
        if last.end > size:
            message = f"the file is truncated: {last.end - size} bytes of {last.name} are missing"
            raise BadInput(message, where=str(self.path), cure=_DAMAGED)
        if last.end < size:
            with self.open() as stream:
                stream.seek(last.end)
                if stream.read().strip(b"\0"):
                    raise BadInput(f"the file is damaged after {last.name}", where=str(self.path), cure=_DAMAGED)

    def _scan(self) -> list[Block]:
        """Parse the headers of all HDUs."""
        from astropy.io import fits

        blocks: list[Block] = []
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # truncation is judged below; other remarks are about foreign cards
                with fits.open(self.path, memmap=False, lazy_load_hdus=False, disable_image_compression=True) as hdus:
                    for hdu in hdus:
                        place = hdu.fileinfo()
                        end = place["datLoc"] + place["datSpan"]
                        header = hdu.header
                        name = header.get("EXTNAME", "") if blocks else "PRIMARY"
                        version = header.get("EXTVER", 1)
                        blocks.append(Block(name.strip(), version, header, place["hdrLoc"], place["datLoc"], end))
        except (OSError, ValueError, TypeError, KeyError, EOFError) as error:
            raise BadInput(f"not a FITS file, or damaged: {error}", where=str(self.path), cure=_DAMAGED) from None
        if not blocks:
            raise BadInput("not a FITS file", where=str(self.path), cure=_DAMAGED)
        return blocks

    def open(self) -> io.FileIO:
        """Open the file for reading its bytes; BadInput when it changed since its headers were read."""
        if self._state() != self._stamp:
            raise BadInput("the file changed since it was opened", where=str(self.path), cure="read it again")
        return io.FileIO(self.path)

    def bytes(self, block: Block) -> bytes:
        """Return the data of `block` as stored, without padding."""
        with self.open() as stream:
            stream.seek(block.data)
            return stream.read(block.size)

    def array(self, block: Block, *, dtype: Any = None, out: np.ndarray | None = None) -> np.ndarray:
        """Return the image of `block` as a native array, converted to `dtype` on the way, or fill `out` with it."""
        if out is None:
            out = np.empty(block.shape, dtype=block.dtype if dtype is None else dtype)
        self.fill(block, [(0, out)])
        return out

    def fill(self, block: Block, parts: Iterable[tuple[int, np.ndarray]]) -> None:
        """Fill C-contiguous arrays with parts of the image of `block`, each from its first element (flat index) on."""
        width = block.stored.itemsize
        pieces = [
            (block.data + (first + start) * width, flat[start : start + PIECE])
            for first, flat in ((first, out.reshape(-1)) for first, out in parts)
            for start in range(0, flat.size, PIECE)
        ]
        with self.open() as stream, ThreadPoolExecutor(READERS) as pool:
            run = pool.map if sum(piece.size for _, piece in pieces) > READERS * PIECE else map
            for _ in run(lambda piece: _decode(stream, piece[0], piece[1], block), pieces):
                pass

    def table(self, block: Block) -> np.ndarray:
        """Return the table of `block` as a native structured array; text columns become str."""
        from astropy.io import fits

        with fits.open(self.path, memmap=False) as hdus:
            return native_table(hdus[self.blocks.index(block)].data)


def _decode(stream: io.FileIO, start: int, out: np.ndarray, block: Block) -> None:
    """Fill the flat array `out` with the values of `block` that are stored from the position `start` on."""
    raw = np.empty(out.size, dtype=block.stored.newbyteorder(">"))
    _read_at(stream, start, raw)
    if block.is_unsigned:
        word = np.dtype(f"u{raw.itemsize}")  # adding 2^(n-1) to a signed number flips its top bit
        out[...] = raw.view(word.newbyteorder(">")) ^ word.type(1 << (8 * word.itemsize - 1))
    elif block.is_plain:
        out[...] = raw
    else:
        scale, zero = block.scaling
        out[...] = raw * float(scale) + float(zero)
    release(out)


def _read_at(stream: io.FileIO, start: int, target: np.ndarray) -> None:
    """Fill `target` from a position of the file on; a file that ends early is an error."""
    view = target.view("u1").data
    while view:
        count = os.preadv(stream.fileno(), [view], start)
        if not count:
            raise BadInput("the file ended early", where=str(stream.name), cure=_DAMAGED)
        view, start = view[count:], start + count


def native_table(table: np.ndarray) -> np.ndarray:
    """Return a table as a plain native-endian structured array with str columns."""
    fields: list[tuple] = []
    columns = []
    for name in table.dtype.names or ():
        column = np.asarray(table[name])
        if column.dtype.kind == "S":
            column = column.astype(f"U{column.dtype.itemsize}")
        column = column.astype(column.dtype.newbyteorder("="))
        fields.append((name, column.dtype, column.shape[1:]))
        columns.append(column)
    out = np.empty(len(table), dtype=fields)
    for (name, *_), column in zip(fields, columns, strict=True):
        out[name] = column
    return out
