//! Issuer of access tokens in memory.

use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use crate::access::{Access, KeySet, KeySets, TokenRules};
use crate::failure::Result;

const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "library";

/// Issuer with one key, whose tokens never end.
pub struct MemoryIssuer {
    key_id: &'static str,
    key: EcdsaKeyPair,
}

impl MemoryIssuer {
    /// Issuer whose key has that id. Another of the same id has another key.
    ///
    /// # Panics
    ///
    /// If the system has no randomness.
    #[must_use]
    #[expect(clippy::expect_used, reason = "for tests alone")]
    pub fn new(key_id: &'static str) -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).expect("the same key");
        Self { key_id, key }
    }

    /// The rules that its tokens keep.
    #[must_use]
    pub fn rules() -> TokenRules {
        TokenRules { issuer: ISSUER.to_owned(), audiences: vec![AUDIENCE.to_owned()], scope_prefix: String::new() }
    }

    /// Access to an API by its tokens.
    #[must_use]
    pub fn access(&self) -> Access<&Self> {
        Access::new(Some((Self::rules(), self)))
    }

    /// The public part of its key, as a JSON Web Key.
    #[must_use]
    pub fn public_key(&self) -> Value {
        let point = self.key.public_key().as_ref();
        let [x, y] = [&point[1..33], &point[33..]].map(|part| BASE64URL_NOPAD.encode(part));
        json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.key_id, "x": x, "y": y })
    }

    /// The public key as a point of its curve, uncompressed.
    #[must_use]
    pub fn public_point(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    /// Claims of a token for that subject, with those scopes.
    #[must_use]
    pub fn claims(subject: &str, scopes: &str) -> Value {
        json!({ "iss": ISSUER, "sub": subject, "aud": AUDIENCE, "exp": 4_102_444_800_i64, "scope": scopes })
    }

    /// A token for that subject, with those scopes.
    #[must_use]
    pub fn token(&self, subject: &str, scopes: &str) -> String {
        self.signed(&json!({ "alg": "ES256", "kid": self.key_id }), &Self::claims(subject, scopes))
    }

    /// A token with those claims, and whatever header, signed by ES256.
    ///
    /// # Panics
    ///
    /// If the system has no randomness.
    #[must_use]
    #[expect(clippy::expect_used, reason = "for tests alone")]
    pub fn signed(&self, header: &Value, claims: &Value) -> String {
        let [header, claims] = [header, claims].map(|part| BASE64URL_NOPAD.encode(part.to_string().as_bytes()));
        let message = format!("{header}.{claims}");
        let signature = self.key.sign(&SystemRandom::new(), message.as_bytes()).expect("a signature");
        format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }
}

impl KeySets for &MemoryIssuer {
    async fn fetch(&self) -> Result<KeySet> {
        KeySet::parse(json!({ "keys": [self.public_key()] }).to_string().as_bytes())
    }
}
