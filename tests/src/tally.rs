//! Calls to AWS, counted.

use std::collections::BTreeMap;

use serde::Serialize;

/// Capacity that calls have consumed, as DynamoDB bills it on demand.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Units {
    /// Of 4 KB read consistently.
    pub read: f64,
    /// Of 1 KB written; twice that in a transaction.
    pub write: f64,
}

/// Calls by kind, with their bytes and the capacity that they consumed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Operations, such as `PutItem`; `PutItem refused` where a condition did not hold.
    pub calls: BTreeMap<String, u64>,
    /// Attempts after the first, by which the SDK repeats a call that took too long. They are no calls.
    pub retries: u64,
    /// Bytes of the requests' bodies.
    pub sent_bytes: u64,
    /// Bytes of the answers' bodies.
    pub received_bytes: u64,
    /// Capacity units of DynamoDB.
    pub units: Units,
}

/// One call, to be counted.
#[derive(Clone, Copy, Debug)]
pub struct Counted<'a> {
    /// Name of the operation.
    pub operation: &'a str,
    /// An error as the answer, such as of a condition that does not hold.
    pub is_refused: bool,
    /// An attempt after the first, by the SDK.
    pub is_retry: bool,
    /// Bytes of the request's body.
    pub sent_bytes: u64,
    /// Bytes of the answer's body.
    pub received_bytes: u64,
    /// Capacity that it consumed.
    pub units: Units,
}

/// A tally divided by the events that it is of.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PerEvent {
    /// Calls of all kinds.
    pub calls: f64,
    /// Calls of each kind.
    pub calls_by_kind: BTreeMap<String, f64>,
    /// Bytes of the requests' bodies.
    pub sent_bytes: f64,
    /// Bytes of the answers' bodies.
    pub received_bytes: f64,
    /// Read capacity units of DynamoDB.
    pub read_units: f64,
    /// Write capacity units of DynamoDB.
    pub write_units: f64,
}

impl Tally {
    /// Adds one call.
    pub fn count(&mut self, call: Counted<'_>) {
        if call.is_retry {
            self.retries += 1;
            return;
        }
        let operation = call.operation.to_owned();
        let name = if call.is_refused { operation + " refused" } else { operation };
        *self.calls.entry(name).or_default() += 1;
        self.sent_bytes += call.sent_bytes;
        self.received_bytes += call.received_bytes;
        self.units.read += call.units.read;
        self.units.write += call.units.write;
    }

    /// Adds the calls of another tally.
    pub fn add(&mut self, other: &Self) {
        for (name, count) in &other.calls {
            *self.calls.entry(name.clone()).or_default() += count;
        }
        self.retries += other.retries;
        self.sent_bytes += other.sent_bytes;
        self.received_bytes += other.received_bytes;
        self.units.read += other.units.read;
        self.units.write += other.units.write;
    }

    /// Calls that came after `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let calls = self.calls.iter().map(|(name, count)| (name.clone(), count - before.of(name)));
        Self {
            calls: calls.filter(|(_, count)| *count > 0).collect(),
            retries: self.retries - before.retries,
            sent_bytes: self.sent_bytes - before.sent_bytes,
            received_bytes: self.received_bytes - before.received_bytes,
            units: Units { read: self.units.read - before.units.read, write: self.units.write - before.units.write },
        }
    }

    /// The same for one event of so many.
    #[must_use]
    pub fn per_event(&self, events: u32) -> PerEvent {
        let of_one = |sum: f64| sum / f64::from(events.max(1));
        let by_kind: BTreeMap<_, _> =
            self.calls.iter().map(|(name, count)| (name.clone(), of_one(to_f64(*count)))).collect();
        PerEvent {
            calls: by_kind.values().sum(),
            calls_by_kind: by_kind,
            sent_bytes: of_one(to_f64(self.sent_bytes)),
            received_bytes: of_one(to_f64(self.received_bytes)),
            read_units: of_one(self.units.read),
            write_units: of_one(self.units.write),
        }
    }

    /// Calls of all kinds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.calls.values().sum()
    }

    fn of(&self, name: &str) -> u64 {
        self.calls.get(name).copied().unwrap_or(0)
    }
}

/// A count as a number that can be divided; exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^53")]
#[must_use]
pub fn to_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_its_share_of_what_came_since() {
        let mut tally = Tally::default();
        let query = Counted {
            operation: "Query",
            is_refused: false,
            is_retry: false,
            sent_bytes: 100,
            received_bytes: 10,
            units: Units { read: 1.0, write: 0.0 },
        };
        tally.count(query);
        let before = tally.clone();
        for is_retry in [false, true, false, false] {
            tally.count(Counted { is_retry, ..query });
        }
        tally.count(Counted {
            operation: "PutItem",
            is_refused: true,
            is_retry: false,
            sent_bytes: 50,
            received_bytes: 30,
            units: Units { read: 0.0, write: 2.0 },
        });
        let since = tally.since(&before);
        assert_eq!(since.retries, 1);
        let one = since.per_event(2);
        assert_eq!(one.calls_by_kind, BTreeMap::from([("Query".to_owned(), 1.5), ("PutItem refused".to_owned(), 0.5)]));
        assert_eq!((one.calls, one.sent_bytes, one.received_bytes), (2.0, 175.0, 30.0));
        assert_eq!((one.read_units, one.write_units), (1.5, 1.0));
    }
}
