//! Card numbers: found wherever people may write them, so that none is ever stored, published or logged (PCI DSS 3).

use std::ops::RangeInclusive;

use icu_normalizer::ComposingNormalizerBorrowed;

/// Numbers of digits of a card number (ISO/IEC 7812-1).
const DIGITS: RangeInclusive<usize> = 12..=19;

/// Numbers of digits of a card number that no telephone number has: E.164 allows 15.
const BEYOND_PHONES: RangeInclusive<usize> = 16..=19;

/// The rule that a text breaks that has a card number in it.
pub(crate) const RULE: &str = "must not contain a card number";

/// Looks for a card number in a text that a person has written.
pub(crate) fn is_in_text(text: &str) -> bool {
    is_in(text, &DIGITS, false)
}

/// Looks for a card number in an id or a token: digits that touch a letter there belong to it, and a UUID has none.
pub(crate) fn is_in_id(text: &str) -> bool {
    !is_uuid(text) && is_in(text, &DIGITS, true)
}

/// Looks for a card number in what should be a telephone number. What begins as one does may have a check digit by chance.
pub(crate) fn is_in_phone(text: &str) -> bool {
    let begins_as_phone = text.trim_start_matches(['(', ' ']).starts_with(['+', '\u{ff0b}', '0']);
    is_in(text, if begins_as_phone { &BEYOND_PHONES } else { &DIGITS }, false)
}

/// Digits that follow each other without anything between them.
#[derive(Default)]
struct Group {
    digits: Vec<u32>,
    touches_letter: bool,
}

/// Card numbers are grouped in many ways, so that every row of whole groups is looked at. Letters end a row, and anything
/// else separates groups.
fn is_in(text: &str, lengths: &RangeInclusive<usize>, is_id: bool) -> bool {
    if text.chars().filter(|c| c.is_numeric()).count() < *lengths.start() {
        return false;
    }
    let text = ComposingNormalizerBorrowed::new_nfkc().normalize(text);
    rows(&text).iter().any(|row| {
        let usable = |group: &&Group| !(is_id && group.touches_letter);
        let groups: Vec<&Group> = row.iter().filter(usable).collect();
        (0..groups.len()).any(|first| has_card_number(&groups[first..], lengths))
    })
}

/// The rows of groups in a text.
fn rows(text: &str) -> Vec<Vec<Group>> {
    let (mut rows, mut row) = (Vec::new(), Vec::<Group>::new());
    let mut before = ' ';
    for c in text.chars() {
        let current = row.last_mut().filter(|_| before.is_ascii_digit());
        match (c.to_digit(10), current) {
            (Some(digit), Some(group)) => group.digits.push(digit),
            (Some(digit), None) => row.push(Group { digits: vec![digit], touches_letter: before.is_alphabetic() }),
            (None, Some(group)) if c.is_alphabetic() => {
                group.touches_letter = true;
                rows.push(std::mem::take(&mut row));
            }
            (None, None) if c.is_alphabetic() => rows.push(std::mem::take(&mut row)),
            (None, _) => {}
        }
        before = c;
    }
    rows.push(row);
    rows
}

/// Looks for a card number that begins with the first group and ends with a group.
fn has_card_number(groups: &[&Group], lengths: &RangeInclusive<usize>) -> bool {
    let mut digits = Vec::new();
    groups.iter().any(|group| {
        digits.extend(&group.digits);
        lengths.contains(&digits.len()) && has_check_digit(&digits)
    })
}

/// Luhn's formula (ISO/IEC 7812-1, annex B). Of all numbers one in ten keeps it; nothing but zeros is no card.
fn has_check_digit(digits: &[u32]) -> bool {
    let weighed = |(place, digit): (usize, &u32)| if place % 2 == 0 { *digit } else { digit * 2 / 10 + digit * 2 % 10 };
    let sum: u32 = digits.iter().rev().enumerate().map(weighed).sum();
    sum > 0 && sum.is_multiple_of(10)
}

fn is_uuid(text: &str) -> bool {
    let is_hyphen = |index| [8, 13, 18, 23].contains(&index);
    let fits = |(index, byte): (usize, u8)| if is_hyphen(index) { byte == b'-' } else { byte.is_ascii_hexdigit() };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_number_is_found_however_it_is_written() {
        for text in [
            "4242424242424242",
            "4242 4242 4242 4242",
            "4242-4242-4242-4242",
            "4242.4242.4242.4242",
            "4242/4242/4242/4242",
            "4242 – 4242 – 4242 – 4242",
            "4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2",
            "4242\u{a0}4242\u{200b}4242\u{2009}4242",
            "４２４２４２４２４２４２４２４２",
            "④②④② 4242 4242 4242",
            "3782-822463-10005",
            "4242424242424242 12/29 123",
            "12/29 4242 4242 4242 4242",
            "Visa4242424242424242",
            "card 4242424242424242 please",
            "Flat 3, 4242 4242 4242 4242",
            "630495060000000000",
            "500000000009",
        ] {
            assert!(is_in_text(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_card_number_is_left_alone() {
        for text in [
            "",
            "Road 42",
            "4242424242424241",
            "42424242424",
            "00000000000000",
            "10115-1234",
            "424242424242424242424242424242",
            "4242a4242b4242c4242",
            "Route 66, 1600 Pennsylvania Avenue",
            "Ⅳ Ⅳ Ⅳ Ⅳ Ⅳ Ⅳ Ⅳ Ⅳ Ⅳ Ⅳ Ⅳ Ⅳ",
        ] {
            assert!(!is_in_text(text), "{text}");
        }
    }

    #[test]
    fn an_id_may_have_digits() {
        for (id, is_card) in [
            ("cus_4242424242424242", true),
            ("4242424242424242", true),
            ("4242-4242-4242-4242", true),
            ("cus_1N4242424242424242xyz", false),
            ("auth0|507f1f77bcf86cd799439011", false),
            ("google-oauth2|112233445566778899001", false),
            // Its last group has twelve digits and a check digit.
            ("550e8400-e29b-41d4-a716-500000000009", false),
        ] {
            assert_eq!(is_in_id(id), is_card, "{id}");
        }
    }

    #[test]
    fn a_phone_may_have_a_check_digit_by_chance() {
        for (phone, is_card) in [
            ("+500000000009", false),
            ("(0) 500000000034", false),
            ("0049 170 1234567", false),
            ("+4242 4242 4242 4242", true),
            ("4242 4242 4242 4242", true),
            ("3782 822463 10005", true),
        ] {
            assert_eq!(is_in_phone(phone), is_card, "{phone}");
        }
    }
}
