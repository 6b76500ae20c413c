//! Points in time, as people read them.

use envelope::Time;

/// Date and time in UTC, to the second: `2026-11-22 09:00:00 UTC`. It is ISO 8601 but for its spaces, and so read alike in
/// every country.
#[must_use]
pub fn format_utc(time: Time) -> String {
    let text = time.to_string();
    // RFC 3339, whose parts are of fixed widths.
    let parts = text.get(..10).zip(text.get(11..19));
    parts.map_or(text.clone(), |(date, clock)| format!("{date} {clock} UTC"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_to_the_second_in_utc() {
        for (time, text) in [
            ("2026-11-22T09:00:00.999Z", "2026-11-22 09:00:00 UTC"),
            ("2026-11-22T00:30:00+01:00", "2026-11-21 23:30:00 UTC"),
        ] {
            assert_eq!(format_utc(Time::new(time).unwrap()), text);
        }
    }
}
