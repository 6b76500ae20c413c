//! Neighbours that are down for a while.

use std::time::Duration;

use orderflow_events::Time;

use crate::faults::{Faults, Kind};

/// When which neighbour refuses or loses everything.
pub struct Outages(Vec<Outage>);

struct Outage {
    /// Who cannot reach it; everybody where there is none.
    caller: Option<&'static str>,
    neighbour: &'static str,
    from: Time,
    to: Time,
    how: Kind,
}

/// Who can be down.
const NEIGHBOURS: &[(&str, &[&str])] = &[
    ("table", &["orders", "inventory", "payment", "shipping", "screening", "notification", "orders-api"]),
    ("queue", &["orders", "inventory", "payment", "shipping", "screening", "notification", "journal"]),
    ("topic", &["relay"]),
    ("provider", &["payment"]),
    ("carrier", &["shipping"]),
    ("mail", &["notification"]),
    ("sms", &["notification"]),
    ("journal", &["journal"]),
];

impl Outages {
    /// Draws those of a run that begins `now`.
    pub fn draw(faults: &Faults, now: Time) -> Self {
        let mut outages = Vec::new();
        for &(neighbour, callers) in NEIGHBOURS {
            if !faults.strikes(Kind::Outage) {
                continue;
            }
            let pick = usize::try_from(faults.below(callers.len() as u64)).unwrap_or(0);
            let seconds = match faults.below(4) {
                0 | 1 => faults.below(90),
                2 => faults.below(3 * 3_600),
                _ => faults.below(3 * 86_400),
            };
            let from = now.after(Duration::from_millis(faults.below(60_000)));
            // The relay tries all the time, so that days of it would take as long to simulate.
            let seconds = if neighbour == "topic" { seconds.min(1_200) } else { seconds };
            outages.push(Outage {
                caller: (faults.below(2) == 0).then_some(callers[pick]),
                neighbour,
                from,
                to: from.after(Duration::from_secs(seconds)),
                how: if faults.below(2) == 0 { Kind::Refused } else { Kind::Lost },
            });
        }
        Self(outages)
    }

    /// What happens now to a call of `caller` to `neighbour`, if it is down.
    pub fn now(&self, caller: &str, neighbour: &str, now: Time) -> Option<Kind> {
        let outage = self.0.iter().find(|outage| {
            outage.neighbour == neighbour
                && outage.caller.is_none_or(|only| only == caller)
                && (outage.from..outage.to).contains(&now)
        });
        outage.map(|outage| outage.how)
    }
}
