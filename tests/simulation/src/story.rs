//! What is told of one order: who did what, when, as a diagram.

use std::cell::RefCell;
use std::fmt::Write;

use orderflow_events::{OrderId, Time};

use crate::world::Site;

/// The lanes of the diagram, from left to right, and the functions that are in each.
const LANES: &[(&str, &[&str])] = &[
    ("cust", &["customer", "operator"]),
    ("api", &["orders-api", "inventory-api"]),
    ("ord", &["orders"]),
    ("inv", &["inventory"]),
    ("pay", &["payment"]),
    ("shp", &["shipping"]),
    ("scr", &["screening"]),
    ("ntf", &["notification"]),
    ("jrn", &["journal"]),
    ("rly", &["relay"]),
];

/// What is told of an order, and of which.
#[derive(Default)]
pub struct Story {
    about: Option<String>,
    lines: RefCell<Vec<(Time, &'static str, String)>>,
}

impl Story {
    /// Tells of that order.
    #[must_use]
    pub fn about(order: &OrderId) -> Self {
        Self { about: Some(order.to_string()), ..Self::default() }
    }

    /// Whether anybody listens.
    pub fn is_told(&self) -> bool {
        self.about.is_some()
    }

    /// Tells something of the order, if it is the one.
    pub fn tell_of(&self, order: &str, site: &Site, what: impl FnOnce() -> String) {
        if self.about.as_deref() == Some(order) {
            self.lines.borrow_mut().push((site.world.executor.now(), site.name, what()));
        }
    }

    /// Tells what happens to a function, whichever orders it is at work on.
    pub fn tell(&self, site: &Site, what: impl FnOnce() -> String) {
        if self.about.is_some() {
            self.lines.borrow_mut().push((site.world.executor.now(), site.name, what()));
        }
    }

    /// The diagram: a line for each thing that happened, in the lane of who did it.
    pub fn diagram(&self) -> String {
        let lines = self.lines.borrow();
        let Some((begin, ..)) = lines.first() else { return String::new() };
        let mut text = format!("{:>14}", "time");
        for (lane, _) in LANES {
            let _ = write!(text, " {lane:^4}");
        }
        text.push('\n');
        for (at, site, what) in lines.iter() {
            let _ = write!(text, "{:>12.3} s", begin.until(*at).as_secs_f64());
            for (_, sites) in LANES {
                let _ = write!(text, " {:^4}", if sites.contains(site) { "●" } else { "·" });
            }
            let _ = writeln!(text, "  {what}");
        }
        text
    }
}
