"""Endpoint identifiers: the schemes dtn and ipn (RFC 9171, section 4.2.5.1). Pure."""

import re
from dataclasses import dataclass
from typing import Any

from protocols.bundles.cbor import BundleError

DTN, IPN = 1, 2
_CLAUSE = "RFC 9171, 4.2.5.1"
_DTN = re.compile(r"//(?P<node>[A-Za-z0-9._~!$&'()*+,;=%-]+)(?P<demux>/[\x21-\x7e]*)?")
_IPN = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class Eid:
    """An endpoint; ``ssp`` is what follows the scheme: text, or node and service number."""

    scheme: int
    ssp: str | tuple[int, int]

    @classmethod
    def parse(cls, text: str) -> "Eid":
        """Read ``dtn:none``, ``dtn://NODE/DEMUX`` or ``ipn:NODE.SERVICE``. Raises BundleError."""
        scheme, _, ssp = text.partition(":")
        if scheme == "dtn" and (ssp == "none" or _DTN.fullmatch(ssp)):
            return cls(DTN, ssp)
        if scheme == "ipn" and (found := _IPN.fullmatch(ssp)):
            return cls(IPN, (int(found[1]), int(found[2])))
        known = "dtn:none, dtn://NODE/DEMUX or ipn:NODE.SERVICE"
        raise BundleError(f"endpoint is not {known}", _CLAUSE, text)

    @classmethod
    def of(cls, item: Any) -> "Eid":
        """Read the CBOR form: an array of scheme and scheme-specific part. Raises BundleError."""
        match item:
            case [1, 0]:
                return NONE
            case [1, str(ssp)] if _DTN.fullmatch(ssp):
                return cls(DTN, ssp)
            case [2, [int(node), int(service)]]:
                return cls(IPN, (node, service))
            case [2, [_, _, _]]:
                reason = "numbers of ipn in three parts (RFC 9758) are not understood"
                raise BundleError(reason, _CLAUSE, item)
        raise BundleError("no endpoint of the schemes dtn and ipn", _CLAUSE, item)

    def item(self) -> tuple[int, int | str | tuple[int, int]]:
        """Return the form that CBOR has."""
        return (self.scheme, 0 if self == NONE else self.ssp)

    @property
    def node(self) -> "Eid":
        """The node's own identifier, by the administrative endpoint of its scheme."""
        if self.scheme == IPN:
            return Eid(IPN, (int(self.ssp[0]), 0))
        found = _DTN.fullmatch(str(self.ssp))
        return Eid(DTN, f"//{found['node']}/") if found else self

    @property
    def host(self) -> str:
        """The name of the node, '' for ``dtn:none``; of ipn its number."""
        if self.scheme == IPN:
            return str(self.ssp[0])
        found = _DTN.fullmatch(str(self.ssp))
        return found["node"] if found else ""

    def __str__(self) -> str:
        if self.scheme == IPN:
            return f"ipn:{self.ssp[0]}.{self.ssp[1]}"
        return f"dtn:{self.ssp}"


NONE = Eid(DTN, "none")
"""The null endpoint: nobody."""
