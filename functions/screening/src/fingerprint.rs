//! Fingerprints, by which a person is recognised without being named.

use data_encoding::HEXLOWER;
use orderflow_events::{Email, Text};
use sha2::{Digest, Sha256};

/// A customer, or an email address, as a SHA-256: the same one has the same, and it cannot be read back.
///
/// This keeps addresses out of the table; it does not hide them from somebody who can read the table and guesses well.
/// A secret key would, but would have to be guarded for years, and whoever may read the table could mostly read the key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// That of a customer, by the shop's own id.
    #[must_use]
    pub fn of_customer(id: &Text) -> Self {
        Self::new("customer", id.as_str())
    }

    /// That of the mailbox of an address.
    #[must_use]
    pub fn of_email(email: &Email) -> Self {
        Self::new("email", &email.mailbox())
    }

    fn new(kind: &str, text: &str) -> Self {
        Self(format!("{kind}#{}", HEXLOWER.encode(&Sha256::digest(text))))
    }

    /// The fingerprint as a text, such as `email#5e88…`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(address: &str) -> Fingerprint {
        Fingerprint::of_email(&Email::new(address).unwrap())
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
    fn a_fingerprint_names_nobody_and_never_changes() {
        let customer = Fingerprint::of_customer(&Text::shortened("ada@example.com"));
        assert_ne!(customer, email("ada@example.com"), "a customer is no mailbox");
        // Stored by earlier builds: these values may never change.
        assert_eq!(
            email("ada@example.com").as_str(),
            "email#b5fc85e55755f9e0d030a10ab4429b6b2944855f9a0d60077fe832becbc41d72"
        );
    }
}
