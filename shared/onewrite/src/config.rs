//! Configuration: read in one place, once, with all faults listed at once.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use envelope::{Read, Source, parse};

use crate::backoff::MAX_HIDDEN_SECONDS;

/// Variable with the settings of the service itself.
const SETTINGS: &str = "SETTINGS";

/// Environment variables, and what is wrong with them.
pub struct Environment {
    lookup: Lookup,
    faults: Vec<String>,
}

type Lookup = Box<dyn Fn(&str) -> Option<String>>;

/// Everything that is wrong with the environment.
#[derive(Debug, thiserror::Error)]
#[error("the function is not configured: {0}")]
pub struct ConfigError(String);

impl Environment {
    /// The environment of this process.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    pub fn of_process() -> Self {
        Self::new(|name| std::env::var(name).ok())
    }

    /// Variables from somewhere else, such as a test.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + 'static) -> Self {
        Self { lookup: Box::new(lookup), faults: Vec::new() }
    }

    /// Reads settings.
    ///
    /// # Errors
    ///
    /// Every variable that is missing or wrong.
    pub fn read<T>(mut self, settings: impl FnOnce(&mut Self) -> Option<T>) -> Result<T, ConfigError> {
        let read = settings(&mut self);
        match read {
            Some(settings) if self.faults.is_empty() => Ok(settings),
            _ => Err(ConfigError(self.faults.join("; "))),
        }
    }

    /// A variable that must not be empty.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let value = self.optional(name);
        value.or_else(|| self.fault(format!("{name} is not set")))
    }

    /// A variable that may be absent; empty is absent.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    /// Notes a fault that is more than one variable's form. It answers `None`, for a reader to return.
    pub fn fault<T>(&mut self, fault: impl Into<String>) -> Option<T> {
        self.faults.push(fault.into());
        None
    }

    /// Settings of the service itself: the JSON object in the variable `SETTINGS`, with all its faults at once.
    pub fn settings<T: Read>(&mut self) -> Option<T> {
        let text = self.text(SETTINGS)?;
        let document = match serde_json::from_str(&text) {
            Ok(document) => document,
            Err(error) => {
                self.faults.push(format!("{SETTINGS} is not JSON: {error}"));
                return None;
            }
        };
        match parse(&document) {
            Ok(settings) => Some(settings),
            Err(faults) => {
                let faults = faults.as_slice().iter();
                self.faults.extend(faults.map(|fault| format!("{SETTINGS}{} {}", fault.pointer, fault.detail)));
                None
            }
        }
    }

    /// A variable that must be a `source` of events.
    pub fn source(&mut self, name: &str) -> Option<Source> {
        let source = Source::new(self.text(name)?);
        source.map_err(|rule| self.faults.push(format!("{name} {rule}"))).ok()
    }

    /// A variable that must be a whole number within `range`.
    pub fn number(&mut self, name: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let value = self.text(name)?.parse().ok().filter(|number| range.contains(number));
        if value.is_none() {
            let mut fault = String::new();
            let _ = write!(fault, "{name} must be a whole number from {} to {}", range.start(), range.end());
            self.faults.push(fault);
        }
        value
    }
}

/// Settings of a consumer for its queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// `QUEUE_URL`: where the messages come from.
    pub queue_url: String,
    /// `DEAD_LETTER_QUEUE_URL`: where those go that cannot be handled.
    pub dead_letter_queue_url: String,
    /// `MAX_RECEIVE_COUNT`: at which receive the consumer parks a message that still fails. The `maxReceiveCount`
    /// of the queue's redrive policy is well above it, so that SQS moves only what the consumer cannot.
    pub max_receive_count: u32,
    /// `MAX_BACKOFF_SECONDS`: how long a failed message stays away at the most.
    pub max_backoff_seconds: u32,
    /// `AWS_LAMBDA_FUNCTION_NAME`: named in dead letters.
    pub function: String,
}

impl QueueSettings {
    /// Reads the variables.
    pub fn read(environment: &mut Environment) -> Option<Self> {
        let queue_url = environment.text("QUEUE_URL");
        let dead_letter_queue_url = environment.text("DEAD_LETTER_QUEUE_URL");
        // 1,000 is SQS's limit of maxReceiveCount.
        let max_receive_count = environment.number("MAX_RECEIVE_COUNT", 1..=1_000);
        let max_backoff_seconds = environment.number("MAX_BACKOFF_SECONDS", 1..=MAX_HIDDEN_SECONDS);
        let function = environment.text("AWS_LAMBDA_FUNCTION_NAME");
        Some(Self {
            queue_url: queue_url?,
            dead_letter_queue_url: dead_letter_queue_url?,
            max_receive_count: max_receive_count?,
            max_backoff_seconds: max_backoff_seconds?,
            function: function?,
        })
    }
}

#[cfg(test)]
mod tests {
    use envelope::{Text, reads};

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Mail {
        sender: Text,
        region: Option<Text>,
    }

    reads!(Mail { sender: required("sender"), region: optional("region") });

    #[test]
    fn the_settings_of_a_service_are_one_object_with_all_its_faults() {
        let read =
            |text: &'static str| Environment::new(move |_| Some(text.to_owned())).read(Environment::settings::<Mail>);
        let sender = Text::shortened("a@b.example");
        assert_eq!(read(r#"{"sender":"a@b.example"}"#).unwrap(), Mail { sender, region: None });
        for (text, fault) in [
            ("{}", "SETTINGS/sender is required"),
            (r#"{"region":7}"#, "SETTINGS/sender is required; SETTINGS/region must be a text"),
            ("[]", "SETTINGS must be an object"),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), format!("the function is not configured: {fault}"));
        }
        assert!(read("{").unwrap_err().to_string().contains("SETTINGS is not JSON"));
    }

    #[test]
    fn all_faults_are_listed_at_once() {
        let environment = Environment::new(|name| match name {
            "QUEUE_URL" => Some("http://q".to_owned()),
            "MAX_RECEIVE_COUNT" => Some("12".to_owned()),
            "MAX_BACKOFF_SECONDS" => Some("0".to_owned()),
            "AWS_LAMBDA_FUNCTION_NAME" => Some(String::new()),
            _ => None,
        });
        let error = environment.read(QueueSettings::read).unwrap_err().to_string();
        assert_eq!(
            error,
            "the function is not configured: DEAD_LETTER_QUEUE_URL is not set; \
             MAX_BACKOFF_SECONDS must be a whole number from 1 to 39600; AWS_LAMBDA_FUNCTION_NAME is not set"
        );
    }
}
