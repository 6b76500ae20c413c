//! Points in time, as events carry them.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::read::{Faults, Node, Read};
use crate::text::Invalid;

crate::json_schema_of!(
    Time,
    ["A point in time: RFC 3339, with any offset. What is finer than a millisecond is cut."],
    {
        "type": "string",
        "format": "date-time",
        "pattern": r"^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$",
        "examples": ["2026-11-22T09:00:00.000Z"],
    }
);

/// The first millisecond that RFC 3339 can write, in the year 0, and the last that the calendar's library knows, a day
/// before the year 10000, in milliseconds since 1970.
pub const WRITABLE_MS: RangeInclusive<i64> = -62_167_219_200_000..=253_402_207_200_000;

/// Point in time, to the millisecond. It is written as RFC 3339 in UTC, and read with any offset; a finer one is cut, not
/// rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Time(Timestamp);

impl Time {
    /// Milliseconds since 1970, cut to the years that RFC 3339 can write.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        let millis = millis.clamp(*WRITABLE_MS.start(), *WRITABLE_MS.end());
        Self(Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// Reads RFC 3339, with any offset.
    ///
    /// # Errors
    ///
    /// The rule that `text` breaks.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let time = text.parse::<Timestamp>().ok().filter(|_| is_rfc_3339(text));
        // Before 1970, too, what is finer is cut towards the past.
        let millis = time.and_then(|time| i64::try_from(time.as_nanosecond().div_euclid(1_000_000)).ok());
        millis.map(Self::from_millis).ok_or_else(|| Invalid::rule("must be a time of RFC 3339"))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0.as_millisecond()
    }

    /// Duration from this point to a `later` one; zero if that is not later.
    #[must_use]
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(u64::try_from(later.as_millis() - self.as_millis()).unwrap_or(0))
    }

    /// The point `duration` after this one.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.as_millis().saturating_add(millis))
    }
}

/// Tells a text of the form `2026-11-22T09:00:00.123+01:00`: the parser takes the whole of ISO 8601, of which RFC 3339 is
/// a small part.
fn is_rfc_3339(text: &str) -> bool {
    let has_form = |text: &str, form: &str| {
        text.len() == form.len()
            && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                b'T' => byte.eq_ignore_ascii_case(&b'T'),
                b'+' => matches!(byte, b'+' | b'-'),
                sign => byte == sign,
            })
    };
    let at_offset = text.strip_suffix(['Z', 'z']).or_else(|| {
        let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
        has_form(offset, "+00:00").then_some(local)
    });
    let Some(local) = at_offset else { return false };
    let (seconds, fraction) = local.split_once('.').unwrap_or((local, "0"));
    let is_fraction = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    has_form(seconds, "0000-00-00T00:00:00") && is_fraction
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl TryFrom<String> for Time {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<Time> for String {
    fn from(time: Time) -> Self {
        time.to_string()
    }
}

impl Read for Time {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let text = node.text(faults)?;
        Self::new(text).map_err(|rule| faults.add(node, rule.to_string())).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_with_any_offset_and_written_in_utc() {
        for (text, shown) in [
            ("2026-11-22T09:00:00Z", "2026-11-22T09:00:00.000Z"),
            ("2026-11-22T09:00:00.1239+00:00", "2026-11-22T09:00:00.123Z"),
            ("2026-11-22T09:00:00+01:00", "2026-11-22T08:00:00.000Z"),
            ("2026-11-22t09:00:00.5-09:30", "2026-11-22T18:30:00.500Z"),
            ("1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999Z"),
            ("0000-01-01T00:00:00.000999Z", "0000-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(Time::new(text).map(|time| time.to_string()), Ok(shown.to_owned()));
        }
        for bad in [
            "",
            "yesterday",
            "2026-11-22",
            "2026-11-22T09:00:00",
            "2026-11-22T09:00:00+01",
            "2026-11-22T09:00:00+0100",
            "1763802000",
            "20261122T090000Z",
            "2026-11-22T09Z",
            "2026-11-22T09:00:00,5Z",
            "2026-11-22T09:00:00.Z",
        ] {
            assert!(Time::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_time_that_cannot_be_written_is_the_nearest_that_can() {
        for (millis, shown) in [
            (i64::MIN, "0000-01-01T00:00:00.000Z"),
            (-62_167_219_200_001, "0000-01-01T00:00:00.000Z"),
            (253_402_207_200_001, "9999-12-30T22:00:00.000Z"),
            (i64::MAX, "9999-12-30T22:00:00.000Z"),
        ] {
            let time = Time::from_millis(millis);
            assert_eq!((time.to_string().as_str(), Time::new(shown)), (shown, Ok(time)));
        }
    }

    #[test]
    fn spans_are_never_negative() {
        let (early, late) = (Time::from_millis(1_000), Time::from_millis(3_500));
        assert_eq!(early.until(late), Duration::from_millis(2_500));
        assert_eq!(late.until(early), Duration::ZERO);
        assert_eq!(early.after(Duration::from_millis(2_500)), late);
    }
}
