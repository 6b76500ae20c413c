//! Verification of an access token (RFC 7519, RFC 9068) against a key set (RFC 7517): pure, with the time as a value.

use envelope::{Text, Time};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::Value;

use super::caller::Caller;
use super::signature;
use crate::failure::{Failure, Result};

/// Difference between our clock and the issuer's that is let pass, in milliseconds: RFC 7519 allows for some. Clocks that
/// are set by NTP differ by less than a second; a minute is for one that is not.
const LEEWAY_MS: f64 = 60_000.0;

/// Rules for the claims of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRules {
    /// The one issuer whose tokens count: the claim `iss`, to the letter.
    pub issuer: String,
    /// Audiences of which a token has to name one: in `aud`, or, where a token has none as those of Cognito, in `client_id`.
    pub audiences: Vec<String>,
    /// Beginning of the scopes that are meant for this API, such as `library/` of a resource server of Cognito. Other scopes
    /// of a token do not count.
    pub scope_prefix: String,
}

/// Public keys of an issuer, by their id and algorithm.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<(Option<String>, Algorithm, DecodingKey)>,
}

impl KeySet {
    /// Reads a JSON Web Key Set. Keys of other algorithms than RS256 and ES256, or for encryption, are left out.
    ///
    /// # Errors
    ///
    /// It is no key set. That may pass: it is what the issuer answers at a bad moment.
    pub fn parse(json: &[u8]) -> Result<Self> {
        let not_a_set = || Failure::transient("the answer for the key set is none");
        let document: Value = serde_json::from_slice(json).map_err(|_| not_a_set())?;
        let keys = document["keys"].as_array().ok_or_else(not_a_set)?;
        // One by one: a key of a kind that nobody here knows must not cost the others.
        let keys = keys.iter().filter_map(|key| usable(&Jwk::deserialize(key).ok()?));
        Ok(Self { keys: keys.collect() })
    }

    /// The key of that id. A token has to name one where the issuer has several (OpenID Connect Core, section 10.1): without
    /// an id it is the only one.
    fn find(&self, key_id: Option<&str>, algorithm: Algorithm) -> std::result::Result<&DecodingKey, Refusal> {
        let mut usable = self.keys.iter().filter(|(_, of, _)| *of == algorithm);
        let found = match key_id {
            Some(_) => usable.find(|(id, ..)| id.as_deref() == key_id),
            None if usable.clone().count() > 1 => return Err(Refusal::Malformed),
            None => usable.next(),
        };
        found.map(|(_, _, key)| key).ok_or(Refusal::UnknownKey)
    }
}

fn usable(key: &Jwk) -> Option<(Option<String>, Algorithm, DecodingKey)> {
    let algorithm = match &key.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Algorithm::ES256,
        _ => return None,
    };
    let declared = key.common.key_algorithm.as_ref();
    let is_of = |declared: &KeyAlgorithm| match algorithm {
        Algorithm::RS256 => *declared == KeyAlgorithm::RS256,
        _ => *declared == KeyAlgorithm::ES256,
    };
    let is_for_signatures = !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
    if !is_for_signatures || declared.is_some_and(|declared| !is_of(declared)) {
        return None;
    }
    Some((key.common.key_id.clone(), algorithm, DecodingKey::from_jwk(key).ok()?))
}

/// Refusal of a token. None of them repeats anything of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no signed JSON Web Token, or does not say by which of several keys it is signed.
    #[error("it is not a signed JSON Web Token that names its key")]
    Malformed,
    /// It is signed by another algorithm, or by none.
    #[error("it is not signed by RS256 or ES256")]
    Algorithm,
    /// The key set has no such key.
    #[error("it is signed by a key that the issuer does not have")]
    UnknownKey,
    /// The signature is another's.
    #[error("its signature is not valid")]
    Signature,
    /// It has no issuer, or another.
    #[error("it is of another issuer")]
    Issuer,
    /// It has no audience, or another.
    #[error("it is meant for another audience")]
    Audience,
    /// It is over, or never ends.
    #[error("it has expired")]
    Expired,
    /// It has not begun.
    #[error("it is not valid yet")]
    NotYetValid,
    /// It tells who somebody is, and not what they may do: an ID token.
    #[error("it is not an access token")]
    NotAnAccessToken,
    /// It has no subject, or one that no id here can be.
    #[error("it has no subject of 1 to 200 characters")]
    Subject,
}

/// Claims that are looked at.
#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Several>,
    client_id: Option<String>,
    // A NumericDate may have a fraction.
    exp: Option<f64>,
    nbf: Option<f64>,
    token_use: Option<String>,
    scope: Option<Several>,
    scp: Option<Several>,
}

/// One text, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Several {
    One(String),
    Many(Vec<String>),
}

impl Several {
    fn iter(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many.as_slice(),
        }
        .iter()
        .map(String::as_str)
    }
}

/// Caller that a token names, if it is signed by one of the keys and keeps the rules.
///
/// # Errors
///
/// The first reason why it does not count.
pub fn verify(token: &str, keys: &KeySet, rules: &TokenRules, now: Time) -> std::result::Result<Caller, Refusal> {
    verify_until(token, keys, rules, now).map(|(caller, _)| caller)
}

/// The same, and the time at which the token ends.
pub(super) fn verify_until(
    token: &str,
    keys: &KeySet,
    rules: &TokenRules,
    now: Time,
) -> std::result::Result<(Caller, Time), Refusal> {
    signature::install();
    let header = decode_header(token).map_err(|_| Refusal::Malformed)?;
    if !matches!(header.alg, Algorithm::RS256 | Algorithm::ES256) {
        return Err(Refusal::Algorithm);
    }
    // By its algorithm, too: the key says how it signs, and never the token alone.
    let key = keys.find(header.kid.as_deref(), header.alg)?;
    let mut signature_alone = Validation::new(header.alg);
    signature_alone.required_spec_claims.clear();
    // They are checked below, at `now`, and by rules that the library does not know.
    (signature_alone.validate_exp, signature_alone.validate_aud) = (false, false);
    let claims = decode::<Claims>(token, key, &signature_alone).map_err(|error| match error.kind() {
        // It may be the issuer's next key, of which the token does not say that it is another.
        ErrorKind::InvalidSignature if header.kid.is_none() => Refusal::UnknownKey,
        ErrorKind::InvalidSignature => Refusal::Signature,
        _ => Refusal::Malformed,
    })?;
    caller_of(claims.claims, rules, now)
}

fn caller_of(claims: Claims, rules: &TokenRules, now: Time) -> std::result::Result<(Caller, Time), Refusal> {
    let Claims { iss, sub, aud, client_id, exp, nbf, token_use, scope, scp } = claims;
    if iss.as_deref() != Some(rules.issuer.as_str()) {
        return Err(Refusal::Issuer);
    }
    if !is_meant_for(rules, aud.as_ref(), client_id.as_deref()) {
        return Err(Refusal::Audience);
    }
    #[expect(clippy::cast_precision_loss, reason = "times of this age of the world are exact")]
    let now_ms = now.as_millis() as f64;
    let ends_ms =
        exp.map(|exp| exp * 1_000.0).filter(|ends_ms| ends_ms + LEEWAY_MS > now_ms).ok_or(Refusal::Expired)?;
    if nbf.is_some_and(|nbf| nbf * 1_000.0 - LEEWAY_MS > now_ms) {
        return Err(Refusal::NotYetValid);
    }
    // Cognito's own mark; elsewhere an ID token has the client as its audience, which is no audience of an API.
    if token_use.is_some_and(|of| of != "access") {
        return Err(Refusal::NotAnAccessToken);
    }
    let subject = sub.and_then(|sub| Text::new(sub).ok()).ok_or(Refusal::Subject)?;
    let granted = [scope, scp];
    let scopes = granted.iter().flatten().flat_map(Several::iter).flat_map(str::split_ascii_whitespace);
    let scopes = scopes.filter_map(|scope| scope.strip_prefix(rules.scope_prefix.as_str()));
    #[expect(clippy::cast_possible_truncation, reason = "a time that is too far off is the last that there is")]
    let ends_at = Time::from_millis(ends_ms as i64);
    Ok((Caller::signed_in(subject, scopes), ends_at))
}

/// The access tokens of Cognito have no `aud`, and their client in `client_id`:
/// <https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html>.
fn is_meant_for(rules: &TokenRules, aud: Option<&Several>, client_id: Option<&str>) -> bool {
    let is_ours = |audience: &str| rules.audiences.iter().any(|ours| ours == audience);
    match aud {
        Some(audiences) => audiences.iter().any(is_ours),
        None => client_id.is_some_and(is_ours),
    }
}
