"""Associations: which exposures belong to one product, and the role of each."""

from jwcore.associations.asn import Association, Member, Product, open_association, write_association
from jwcore.associations.lists import from_list

__all__ = ["Association", "Member", "Product", "from_list", "open_association", "write_association"]
