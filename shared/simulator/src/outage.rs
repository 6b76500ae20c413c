//! Outages: neighbours that are down for a while.

use std::cell::RefCell;
use std::time::Duration;

use envelope::Time;

use crate::faults::{FaultKind, Faults};

/// Longest outage of the topic, in seconds: a relay tries all the time, so that days of it would take as long to
/// simulate.
const MAX_SECONDS_OF_THE_TOPIC: u64 = 1_200;

/// Outages of a run, each drawn when its neighbour is called for the first time.
#[derive(Debug, Default)]
pub(crate) struct Outages(RefCell<Vec<Neighbour>>);

#[derive(Debug)]
struct Neighbour {
    name: &'static str,
    outage: Option<Outage>,
}

#[derive(Debug)]
struct Outage {
    from: Time,
    to: Time,
    how: FaultKind,
    /// Callers that cannot reach the neighbour and callers that can, where not all are struck.
    callers: Option<Vec<(&'static str, bool)>>,
}

impl Outages {
    /// Fault of a call of `caller` to `neighbour`, if that is down for them now.
    pub(crate) fn now(
        &self,
        caller: &'static str,
        neighbour: &'static str,
        now: Time,
        faults: &Faults,
    ) -> Option<FaultKind> {
        let mut neighbours = self.0.borrow_mut();
        let index = neighbours.iter().position(|known| known.name == neighbour).unwrap_or_else(|| {
            neighbours.push(Neighbour { name: neighbour, outage: Outage::draw(neighbour, now, faults) });
            neighbours.len() - 1
        });
        let outage = neighbours[index].outage.as_mut()?;
        ((outage.from..outage.to).contains(&now) && outage.strikes(caller, faults)).then_some(outage.how)
    }
}

impl Outage {
    fn draw(neighbour: &str, now: Time, faults: &Faults) -> Option<Self> {
        if !faults.strikes(FaultKind::Outage) {
            return None;
        }
        let most = faults.pick(&[90, 90, 3 * 3_600, 3 * 86_400]);
        let most = if neighbour == "topic" { MAX_SECONDS_OF_THE_TOPIC.min(most) } else { most };
        let from = now.after(Duration::from_millis(faults.below(60_000)));
        Some(Self {
            from,
            to: from.after(Duration::from_secs(faults.below(most))),
            how: faults.pick(&[FaultKind::Refused, FaultKind::Lost]),
            callers: (faults.below(2) == 0).then(Vec::new),
        })
    }

    /// Draws whether the outage strikes that caller, once for each.
    fn strikes(&mut self, caller: &'static str, faults: &Faults) -> bool {
        let Some(callers) = &mut self.callers else { return true };
        if let Some((_, struck)) = callers.iter().find(|(known, _)| *known == caller) {
            return *struck;
        }
        let struck = faults.below(3) == 0;
        callers.push((caller, struck));
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::FaultKinds;

    #[test]
    fn a_neighbour_is_down_for_all_or_for_some_and_comes_back() {
        let begin = Time::from_millis(0);
        let (mut of_all, mut of_some) = (0, 0);
        for seed in 0..200 {
            let faults = Faults::new(seed, FaultKinds::NONE.with(FaultKind::Outage), Some(1_000), u64::MAX);
            let outages = Outages::default();
            let down = |second: u64| {
                let now = begin.after(Duration::from_secs(second));
                ["a", "b", "c"].map(|caller| outages.now(caller, "table", now, &faults)).into_iter().flatten().count()
            };
            match (0..3_600).map(down).max() {
                Some(3) => of_all += 1,
                Some(1 | 2) => of_some += 1,
                _ => {}
            }
            assert_eq!(down(4 * 86_400), 0, "seed {seed}");
        }
        assert!(of_all > 20 && of_some > 10, "{of_all} of all, {of_some} of some");
    }
}
