"""What money is moved with: payment cards and bank accounts."""

from __future__ import annotations

import re
from functools import lru_cache

from insight_app.moderation.detector import DASHES, GAPS, Detector, ends, plain

# The ranges that issuers publish, with the lengths they use. Without them one number in ten would pass.
ISSUERS = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})"  # Visa
    r"|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"  # Mastercard
    r"|3[47][0-9]{13}"  # American Express
    r"|(?:6011|64[4-9][0-9]|65[0-9]{2})[0-9]{12,15}"  # Discover
    r"|(?:30[0-5][0-9]|3095|36[0-9]{2}|3[89][0-9]{2})[0-9]{10}"  # Diners Club
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12,15}"  # JCB
    r"|62[0-9]{14,17}"  # UnionPay
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])[0-9]{9,15}"  # Maestro
)
# How they are grouped on cards, and what follows there at times: the check number, or nothing between the halves.
GROUPS = {(4, 4, 4, 4), (4, 4, 4, 4, 1), (4, 4, 4, 4, 2), (4, 4, 4, 4, 3), (4, 6, 5), (4, 6, 4), (8, 8), (6, 13)}


def _card(candidate: str) -> int:
    for end in ends(candidate):
        groups = re.findall("[0-9]+", candidate[:end])
        digits = "".join(groups)
        known = len(groups) == 1 or tuple(map(len, groups)) in GROUPS
        if known and ISSUERS.fullmatch(digits) and _adds_up(digits) and candidate[end - 1].isdigit():
            return end
    return 0


@lru_cache(maxsize=256)
def _adds_up(digits: str) -> bool:
    from stdnum import ean, luhn

    # Thirteen digits on a product add up in another way; cards of that length are all but gone.
    return luhn.is_valid(digits) and not (len(digits) == 13 and ean.is_valid(digits))


def _iban(candidate: str) -> int:
    from stdnum import iban

    text = plain(candidate)
    return next((end for end in ends(text) if 15 <= end <= 45 and iban.is_valid(text[:end])), 0)


PAYMENT_CARD = Detector("payment card", rf"\b[0-9](?:[{GAPS}.{DASHES}]?[0-9]){{12,24}}[0-9A-Za-z_]?", _card)
IBAN = Detector(
    "IBAN",
    rf"\b[A-Za-z]{{2}}[0-9]{{2}}(?:[0-9A-Za-z]{{11,31}}"
    rf"|(?:[{GAPS}{DASHES}][0-9A-Za-z]{{4}}){{2,7}}(?:[{GAPS}{DASHES}]?[0-9A-Za-z]{{1,4}})?[0-9A-Za-z_]?)",
    _iban,
)
