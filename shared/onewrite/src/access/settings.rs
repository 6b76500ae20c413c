//! Settings of the access to an API, from variables of the function.

use data_encoding::{BASE64, BASE64_NOPAD};

use super::token::{KeySet, TokenRules};
use crate::config::Environment;

/// Settings of the sign-in.
#[derive(Clone, Debug)]
pub struct SignInSettings {
    /// `TOKEN_ISSUER`, `TOKEN_AUDIENCE` (one, or several with commas between them) and `TOKEN_SCOPE_PREFIX` (may be absent).
    pub rules: TokenRules,
    /// `TOKEN_KEY_SET_URL`; absent, it is where most issuers have it: `/.well-known/jwks.json` under the issuer.
    pub key_set: KeySetPlace,
}

/// Place of an issuer's key set.
#[derive(Clone, Debug)]
pub enum KeySetPlace {
    /// URL that it is fetched from.
    Url(String),
    /// The key set itself, in a `data:` URL: for an issuer whose keys do not change.
    Inline(KeySet),
}

impl SignInSettings {
    /// Reads the variables: `ACCESS` is `signed-in` or `open`, and nothing else. The inner value is none where it is open.
    pub fn read(environment: &mut Environment) -> Option<Option<Self>> {
        match environment.text("ACCESS")?.as_str() {
            "open" => return Some(None),
            "signed-in" => {}
            _ => return environment.fault("ACCESS must be signed-in or open"),
        }
        let (issuer, audience) = (environment.text("TOKEN_ISSUER"), environment.text("TOKEN_AUDIENCE"));
        let (issuer, audience) = (issuer?, audience?);
        let scope_prefix = environment.optional("TOKEN_SCOPE_PREFIX").unwrap_or_default();
        let Some(key_set) = KeySetPlace::of(&issuer, environment.optional("TOKEN_KEY_SET_URL")) else {
            return environment.fault("TOKEN_KEY_SET_URL must be an https, http or data URL of a key set");
        };
        let audiences = audience.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect();
        Some(Some(Self { rules: TokenRules { issuer, audiences, scope_prefix }, key_set }))
    }
}

impl KeySetPlace {
    fn of(issuer: &str, url: Option<String>) -> Option<Self> {
        let url = url.unwrap_or_else(|| format!("{}/.well-known/jwks.json", issuer.trim_end_matches('/')));
        if let Some(data) = url.strip_prefix("data:") {
            let (media_type, encoded) = data.split_once(',')?;
            let is_base64 = media_type.ends_with(";base64");
            let decoded =
                || BASE64.decode(encoded.as_bytes()).or_else(|_| BASE64_NOPAD.decode(encoded.as_bytes())).ok();
            return KeySet::parse(&is_base64.then(decoded)??).ok().map(Self::Inline);
        }
        let is_http = url.starts_with("https://") || url.starts_with("http://");
        is_http.then_some(Self::Url(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &'static [(&str, &str)]) -> Result<Option<SignInSettings>, String> {
        let value =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Environment::new(value).read(SignInSettings::read).map_err(|error| error.to_string())
    }

    fn key_set_url(variables: &'static [(&str, &str)]) -> String {
        match read(variables).unwrap().unwrap().key_set {
            KeySetPlace::Url(url) => url,
            KeySetPlace::Inline(keys) => format!("{keys:?}"),
        }
    }

    const ISSUER: (&str, &str) = ("TOKEN_ISSUER", "https://id.example/");
    const AUDIENCE: (&str, &str) = ("TOKEN_AUDIENCE", "library, ,museum");
    const SIGNED_IN: (&str, &str) = ("ACCESS", "signed-in");

    #[test]
    fn access_is_open_only_where_it_is_said() {
        assert!(read(&[("ACCESS", "open")]).unwrap().is_none());
        let settings = read(&[SIGNED_IN, ISSUER, AUDIENCE]).unwrap().unwrap();
        assert_eq!(settings.rules.audiences, ["library", "museum"]);
        for (variables, fault) in [
            (&[][..], "ACCESS is not set"),
            (&[("ACCESS", "Open")], "ACCESS must be signed-in or open"),
            (&[SIGNED_IN], "TOKEN_ISSUER is not set; TOKEN_AUDIENCE is not set"),
            (
                &[SIGNED_IN, ISSUER, AUDIENCE, ("TOKEN_KEY_SET_URL", "ftp://id.example")],
                "TOKEN_KEY_SET_URL must be an https, http or data URL of a key set",
            ),
        ] {
            assert_eq!(read(variables).unwrap_err(), format!("the function is not configured: {fault}"));
        }
    }

    #[test]
    fn the_key_set_is_where_most_issuers_have_it_or_where_it_is_said() {
        const URL: (&str, &str) = ("TOKEN_KEY_SET_URL", "https://id.example/keys");
        const INLINE: (&str, &str) = ("TOKEN_KEY_SET_URL", "data:application/json;base64,eyJrZXlzIjpbXX0");
        assert_eq!(key_set_url(&[SIGNED_IN, ISSUER, AUDIENCE]), "https://id.example/.well-known/jwks.json");
        assert_eq!(key_set_url(&[SIGNED_IN, ISSUER, AUDIENCE, URL]), "https://id.example/keys");
        assert_eq!(key_set_url(&[SIGNED_IN, ISSUER, AUDIENCE, INLINE]), format!("{:?}", KeySet::default()));
        assert!(KeySetPlace::of("", Some("data:application/json,eyJrZXlzIjpbXX0=".to_owned())).is_none());
    }
}
