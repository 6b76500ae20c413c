//! The identity service in virtual time, with everything going wrong.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use identity::{Devices, Identity};
use onewrite::envelope::Event;
use serde_json::json;
use simulator::{
    Append, FaultKind, FaultKinds, Observer, Plan, Report, Rest, Safeguard, Shrunk, Stack, Trace, Violation, search,
    simulate,
};

/// Logins of each user, and devices that they have.
const LOGINS: u64 = 6;
const DEVICES: u64 = 3;

/// Number of users of a run.
const USERS: u64 = 25;

/// A user and one of their devices.
type Device = (String, String);

/// Devices that have been used, and those that users were told of.
#[derive(Default)]
struct Told {
    used: RefCell<BTreeSet<Device>>,
    /// By device, the id of the event that tells of it.
    told: RefCell<BTreeMap<Device, String>>,
}

impl Told {
    /// Notes an event that tells of a device: one that was used, and that no other event tells of.
    fn note(&self, text: &str) -> Result<(), Violation> {
        let event = Event::<Identity>::decode(text).map_err(|error| Violation::new(error.to_string()))?;
        let Identity::NewDeviceSeen(seen) = event.data else { return Ok(()) };
        let (user, device) = (seen.user_id.to_string(), (seen.user_id.to_string(), seen.device.to_string()));
        if !self.used.borrow().contains(&device) {
            return Err(Violation::of(&user, "a user was told of a device that nobody has used"));
        }
        let id = event.context.id.to_string();
        if *self.told.borrow_mut().entry(device).or_insert_with(|| id.clone()) != id {
            return Err(Violation::of(&user, "a user was told of a known device"));
        }
        Ok(())
    }
}

impl Observer for Told {
    fn appended(&self, appends: &[Append<'_>]) -> Result<(), Violation> {
        appends.iter().flat_map(|append| &append.addition.row.events).try_for_each(|text| self.note(text))
    }

    fn published(&self, _: &str, message: &str) -> Result<(), Violation> {
        // Of what nobody can read the simulator takes care.
        if message.contains("NewDeviceSeen") { self.note(message) } else { Ok(()) }
    }

    fn at_rest(&self, rest: &Rest<'_>) -> Result<(), Violation> {
        let (used, told) = (self.used.borrow(), self.told.borrow());
        if let Some((user, device)) = used.iter().find(|device| !told.contains_key(*device)) {
            return Err(Violation::of(user, format!("a user was never told of the device {device}")));
        }
        let rows = rest.tables["devices"].len();
        if rows == used.len() { Ok(()) } else { Err(Violation::new(format!("{rows} rows for {} devices", used.len()))) }
    }
}

/// A login, at one web site or another, each with ids of its own.
fn login(user: u64, number: u64) -> Event<Identity> {
    let user = if user.is_multiple_of(2) { format!("auth0|{user}") } else { format!("user-{user}@example.com") };
    let event = json!({
        "specversion": "1.0", "type": "UserLoggedIn", "source": format!("https://login-{}.example", number % 2),
        "id": format!("{user}, login {}", number / 2), "subject": user, "time": "2026-11-22T10:00:00+01:00",
        "data": { "userId": user, "device": format!("device {}", number * number % DEVICES) },
    });
    Event::from_value(&event).unwrap_or_else(|fault| panic!("{fault}"))
}

fn identity(plan: &Plan, trace: Trace) -> Report {
    let told = Rc::<Told>::default();
    simulate(plan, trace, Rc::clone(&told) as _, |run| {
        let stack = Stack::builder(run).service::<Devices>("devices").start();
        for user in 0..plan.subjects {
            for number in 0..LOGINS {
                let login = login(user, number);
                if let Identity::UserLoggedIn(data) = &login.data {
                    told.used.borrow_mut().insert((data.user_id.to_string(), data.device.to_string()));
                }
                stack.publish_after(user * 20 + number * 7, &login);
            }
        }
        stack
    })
}

#[test]
fn every_new_device_is_told_once_whatever_goes_wrong() {
    let report = search(&Plan::new(1, USERS), 24, identity).unwrap_or_else(|shrunk| panic!("{shrunk}"));
    // It has no transactions that could collide.
    for kind in FaultKind::ALL.iter().filter(|kind| !matches!(kind, FaultKind::Conflict)) {
        assert!(report.faults[*kind as usize] > 0, "{kind} never happened");
    }
    assert!(report.retries > 0 && report.letters > 0 && report.redrives > 0);
}

#[test]
fn without_a_safeguard_a_user_is_told_twice_or_never() {
    let kinds = FaultKinds::ALL.without(FaultKind::Poison);
    for (safeguard, what) in [
        (Safeguard::COMMIT_CONDITION, "told of a known device"),
        (Safeguard::ITEM_FAILURES, "never told of the device"),
    ] {
        let plan = Plan { kinds, without: Some(safeguard), ..Plan::new(1, USERS) };
        let Shrunk { violation, plan, .. } = *search(&plan, 100, identity).expect_err("an invariant that breaks");
        assert!(violation.what.contains(what), "without {}: {}", safeguard.what, violation.what);
        assert!(plan.subjects < USERS, "{plan:?}");
    }
}
