//! The service in memory: its story, and what its table makes of every case.

use onewrite::memory::{Bench as _, Redelivery};
use onewrite::{Decider as _, Step};

use super::devices::{Devices, Identity, NewDeviceSeen};
use super::{Service, login, said, story};

#[test]
fn the_story_is_told() {
    let expected = [
        "ada@example.com logs in with a phone                  Changed    NewDeviceSeen: phone",
        "the message comes again                               Duplicate",
        "she logs in with the phone once more                  Unchanged",
        "with a laptop, and the function dies before it writes -",
        "the message comes again                               Changed    NewDeviceSeen: laptop",
        "with a tablet, and it dies after it has written       -          NewDeviceSeen: tablet",
        "the message comes again                               Duplicate",
        "auth0|42 logs in with a phone                         Changed    NewDeviceSeen: phone",
    ];
    assert_eq!(story(), expected);
}

#[test]
fn a_new_device_is_recorded_and_told_and_a_known_one_is_not() {
    let event = login("auth0|42", "phone", 1).heard().expect("a login is heard");
    let known = |devices: &[&str]| devices.iter().map(|device| device.parse().expect("a text")).collect();
    let seen = NewDeviceSeen { user_id: event.context.subject.clone(), device: "phone".parse().expect("a text") };
    let told = Step::record(seen.device.clone()).publishing(Identity::from(seen));
    for (devices, step) in [(&[][..], told.clone()), (&["laptop"], told), (&["laptop", "phone"], Step::Nothing)] {
        assert_eq!(Devices::decide(&known(devices), &event, None), Ok(step), "known: {devices:?}");
    }
}

/// Wherever the function dies, and however late the message comes again, each device is told once.
#[test]
fn a_crash_at_any_call_loses_nothing_and_tells_nothing_twice() {
    let logins = [1, 2, 3].map(|number| login("auth0|42", ["phone", "laptop", "phone"][number as usize - 1], number));
    for crash in 0..12 {
        for redelivery in [Redelivery::AtOnce, Redelivery::BehindAllOthers] {
            let service = Service::new();
            service.deliver(&logins, &[crash], redelivery);
            let mut told: Vec<String> = service.log.published::<Identity>().iter().map(said).collect();
            told.sort();
            assert_eq!(told, ["NewDeviceSeen: laptop", "NewDeviceSeen: phone"], "a crash after {crash} pauses");
        }
    }
}
