//! Countries, and which parts of an address each of them asks for.
//!
//! The tables are written by `tables/countries.py`: codes of ISO 3166-1 (Debian's iso-codes of February 2026), formats of
//! libaddressinput (as of September 2024). A country that libaddressinput does not know asks for a city, as its default does.

use envelope::{Faults, Invalid, Node, Read};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

const CITY_AND_POSTAL_CODE: &str = "\
    AS AT AU AX BE BL BR CA CH CN CZ DE DK EE ES FI FK FM FR GB GF GG GL GP GR GS GU HU IM IN IO IT JE KR LI LT LU \
    LV MF MH MP MQ MX MY NC NL NO NZ PF PL PM PN PR PT PW RE RO RU SE SH SJ SK TC TR TW UA US VI WF YT ZA";

const CITY: &str = "\
    AD AF AI AL AM AO AQ AR AW AZ BA BB BD BF BG BH BI BJ BM BN BO BQ BS BT BV BW BY BZ CC CD CF CG CI CK CL CM CR \
    CU CV CW CX CY DJ DM DO DZ EC EG EH ER ET FJ FO GA GD GE GH GM GN GQ GT GW GY HM HN HR HT IE IL IQ IR IS JM JO \
    KE KG KH KI KM KN KP KW KZ LA LB LC LK LR LS LY MA MC MD ME MG MK ML MM MN MR MS MT MU MV MW MZ NA NE NF NG NI \
    NP NU OM PA PE PG PH PK PS PY QA RS RW SA SB SC SD SI SL SN SO SR SS ST SV SX SY SZ TD TF TG TH TJ TK TL TM TN \
    TO TT TV TZ UG UM UY UZ VA VC VE VN VU WS XK YE ZM ZW";

const POSTAL_CODE: &str = "JP SG SM";

const NEITHER: &str = "AE AG CO GI HK ID KY MO NR VG";

/// Countries whose addresses have no city of their own: they are a city, or name an island or an emirate instead.
#[cfg(feature = "schema")]
pub(crate) fn without_city() -> impl Iterator<Item = &'static str> {
    [POSTAL_CODE, NEITHER].into_iter().flat_map(str::split_whitespace)
}

/// Countries in which mail is not delivered without a postal code.
#[cfg(feature = "schema")]
pub(crate) fn with_postal_code() -> impl Iterator<Item = &'static str> {
    [CITY_AND_POSTAL_CODE, POSTAL_CODE].into_iter().flat_map(str::split_whitespace)
}

envelope::json_schema_of!(
    Country,
    ["A country: two letters of ISO 3166-1, or XK for Kosovo. The United Kingdom is GB."],
    { "type": "string", "pattern": "^[A-Z]{2}$", "examples": ["DE"] }
);

/// A country by its two letters: one of ISO 3166-1, or `XK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Country(&'static str);

impl Country {
    /// The country with that code.
    ///
    /// # Errors
    ///
    /// The rule that is broken: ISO 3166-1 does not list the code.
    pub fn new(code: &str) -> Result<Self, Invalid> {
        let all = [CITY_AND_POSTAL_CODE, CITY, POSTAL_CODE, NEITHER];
        let found = all.into_iter().find_map(|those| listed(those, code));
        found.map(Self).ok_or_else(|| Invalid::rule(if code == "UK" { IS_GB } else { NO_COUNTRY }))
    }

    /// The code, such as `DE`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        self.0
    }

    /// Tells that nothing arrives there without a city in the address.
    #[must_use]
    pub fn has_cities(&self) -> bool {
        [CITY_AND_POSTAL_CODE, CITY].into_iter().any(|those| listed(those, self.0).is_some())
    }

    /// Tells that nothing arrives there without a postal code in the address. Some countries, as Ireland, have them and do
    /// without.
    #[must_use]
    pub fn has_postal_codes(&self) -> bool {
        [CITY_AND_POSTAL_CODE, POSTAL_CODE].into_iter().any(|those| listed(those, self.0).is_some())
    }
}

const NO_COUNTRY: &str = "must be a country code of ISO 3166-1, such as DE";
const IS_GB: &str = "must be a country code of ISO 3166-1: the United Kingdom is GB";

fn listed(those: &'static str, code: &str) -> Option<&'static str> {
    those.split_whitespace().find(|one| *one == code)
}

impl std::fmt::Display for Country {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl<'de> Deserialize<'de> for Country {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl std::str::FromStr for Country {
    type Err = Invalid;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        Self::new(code)
    }
}

impl Read for Country {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        Self::new(node.text(faults)?).map_err(|rule| faults.add(node, rule.to_string())).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all() -> Vec<&'static str> {
        [CITY_AND_POSTAL_CODE, CITY, POSTAL_CODE, NEITHER].into_iter().flat_map(str::split_whitespace).collect()
    }

    #[test]
    fn each_country_is_listed_once() {
        let codes: BTreeSet<&str> = all().into_iter().collect();
        // The 249 of ISO 3166-1, and Kosovo.
        assert_eq!((all().len(), codes.len()), (250, 250));
        for code in codes {
            assert_eq!(Country::new(code).map(|country| country.as_str()), Ok(code));
        }
    }

    #[test]
    fn an_address_needs_what_its_country_has() {
        for (code, city, postal_code) in [
            ("DE", true, true),
            ("US", true, true),
            ("GB", true, true),
            ("IE", true, false),
            ("XK", true, false),
            ("VA", true, false),
            ("SG", false, true),
            ("JP", false, true),
            ("HK", false, false),
            ("AE", false, false),
        ] {
            let country = Country::new(code).unwrap();
            assert_eq!((country.has_cities(), country.has_postal_codes()), (city, postal_code), "{code}");
        }
    }

    #[test]
    fn what_is_no_country_is_refused_with_a_hint_where_there_is_one() {
        for code in ["", "D", "de", "DEU", "EU", "XX", "ZZ", "AC", "AN", "SU", "D E", "AD AF", "Germany"] {
            assert_eq!(Country::new(code), Err(Invalid::rule(NO_COUNTRY)), "{code}");
        }
        assert_eq!(Country::new("UK"), Err(Invalid::rule(IS_GB)));
    }
}
