//! Fingerprints, by which a person is recognised without being named.

use data_encoding::HEXLOWER;
use onewrite::personal::Key;
use orderflow_events::{Email, Text};
use ring::hmac;

/// Owner of the fingerprints' key among the customers' keys. No customer's id has a control character, so that nobody has it.
pub(crate) const OWNER: &str = "\tfingerprints";

/// Maker of fingerprints, under a secret: whoever may read the table and guesses well learns nothing without it. It is not in
/// the table, and in no backup. Another secret has other fingerprints: then counting begins anew, and is right again after
/// an hour.
#[derive(Clone, Debug)]
pub struct Fingerprints(hmac::Key);

/// A customer, or an email address, as an HMAC-SHA256: the same one has the same, and it cannot be read back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(String);

impl Fingerprints {
    /// Fingerprints under that key.
    #[must_use]
    pub fn under(key: &Key) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.secret()))
    }

    /// That of a customer, by the shop's own id.
    #[must_use]
    pub fn of_customer(&self, id: &Text) -> Fingerprint {
        self.of("customer", id.as_str())
    }

    /// That of the mailbox of an address.
    #[must_use]
    pub fn of_email(&self, email: &Email) -> Fingerprint {
        self.of("email", &email.mailbox())
    }

    fn of(&self, kind: &str, text: &str) -> Fingerprint {
        Fingerprint(format!("{kind}#{}", HEXLOWER.encode(hmac::sign(&self.0, text.as_bytes()).as_ref())))
    }
}

impl Fingerprint {
    /// The fingerprint as a text, such as `email#5e88…`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under(secret: u8) -> Fingerprints {
        Fingerprints::under(&Key::new("k".parse().unwrap(), &[secret; 32]).unwrap())
    }

    fn email(address: &str) -> Fingerprint {
        under(1).of_email(&Email::new(address).unwrap())
    }

    #[test]
    fn one_mailbox_has_one_fingerprint() {
        for same in ["ada@example.com", "Ada@Example.COM", "ada+shop@example.com", "ADA+a+b@example.com"] {
            assert_eq!(email(same), email("ada@example.com"), "{same}");
        }
        assert_eq!(email("kunde@bücher.example"), email("kunde@xn--bcher-kva.example"));
        for other in ["ad@example.com", "ada@example.org", "a.da@example.com", "shop+ada@example.com"] {
            assert_ne!(email(other), email("ada@example.com"), "{other}");
        }
    }

    #[test]
    fn a_fingerprint_names_nobody_and_says_nothing_without_its_key() {
        let customer = under(1).of_customer(&Text::shortened("ada@example.com"));
        assert_ne!(customer, email("ada@example.com"), "a customer is no mailbox");
        assert_ne!(under(2).of_email(&Email::new("ada@example.com").unwrap()), email("ada@example.com"));
        assert_eq!(
            email("ada@example.com").as_str(),
            "email#cd0779a6ee2092a88db69b0d568dd6e9bb308884e58645aadbc55e5419d1e275"
        );
    }

    #[test]
    fn no_customer_owns_the_key_of_the_fingerprints() {
        assert!(Text::new(OWNER).is_err());
    }
}
