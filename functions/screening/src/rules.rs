//! The rules: what is suspicious about an order, and how much.
//!
//! Each rule that fires is a reason of the flag. Their points are summed up to 100, and an order of [`THRESHOLD`] points
//! or more is flagged.
//!
//! | code | fires when | points |
//! |---|---|---|
//! | `customerVelocity` | 5 orders of the customer, this one included, within an hour before or after it | 20 |
//! | | 10 of them | 40 |
//! | `emailVelocity` | 5 orders under the email address, likewise | 20 |
//! | | 10 of them | 40 |
//! | `disposableEmail` | the email address is of a service that gives one to anybody for minutes | 35 |
//! | `highAmount` | the total is about 1,000 euros or more | 25 |
//! | `addressMismatch` | the country of the phone number is not that of the shipping address | 15 |
//!
//! No single fact flags an order, and the weak ones together do not either. What does: ten orders of one customer under
//! one address (80), or five and something dear (65); a disposable address and something dear (60).
//!
//! An order has no billing address, so the only mismatch that can be seen is that of its phone number. It says little,
//! for people move and send gifts, and has the fewest points. The rules are silent about what they do not know: a number
//! that does not begin with `+`, a country whose people have several codes, a currency without an amount below, a customer
//! who is erased.
//! No reason has a personal datum in it.

use std::time::Duration;

use orderflow_events::{Email, FlagReason, Money, OrderCreated, Person, Score, Text};

/// The score from which an order is flagged: two strong signs, or three.
pub(crate) const THRESHOLD: u8 = 60;

/// Time between two orders that have nothing to do with each other. Who tries stolen cards does so within minutes,
/// before the first of them is reported; an hour also covers one who pauses.
pub(crate) const WINDOW: Duration = Duration::from_hours(1);

/// Numbers of orders within [`WINDOW`] and their points, the most first. Few people order five times in an hour, and
/// hardly anybody ten times. Both rules fire for one person under one address, so each has half of what that deserves.
const VELOCITY: [(u32, u32); 2] = [(10, 40), (5, 20)];

const DISPOSABLE_POINTS: u32 = 35;
const HIGH_AMOUNT_POINTS: u32 = 25;
const MISMATCH_POINTS: u32 = 15;

/// High amounts, in minor units: about 1,000 euros, rounded, for there is no rate of exchange here. Such an amount is
/// what makes a stolen card worth the trouble, and more than most baskets.
const HIGH_AMOUNTS: [(&str, i64); 12] = [
    ("EUR", 100_000),
    ("USD", 100_000),
    ("GBP", 100_000),
    ("CHF", 100_000),
    ("AUD", 150_000),
    ("CAD", 150_000),
    ("CZK", 2_500_000),
    ("DKK", 750_000),
    ("JPY", 150_000),
    ("NOK", 1_000_000),
    ("PLN", 400_000),
    ("SEK", 1_000_000),
];

/// The best known services for disposable addresses; their subdomains count, too. The list is never complete: some
/// services take a new domain every week, which is why an address that is not on it is no better for that.
const DISPOSABLE_DOMAINS: [&str; 26] = [
    "10minutemail.com",
    "1secmail.com",
    "discard.email",
    "dispostable.com",
    "dropmail.me",
    "emailondeck.com",
    "fakeinbox.com",
    "getnada.com",
    "grr.la",
    "guerrillamail.com",
    "guerrillamail.net",
    "guerrillamail.org",
    "mailcatch.com",
    "maildrop.cc",
    "mailinator.com",
    "mailnesia.com",
    "mintemail.com",
    "moakt.com",
    "mohmal.com",
    "sharklasers.com",
    "spamgourmet.com",
    "temp-mail.org",
    "tempr.email",
    "throwawaymail.com",
    "trashmail.com",
    "yopmail.com",
];

/// The calling code (ITU-T E.164) of each country (ISO 3166): two letters and the digits. Only countries whose people
/// have one code are here.
const CALLING_CODES: &str = "\
    AD376 AE971 AF93 AL355 AM374 AO244 AR54 AT43 AU61 AZ994 BA387 BB1 BD880 BE32 BG359 BH973 BM1 BN673 BO591 BR55 BS1 \
    BT975 BW267 BY375 BZ501 CA1 CH41 CI225 CL56 CM237 CN86 CO57 CR506 CY357 CZ420 DE49 DK45 DO1 DZ213 EC593 EE372 EG20 \
    ES34 ET251 FI358 FJ679 FO298 FR33 GB44 GE995 GG44 GH233 GR30 GT502 GY592 HK852 HN504 HR385 HT509 HU36 ID62 IE353 \
    IL972 IM44 IN91 IQ964 IR98 IS354 IT39 JE44 JM1 JO962 JP81 KE254 KG996 KH855 KR82 KW965 KZ7 LA856 LB961 LK94 LT370 \
    LU352 LV371 LY218 MA212 MC377 MD373 ME382 MG261 MK389 MM95 MN976 MO853 MT356 MU230 MV960 MX52 MY60 MZ258 NA264 \
    NG234 NI505 NL31 NO47 NP977 NZ64 OM968 PA507 PE51 PH63 PK92 PL48 PR1 PT351 PY595 QA974 RO40 RS381 RU7 RW250 SA966 \
    SE46 SG65 SI386 SK421 SN221 SR597 SV503 SY963 TH66 TJ992 TM993 TN216 TR90 TT1 TW886 TZ255 UA380 UG256 US1 UY598 \
    UZ998 VE58 VN84 YE967 ZA27 ZM260 ZW263";

/// Number of orders that were seen within [`WINDOW`], this one included, and what is suspicious about who ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Of the customer.
    pub customer: u32,
    /// Under the email address.
    pub email: u32,
    /// Signs that the person bears.
    pub signs: Signs,
}

/// Suspicious signs of a person: nothing else is told of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// Service that has given the email address to them for minutes, as it does to anybody.
    pub disposable_service: Option<&'static str>,
    /// True if their phone number is of another country than their address.
    pub is_phone_abroad: bool,
}

/// Assessment of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assessment {
    /// Fraud score of the order.
    pub score: Score,
    /// Every rule that fired, in the order of the table above.
    pub reasons: Vec<FlagReason>,
}

impl Assessment {
    /// Tells that the order is to be flagged.
    #[must_use]
    pub(crate) fn is_suspicious(&self) -> bool {
        self.score.get() >= THRESHOLD
    }
}

/// Looks at an order.
#[must_use]
pub(crate) fn assess(order: &OrderCreated, seen: Seen) -> Assessment {
    let findings = [
        velocity("customerVelocity", "of this customer", seen.customer),
        velocity("emailVelocity", "under this email address", seen.email),
        disposable_email(seen.signs),
        high_amount(order.total),
        address_mismatch(seen.signs),
    ];
    let (mut points, mut reasons) = (0, Vec::new());
    for finding in findings.into_iter().flatten() {
        points += finding.points;
        reasons.push(FlagReason { code: Text::shortened(finding.code), detail: Text::shortened(&finding.detail) });
    }
    Assessment { score: Score::of_points(points), reasons }
}

/// Looks at a person.
#[must_use]
pub(crate) fn signs_of(person: &Person) -> Signs {
    Signs { disposable_service: disposable_service(&person.email), is_phone_abroad: is_phone_abroad(person) }
}

/// A rule that fired.
struct Finding {
    points: u32,
    code: &'static str,
    detail: String,
}

fn velocity(code: &'static str, whose: &str, orders: u32) -> Option<Finding> {
    let (_, points) = VELOCITY.into_iter().find(|(least, _)| orders >= *least)?;
    let minutes = WINDOW.as_secs() / 60;
    Some(Finding { points, code, detail: format!("{orders} orders {whose} within {minutes} minutes") })
}

/// The service of a disposable address, by its name on the list: the customer's own domain is not told.
fn disposable_service(email: &Email) -> Option<&'static str> {
    let address = email.to_ascii();
    let (_, domain) = address.rsplit_once('@')?;
    let is_of =
        |service: &&str| domain.strip_suffix(*service).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    DISPOSABLE_DOMAINS.into_iter().find(is_of)
}

fn disposable_email(signs: Signs) -> Option<Finding> {
    let service = signs.disposable_service?;
    let detail = format!("{service} gives email addresses to anybody, for minutes");
    Some(Finding { points: DISPOSABLE_POINTS, code: "disposableEmail", detail })
}

fn high_amount(total: Money) -> Option<Finding> {
    let (currency, least) = HIGH_AMOUNTS.into_iter().find(|(currency, _)| *currency == total.currency())?;
    let limit = Money::new(least, currency).ok().filter(|_| total.amount() >= least)?;
    Some(Finding { points: HIGH_AMOUNT_POINTS, code: "highAmount", detail: format!("{total} is {limit} or more") })
}

fn is_phone_abroad(person: &Person) -> bool {
    let phone = person.phone.as_ref().and_then(|phone| phone.as_str().strip_prefix('+')).unwrap_or_default();
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    let expected = calling_code(person.shipping_address.country.as_str());
    expected.is_some_and(|expected| !digits.is_empty() && !digits.starts_with(expected))
}

fn address_mismatch(signs: Signs) -> Option<Finding> {
    if !signs.is_phone_abroad {
        return None;
    }
    let detail = "the phone number is of another country than the shipping address".to_owned();
    Some(Finding { points: MISMATCH_POINTS, code: "addressMismatch", detail })
}

fn calling_code(country: &str) -> Option<&'static str> {
    CALLING_CODES.split_whitespace().find_map(|entry| entry.strip_prefix(country))
}

#[cfg(test)]
mod tests;
