//! Access tokens that a local stack takes: it has an issuer of its own, which is a key and nothing else.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use data_encoding::{BASE64, BASE64URL_NOPAD};
use orderflow_events::scope::SCOPES;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

/// The issuer, which nobody ever asks for anything: its key set is a parameter of the stack.
const ISSUER: &str = "http://localhost/cargo-local";

const AUDIENCE: &str = "orderflow";

const KEY_ID: &str = "local";

/// Failure to make or to read a key, or to sign.
#[derive(Debug, thiserror::Error)]
#[error("the key for the tokens of the stack is not usable: remove it, and start the stack again")]
pub struct TokenError;

/// Signer of access tokens, with the key of one local stack.
pub struct TokenSigner {
    key: EcdsaKeyPair,
}

impl fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSigner")
    }
}

impl TokenSigner {
    /// A new key, as PKCS #8.
    ///
    /// # Errors
    ///
    /// The system has no randomness.
    pub fn new_key() -> Result<Vec<u8>, TokenError> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        Ok(document.map_err(|_| TokenError)?.as_ref().to_vec())
    }

    /// Signer with that key.
    ///
    /// # Errors
    ///
    /// It is no key.
    pub fn of_key(key: &[u8]) -> Result<Self, TokenError> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key, &SystemRandom::new());
        Ok(Self { key: key.map_err(|_| TokenError)? })
    }

    /// Parameters of a template whose functions take the tokens. The key set is one of them, so that no function has to
    /// reach anything for it.
    #[must_use]
    pub fn parameters(&self) -> BTreeMap<String, String> {
        let key_set = BASE64.encode(json!({ "keys": [self.public_key()] }).to_string().as_bytes());
        let key_set = format!("data:application/json;base64,{}", key_set.trim_end_matches('='));
        let parameters = [("TokenIssuer", ISSUER), ("TokenAudience", AUDIENCE), ("TokenKeySetUrl", &key_set)];
        parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    fn public_key(&self) -> Value {
        // A point that is not compressed: 4, and two numbers.
        let point = self.key.public_key().as_ref();
        let [x, y] = [&point[1..33], &point[33..]].map(|part| BASE64URL_NOPAD.encode(part));
        json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID, "x": x, "y": y })
    }

    /// A token for that subject, with those scopes, which ends after that time.
    ///
    /// # Errors
    ///
    /// The system has no randomness.
    pub fn token(&self, subject: &str, scopes: &str, lifetime: Duration) -> Result<String, TokenError> {
        self.signed(&token_header(), &token_claims(subject, scopes, lifetime))
    }

    /// A token with that header and those claims, whatever they say.
    ///
    /// # Errors
    ///
    /// The system has no randomness.
    pub fn signed(&self, header: &Value, claims: &Value) -> Result<String, TokenError> {
        let [header, claims] = [header, claims].map(|part| BASE64URL_NOPAD.encode(part.to_string().as_bytes()));
        let message = format!("{header}.{claims}");
        let signature = self.key.sign(&SystemRandom::new(), message.as_bytes()).map_err(|_| TokenError)?;
        Ok(format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref())))
    }
}

/// Header of a token that counts.
#[must_use]
pub fn token_header() -> Value {
    json!({ "alg": "ES256", "typ": "at+jwt", "kid": KEY_ID })
}

/// Claims of a token that counts.
#[must_use]
pub fn token_claims(subject: &str, scopes: &str, lifetime: Duration) -> Value {
    let now = now();
    let ends = now + lifetime.as_secs();
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "scope": scopes, "iat": now, "exp": ends })
}

/// Every scope that there is, with blanks between them.
#[must_use]
pub fn all_scopes() -> String {
    SCOPES.map(|(name, _)| name).join(" ")
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "a token ends at a time of day")]
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_token_is_signed_by_the_key_that_the_stack_is_told() {
        let key = TokenSigner::new_key().unwrap();
        let signer = TokenSigner::of_key(&key).unwrap();
        let url = &signer.parameters()["TokenKeySetUrl"];
        let encoded = url.strip_prefix("data:application/json;base64,").unwrap();
        let set: Value =
            serde_json::from_slice(&data_encoding::BASE64_NOPAD.decode(encoded.as_bytes()).unwrap()).unwrap();
        let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
        let [x, y] = ["x", "y"].map(|name| decode(set["keys"][0][name].as_str().unwrap()));
        let token = TokenSigner::of_key(&key).unwrap().token("ada", "stock:read", Duration::from_hours(1)).unwrap();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [&[4][..], &x, &y].concat());
        assert!(public.verify(message.as_bytes(), &decode(signature)).is_ok());
        let claims: Value = serde_json::from_slice(&decode(message.split_once('.').unwrap().1)).unwrap();
        assert_eq!((&claims["sub"], &claims["scope"]), (&json!("ada"), &json!("stock:read")));
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 3_600);
        assert!(TokenSigner::of_key(b"no key").is_err());
    }
}
