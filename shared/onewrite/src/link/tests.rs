use futures::executor::block_on;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::memory::MemoryLinkKeys;

/// The time of all tests, in seconds since 1970.
const NOW: i64 = 1_767_225_600;

const DAY: Duration = Duration::from_hours(24);

fn at(second: i64) -> Time {
    Time::from_millis((NOW + second) * 1_000)
}

fn link() -> Link {
    Link { issued_at: at(0), expires_at: at(86_400) }
}

fn keys(current: u8, previous: Option<u8>) -> LinkKeys {
    LinkKeys::new(&[current; 32], previous.map(|previous| [previous; 32]).as_ref().map(<[u8; 32]>::as_slice)).unwrap()
}

#[test]
fn a_link_counts_for_its_subject_under_both_keys() {
    let text = keys(1, None).sign("ord_1", link());
    for (keys, subject, verified) in [
        (keys(1, None), "ord_1", Ok(link())),
        (keys(2, Some(1)), "ord_1", Ok(link())),
        (keys(3, Some(2)), "ord_1", Err(LinkRefusal::UnknownKey)),
        (keys(1, None), "ord_2", Err(LinkRefusal::Signature)),
        (keys(1, None), "ord_10", Err(LinkRefusal::Signature)),
        (keys(1, None), "", Err(LinkRefusal::Signature)),
    ] {
        assert_eq!(keys.verify(&text, subject), verified, "{subject}");
    }
    assert_eq!([link().has_expired(at(86_399)), link().has_expired(at(86_400))], [false, true]);
}

#[test]
fn the_text_of_a_link_never_changes() {
    // Texts are in mails that were sent long ago: this one may never change.
    let text = "1.yr9YIILb.1767225600000.1767312000000.9_KybnIW5vq6Ee2u_SczFJFiAAa-ov2s0GA0TIOe2U0";
    assert_eq!(keys(1, None).sign("ord_1", link()), text);
    assert!(text.len() <= MAX_BYTES && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)));
}

#[test]
fn what_has_not_the_form_of_a_link_is_none() {
    let text = keys(1, None).sign("ord_1", link());
    let fields: Vec<&str> = text.split('.').collect();
    let [version, id, issued, expires, signature] = fields.try_into().unwrap();
    for (text, refusal) in [
        (String::new(), LinkRefusal::Malformed),
        (".".repeat(4), LinkRefusal::Malformed),
        ("1".repeat(MAX_BYTES + 1), LinkRefusal::Malformed),
        (format!("{text}{}", "A".repeat(64)), LinkRefusal::Malformed),
        (format!("2.{id}.{issued}.{expires}.{signature}"), LinkRefusal::Malformed),
        (format!("{version}.{id}.x.{expires}.{signature}"), LinkRefusal::Malformed),
        (format!("{version}.{id}.{issued}.{signature}"), LinkRefusal::Malformed),
        (format!("{version}.{id}.{issued}.{expires}.{signature}="), LinkRefusal::Malformed),
        (format!("{version}.AAAAAAAA.{issued}.{expires}.{signature}"), LinkRefusal::UnknownKey),
        // The same times in other words, and the one for the other.
        (format!("{version}.{id}.+{issued}.{expires}.{signature}"), LinkRefusal::Signature),
        (format!("{version}.{id}.0{issued}.{expires}.{signature}"), LinkRefusal::Signature),
        (format!("{version}.{id}.{expires}.{issued}.{signature}"), LinkRefusal::Signature),
        (format!("{version}.{id}.{issued}.{}.{signature}", i64::MAX), LinkRefusal::Signature),
        (format!("{version}.{id}.{issued}.{expires}.{}", &signature[..20]), LinkRefusal::Signature),
        (format!("{version}.{id}.{issued}.{expires}."), LinkRefusal::Signature),
    ] {
        assert_eq!(keys(1, None).verify(&text, "ord_1"), Err(refusal), "{text}");
    }
}

#[test]
fn a_key_is_long_enough_and_is_not_shown() {
    let [short, long] = [[7; MIN_KEY_BYTES - 1].as_slice(), &[7; MIN_KEY_BYTES]];
    for (current, previous) in [(short, None), (b"".as_slice(), None), (long, Some(short))] {
        let refused = LinkKeys::new(current, previous).unwrap_err();
        assert_eq!(refused.kind(), FailureKind::Misconfigured);
    }
    let shown = format!("{:?}", LinkKeys::new(b"0123456789abcdef0123456789abcdef", None).unwrap());
    assert!(!shown.contains("0123456789abcdef") && !shown.contains("48, 49, 50"), "{shown}");
}

proptest! {
    #[test]
    fn whatever_is_signed_is_verified(
        current in any::<[u8; 32]>(), previous in any::<[u8; 32]>(), subject in "[A-Za-z0-9_.-]{1,64}",
        issued in 0..4_102_444_800_000_i64, lifetime in 0..4_102_444_800_000_i64,
    ) {
        let link = Link { issued_at: Time::from_millis(issued), expires_at: Time::from_millis(issued + lifetime) };
        for old in [LinkKeys::new(&current, None).unwrap(), LinkKeys::new(&current, Some(&previous)).unwrap()] {
            let text = old.sign(&subject, link);
            for keys in [&old, &LinkKeys::new(&previous, Some(&current)).unwrap()] {
                prop_assert_eq!(keys.verify(&text, &subject), Ok(link));
            }
        }
    }

    #[test]
    fn a_link_with_another_bit_is_refused(place in any::<Index>(), bit in 0..8_u8) {
        let keys = keys(1, Some(2));
        let mut bytes = keys.sign("ord_1", link()).into_bytes();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        prop_assert!(keys.verify(&String::from_utf8_lossy(&bytes), "ord_1").is_err());
    }

    #[test]
    fn whatever_is_no_link_is_refused(text in ".{0,100}", subject in ".{0,70}") {
        prop_assert!(keys(1, Some(2)).verify(&text, &subject).is_err());
    }

    #[test]
    fn a_link_of_other_keys_is_refused(other in any::<[u8; 32]>(), subject in "[A-Za-z0-9_-]{1,64}") {
        prop_assume!(other != [1; 32]);
        let text = LinkKeys::new(&other, None).unwrap().sign(&subject, link());
        prop_assert_eq!(keys(1, None).verify(&text, &subject), Err(LinkRefusal::UnknownKey));
    }
}

/// Links of keys that can be rotated.
fn links(keys: &MemoryLinkKeys) -> Links<&MemoryLinkKeys> {
    Links::new(keys, DAY)
}

fn issued(links: &Links<&MemoryLinkKeys>, second: i64) -> String {
    block_on(links.signer(at(second))).unwrap().sign("ord_1", at(second))
}

fn verified(links: &Links<&MemoryLinkKeys>, text: &str, second: i64) -> Result<std::result::Result<Link, LinkRefusal>> {
    block_on(links.verify(text, "ord_1", at(second)))
}

#[test]
fn keys_are_fetched_on_first_need_and_kept_for_five_minutes() {
    let keys = MemoryLinkKeys::new("a");
    let links = links(&keys);
    assert_eq!(keys.fetches(), 0);
    let text = issued(&links, 0);
    assert_eq!(verified(&links, &text, 299), Ok(Ok(link())));
    assert_eq!(keys.fetches(), 1);
    assert_eq!(verified(&links, &text, 300), Ok(Ok(link())));
    assert_eq!(keys.fetches(), 2);
}

#[test]
fn a_link_outlives_one_rotation_and_not_two() {
    let keys = MemoryLinkKeys::new("a");
    let (here, there) = (links(&keys), links(&keys));
    let first = issued(&here, 0);
    keys.rotate();
    let second = issued(&there, 1);
    assert_eq!(verified(&here, &first, 2), Ok(Ok(link())), "here nobody knows of the rotation");
    assert!(verified(&here, &second, 3).unwrap().is_ok(), "by its link everybody does");
    assert_eq!(verified(&here, &first, 4), Ok(Ok(link())));
    keys.rotate();
    let third = issued(&links(&keys), 5);
    for text in [&third, &second] {
        assert!(verified(&here, text, 6).unwrap().is_ok());
    }
    assert_eq!(verified(&here, &first, 7), Ok(Err(LinkRefusal::UnknownKey)));
    assert_eq!(verified(&there, &first, 302), Ok(Err(LinkRefusal::UnknownKey)), "after five minutes at the latest");
}

#[test]
fn keys_that_cannot_be_fetched_count_for_an_hour() {
    let keys = MemoryLinkKeys::new("a");
    keys.set_down(true);
    let links = links(&keys);
    assert!(block_on(links.signer(at(0))).is_err());
    keys.set_down(false);
    let text = issued(&links, 1);
    keys.set_down(true);
    let before = keys.fetches();
    for second in [301, 360, 361, 3_599] {
        assert!(verified(&links, &text, second).unwrap().is_ok(), "{second}");
    }
    assert_eq!(keys.fetches() - before, 3, "once a minute at the most");
    assert!(verified(&links, &text, 3_601).is_err());
}

#[test]
fn invented_keys_do_not_have_the_secret_asked_for_without_end() {
    let (keys, invented) = (MemoryLinkKeys::new("a"), MemoryLinkKeys::new("b"));
    let (here, text) = (links(&keys), issued(&links(&invented), 0));
    let genuine = issued(&here, 0);
    for _ in 0..10 {
        assert_eq!(verified(&here, &text, 1), Ok(Err(LinkRefusal::UnknownKey)));
    }
    assert!(verified(&here, &text, 2).is_err(), "nobody can tell");
    assert_eq!(keys.fetches(), 11);
    assert!(verified(&here, &genuine, 3).unwrap().is_ok(), "others do not notice");
    assert_eq!(verified(&here, "nonsense", 3), Ok(Err(LinkRefusal::Malformed)), "nor does what is no link ask");
    assert_eq!(verified(&here, &text, 61), Ok(Err(LinkRefusal::UnknownKey)));
}
