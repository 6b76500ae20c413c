//! Texts of the shop with a rule: each is checked once, in its constructor, and is right from then on.

use envelope::{Invalid, plain, text_type, token};

use crate::card;

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
    /// An email address that a mail can be sent to: an ASCII local part (RFC 5321's dot-string), one `@`, and a domain that
    /// IDNA takes, with a dot in it; at most 254 characters (RFC 5321, erratum 1690). It is kept as it was written.
    Email,
    email_rule,
    {
        "type": "string",
        "format": "idn-email",
        "minLength": 5,
        "maxLength": 254,
        "pattern": EMAIL,
        "examples": ["ada@example.com"],
    }
);

/// Pattern of an email address, in JSON Schema's dialect: as much of the rule as a pattern can say. Of the domain it knows
/// its dots, and which characters of ASCII, blanks and invisible ones cannot be in it.
#[cfg(feature = "schema")]
const EMAIL: &str = concat!(
    r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@",
    r"([^\u0000-,./:-@\[-`{-\u00a0\u00ad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufffe\uffff]+\.)+",
    r"[^\u0000-,./:-@\[-`{-\u00a0\u00ad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufffe\uffff]+$",
);

/// The most characters before the `@` (RFC 5321, section 4.5.3.1.1).
const MAX_LOCAL_PART: usize = 64;

impl Email {
    /// The address with its domain in the form that mail is sent to: `ada@xn--bcher-kva.example`.
    #[must_use]
    pub fn to_ascii(&self) -> String {
        let (local, domain) = self.0.split_once('@').unwrap_or((&self.0, ""));
        domain_to_ascii(domain).map_or_else(|| self.0.clone(), |domain| format!("{local}@{domain}"))
    }

    /// The mailbox that mail to the address ends in, to tell people apart by. Two addresses are one mailbox if they differ in upper
    /// and lower case only, or in what stands between a `+` and the `@` (RFC 5233), or in the form of their domain. What is the
    /// same to one provider alone, such as the dots of Gmail, is not known here.
    #[must_use]
    pub fn mailbox(&self) -> String {
        let address = self.to_ascii().to_lowercase();
        let (local, domain) = address.rsplit_once('@').unwrap_or((&address, ""));
        let mailbox = local.split_once('+').map_or(local, |(mailbox, _)| mailbox);
        format!("{mailbox}@{domain}")
    }
}

fn email_rule(text: &str) -> Result<(), Invalid> {
    plain(text, 254)?;
    let deliverable = text.split_once('@').is_some_and(|(local, domain)| {
        let ascii = domain_to_ascii(domain);
        is_local_part(local) && ascii.is_some_and(|ascii| local.len() + 1 + ascii.len() <= 254)
    });
    deliverable.then_some(()).ok_or_else(|| Invalid::rule("must be one email address, such as ada@example.com"))
}

/// Words of RFC 5321's `atext`, with a dot between two of them.
fn is_local_part(text: &str) -> bool {
    let is_atext = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    text.len() <= MAX_LOCAL_PART && text.split('.').all(|word| !word.is_empty() && word.bytes().all(is_atext))
}

/// The form of a domain that mail is sent to, by IDNA (UTS #46, as browsers apply it). `None` for what is no public domain,
/// and for what IDNA would take only after a change other than that of upper case: invisible characters, for one, which
/// nobody sees in an address that they copy.
fn domain_to_ascii(domain: &str) -> Option<String> {
    let ascii = idna::domain_to_ascii_strict(domain).ok()?;
    let written: String = domain.chars().flat_map(char::to_lowercase).collect();
    let is_as_written = ascii == written || idna::domain_to_unicode(domain).0 == written;
    let (_, top) = ascii.rsplit_once('.')?;
    (is_as_written && !top.bytes().all(|byte| byte.is_ascii_digit())).then_some(ascii)
}

text_type!(
    /// The payment provider's token for a way to pay, such as `pm_card_visa`: a prefix of lower-case letters, `_`, and 1 or
    /// more of `[A-Za-z0-9_]`; at most 200 characters. A card number is refused.
    PaymentMethod,
    payment_method_rule,
    { "type": "string", "minLength": 3, "maxLength": 200, "pattern": "^[a-z]+_[A-Za-z0-9_]+$", "examples": ["pm_card_visa"] }
);

fn payment_method_rule(text: &str) -> Result<(), Invalid> {
    plain(text, 200)?;
    let is_token = text.split_once('_').is_some_and(|(prefix, rest)| {
        let is_prefix = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_lowercase());
        is_prefix && !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    });
    if !is_token {
        return Err(Invalid::rule("must be a token of the payment provider, such as pm_card_visa"));
    }
    no_card_number(card::is_in_id(text))
}

/// Rule of texts that a person has written.
pub(crate) fn words_rule(text: &str) -> Result<(), Invalid> {
    no_card_number(card::is_in_text(text))
}

/// Rule of a customer's id.
pub(crate) fn customer_id_rule(text: &str) -> Result<(), Invalid> {
    no_card_number(card::is_in_id(text))
}

/// Rule of a telephone number, in whatever way it is written: whether it is one is for those to find out who call it.
pub(crate) fn phone_rule(text: &str) -> Result<(), Invalid> {
    no_card_number(card::is_in_phone(text))
}

fn no_card_number(is_in: bool) -> Result<(), Invalid> {
    if is_in { Err(Invalid::rule(card::RULE)) } else { Ok(()) }
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
            let rule = make((*text).to_owned()).err();
            let rule = rule.unwrap_or_else(|| panic!("{text:?} should be refused")).to_string();
            assert!(text.len() < 6 || !rule.contains(text), "{rule} repeats what it refuses");
        }
    }

    #[test]
    fn texts_keep_their_rules() {
        check(Sku::new, &["A", "a.b_c-9", &"x".repeat(64)], &["", "a b", "ä", "a/b", &"x".repeat(65)]);
        check(
            PaymentMethod::new,
            &[
                "pm_card_visa",
                "pm_sim_unavailable_9",
                "tok_1N4242424242424242xyz",
                "a_b",
                "a__",
                &format!("pm_{}", "x".repeat(197)),
            ],
            &[
                "",
                "pm",
                "pm_",
                "_visa",
                "PM_card",
                "pm-card",
                "pm1_card",
                "pm_cärd",
                "pm card_visa",
                "pm_card visa",
                "4242424242424242",
                "4242 4242 4242 4242",
                "3782-822463-10005",
                "4242424242424241",
                "4242424242424242 12/29 123",
                "tok_4242424242424242",
                "card 4242424242424242",
                &format!("pm_{}", "x".repeat(198)),
            ],
        );
    }

    #[test]
    fn an_email_is_one_address_that_mail_reaches() {
        let local = "a".repeat(64);
        let label = "b".repeat(63);
        let longest = format!("{local}@{label}.{label}.{}.example", "c".repeat(53));
        assert_eq!(longest.len(), 254);
        check(
            Email::new,
            &[
                "a@b.example",
                "Ada.Lovelace+shop@Example.COM",
                "o'hara_1@example.co.uk",
                "!#$%&'*+-/=?^_`{|}~@example.com",
                "kunde@bücher.example",
                "KUNDE@BÜCHER.example",
                "kunde@xn--bcher-kva.example",
                "info@straße.example",
                "a@例え.テスト",
                "a@उदाहरण.परीक्षा",
                "a@مثال.إختبار",
                "a@ουτοπία.δπθ",
                "a@1.example",
                "a@b-c.example",
                &longest,
            ],
            &[
                "",
                "a",
                "@b.example",
                "a@",
                "a@b",
                "a b@c.example",
                "a@b c.example",
                "a@b.example\r\nBcc: x@y.example",
                "a@b@c.example",
                "a..b@example.com",
                ".a@example.com",
                "a.@example.com",
                "a@b..example",
                "a@.example",
                "a@example.com.",
                "a@-b.example",
                "a@b-.example",
                "a@b_c.example",
                "a@[127.0.0.1]",
                "a@127.0.0.1",
                "dörte@example.com",
                "a@b.example,c@d.example",
                "a@b.example;c@d.example",
                "<a@b.example>",
                "Ada <a@b.example>",
                "Your-parcel-is-held:evil.example<a@b.example>",
                "\"a b\"@example.com",
                "a(comment)@example.com",
                "mailto:a@example.com",
                "a\u{200b}@example.com",
                "a@exa\u{200b}mple.com",
                "a@exa\u{ad}mple.com",
                "a@exa\u{202e}mple.com",
                "a@exa\u{200d}mple.com",
                "a@ｅｘａｍｐｌｅ.com",
                "a@example。com",
                "a@xn--a.example",
                "a@xn--\u{fc}.example",
                &format!("{local}a@b.example"),
                &format!("a@{label}b.example"),
                &longest.replace("example", "examples"),
            ],
        );
    }

    #[test]
    fn mail_is_sent_to_the_ascii_form_of_a_domain() {
        for (written, sent_to) in [
            ("Ada@Example.COM", "Ada@example.com"),
            ("kunde@bücher.example", "kunde@xn--bcher-kva.example"),
            ("kunde@BÜCHER.example", "kunde@xn--bcher-kva.example"),
            ("info@straße.example", "info@xn--strae-oqa.example"),
        ] {
            let email = Email::new(written).unwrap();
            assert_eq!((email.as_str(), email.to_ascii().as_str()), (written, sent_to));
        }
    }
}
