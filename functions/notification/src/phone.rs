//! Telephone numbers: E.164 of whatever people write.
//!
//! Numbering plans are rlibphonenumber's, a port of Google's libphonenumber with its metadata. With `regex-lite` it adds some
//! 190 KB to the function's zip; `phonenumber`, the older port, adds 850 KB.

use orderflow_events::{Country, Text};
use rlibphonenumber::{NumberLengthType, PHONE_NUMBER_UTIL, PhoneNumberFormat, PhoneNumberType};

/// Digits of the longest number, its country's code included (ITU-T E.164, 6.2.1).
const MAX_DIGITS: usize = 15;

/// A telephone number of E.164, such as `+4930123456`, and the country that it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneNumber {
    e164: String,
    country: Option<Country>,
}

impl PhoneNumber {
    /// The number that `text` is, if it is one; without a country code as it is dialled in `country`. Its length must be right
    /// for its country. Whether anybody has it, only a call can tell; a number that costs its caller extra counts as none.
    #[must_use]
    pub fn of(text: &Text, country: Country) -> Option<Self> {
        let read = |text: &str| rlibphonenumber::PhoneNumber::parse(text, country.as_str().parse().ok()).ok();
        let e164 = |number: &rlibphonenumber::PhoneNumber| number.format_as(PhoneNumberFormat::E164).into_owned();
        let number = read(text.as_str())?;
        let is_whole = matches!(number.is_possible_with_reason(), Ok(NumberLengthType::IsPossible));
        let is_dear = matches!(number.get_type(), PhoneNumberType::PremiumRate | PhoneNumberType::SharedCost);
        // A code that several countries share says which one only where the rest of the number is in somebody's plan.
        let region = number.get_region_code();
        let region = region.or_else(|| PHONE_NUMBER_UTIL.get_region_for_country_code(number.country_code));
        let of = region.and_then(|region| region.as_region_str().parse().ok());
        // Zeros after the country code may be taken for a prefix, one at a time: then it is in nobody's plan.
        let is_itself = read(&e164(&number)).is_some_and(|same| e164(&same) == e164(&number));
        let e164 = e164(&number);
        // In some countries' plans there are longer ones, which nobody from elsewhere can dial.
        let is_international = e164.len() <= "+".len() + MAX_DIGITS;
        (is_whole && is_international && is_itself && !is_dear).then_some(Self { e164, country: of })
    }

    /// The number itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.e164
    }

    /// Country that the number is of; none where it is of no country, such as a satellite's.
    #[must_use]
    pub fn country(&self) -> Option<Country> {
        self.country
    }
}

#[cfg(test)]
mod tests {
    use orderflow_events::strategy;

    use super::*;

    #[test]
    fn a_number_is_read_as_people_write_it() {
        for (text, country, e164, of) in [
            ("+4930123456", "US", "+4930123456", "DE"),
            ("+1 (555) 123-0001", "US", "+15551230001", "US"),
            ("+1 (416) 555-0123", "DE", "+14165550123", "CA"),
            ("030 123456", "DE", "+4930123456", "DE"),
            ("0 30 / 12 34 56", "DE", "+4930123456", "DE"),
            ("+49 (0)30 123456", "DE", "+4930123456", "DE"),
            ("0041 44 668 18 00", "DE", "+41446681800", "CH"),
            ("011 49 30 123456", "US", "+4930123456", "DE"),
            ("06 12 34 56 78", "FR", "+33612345678", "FR"),
            ("8 (495) 123-45-67", "RU", "+74951234567", "RU"),
            ("03-1234-5678", "JP", "+81312345678", "JP"),
            ("９０ 1234 5678", "JP", "+819012345678", "JP"),
            ("٠٥٠ ١٢٣ ٤٥٦٧", "AE", "+971501234567", "AE"),
            ("(02) 9876 5432", "AU", "+61298765432", "AU"),
            ("tel:+49-30-123456", "US", "+4930123456", "DE"),
            ("+383 44 123 456", "XK", "+38344123456", "XK"),
        ] {
            let number = PhoneNumber::of(&text.parse().unwrap(), country.parse().unwrap());
            let number = number.unwrap_or_else(|| panic!("{text} is a number"));
            assert_eq!((number.as_str(), number.country()), (e164, of.parse().ok()), "{text}");
        }
    }

    proptest::proptest! {
        /// Whatever is written, it is a number of E.164 or none, and nobody panics.
        #[test]
        fn any_text_is_a_number_or_none(
            text in proptest::prop_oneof![strategy::text(), "[+0-9() /.;=a-z-]{1,24}", "\\+[0-9]{3,16}"],
            country in proptest::sample::select(&["AE", "AQ", "DE", "GB", "IT", "JP", "RU", "US", "XK"][..]),
        ) {
            if let Some(number) = PhoneNumber::of(&text.parse().unwrap(), country.parse().unwrap()) {
                let digits = number.as_str().strip_prefix('+').unwrap();
                assert!((4..=MAX_DIGITS).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()), "{digits}");
                assert_eq!(PhoneNumber::of(&number.as_str().parse().unwrap(), country.parse().unwrap()), Some(number));
            }
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for (text, country) in [
            ("+999", "US"),
            ("+550000000000", "AE"),
            ("+2341000000000000", "NG"),
            ("+", "DE"),
            ("none", "DE"),
            ("110", "DE"),
            ("12", "US"),
            ("+1 900 555 1234", "US"),
            ("0900 1 234567", "DE"),
            ("+49 30 123456 123456 123456", "DE"),
            ("ada@example.com", "GB"),
            ("030 123456", "AQ"),
        ] {
            assert_eq!(PhoneNumber::of(&text.parse().unwrap(), country.parse().unwrap()), None, "{text}");
        }
    }
}
