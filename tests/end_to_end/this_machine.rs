//! The emulator on a developer's machine: pages from elsewhere, in that developer's browser, do nothing there.

use orderflow_tests::{Gap, Shop};

pub(crate) async fn pages_from_elsewhere_are_refused(shop: &Shop) {
    if shop.emulator.lacks(Gap::ForeignPages) {
        return;
    }
    for (name, value, is_refused) in [
        ("origin", "https://evil.example", true),
        ("origin", "https://localhost.evil.example", true),
        ("origin", "null", true),
        ("origin", "http://[", true),
        ("sec-fetch-site", "cross-site", true),
        ("host", "evil.example:4566", true),
        ("host", "127.0.0.1.evil.example", true),
        ("origin", "http://localhost:5173", false),
        ("origin", "http://127.0.0.1:4566", false),
        ("sec-fetch-site", "same-origin", false),
        ("sec-fetch-site", "none", false),
        ("host", "a1b2.execute-api.localhost:4566", false),
    ] {
        let answer = shop.as_a_page_would_ask(name, value).await;
        assert_eq!(answer.contains("programs and pages of this machine"), is_refused, "{name}: {value}: {answer}");
    }
}
