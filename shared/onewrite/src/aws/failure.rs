//! Failures of AWS calls: their kind, and a reason without what the caller had sent.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::failure::{Failure, FailureKind};

/// Says whether an error of the SDK may pass, and what it was, without what the caller had sent.
pub fn classify<E: ProvideErrorMetadata>(what: &str, error: &SdkError<E, HttpResponse>) -> Failure {
    match error {
        SdkError::ServiceError(answer) => {
            let (status, code) = (answer.raw().status().as_u16(), answer.err().code());
            let kind = FailureKind::of_answer(status, code.unwrap_or_default());
            let message = without_addresses(answer.err().message().unwrap_or("no message"));
            Failure::new(kind, format!("{what}: {} ({status}): {message}", code.unwrap_or("no code")))
        }
        SdkError::ConstructionFailure(_) => {
            Failure::new(FailureKind::Misconfigured, format!("{what}: the request cannot be made"))
        }
        SdkError::TimeoutError(_) => Failure::unavailable(format!("{what}: timed out")),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            Failure::unavailable(format!("{what}: timed out"))
        }
        // A failure before there is a connection, such as in looking for credentials, is neither IO nor any known kind.
        SdkError::DispatchFailure(failure)
            if failure.is_user() || (failure.is_other() && failure.as_other().is_none()) =>
        {
            let detail = "the request cannot be sent: are there credentials, a region, an endpoint?";
            Failure::new(FailureKind::Misconfigured, format!("{what}: {detail}"))
        }
        SdkError::DispatchFailure(_) => Failure::unavailable(format!("{what}: no connection")),
        SdkError::ResponseError(_) => Failure::transient(format!("{what}: the answer is not understood")),
        // The SDK may add variants; what it does not name is not known to be permanent.
        _ => Failure::transient(format!("{what}: failed in an unknown way")),
    }
}

/// A service's own words, without the email addresses and telephone numbers that SES and SNS repeat in theirs.
#[must_use]
pub fn without_addresses(message: &str) -> String {
    let is_address = |word: &str| {
        let number = word.trim_matches(|c: char| !c.is_alphanumeric());
        let is_number = number.len() > 6 && number.bytes().all(|byte| byte.is_ascii_digit() || b"-.()".contains(&byte));
        word.contains('@') || is_number
    };
    let words: Vec<&str> = message.split_whitespace().map(|word| if is_address(word) { "…" } else { word }).collect();
    words.join(" ")
}
