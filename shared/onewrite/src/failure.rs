//! Failures: those that may pass, by themselves or with a deployment, and those that cannot.

use std::fmt;
use std::time::Duration;

use envelope::DecodeError;

/// Kind of a failure: whether a later attempt can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// It passes by itself: throttling, a lost race, an event that is too early.
    Transient,
    /// A neighbour is down: it does not answer, or says that it cannot. It passes by itself, and until then every other
    /// attempt that needs the neighbour fails, too.
    Unavailable,
    /// No attempt was made: there was no turn for it, or a neighbour is known to be down. Such a message is never parked,
    /// for it was never tried.
    Deferred,
    /// It passes once somebody mends the deployment: a missing permission, a missing table. It is retried like
    /// [`FailureKind::Transient`], for parking would not help, but it is logged as an error.
    Misconfigured,
    /// No later attempt can succeed.
    Permanent,
}

impl FailureKind {
    /// True where the attempt is to be made again.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::Transient | Self::Unavailable | Self::Deferred | Self::Misconfigured => true,
            Self::Permanent => false,
        }
    }

    /// The kind of an AWS service's answer, by its HTTP status and its error code, which is empty where it has none.
    ///
    /// Throttling and server faults come with many codes, and new ones appear, so the status decides what no code
    /// does: a server's fault (5xx) is the neighbour's, a refusal is mended, any other fault of the client's (4xx) stays.
    #[must_use]
    pub fn of_answer(status: u16, code: &str) -> Self {
        match code {
            "AccountSendingPausedException"
            | "ConfigurationSetDoesNotExist"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "InvalidClientTokenId"
            | "InvalidSecurity"
            | "InvalidSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "OptInRequired"
            | "QueueDoesNotExist"
            | "AWS.SimpleQueueService.NonExistentQueue"
            | "ResourceNotFoundException"
            | "SignatureDoesNotMatch"
            | "UnrecognizedClientException" => Self::Misconfigured,
            "BandwidthLimitExceeded"
            | "EC2ThrottledException"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "LimitExceededException"
            | "OverLimit"
            | "PriorRequestNotComplete"
            | "ProvisionedThroughputExceededException"
            | "ReplicatedWriteConflictException"
            | "RequestExpired"
            | "RequestLimitExceeded"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "RequestTimeout"
            | "RequestTimeoutException"
            | "SlowDown"
            | "Throttled"
            | "ThrottledException"
            | "Throttling"
            | "ThrottlingException"
            | "TooManyRequestsException"
            | "TransactionConflictException"
            | "TransactionInProgressException" => Self::Transient,
            // DynamoDB, SNS and SQS each spell the troubles with a key of KMS in their own way.
            _ if starts_with_kms(code) && code.contains("hrottl") => Self::Transient,
            _ if starts_with_kms(code)
                || code.starts_with("AccessDenied")
                || code.starts_with("AuthorizationError") =>
            {
                Self::Misconfigured
            }
            _ if status >= 500 => Self::Unavailable,
            _ if status == 429 || status == 408 => Self::Transient,
            // Refused, or sent to something that is not there.
            _ if matches!(status, 401 | 403 | 404) => Self::Misconfigured,
            // A service always names its reason, so this was said by something else on the way to it.
            "" => Self::Transient,
            _ => Self::Permanent,
        }
    }
}

fn starts_with_kms(code: &str) -> bool {
    code.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("kms"))
}

/// Failure, with its reason and whether to try again. The reason is written for the operator who finds it in a
/// log or at a dead letter, and never has a personal datum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    kind: FailureKind,
    reason: String,
    wait: Option<Duration>,
}

/// Result of what may fail, in passing or for ever.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// A failure of that kind.
    #[must_use]
    pub fn new(kind: FailureKind, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into(), wait: None }
    }

    /// A failure that passes by itself.
    #[must_use]
    pub fn transient(reason: impl Into<String>) -> Self {
        Self::new(FailureKind::Transient, reason)
    }

    /// A failure of a neighbour that is down.
    #[must_use]
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::new(FailureKind::Unavailable, reason)
    }

    /// An attempt that was not made.
    #[must_use]
    pub fn deferred(reason: impl Into<String>) -> Self {
        Self::new(FailureKind::Deferred, reason)
    }

    /// A failure that never passes.
    #[must_use]
    pub fn permanent(reason: impl Into<String>) -> Self {
        Self::new(FailureKind::Permanent, reason)
    }

    /// A row that is not understood. Most likely a newer build wrote it, while this one is about to be replaced or has
    /// come back: that passes with the deployment, and until then nothing of the subject may be parked.
    pub(crate) fn not_understood(version: impl fmt::Display, what: &str) -> Self {
        Self::new(
            FailureKind::Misconfigured,
            format!("row {version} is not understood, was it written by a newer build? {what}"),
        )
    }

    /// Kind of the failure: whether a later attempt can succeed.
    #[must_use]
    pub const fn kind(&self) -> FailureKind {
        self.kind
    }

    /// The same failure, which is known to last: the message stays away for half of `wait` at least and all of it at the
    /// most, instead of the back-off. SQS takes twelve hours at the most, of which eleven are used.
    #[must_use]
    pub fn not_before(self, wait: Duration) -> Self {
        Self { wait: Some(wait), ..self }
    }

    /// Time for which it is known to last, if it is known.
    #[must_use]
    pub const fn wait(&self) -> Option<Duration> {
        self.wait
    }

    /// The cause, for the operator.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The same failure, said to have happened while doing `what`.
    #[must_use]
    pub fn during(self, what: &str) -> Self {
        Self { reason: format!("{what}: {}", self.reason), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Failure {}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        let kind = match &error {
            DecodeError::NotJson(_)
            | DecodeError::NotCloudEvent(_)
            | DecodeError::UnknownType(_)
            | DecodeError::UnknownSchema { .. }
            | DecodeError::LaterVersion { .. }
            | DecodeError::WrongSource { .. }
            | DecodeError::InvalidData(_)
            | DecodeError::SubjectDiffers(_) => FailureKind::Permanent,
        };
        Self::new(kind, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_classified_by_its_code_and_then_by_its_status() {
        for (status, code, kind) in [
            (400, "ThrottlingException", FailureKind::Transient),
            (400, "ProvisionedThroughputExceededException", FailureKind::Transient),
            (400, "ExpiredTokenException", FailureKind::Transient),
            (500, "InternalServerError", FailureKind::Unavailable),
            (503, "anything", FailureKind::Unavailable),
            (503, "", FailureKind::Unavailable),
            (503, "SlowDown", FailureKind::Transient),
            (429, "anything", FailureKind::Transient),
            (400, "AccessDeniedException", FailureKind::Misconfigured),
            (403, "AuthorizationError", FailureKind::Misconfigured),
            (400, "ResourceNotFoundException", FailureKind::Misconfigured),
            (404, "NotFound", FailureKind::Misconfigured),
            (400, "TransactionConflictException", FailureKind::Transient),
            (403, "ExpiredToken", FailureKind::Transient),
            (400, "KMSThrottlingException", FailureKind::Transient),
            (400, "KmsThrottled", FailureKind::Transient),
            (400, "KMSAccessDeniedException", FailureKind::Misconfigured),
            (400, "KmsDisabled", FailureKind::Misconfigured),
            (400, "InvalidSignatureException", FailureKind::Misconfigured),
            (403, "anything", FailureKind::Misconfigured),
            (404, "anything", FailureKind::Misconfigured),
            (400, "ValidationException", FailureKind::Permanent),
            (400, "", FailureKind::Transient),
            (403, "", FailureKind::Misconfigured),
            (400, "MessageRejected", FailureKind::Permanent),
            (413, "anything", FailureKind::Permanent),
        ] {
            assert_eq!(FailureKind::of_answer(status, code), kind, "{status} {code}");
        }
    }
}
