"""Identity as keyed digests: enough to compare and to look up, and nothing that could be read back.

The key is this service's own secret, so that a list of all accession numbers of a year does not open the ledger.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata

_LETTERS = re.compile(r"[^\w]|_")
_DATE = re.compile(r"\d{8}")
KINDS = ("patient_id", "patient_name", "birth_date", "accession")


class Keys:
    """Makes digests. An empty or meaningless value has the empty digest, which is never compared."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def of(self, kind: str, value: str) -> str:
        """Digest of one value of one of the ``KINDS``."""
        plain = normalised(kind, value)
        if not plain:
            return ""
        return hmac.new(self._secret, f"{kind}|{plain}".encode(), hashlib.sha256).hexdigest()


def normalised(kind: str, value: str) -> str:
    """What of a value counts when two are compared.

    Of a name that is family and first given name without accents, case and signs: scanners and hospital systems
    differ in titles, second names and capitals for one and the same person.
    """
    text = value.strip("\0 ")
    if kind == "patient_name":
        family, _, rest = text.partition("=")[0].partition("^")
        given = re.split(r"[\s^]", rest.strip(), maxsplit=1)[0]
        parts = [_LETTERS.sub("", _plain(part)) for part in (family, given)]
        return "^".join(parts) if parts[0] else ""
    if kind == "birth_date":
        return text if _DATE.fullmatch(text) else ""
    return text.casefold()


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    # a sign such as ㏗ is letters, and capitals among them, only now
    decomposed = unicodedata.normalize("NFKD", decomposed.casefold())
    return "".join(one for one in decomposed if not unicodedata.combining(one))
