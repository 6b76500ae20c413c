"""Writes the table of `src/amount.rs`: how numbers are written where a currency is at home.

The facts are those of CLDR 49, as `babel` packs them. To renew them:

    pip install babel==2.19.0
    python shared/events/tables/amounts.py
"""

import textwrap
from collections import defaultdict

from babel import Locale, UnknownLocaleError
from babel.core import get_global

# The first two letters of a currency are those of its country. These have none: the largest of their countries stands for all.
HOMES = {"EUR": "DE", "XAF": "CM", "XCD": "LC", "XCG": "CW", "XOF": "CI", "XPF": "PF"}
ASCII = {"\u00a0": " ", "\u202f": " ", "’": "'"}


def style(currency):
    """The separators of a currency's home, in its main language, with Latin digits."""
    home = HOMES.get(currency, currency[:2])
    likely = get_global("likely_subtags").get(f"und_{home}", f"en_{home}")
    try:
        locale = Locale.parse(likely)
    except UnknownLocaleError:  # A language without numbers of its own has those of English.
        locale = Locale("en")
    symbols = locale.number_symbols["latn"]
    group, decimal = symbols.get("currencyGroup", symbols["group"]), symbols.get("currencyDecimal", symbols["decimal"])
    grouping = locale.currency_formats["standard"].grouping
    return ASCII.get(group, group), decimal, grouping


current = {
    currency
    for periods in get_global("territory_currencies").values()
    for currency, _, end, tender in periods
    if end is None and tender
}
styles = defaultdict(list)
for currency in sorted(current):
    styles[style(currency)].append(currency)
for separators, currencies in sorted(styles.items(), key=lambda item: len(item[1]), reverse=True):
    print(separators)
    print(textwrap.indent(textwrap.fill(" ".join(currencies), 112).replace("\n", " \\\n"), "    "))
