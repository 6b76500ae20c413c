//! Colours of the services.

use anstyle::{AnsiColor, Style};

/// Colours of the services, in the order in which they are first heard of. Each has one of its own while there are enough.
#[derive(Debug, Default)]
pub(crate) struct Colours {
    heard: Vec<String>,
}

impl Colours {
    const PALETTE: [AnsiColor; 6] =
        [AnsiColor::Blue, AnsiColor::Yellow, AnsiColor::Green, AnsiColor::Magenta, AnsiColor::Red, AnsiColor::Cyan];

    pub(crate) fn of(&mut self, service: &str) -> Style {
        let place = self.heard.iter().position(|heard| heard == service).unwrap_or_else(|| {
            self.heard.push(service.to_owned());
            self.heard.len() - 1
        });
        Self::PALETTE[place % Self::PALETTE.len()].on_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_service_has_a_colour_of_its_own() {
        let mut colours = Colours::default();
        let services = ["orders", "inventory", "payment", "shipping"];
        let first = services.map(|service| colours.of(service));
        assert_eq!(HashSet::from(first).len(), services.len());
        assert_eq!(services.map(|service| colours.of(service)), first);
    }
}
