use std::cell::{Cell, RefCell};

use data_encoding::BASE64URL_NOPAD;
use envelope::Text;
use futures::executor::block_on;
use lambda_http::Body;
use lambda_http::http::Request as Builder;
use ring::hmac;
use serde_json::{Value, json};

use super::*;
use crate::failure::Failure;
use crate::memory::MemoryIssuer;

/// The time of all tests, in seconds since 1970.
const NOW: i64 = 1_767_225_600;

fn at(second: i64) -> Time {
    Time::from_millis((NOW + second) * 1_000)
}

fn issued(signer: &MemoryIssuer, claims: &Value) -> String {
    signer.signed(&json!({ "alg": "ES256", "kid": signer.public_key()["kid"] }), claims)
}

fn encoded(json: &Value) -> String {
    BASE64URL_NOPAD.encode(json.to_string().as_bytes())
}

fn set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

fn rules() -> TokenRules {
    let audiences = ["library", "client-1"].map(ToOwned::to_owned).into();
    TokenRules { issuer: "https://id.example".to_owned(), audiences, scope_prefix: String::new() }
}

fn claims() -> Value {
    json!({ "iss": "https://id.example", "sub": "ada", "aud": "library", "exp": NOW + 3_600, "scope": "loans:read a" })
}

/// The claims, some of them others; null is none.
fn with(changes: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

fn caller(subject: &str, scopes: &[&str]) -> Caller {
    Caller::signed_in(Text::new(subject).unwrap(), scopes.iter().copied())
}

#[test]
fn the_claims_of_a_token_have_to_keep_the_rules() {
    let signer = MemoryIssuer::new("1");
    let keys = set(&[signer.public_key()]);
    let ada = || Ok(caller("ada", &["loans:read", "a"]));
    for (changes, expected) in [
        (json!({}), ada()),
        (json!({ "aud": ["other", "library"] }), ada()),
        (json!({ "aud": null, "client_id": "client-1", "token_use": "access" }), ada()),
        (json!({ "scope": null, "scp": ["loans:read", "a"] }), ada()),
        (json!({ "scope": null, "scp": "loans:read a" }), ada()),
        (json!({ "scope": null }), Ok(caller("ada", &[]))),
        (json!({ "nbf": NOW + 59 }), ada()),
        (json!({ "exp": NOW - 59 }), ada()),
        (json!({ "exp": 1_767_225_600.5 }), ada()),
        (json!({ "iss": "https://id.example/" }), Err(Refusal::Issuer)),
        (json!({ "iss": null }), Err(Refusal::Issuer)),
        (json!({ "aud": "another" }), Err(Refusal::Audience)),
        (json!({ "aud": [] }), Err(Refusal::Audience)),
        (json!({ "aud": "another", "client_id": "client-1" }), Err(Refusal::Audience)),
        (json!({ "aud": null, "client_id": "client-2" }), Err(Refusal::Audience)),
        (json!({ "aud": null }), Err(Refusal::Audience)),
        (json!({ "exp": NOW - 61 }), Err(Refusal::Expired)),
        (json!({ "exp": null }), Err(Refusal::Expired)),
        (json!({ "nbf": NOW + 61 }), Err(Refusal::NotYetValid)),
        (json!({ "token_use": "id" }), Err(Refusal::NotAnAccessToken)),
        (json!({ "sub": null }), Err(Refusal::Subject)),
        (json!({ "sub": "" }), Err(Refusal::Subject)),
        (json!({ "sub": "x".repeat(201) }), Err(Refusal::Subject)),
        (json!({ "exp": "soon" }), Err(Refusal::Malformed)),
    ] {
        assert_eq!(verify(&issued(&signer, &with(&changes)), &keys, &rules(), at(0)), expected, "{changes}");
    }
}

#[test]
fn a_token_that_names_no_key_is_signed_by_the_only_one() {
    let (signer, other) = (MemoryIssuer::new("1"), MemoryIssuer::new("2"));
    let nameless = |signer: &MemoryIssuer| signer.signed(&json!({ "alg": "ES256" }), &claims());
    let mut without_id = signer.public_key();
    without_id.as_object_mut().unwrap().remove("kid");
    for (token, keys, expected) in [
        (nameless(&signer), vec![signer.public_key()], Ok(caller("ada", &["loans:read", "a"]))),
        (nameless(&signer), vec![without_id.clone()], Ok(caller("ada", &["loans:read", "a"]))),
        (nameless(&other), vec![signer.public_key()], Err(Refusal::UnknownKey)),
        (nameless(&signer), vec![signer.public_key(), other.public_key()], Err(Refusal::Malformed)),
        (nameless(&signer), vec![], Err(Refusal::UnknownKey)),
        (issued(&signer, &claims()), vec![without_id], Err(Refusal::UnknownKey)),
    ] {
        assert_eq!(verify(&token, &set(&keys), &rules(), at(0)), expected, "{keys:?}");
    }
}

#[test]
fn only_scopes_with_the_prefix_of_the_api_count() {
    let signer = MemoryIssuer::new("1");
    let rules = TokenRules { scope_prefix: "library/".to_owned(), ..rules() };
    let token = issued(&signer, &with(&json!({ "scope": "library/loans:read loans:write other/loans:write openid" })));
    assert_eq!(verify(&token, &set(&[signer.public_key()]), &rules, at(0)), Ok(caller("ada", &["loans:read"])));
}

#[test]
fn a_token_is_signed_by_a_key_of_the_issuer_in_the_way_of_that_key() {
    let (signer, stranger) = (MemoryIssuer::new("1"), MemoryIssuer::new("1"));
    let keys = set(&[signer.public_key(), MemoryIssuer::new("2").public_key()]);
    let good = issued(&signer, &claims());
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let hmac_with_public_key = {
        let message = format!("{}.{payload}", encoded(&json!({ "alg": "HS256", "kid": "1" })));
        let key = hmac::Key::new(hmac::HMAC_SHA256, signer.public_point());
        format!("{message}.{}", BASE64URL_NOPAD.encode(hmac::sign(&key, message.as_bytes()).as_ref()))
    };
    let admin = encoded(&with(&json!({ "scope": "loans:write" })));
    let unsigned = encoded(&json!({ "alg": "none", "kid": "1" }));
    for (token, expected) in [
        (good.clone(), Ok(caller("ada", &["loans:read", "a"]))),
        (hmac_with_public_key, Err(Refusal::Algorithm)),
        (signer.signed(&json!({ "alg": "ES384", "kid": "1" }), &claims()), Err(Refusal::Algorithm)),
        (signer.signed(&json!({ "alg": "RS256", "kid": "1" }), &claims()), Err(Refusal::UnknownKey)),
        (signer.signed(&json!({ "alg": "ES256" }), &claims()), Err(Refusal::Malformed)),
        (signer.signed(&json!({ "alg": "ES256", "kid": "2" }), &claims()), Err(Refusal::Signature)),
        (signer.signed(&json!({ "alg": "ES256", "kid": "3" }), &claims()), Err(Refusal::UnknownKey)),
        (issued(&stranger, &claims()), Err(Refusal::Signature)),
        (format!("{header}.{admin}.{signature}"), Err(Refusal::Signature)),
        (format!("{header}.{payload}."), Err(Refusal::Signature)),
        (format!("{unsigned}.{payload}."), Err(Refusal::Malformed)),
        (format!("{unsigned}.{payload}.{signature}"), Err(Refusal::Malformed)),
        (format!("{header}.{payload}"), Err(Refusal::Malformed)),
        (format!("{good}.{signature}"), Err(Refusal::Malformed)),
        ("token".to_owned(), Err(Refusal::Malformed)),
        (String::new(), Err(Refusal::Malformed)),
    ] {
        assert_eq!(verify(&token, &keys, &rules(), at(0)), expected, "{token}");
    }
}

/// A public key and a token that OpenSSL has signed with the private one, which is gone.
const RSA_MODULUS: &str = "\
    qH5JjCNTQG_R0ITDJyvM6jsyUntEAKk14Ovy8wfSLYC1eiRN-b53bnjxeNk5FlO2_IZfDqSkfLTPgdHBS56aTRCxZkYdmqhxHUJOwcEQqGdnoY\
    5jUFOHL5oGVKipWFv8ddzHJIfPM1-SBUi3taJSO05bQGKSB2HI4hsEhNwFTUAH6KLe0pJzADxM9py-9rYtBiwq1ZQ7VZuENl8xFE6nJ7F1kf03\
    xBgI4gKMZIKDMN0qoU7UM8rLtDSSgYvzrSEgdTrcbRHALxDvgTPksr5F9Bn6tKdCiUxdYTE30R5lqIl4G4Vh_tNgiV3jycvRI6cjLJXx-tJDjX\
    VjIbylju4scw";
const RSA_TOKEN: &str = "\
    eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYS0xIiwidHlwIjoiYXQrand0In0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJzdWIiOiJhZG\
    EiLCJhdWQiOiJsaWJyYXJ5IiwiZXhwIjoxNzY3MjI5MjAwLCJzY29wZSI6ImxvYW5zOnJlYWQifQ.Z0_U6Sb7A5-HG2wvgNsV_V5B3EWp_Z2Hz\
    I1EuPamtMZ-Vy9gGDVkw4ff2czOBmV7EOqS7517tvgIMyRuRm8R_iAlHAa4_bNkMQtNaAQJkQIDFExGfPdIxSoUIDatQlzd-6zqzNKKmQ49xrU\
    AbgyydEi1J4pqZ65t_YOS_Qdh0TuoZ0V6LQXsduiGGUbvUXwMBccF_hn8qJDVeSPZuk2oppVo6yl8kHTCnsORP7W6r0QoOv6Os5l6-r2iyBvxF\
    r8Di2s-tgPmEu2V-mljva7XvS793NsWO2BfOFT-yGNk8AlJDswjzM44HF_MBs8M7YEZr6QxC_n2CQNcyCFe9a2lRA";

#[test]
fn a_token_may_be_signed_by_rsa() {
    let key = |modulus: &str| json!({ "kty": "RSA", "kid": "rsa-1", "use": "sig", "n": modulus, "e": "AQAB" });
    let verified = |key: Value| verify(RSA_TOKEN, &set(&[key]), &rules(), at(0));
    let ada = Ok(caller("ada", &["loans:read"]));
    assert_eq!(verified(key(RSA_MODULUS)), ada);
    // As DER would have it.
    let modulus = [&[0][..], &BASE64URL_NOPAD.decode(RSA_MODULUS.as_bytes()).unwrap()].concat();
    assert_eq!(verified(key(&BASE64URL_NOPAD.encode(&modulus))), ada);
    let other = RSA_MODULUS.replacen('A', "B", 1);
    assert_eq!(verified(key(&other)), Err(Refusal::Signature));
    let tampered = RSA_TOKEN.replace(".eyJ", ".eyK");
    assert_eq!(verify(&tampered, &set(&[key(RSA_MODULUS)]), &rules(), at(0)), Err(Refusal::Signature));
}

#[test]
fn keys_that_cannot_sign_a_token_of_ours_are_left_out() {
    let signer = MemoryIssuer::new("1");
    let changed = |name: &str, value: Value| {
        let mut key = signer.public_key();
        key[name] = value;
        key
    };
    let token = issued(&signer, &claims());
    for key in [
        json!(7),
        json!({ "kty": "oct", "kid": "1", "k": "AAAA" }),
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": "1", "x": "AAAA" }),
        json!({ "kty": "new", "kid": "1" }),
        changed("use", json!("enc")),
        changed("alg", json!("ES384")),
    ] {
        assert_eq!(
            verify(&token, &set(std::slice::from_ref(&key)), &rules(), at(0)),
            Err(Refusal::UnknownKey),
            "{key}"
        );
        assert!(verify(&token, &set(&[key.clone(), signer.public_key()]), &rules(), at(0)).is_ok(), "beside {key}");
    }
    for no_set in ["", "[]", "{}", "<html>"] {
        assert!(KeySet::parse(no_set.as_bytes()).is_err(), "{no_set}");
    }
}

/// An issuer that can be asked for its keys.
#[derive(Default)]
struct Issuer {
    keys: RefCell<Vec<Value>>,
    is_down: Cell<bool>,
    fetches: Cell<u32>,
}

impl KeySets for &Issuer {
    async fn fetch(&self) -> Result<KeySet> {
        self.fetches.set(self.fetches.get() + 1);
        if self.is_down.get() { Err(Failure::transient("the issuer is down")) } else { Ok(set(&self.keys.borrow())) }
    }
}

impl Issuer {
    fn of(signers: &[&MemoryIssuer]) -> Self {
        let issuer = Self::default();
        issuer.has(signers);
        issuer
    }

    fn has(&self, signers: &[&MemoryIssuer]) {
        *self.keys.borrow_mut() = signers.iter().map(|signer| signer.public_key()).collect();
    }

    fn access(&self) -> Access<&Self> {
        Access::new(Some((rules(), self)))
    }
}

/// Status of the answer, or 200 for a caller who gets in; and the challenge.
fn ask(access: &Access<impl KeySets>, authorization: Option<&str>, second: i64) -> (u16, String) {
    let request =
        authorization.into_iter().fold(Builder::builder(), |request, value| request.header("Authorization", value));
    match block_on(access.caller(&request.body(Body::Empty).unwrap(), at(second))) {
        Ok(_) => (200, String::new()),
        Err(problem) => {
            let response = lambda_http::Response::<Body>::from(problem);
            let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(response.headers().contains_key("retry-after"), response.status() == 503);
            (response.status().as_u16(), challenge.unwrap_or_default())
        }
    }
}

fn status(access: &Access<impl KeySets>, token: &str, second: i64) -> u16 {
    ask(access, Some(&format!("Bearer {token}")), second).0
}

#[test]
fn who_has_no_token_that_counts_is_told_so() {
    let signer = MemoryIssuer::new("1");
    let issuer = Issuer::of(&[&signer]);
    let access = issuer.access();
    let good = issued(&signer, &claims());
    for (authorization, status, challenge) in [
        (None, 401, "Bearer realm=\"api\""),
        (Some("Basic YTpi".to_owned()), 401, "Bearer realm=\"api\""),
        (Some("Bearer".to_owned()), 401, "Bearer realm=\"api\""),
        (Some("Bearer ".to_owned()), 401, "Bearer realm=\"api\""),
        (
            Some(format!("Bearer {}", issued(&signer, &with(&json!({ "exp": 0 }))))),
            401,
            "Bearer realm=\"api\", error=\"invalid_token\", error_description=\"it has expired\"",
        ),
        (Some(format!("Bearer {good}")), 200, ""),
        (Some(format!("bearer  {good}")), 200, ""),
    ] {
        assert_eq!(ask(&access, authorization.as_deref(), 0), (status, challenge.to_owned()), "{authorization:?}");
    }
    assert_eq!(ask(&Access::open(), None, 0).0, 200);
}

#[test]
fn a_rotation_of_keys_sends_nobody_away() {
    let (old, new) = (MemoryIssuer::new("1"), MemoryIssuer::new("2"));
    let issuer = Issuer::of(&[&old]);
    let access = issuer.access();
    let [of_old, of_new] = [&old, &new].map(|signer| issued(signer, &claims()));
    assert_eq!((status(&access, &of_old, 0), status(&access, &of_old, 1), issuer.fetches.get()), (200, 200, 1));
    issuer.has(&[&new]);
    // Until the old key is known to be withdrawn its tokens count.
    assert_eq!((status(&access, &of_old, 2), status(&access, &of_new, 3)), (200, 200));
    assert_eq!((status(&access, &of_old, 4), status(&access, &of_new, 5)), (401, 200));
}

#[test]
fn a_withdrawn_key_counts_for_an_hour_at_the_most() {
    let (old, new) = (MemoryIssuer::new("1"), MemoryIssuer::new("2"));
    let issuer = Issuer::of(&[&old]);
    let access = issuer.access();
    let token = issued(&old, &with(&json!({ "exp": NOW + 1_000_000 })));
    assert_eq!(status(&access, &token, 0), 200);
    issuer.has(&[&new]);
    assert_eq!((status(&access, &token, 3_599), status(&access, &token, 3_600)), (200, 401));
}

#[test]
fn keys_that_cannot_be_fetched_are_no_fault_of_the_caller() {
    let signer = MemoryIssuer::new("1");
    let token = issued(&signer, &with(&json!({ "exp": NOW + 1_000_000 })));
    let issuer = Issuer::of(&[&signer]);
    issuer.is_down.set(true);
    let access = issuer.access();
    block_on(access.warm(at(0)));
    assert_eq!((status(&access, &token, 0), issuer.fetches.get()), (503, 2));
    issuer.is_down.set(false);
    assert_eq!((status(&access, &token, 1), issuer.fetches.get()), (200, 3));
    issuer.is_down.set(true);
    // The known keys count on; the issuer is asked once a minute, and not by each request.
    assert_eq!((status(&access, &token, 3_700), status(&access, &token, 3_759), issuer.fetches.get()), (200, 200, 4));
    assert_eq!((status(&access, &token, 3_760), issuer.fetches.get()), (200, 5));
    assert_eq!(status(&access, &issued(&MemoryIssuer::new("2"), &claims()), 3_761), 503, "it may be a new key");
    assert_eq!((status(&access, &token, 86_400), status(&access, &token, 86_401)), (200, 503), "a day is too long");
}

#[test]
fn invented_keys_do_not_have_the_issuer_asked_without_end() {
    let (signer, new) = (MemoryIssuer::new("1"), MemoryIssuer::new("2"));
    let issuer = Issuer::of(&[&signer]);
    let access = issuer.access();
    let invented = issued(&MemoryIssuer::new("invented"), &claims());
    assert_eq!(status(&access, &issued(&signer, &claims()), 0), 200);
    for _ in 0..10 {
        assert_eq!(status(&access, &invented, 1), 401);
    }
    assert_eq!((status(&access, &invented, 2), issuer.fetches.get()), (503, 11));
    assert_eq!(status(&access, &issued(&signer, &claims()), 3), 200, "others do not notice");
    // It may be a new key: then the caller is to come again, and does not have to sign in again.
    issuer.has(&[&new]);
    assert_eq!(
        (status(&access, &issued(&new, &claims()), 60), status(&access, &issued(&new, &claims()), 61)),
        (503, 200)
    );
}

#[test]
fn a_missing_scope_is_forbidden_and_named() {
    let ada = caller("ada", &["loans:read"]);
    assert!(ada.demand("loans:read").is_ok() && Caller::anybody().demand("loans:write").is_ok());
    let response = lambda_http::Response::<Body>::from(ada.demand("loans:write").unwrap_err());
    let challenge = "Bearer realm=\"api\", error=\"insufficient_scope\", scope=\"loans:write\"";
    assert_eq!(
        (response.status().as_u16(), &response.headers()["www-authenticate"]),
        (403, &challenge.parse().unwrap())
    );
    assert!(ada.is(&Text::new("ada").unwrap()) && !ada.is(&Text::new("grace").unwrap()));
    assert!(!Caller::anybody().is(&Text::new("ada").unwrap()));
}
