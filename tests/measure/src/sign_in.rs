//! Sign-in of the callers: every request has a token that the functions verify, as they do on AWS.

use std::sync::LazyLock;
use std::time::Duration;

use orderflow_local::{TokenError, TokenSigner, all_scopes};
use serde_json::Value;

/// Signer of the tokens of this process, and a token for all requests.
struct SignIn {
    signer: TokenSigner,
    token: String,
}

static SIGN_IN: LazyLock<Result<SignIn, TokenError>> = LazyLock::new(|| {
    let signer = TokenSigner::of_key(&TokenSigner::new_key()?)?;
    let token = signer.token("staff", &all_scopes(), Duration::from_hours(24))?;
    Ok(SignIn { signer, token })
});

/// Value of the header `Authorization`.
pub(crate) fn authorization() -> String {
    format!("Bearer {}", token())
}

/// The token itself.
pub(crate) fn token() -> &'static str {
    SIGN_IN.as_ref().map(|sign_in| sign_in.token.as_str()).unwrap_or_default()
}

/// Makes the parameters of a template, as far as it has them, those of a stack that takes the tokens.
pub(crate) fn let_in(template: &mut Value) {
    let parameters = SIGN_IN.as_ref().map(|sign_in| sign_in.signer.parameters()).unwrap_or_default();
    for (name, value) in parameters {
        if let Some(parameter) = template["Parameters"].get_mut(&name) {
            parameter["Default"] = value.into();
        }
    }
}
