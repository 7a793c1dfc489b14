"""Associations: which exposures belong to one product, and the role of each."""

from jwcore.associations.asn import Association, Member, Product, open_association, write_association
from jwcore.associations.lists import from_list
from jwcore.associations.together import check_together, mosaic_key, mosaic_name

__all__ = [
    "Association",
    "Member",
    "Product",
    "check_together",
    "from_list",
    "mosaic_key",
    "mosaic_name",
    "open_association",
    "write_association",
]
