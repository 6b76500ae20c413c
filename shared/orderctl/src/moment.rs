//! Times, as the API writes them and as people read them.

use std::fmt;
use std::str::FromStr;

use jiff::fmt::temporal::DateTimePrinter;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

/// Writer of times in UTC with milliseconds, as in all documents of the API.
const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// Moment in time. On the command line it is RFC 3339, or how long ago: `2h`, `30m`, `3d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Moment(Timestamp);

impl Moment {
    pub(crate) fn now() -> Self {
        Self(Timestamp::now())
    }

    /// Time that has passed between two moments.
    pub(crate) fn since(self, earlier: Self) -> SignedDuration {
        self.0.duration_since(earlier.0)
    }

    /// Moment that long ago, or at that time.
    fn read(text: &str, now: Self) -> Result<Self, String> {
        if let Ok(at) = text.parse() {
            return Ok(Self(at));
        }
        let wrong = || format!("{text} is no time such as 2026-11-22T09:00:00Z, and no time ago such as 2h");
        let Seconds(ago) = text.strip_suffix(" ago").unwrap_or(text).parse().map_err(|_| wrong())?;
        now.0.checked_sub(SignedDuration::from_secs(i64::from(ago))).map(Self).map_err(|_| wrong())
    }
}

/// Number of seconds, on the command line with its unit: `90s`, `30m`, `2h`, `3d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) u32);

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = text.split_at(text.len() - text.chars().last().map_or(0, char::len_utf8));
        let unit_seconds = match unit {
            "s" => Some(1),
            "m" => Some(60),
            "h" => Some(3_600),
            "d" => Some(86_400),
            _ => None,
        };
        let number = number.parse::<u32>().ok();
        let seconds = number.zip(unit_seconds).and_then(|(number, unit_seconds)| number.checked_mul(unit_seconds));
        seconds.map(Self).ok_or_else(|| format!("{text} is no span of time such as 90s, 30m, 2h, 3d"))
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::read(text, Self::now())
    }
}

impl TryFrom<String> for Moment {
    type Error = jiff::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        PRINTER.print_timestamp(&self.0, jiff::fmt::StdFmtWrite(f)).map_err(|_| fmt::Error)
    }
}

/// A time that has passed: `40 ms`, `1.5 s`, `12 min`, `3 h 05 min`, `4 d 02 h`.
pub(crate) fn span(time: SignedDuration) -> String {
    let (millis, seconds) = (time.as_millis(), time.as_secs());
    match seconds {
        ..0 => format!("-{}", span(-time)),
        0 if millis < 100 => format!("{millis} ms"),
        0..10 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        Moment::read(text, Moment(Timestamp::UNIX_EPOCH)).unwrap()
    }

    #[test]
    fn a_moment_is_a_time_or_a_time_ago() {
        let now = at("2026-11-22T09:00:00.000Z");
        for (text, expected) in [
            ("2026-11-22T10:00:00+02:00", "2026-11-22T08:00:00.000Z"),
            ("2h", "2026-11-22T07:00:00.000Z"),
            ("90s", "2026-11-22T08:58:30.000Z"),
            ("30m ago", "2026-11-22T08:30:00.000Z"),
            ("1d", "2026-11-21T09:00:00.000Z"),
        ] {
            assert_eq!(Moment::read(text, now).unwrap().to_string(), expected, "{text}");
        }
        for text in ["", "h", "2", "2 hours", "-2h", "yesterday", "2ü", "2026-11-22"] {
            assert!(Moment::read(text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn a_span_is_as_exact_as_it_is_short() {
        for (millis, expected) in [
            (0, "0 ms"),
            (99, "99 ms"),
            (100, "0.1 s"),
            (1_540, "1.5 s"),
            (59_999, "59 s"),
            (125_000, "2 min"),
            (11_100_000, "3 h 05 min"),
            (352_800_000, "4 d 02 h"),
            (-1_500, "-1.5 s"),
        ] {
            assert_eq!(span(SignedDuration::from_millis(millis)), expected);
        }
    }
}
