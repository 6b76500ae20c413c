//! Access to an API behind HTTP: bearer tokens (RFC 6750) of any OpenID Connect issuer, verified in the function.
//!
//! An authorizer in front of the function would tell who somebody is, and the function would have to believe it; and what
//! stands in front differs from one deployment to the next. A token that the function verifies itself is the same behind
//! every gateway.

mod caller;
mod settings;
mod signature;
#[cfg(test)]
mod tests;
mod token;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use envelope::Time;
use lambda_http::Request;
use lambda_http::http::{StatusCode, header};
use tracing::{info, warn};

pub use caller::Caller;
pub use settings::{KeySetPlace, SignInSettings};
pub use token::{KeySet, Refusal, TokenRules, verify};

use crate::failure::{Failure, Result};
use crate::http::Problem;

/// Age at which the keys are fetched again: so soon a key that the issuer has withdrawn counts no more.
const REFRESH_AFTER: Duration = Duration::from_hours(1);

/// Pause after a refresh that failed. The known keys go on counting meanwhile.
const REFRESH_PAUSE: Duration = Duration::from_mins(1);

/// Age up to which keys count while they cannot be fetched again.
const USABLE_FOR: Duration = Duration::from_hours(24);

/// Fetches for keys that are not known, within one [`FETCH_WINDOW`]: an issuer changes keys once in weeks, and whoever
/// invents ids of keys must not have us ask the issuer for each.
const MAX_FETCHES: u32 = 10;
const FETCH_WINDOW: Duration = Duration::from_mins(1);

/// Port to the issuer's key set.
pub trait KeySets {
    /// The keys as of now.
    ///
    /// # Errors
    ///
    /// They cannot be fetched.
    fn fetch(&self) -> impl Future<Output = Result<KeySet>>;
}

/// Key sets of nobody: for an API whose access is always open.
#[derive(Clone, Copy, Debug)]
pub enum NoKeySets {}

impl KeySets for NoKeySets {
    async fn fetch(&self) -> Result<KeySet> {
        match *self {}
    }
}

/// Access to an API: open, or for those alone who are signed in.
#[derive(Debug)]
pub struct Access<K = NoKeySets> {
    sign_in: Option<SignIn<K>>,
}

#[derive(Debug)]
struct SignIn<K> {
    rules: TokenRules,
    source: K,
    cache: Mutex<Cache>,
}

/// The keys that are known, and when they are asked for again.
#[derive(Debug)]
struct Cache {
    keys: Option<Arc<KeySet>>,
    fetched_at: Time,
    refresh_at: Time,
    window_since: Time,
    fetches_in_window: u32,
}

impl Access {
    /// Access for everybody to everything: for tests, and for stages without strangers.
    #[must_use]
    pub const fn open() -> Self {
        Self { sign_in: None }
    }
}

impl<K: KeySets> Access<K> {
    /// Access by the tokens that keep those rules and are signed by a key of that set; open to everybody without any.
    #[must_use]
    pub fn new(sign_in: Option<(TokenRules, K)>) -> Self {
        Self { sign_in: sign_in.map(|(rules, source)| SignIn { rules, source, cache: Mutex::default() }) }
    }

    /// Fetches the keys, so that the first request need not wait for them. Whether it works out shows soon enough.
    pub async fn warm(&self, now: Time) {
        if let Some(sign_in) = &self.sign_in {
            let _ = sign_in.keys(now).await;
        }
    }

    /// The caller of a request.
    ///
    /// # Errors
    ///
    /// 401 without a token that counts; 503 where nobody can tell, for the issuer's keys cannot be fetched.
    pub async fn caller(&self, request: &Request, now: Time) -> std::result::Result<Caller, Problem> {
        let Some(sign_in) = &self.sign_in else { return Ok(Caller::anybody()) };
        let Some(token) = bearer(request) else {
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "The request has no bearer token.").with_challenge(""));
        };
        sign_in.caller(token, now).await?.map_err(|refusal| {
            info!(reason = %refusal, "token refused");
            let challenge = format!("error=\"invalid_token\", error_description=\"{refusal}\"");
            let detail = format!("The token does not count: {refusal}.");
            Problem::new(StatusCode::UNAUTHORIZED, detail).with_challenge(&challenge)
        })
    }
}

/// The token of the header `Authorization: Bearer …`.
fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim()).filter(|token| !token.is_empty())
}

impl<K: KeySets> SignIn<K> {
    async fn caller(&self, token: &str, now: Time) -> Result<std::result::Result<Caller, Refusal>> {
        let keys = self.keys(now).await?;
        match verify(token, &keys, &self.rules, now) {
            // The issuer may have a new key. Until that is certain nobody is sent away.
            Err(Refusal::UnknownKey) => {
                self.count_fetch(now)?;
                Ok(verify(token, &*self.fetch(now).await?, &self.rules, now))
            }
            verified => Ok(verified),
        }
    }

    async fn keys(&self, now: Time) -> Result<Arc<KeySet>> {
        let (known, is_due) = {
            let cache = self.cache();
            let usable = cache.keys.clone().filter(|_| cache.fetched_at.until(now) < USABLE_FOR);
            (usable, cache.refresh_at <= now)
        };
        match known {
            Some(keys) if !is_due => Ok(keys),
            Some(keys) => Ok(self.fetch(now).await.unwrap_or_else(|failure| {
                warn!(reason = failure.reason(), "the issuer's keys are not refreshed");
                self.cache().refresh_at = now.after(REFRESH_PAUSE);
                keys
            })),
            None => self.fetch(now).await,
        }
    }

    async fn fetch(&self, now: Time) -> Result<Arc<KeySet>> {
        let keys = Arc::new(self.source.fetch().await?);
        let mut cache = self.cache();
        cache.keys = Some(Arc::clone(&keys));
        (cache.fetched_at, cache.refresh_at) = (now, now.after(REFRESH_AFTER));
        Ok(keys)
    }

    fn count_fetch(&self, now: Time) -> Result<()> {
        let mut cache = self.cache();
        if cache.window_since.until(now) >= FETCH_WINDOW {
            (cache.window_since, cache.fetches_in_window) = (now, 0);
        }
        if cache.fetches_in_window == MAX_FETCHES {
            return Err(Failure::transient("too many tokens with keys that are not known"));
        }
        cache.fetches_in_window += 1;
        Ok(())
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Cache {
    fn default() -> Self {
        let never = Time::from_millis(0);
        Self { keys: None, fetched_at: never, refresh_at: never, window_since: never, fetches_in_window: 0 }
    }
}
