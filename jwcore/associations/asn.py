"""The association file: JSON text with products, each a name and its members."""

import json
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from jwcore.errors import BadInput
from jwcore.models import ExposureSet, strip_suffix
from jwcore.models.writer import atomic

SCIENCE = "science"
"""Role of the exposures that a product is made from."""

INFORMATION = frozenset({"dark", "flat", "engineering", "autoflat", "autowave", "target_acquisition"})
"""Roles whose files need not be there: no pipeline stops without them."""

_FIELDS = {
    "type": "asn_type",
    "rule": "asn_rule",
    "id": "asn_id",
    "pool": "asn_pool",
    "program": "program",
    "target": "target",
    "version": "version_id",
    "constraints": "constraints",
    "code_version": "code_version",
}
_DERIVED = frozenset({"products", "degraded_status"})
_GOOD = "No known degraded exposures in association."
_DEGRADED = (
    "One or more members have an error associated with them.\nDetails can be found in the member.exposerr attribute."
)


@dataclass(frozen=True, slots=True)
class Member:
    """One exposure of a product.

    ``extra`` holds all further keys, such as ``exposerr``, ``asn_candidate``, ``group_id`` or ``tweakreg_catalog``.
    """

    expname: str
    exptype: str
    path: Path
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Product:
    """One product: the base name of its files, and its members in order."""

    name: str
    members: tuple[Member, ...]

    def with_role(self, *roles: str) -> tuple[Member, ...]:
        """Return the members that have one of `roles`, in order."""
        return tuple(member for member in self.members if member.exptype in roles)

    def exposures(self, *roles: str, in_memory: bool = True, asn: "Association | None" = None) -> ExposureSet:
        """Return the members with one of `roles` (science unless given) as an exposure set, without loading them."""
        members = self.with_role(*(roles or (SCIENCE,)))
        return ExposureSet(
            [member.path for member in members],
            in_memory=in_memory,
            name=self.name,
            asn=asn,
            members_info=[member.extra for member in members],
        )


@dataclass(frozen=True, slots=True)
class Association:
    """Content of an association file.

    ``extra`` holds top-level keys that the format does not define; ``path`` is the file, None when made in memory.
    """

    products: tuple[Product, ...]
    type: str | None = None
    rule: str | None = None
    id: str = "a3001"
    pool: str | None = None
    program: str = "noprogram"
    target: str | None = None
    version: str | None = None
    constraints: str = "none"
    code_version: str | None = None
    path: Path | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def members(self) -> tuple[Member, ...]:
        """Members of all products."""
        return tuple(member for product in self.products for member in product.members)

    def file_name(self, *, sequence: int = 1) -> str:
        """Return the usual name of the file, ``jw<program>-<id>[_<version>]_<type>_<number>_asn.json``."""
        version = f"_{self.version}" if self.version else ""
        name = f"jw{self.program}-{self.id}{version}_{self.type or 'none'}_{sequence:05d}_asn.json"
        return name.lower()


def open_association(path: str | Path, *, check: bool = True) -> Association:
    """Read an association file.

    Parameters
    ----------
    path : path-like
        Member names in it are relative to its folder.
    check : bool
        Require that the members exist, those with a role for `INFORMATION` excepted.

    Raises
    ------
    BadInput
        When the text is no association, a member is outside the folder, or a member's file is missing.
    """
    path = Path(path)
    content = _parse(path)
    products = tuple(_product(item, number, path) for number, item in enumerate(content["products"], start=1))
    known = {name: content[key] for name, key in _FIELDS.items() if content.get(key) is not None}
    rest = {key: value for key, value in content.items() if key not in _DERIVED and key not in _FIELDS.values()}
    association = Association(products, **known, path=path, extra=rest)
    missing = [m.expname for m in association.members if m.exptype not in INFORMATION and not m.path.is_file()]
    if check and missing:
        listed = ", ".join(dict.fromkeys(missing[:5])) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        cure = "put them beside the association, or take them out of it"
        raise BadInput(f"{len(missing)} member files are missing: {listed}", where=str(path), cure=cure)
    return association


def _parse(path: Path) -> dict[str, Any]:
    """Return the JSON content with its outer shape checked."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(error.strerror or str(error), where=str(path), cure="check the path") from None
    except ValueError as error:
        raise BadInput(f"not JSON: {error}", where=str(path), cure="correct the file at that place") from None
    if not isinstance(content, dict) or not isinstance(content.get("products"), list) or not content["products"]:
        cure = 'an association needs "products": [{"name": ..., "members": [...]}]'
        raise BadInput("there are no products", where=str(path), cure=cure)
    return content


def _product(item: Any, number: int, path: Path) -> Product:
    """Return one product with its members checked; a member that is named twice is one."""
    if not isinstance(item, dict) or not isinstance(item.get("members"), list) or not item["members"]:
        raise BadInput(f"product {number} has no members", where=str(path), cure='give it "members": [...]')
    members: dict[str, Member] = {}
    for entry in item["members"]:
        member = _member(entry, number, path)
        members.setdefault(member.expname, member)
    listed = tuple(members.values())
    first = next((member for member in listed if member.exptype == SCIENCE), listed[0])
    name = str(item.get("name") or strip_suffix(first.expname))
    check_name(name, where=str(path))
    return Product(name, listed)


def check_name(name: str, *, where: str) -> None:
    """Refuse product names that would lead files out of the output folder, as BadInput."""
    if name != PurePath(name).name or name.startswith(".") or "\\" in name:
        raise BadInput(
            f"'{name}' cannot be the beginning of file names", where=where, cure="give it a plain name, without folders"
        )


def _member(entry: Any, number: int, path: Path) -> Member:
    """Return one member with its path; refuse names that lead out of the folder."""
    keys = ("expname", "exptype")
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) and entry[key] for key in keys):
        cure = 'every member needs "expname" (file) and "exptype" (role)'
        raise BadInput(f"product {number} has a member without name or role", where=str(path), cure=cure)
    name = PurePath(entry["expname"])
    if name.is_absolute() or ".." in name.parts:
        cure = "keep the members in the folder of the association and name them without a path"
        raise BadInput(f"member {name} is outside the folder of the association", where=str(path), cure=cure)
    extra = {key: value for key, value in entry.items() if key not in keys}
    return Member(str(name), entry["exptype"].lower(), path.parent / name, extra)


def write_association(association: Association, path: str | Path) -> Path:
    """Write an association file, complete or not at all; return its path.

    Raises
    ------
    BadInput
        When a member is outside the folder of the file.
    JwcalError
        When the system refuses to write.
    """
    path = Path(path)
    members = association.members
    degraded = any(member.extra.get("exposerr") for member in members)
    content = {key: getattr(association, name) for name, key in _FIELDS.items()}
    content |= {"asn_pool": association.pool or "none", "degraded_status": _DEGRADED if degraded else _GOOD}
    content |= association.extra
    content["products"] = [
        {"name": product.name, "members": [_entry(member, path) for member in product.members]}
        for product in association.products
    ]
    with atomic(path) as stream:
        stream.write(json.dumps(content, indent=4).encode() + b"\n")
    return path


def _entry(member: Member, path: Path) -> dict[str, Any]:
    """Return the JSON form of a member, named relative to the file."""
    folder = path.parent.resolve()
    try:
        name = member.path.resolve().relative_to(folder)
    except ValueError:
        cure = f"write the association into {member.path.resolve().parent}"
        raise BadInput(
            f"member {member.path} is outside the folder of the association", where=str(path), cure=cure
        ) from None
    return {"expname": name.as_posix(), "exptype": member.exptype, **member.extra}
