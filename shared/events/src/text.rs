//! Texts of the shop with a rule: each is checked once, in its constructor, and is right from then on.

use envelope::{Invalid, plain, text_type, token};

text_type!(
    /// A stock keeping unit: 1 to 64 of `[A-Za-z0-9._-]`.
    Sku,
    sku_rule,
    { "type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9._-]+$", "examples": ["coffee-beans-1kg"] }
);

fn sku_rule(text: &str) -> Result<(), Invalid> {
    token(text, "[A-Za-z0-9._-]", |byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

text_type!(
    /// An email address of at most 254 characters (RFC 5321, erratum 1690). Whether it can be delivered to, only a
    /// mail can tell, so the rule is no more than something on both sides of the last `@`, and no blank.
    Email,
    email_rule,
    {
        "type": "string",
        "format": "idn-email",
        "minLength": 3,
        "maxLength": 254,
        "pattern": r"^[^\s\u0000-\u001f\u007f-\u009f\ufffe\uffff]+@[^\s@\u0000-\u001f\u007f-\u009f\ufffe\uffff]+$",
        "examples": ["ada@example.com"],
    }
);

fn email_rule(text: &str) -> Result<(), Invalid> {
    plain(text, 254)?;
    let sides = text.rsplit_once('@');
    if sides.is_none_or(|(local, domain)| local.is_empty() || domain.is_empty()) || text.contains(char::is_whitespace) {
        return Err(Invalid::rule("must be an email address"));
    }
    Ok(())
}

text_type!(
    /// The payment provider's token for a way to pay, such as `pm_card_visa`. A card number is refused here, so that
    /// none can ever be stored, published or logged.
    PaymentMethod,
    payment_method_rule,
    { "type": "string", "minLength": 1, "maxLength": 200, "pattern": envelope::PLAIN, "examples": ["pm_card_visa"] }
);

fn payment_method_rule(text: &str) -> Result<(), Invalid> {
    plain(text, 200)?;
    if is_card_number(text) {
        return Err(Invalid::rule("must be a token of the payment provider, not a card number"));
    }
    Ok(())
}

/// 12 to 19 digits, however they are grouped, with a valid check digit (ISO/IEC 7812-1).
fn is_card_number(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let only_digits = text.chars().all(|c| c.is_ascii_digit() || c == ' ' || c == '-');
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| if place % 2 == 0 { *digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum();
    only_digits && (12..=19).contains(&digits.len()) && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T>(make: fn(String) -> Result<T, Invalid>, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(make((*text).to_owned()).is_ok(), "{text:?} should be taken");
        }
        for text in bad {
            assert!(make((*text).to_owned()).is_err(), "{text:?} should be refused");
        }
    }

    #[test]
    fn texts_keep_their_rules() {
        check(Sku::new, &["A", "a.b_c-9", &"x".repeat(64)], &["", "a b", "ä", "a/b", &"x".repeat(65)]);
        let (longest, too_long) = (format!("{}@b.example", "a".repeat(244)), format!("{}@b.example", "a".repeat(245)));
        check(Email::new, &["a@b", &longest], &["", "a", "@b", "a@", "a b@c", "a@b\r\nBcc: x@y", &too_long]);
    }

    #[test]
    fn a_card_number_is_no_payment_method() {
        check(
            PaymentMethod::new,
            &["pm_card_visa", "tok_4242424242424242", "4242424242424241", "42"],
            &["4242424242424242", "4242 4242 4242 4242", "3782-822463-10005", ""],
        );
    }
}
