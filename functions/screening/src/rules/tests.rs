use orderflow_events::sample;

use super::*;

/// An order that no rule has anything against, of a total, by a person with a phone number, an address and a country.
fn order(total: (i64, &str), phone: Option<&str>, email: &str, country: &str) -> (OrderCreated, Person) {
    let (mut order, mut person) = (sample::order("ord_1"), sample::person());
    order.total = Money::new(total.0, total.1).unwrap();
    person.phone = phone.map(|phone| Text::new(phone).unwrap());
    person.email = Email::new(email).unwrap();
    person.shipping_address.country = country.parse().unwrap();
    (order, person)
}

const CHEAP: (i64, &str) = (1990, "EUR");
const DEAR: (i64, &str) = (100_000, "EUR");
const GERMAN: Option<&str> = Some("+4930123456");
const FRENCH: Option<&str> = Some("+33123456789");
const ADA: &str = "ada@example.com";
const THROWN_AWAY: &str = "ada@mailinator.com";
const ONE: (u32, u32) = (1, 1);

/// The assessment of an order, of whose customer and under whose address so many were seen.
fn assessed((order, person): &(OrderCreated, Person), (customer, email): (u32, u32)) -> Assessment {
    assess(order, Seen { customer, email, signs: signs_of(person) })
}

/// Given, when, then: the score, and the codes of the reasons.
#[track_caller]
fn check(order: &(OrderCreated, Person), seen: (u32, u32), score: u8, codes: &[&str]) {
    let assessment = assessed(order, seen);
    let found: Vec<&str> = assessment.reasons.iter().map(|reason| reason.code.as_str()).collect();
    assert_eq!((assessment.score.get(), found.as_slice()), (score, codes), "{seen:?}, {order:?}");
}

#[test]
fn an_ordinary_order_has_no_points() {
    check(&order(CHEAP, GERMAN, ADA, "DE"), ONE, 0, &[]);
    check(&order(CHEAP, None, ADA, "DE"), (0, 0), 0, &[]);
}

#[test]
fn many_orders_of_one_customer_or_one_address() {
    let (customer, email) = ("customerVelocity", "emailVelocity");
    for (by_customer, by_email, score, codes) in [
        (4, 4, 0, &[][..]),
        (5, 4, 20, &[customer]),
        (9, 1, 20, &[customer]),
        (10, 1, 40, &[customer]),
        (100, 1, 40, &[customer]),
        (1, 5, 20, &[email]),
        (1, 9, 20, &[email]),
        (4, 10, 40, &[email]),
        (5, 5, 40, &[customer, email]),
        (5, 10, 60, &[customer, email]),
        (10, 10, 80, &[customer, email]),
    ] {
        check(&order(CHEAP, GERMAN, ADA, "DE"), (by_customer, by_email), score, codes);
    }
}

#[test]
fn disposable_addresses() {
    for (email, score) in [
        ("ada@mailinator.com", 35),
        ("ADA@MAILINATOR.COM", 35),
        ("ada@x.y.mailinator.com", 35),
        ("ada@notmailinator.com", 0),
        ("ada@mailinator.com.example", 0),
        ("mailinator.com@example.com", 0),
    ] {
        let codes: &[&str] = if score > 0 { &["disposableEmail"] } else { &[] };
        check(&order(CHEAP, GERMAN, email, "DE"), ONE, score, codes);
    }
}

#[test]
fn high_amounts() {
    for (total, score) in [
        ((99_999, "EUR"), 0),
        ((100_000, "EUR"), 25),
        ((99_999_999, "EUR"), 25),
        ((100_000, "JPY"), 0),
        ((150_000, "JPY"), 25),
        ((999_999, "SEK"), 0),
        ((1_000_000, "SEK"), 25),
        ((99_999_999, "IDR"), 0),
    ] {
        let codes: &[&str] = if score > 0 { &["highAmount"] } else { &[] };
        check(&order(total, GERMAN, ADA, "DE"), ONE, score, codes);
    }
}

#[test]
fn a_phone_number_of_another_country() {
    for (phone, country, score) in [
        (FRENCH, "DE", 15),
        (GERMAN, "FR", 15),
        (Some("+1 (212) 555-0100"), "DE", 15),
        (Some("+1 (212) 555-0100"), "CA", 0),
        (Some("+49 (0)30 123456"), "DE", 0),
        (Some("+352 26 12 34"), "LU", 0),
        (Some("+35 226 1234"), "DE", 15),
        // The rule does not hold against anybody what it does not know.
        (None, "DE", 0),
        (Some("030 123456"), "DE", 0),
        (Some("0033 1 23456789"), "DE", 0),
        (Some("+"), "DE", 0),
        (FRENCH, "AQ", 0),
    ] {
        let codes: &[&str] = if score > 0 { &["addressMismatch"] } else { &[] };
        check(&order(CHEAP, phone, ADA, country), ONE, score, codes);
    }
}

#[test]
fn the_points_of_all_rules_are_summed_up_to_a_hundred() {
    let (five, ten) = ((5, 5), (10, 10));
    let all = ["customerVelocity", "emailVelocity", "disposableEmail", "highAmount", "addressMismatch"];
    for (total, phone, email, seen, score, codes) in [
        (DEAR, FRENCH, ADA, ONE, 40, &all[3..]),
        (CHEAP, FRENCH, THROWN_AWAY, ONE, 50, &[all[2], all[4]]),
        (CHEAP, FRENCH, ADA, five, 55, &[all[0], all[1], all[4]]),
        (DEAR, GERMAN, THROWN_AWAY, ONE, 60, &all[2..4]),
        (DEAR, GERMAN, ADA, five, 65, &[all[0], all[1], all[3]]),
        (DEAR, FRENCH, THROWN_AWAY, ONE, 75, &all[2..]),
        (DEAR, GERMAN, THROWN_AWAY, five, 100, &all[..4]),
        (DEAR, FRENCH, THROWN_AWAY, ten, 100, &all),
    ] {
        let order = order(total, phone, email, "DE");
        check(&order, seen, score, codes);
        assert_eq!(assessed(&order, seen).is_suspicious(), score >= 60, "{score}");
    }
}

#[test]
fn a_reason_says_what_was_seen_and_not_of_whom() {
    let order = order(DEAR, FRENCH, "ada@lovelace.mailinator.com", "DE");
    let details: Vec<String> =
        assessed(&order, (12, 7)).reasons.iter().map(|reason| reason.detail.to_string()).collect();
    assert_eq!(
        details,
        [
            "12 orders of this customer within 60 minutes",
            "7 orders under this email address within 60 minutes",
            "mailinator.com gives email addresses to anybody, for minutes",
            "1000.00 EUR is 1000.00 EUR or more",
            "the phone number is of another country than the shipping address",
        ]
    );
}

#[test]
fn the_lists_are_well_formed() {
    assert!(DISPOSABLE_DOMAINS.is_sorted());
    assert!(DISPOSABLE_DOMAINS.iter().all(|domain| *domain == domain.to_ascii_lowercase()));
    for (currency, least) in HIGH_AMOUNTS {
        assert!(Money::new(least, currency).is_ok(), "{currency}");
    }
    let entries: Vec<&str> = CALLING_CODES.split_whitespace().collect();
    assert!(entries.is_sorted());
    for entry in entries {
        let (country, code) = entry.split_at(2);
        assert!(country.bytes().all(|byte| byte.is_ascii_uppercase()), "{entry}");
        assert!((1..=3).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit()), "{entry}");
        assert_eq!(calling_code(country), Some(code), "{country} is there twice");
    }
}
