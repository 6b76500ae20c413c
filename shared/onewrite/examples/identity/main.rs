//! Identity: an application of its own on the toolkit, which tells users of each device that is new.
//!
//! `devices.rs` is all of the service, and `function.rs` its function on AWS. This program runs it in memory, and tells what
//! becomes of some logins: `cargo run --example identity`.

pub mod devices;
#[cfg(test)]
mod tests;

use devices::{Devices, Identity};
use onewrite::memory::{Bench, MemoryLog, Pace, Paced, VirtualTime};
use onewrite::{Delivery, Event, Handle as _, Handled, Ledger, NoEffects, Process, Result};
use serde_json::json;

fn main() {
    for line in story() {
        println!("{line}");
    }
}

/// The service, its table in memory, and time that stands still.
struct Service {
    log: MemoryLog,
    time: VirtualTime,
}

impl Service {
    fn new() -> Self {
        Self { log: MemoryLog::default(), time: VirtualTime::new(1) }
    }
}

impl Bench for Service {
    type Contract = Identity;

    fn log(&self) -> &MemoryLog {
        &self.log
    }

    async fn attempt(&self, event: &Event<Identity>, pace: &Pace) -> Result<Handled> {
        let ledger = Ledger::new(Paced { port: &self.log, pace }, &self.time);
        let process = Process::<Devices, _, _, _>::new(ledger, NoEffects);
        process.handle(event, &Delivery { text: "", deadline: event.context.time }).await
    }
}

/// A login as a web site publishes it, whose ids are its own.
fn login(user: &str, device: &str, number: u32) -> Event<Identity> {
    let event = json!({
        "specversion": "1.0", "type": "UserLoggedIn", "source": "https://login.example", "id": format!("login {number}"),
        "subject": user, "time": "2026-11-22T10:00:00+01:00", "data": { "userId": user, "device": device },
    });
    Event::from_value(&event).unwrap_or_else(|fault| panic!("{fault}"))
}

/// A line for each thing that happens to a login: its cause, its result, and the events that were published by then.
fn story() -> Vec<String> {
    let (service, mut lines) = (Service::new(), Vec::new());
    let mut told = 0;
    let mut tell = |happens: &str, result: String| {
        let published = service.log.published::<Identity>();
        let new: Vec<String> = published[told..].iter().map(said).collect();
        told = published.len();
        lines.push(format!("{happens:<53} {result:<10} {}", new.join(", ")).trim_end().to_owned());
    };
    let handle = |login: &Event<Identity>| match service.handle(login) {
        Ok(handled) => format!("{handled:?}"),
        Err(kind) => format!("{kind:?}"),
    };

    let phone = login("ada@example.com", "phone", 1);
    tell("ada@example.com logs in with a phone", handle(&phone));
    tell("the message comes again", handle(&phone));
    tell("she logs in with the phone once more", handle(&login("ada@example.com", "phone", 2)));

    let laptop = login("ada@example.com", "laptop", 3);
    service.crash(&laptop, "before append");
    tell("with a laptop, and the function dies before it writes", "-".to_owned());
    tell("the message comes again", handle(&laptop));

    let tablet = login("ada@example.com", "tablet", 4);
    service.crash(&tablet, "after append");
    tell("with a tablet, and it dies after it has written", "-".to_owned());
    tell("the message comes again", handle(&tablet));

    tell("auth0|42 logs in with a phone", handle(&login("auth0|42", "phone", 5)));
    lines
}

fn said(event: &Event<Identity>) -> String {
    match &event.data {
        Identity::UserLoggedIn(login) => format!("{}: {}", event.event_type(), login.device),
        Identity::NewDeviceSeen(seen) => format!("{}: {}", event.event_type(), seen.device),
    }
}
