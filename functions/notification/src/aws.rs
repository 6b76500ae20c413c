//! Channels on AWS: mails by SES, short messages by SNS.

use std::cell::OnceCell;

use aws_sdk_ses::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ses::operation::send_email::SendEmailError;
use aws_sdk_ses::types::{Body, Content, Destination, Message};
use aws_sdk_sns::config::http::HttpResponse;
use aws_sdk_sns::operation::publish::PublishError;
use aws_sdk_sns::types::MessageAttributeValue;
use onewrite::aws::{SdkConfig, classify, without_retries};
use onewrite::{Failure, FailureKind};
use orderflow_events::Email;

use crate::phone::PhoneNumber;
use crate::port::{Mail, MailError, Mailer, Sms, SmsError};
use crate::settings::ConfigurationSet;

/// Mails by SES.
#[derive(Clone, Debug)]
pub struct SesMailer {
    config: SdkConfig,
    client: OnceCell<aws_sdk_ses::Client>,
    sender: Email,
    configuration_set: ConfigurationSet,
}

impl SesMailer {
    /// Mails from `sender`, an address that SES has verified, by a configuration set. The client is made with the first mail:
    /// a function starts faster without.
    #[must_use]
    pub fn new(config: &SdkConfig, sender: Email, configuration_set: ConfigurationSet) -> Self {
        Self { config: without_retries(config), client: OnceCell::new(), sender, configuration_set }
    }

    fn client(&self) -> &aws_sdk_ses::Client {
        self.client.get_or_init(|| aws_sdk_ses::Client::new(&self.config))
    }
}

impl Mailer for SesMailer {
    async fn send(&self, recipient: &Email, mail: &Mail) -> Result<(), MailError> {
        let body = Body::builder().text(utf8(&mail.text)?).html(utf8(&mail.html)?).build();
        let message = Message::builder().subject(utf8(&mail.subject)?).body(body).build();
        let destination = Destination::builder().to_addresses(recipient.to_ascii()).build();
        let request =
            self.client().send_email().source(self.sender.to_ascii()).destination(destination).message(message);
        let configuration_set = self.configuration_set.0.as_ref().map(ToString::to_string);
        let request = request.set_configuration_set_name(configuration_set);
        Box::pin(request.send()).await.map_err(|error| mail_error(&error))?;
        Ok(())
    }
}

fn utf8(text: &str) -> Result<Content, MailError> {
    let content = Content::builder().charset("UTF-8").data(text).build();
    content.map_err(|error| MailError::Other(Failure::permanent(error.to_string())))
}

fn mail_error(error: &SdkError<SendEmailError, HttpResponse>) -> MailError {
    let Some(answer) = error.as_service_error() else { return MailError::Other(classify("SendEmail", error)) };
    let code = answer.code().unwrap_or("no code");
    match code {
        // One code for two things: a mail with a virus in it, and an address that somebody must verify first.
        "MessageRejected" if answer.message().is_some_and(|text| text.starts_with("Email address is not verified")) => {
            MailError::NotVerified
        }
        "MessageRejected" => MailError::Refused(code.to_owned()),
        "InvalidParameterValue" => MailError::Unreachable(code.to_owned()),
        "ConfigurationSetDoesNotExist" | "ConfigurationSetDoesNotExistException" => {
            MailError::Other(Failure::new(FailureKind::Misconfigured, "there is no such configuration set"))
        }
        "MailFromDomainNotVerifiedException" => MailError::NotVerified,
        // One code for the second and for the day.
        "Throttling" if answer.message().is_some_and(|text| text.starts_with("Daily message quota exceeded")) => {
            MailError::QuotaUsedUp
        }
        "Throttling" => MailError::TooFast,
        "AccountSendingPausedException" | "ConfigurationSetSendingPausedException" => MailError::Paused,
        _ => MailError::Other(classify("SendEmail", error)),
    }
}

/// Short messages by SNS.
#[derive(Clone, Debug)]
pub struct SnsSms {
    config: SdkConfig,
    client: OnceCell<aws_sdk_sns::Client>,
}

impl SnsSms {
    /// Short messages from whatever number SNS chooses. The client is made with the first of them.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { config: without_retries(config), client: OnceCell::new() }
    }

    fn client(&self) -> &aws_sdk_sns::Client {
        self.client.get_or_init(|| aws_sdk_sns::Client::new(&self.config))
    }
}

impl Sms for SnsSms {
    async fn send(&self, recipient: &PhoneNumber, text: &str) -> Result<(), SmsError> {
        // A message that is not said to be transactional goes by the cheapest way, and some day.
        let transactional = MessageAttributeValue::builder().data_type("String").string_value("Transactional").build();
        let transactional = transactional.map_err(|error| SmsError::Other(Failure::permanent(error.to_string())))?;
        let request = self
            .client()
            .publish()
            .phone_number(recipient.as_str())
            .message(text)
            .message_attributes("AWS.SNS.SMS.SMSType", transactional);
        Box::pin(request.send()).await.map_err(|error| sms_error(&error))?;
        Ok(())
    }
}

fn sms_error(error: &SdkError<PublishError, HttpResponse>) -> SmsError {
    let Some(answer) = error.as_service_error() else { return SmsError::Other(classify("Publish", error)) };
    let code = answer.code().unwrap_or("no code");
    match answer {
        // Of a number that is none, and of one whose owner has answered STOP.
        PublishError::InvalidParameterException(_) | PublishError::InvalidParameterValueException(_) => {
            SmsError::Unreachable(code.to_owned())
        }
        _ if code == "OptedOut" => SmsError::Unreachable(code.to_owned()),
        _ => SmsError::Other(classify("Publish", error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ses::error::ErrorMetadata;

    const PERSONAL: &str = "ada@example.com +4930123456";

    fn answer(status: u16) -> HttpResponse {
        HttpResponse::new(status.try_into().unwrap(), "".into())
    }

    fn metadata(code: &str, message: &str) -> ErrorMetadata {
        ErrorMetadata::builder().code(code).message(format!("{message}: {PERSONAL}")).build()
    }

    #[track_caller]
    fn check(failure: &Failure, kind: FailureKind, reason: &str) {
        assert_eq!(failure.kind(), kind, "{reason}");
        assert!(failure.reason().starts_with(reason), "{failure}");
        for personal in PERSONAL.split(' ') {
            assert!(!failure.reason().contains(personal), "{failure}");
        }
    }

    #[test]
    fn a_mail_that_failed_says_why_and_not_to_whom() {
        let unverified = "Email address is not verified. The following identities failed the check";
        let not_verified = "the sender is not verified, or the account is in the sandbox and may not write to everyone";
        for (status, code, message, kind, reason) in [
            (400, "MessageRejected", "Virus found", FailureKind::Permanent, "the mail was refused (MessageRejected)"),
            (
                400,
                "InvalidParameterValue",
                "Illegal address",
                FailureKind::Permanent,
                "the address was refused (InvalidParameterValue)",
            ),
            (400, "MessageRejected", unverified, FailureKind::Misconfigured, not_verified),
            (400, "MailFromDomainNotVerifiedException", "", FailureKind::Misconfigured, not_verified),
            (400, "AccountSendingPausedException", "", FailureKind::Misconfigured, "sending is paused"),
            (400, "ConfigurationSetSendingPausedException", "", FailureKind::Misconfigured, "sending is paused"),
            (400, "ConfigurationSetDoesNotExist", "", FailureKind::Misconfigured, "there is no such configuration set"),
            (403, "AccessDenied", "", FailureKind::Misconfigured, "SendEmail: AccessDenied (403)"),
            (
                400,
                "Throttling",
                "Daily message quota exceeded.",
                FailureKind::Transient,
                "the quota of mails a day is used up",
            ),
            (
                400,
                "Throttling",
                "Maximum sending rate exceeded.",
                FailureKind::Transient,
                "the rate of mails is exceeded",
            ),
            (400, "Throttling", "Rate exceeded", FailureKind::Transient, "the rate of mails is exceeded"),
            (503, "ServiceUnavailable", "", FailureKind::Unavailable, "SendEmail: ServiceUnavailable (503)"),
            (400, "ValidationError", "", FailureKind::Permanent, "SendEmail: ValidationError (400)"),
        ] {
            let error = SendEmailError::generic(metadata(code, message));
            check(&mail_error(&SdkError::service_error(error, answer(status))).into(), kind, reason);
        }
        let lost = SdkError::timeout_error("no answer");
        check(&mail_error(&lost).into(), FailureKind::Unavailable, "SendEmail: timed out");
    }

    #[test]
    fn what_lasts_is_waited_out() {
        for (error, waits) in [
            (MailError::QuotaUsedUp, true),
            (MailError::Paused, true),
            (MailError::TooFast, false),
            (MailError::NotVerified, false),
        ] {
            assert_eq!(Failure::from(error).wait().is_some(), waits);
        }
    }

    #[test]
    fn a_short_message_that_failed_says_why_and_not_to_whom() {
        use aws_sdk_sns::types::error::{InvalidParameterException, InvalidParameterValueException};
        let invalid = metadata("InvalidParameter", "PhoneNumber is not valid to publish to");
        let invalid =
            PublishError::InvalidParameterException(InvalidParameterException::builder().meta(invalid).build());
        let value = metadata("ParameterValueInvalid", "is invalid");
        let value =
            PublishError::InvalidParameterValueException(InvalidParameterValueException::builder().meta(value).build());
        let generic = |code| PublishError::generic(metadata(code, ""));
        let refused = |code| format!("the number was refused ({code})");
        for (status, error, kind, reason) in [
            (400, invalid, FailureKind::Permanent, refused("InvalidParameter").as_str()),
            (400, value, FailureKind::Permanent, &refused("ParameterValueInvalid")),
            (400, generic("OptedOut"), FailureKind::Permanent, &refused("OptedOut")),
            (403, generic("AuthorizationError"), FailureKind::Misconfigured, "Publish: AuthorizationError (403)"),
            (400, generic("Throttled"), FailureKind::Transient, "Publish: Throttled (400)"),
            (500, generic("InternalError"), FailureKind::Unavailable, "Publish: InternalError (500)"),
        ] {
            check(&sms_error(&SdkError::service_error(error, answer(status))).into(), kind, reason);
        }
    }
}
