//! Files of the services: one name for one purpose, in all of them.

use crate::repository::Repository;
use crate::{assert_none, assert_one};

/// Files that any service may have, from its `src`; each may have a `tests.rs` under it.
const FILES: [&str; 10] = [
    "lib.rs",
    "api.rs",
    "aws.rs",
    "domain.rs",
    "effects.rs",
    "memory.rs",
    "port.rs",
    "settings.rs",
    "simulated.rs",
    "tests.rs",
];

/// Files that one service has besides.
const BESIDES: [(&str, &str); 91] = [
    ("analytics", "board.rs"),
    ("analytics", "counts.rs"),
    ("analytics", "tally.rs"),
    ("inventory", "api/returns.rs"),
    ("journal", "entry.rs"),
    ("journal", "handler.rs"),
    ("live", "board.rs"),
    ("live", "feed.rs"),
    ("live", "protocol.rs"),
    ("live", "push.rs"),
    ("live", "routes.rs"),
    ("live", "schema.rs"),
    ("live", "schema/objects.rs"),
    ("live", "tests/pasts.rs"),
    ("live", "tests/rights.rs"),
    ("notices", "wording.rs"),
    ("notification", "fixture.rs"),
    ("notification", "pacing.rs"),
    ("notification", "phone.rs"),
    ("notification", "recipient.rs"),
    ("notification", "wording.rs"),
    ("operations", "api/jobs.rs"),
    ("operations", "api/orders.rs"),
    ("operations", "api/requests.rs"),
    ("operations", "api/tests/floods.rs"),
    ("operations", "api/walk.rs"),
    ("operations", "archive.rs"),
    ("operations", "attempt.rs"),
    ("operations", "aws/items.rs"),
    ("operations", "aws/stack.rs"),
    ("operations", "aws/tables.rs"),
    ("operations", "collector.rs"),
    ("operations", "console.rs"),
    ("operations", "gauges.rs"),
    ("operations", "jobs.rs"),
    ("operations", "jobs/change.rs"),
    ("operations", "jobs/inquiry.rs"),
    ("operations", "jobs/job.rs"),
    ("operations", "jobs/reconciler.rs"),
    ("operations", "jobs/reconciliation.rs"),
    ("operations", "jobs/redrive.rs"),
    ("operations", "jobs/redrives.rs"),
    ("operations", "jobs/replay.rs"),
    ("operations", "jobs/replays.rs"),
    ("operations", "message.rs"),
    ("operations", "pages.rs"),
    ("operations", "persons.rs"),
    ("operations", "reason.rs"),
    ("operations", "sealing.rs"),
    ("operations", "selection.rs"),
    ("operations", "service.rs"),
    ("operations", "tests/gauges.rs"),
    ("operations", "tests/jobs.rs"),
    ("operations", "tests/persons.rs"),
    ("operations", "tests/redrives.rs"),
    ("operations", "view.rs"),
    ("orders", "api/customers.rs"),
    ("orders", "api/pages.rs"),
    ("orders", "api/prices.rs"),
    ("orders", "api/tests/customers.rs"),
    ("orders", "api/tests/guests.rs"),
    ("orders", "api/tests/pages.rs"),
    ("orders", "api/tests/persons.rs"),
    ("orders", "api/tests/prices.rs"),
    ("orders", "api/withdrawals.rs"),
    ("orders", "domain/erasure.rs"),
    ("orders", "domain/withdrawal.rs"),
    ("orders", "guests.rs"),
    ("orders", "intake.rs"),
    ("orders", "open.rs"),
    ("orders", "order_page.rs"),
    ("orders", "order_page/texts.rs"),
    ("orders", "orphans.rs"),
    ("orders", "page.rs"),
    ("orders", "page/accept.rs"),
    ("orders", "page/texts.rs"),
    ("orders", "pricing.rs"),
    ("orders", "view.rs"),
    ("orders", "withdrawal_page.rs"),
    ("orders", "withdrawal_page/texts.rs"),
    ("payment", "limit.rs"),
    ("screening", "fingerprint.rs"),
    ("screening", "rules.rs"),
    ("webhooks", "dispatch.rs"),
    ("webhooks", "feed.rs"),
    ("webhooks", "outage.rs"),
    ("webhooks", "record.rs"),
    ("webhooks", "send.rs"),
    ("webhooks", "tests/api.rs"),
    ("webhooks", "view.rs"),
    ("webhooks", "wording.rs"),
];

/// Files of services with other names than those of the other services.
fn oddly_named(repository: &Repository) -> Vec<String> {
    let odd = |(path, _): (&str, &str)| {
        let (service, file) = path.strip_prefix("functions/")?.split_once("/src/")?;
        let tested = file.strip_suffix("/tests.rs").map(|of| format!("{of}.rs"));
        let file = tested.as_deref().unwrap_or(file);
        let is_known = FILES.contains(&file) || BESIDES.contains(&(service, file)) || file.starts_with("bin/");
        (!is_known).then(|| format!("{path}: a service has {}, or it is declared in tests/tidy", FILES.join(", ")))
    };
    repository.ending(".rs").filter_map(odd).collect()
}

/// Declared files that are not there.
fn gone(repository: &Repository) -> Vec<String> {
    let path = |(service, file)| format!("functions/{service}/src/{file}");
    BESIDES.into_iter().map(path).filter(|path| !repository.has(path)).map(|path| format!("{path} is gone")).collect()
}

#[test]
fn all_services_are_furnished_alike() {
    assert_none(&oddly_named(Repository::this()));
    assert_none(&gone(Repository::this()));
}

#[test]
fn an_odd_file_is_found() {
    let of = |path| oddly_named(&Repository::of(&[(path, "")]));
    for path in
        ["functions/a/src/domain/tests.rs", "functions/a/src/bin/b.rs", "functions/a/src/b.json", "tests/src/a.rs"]
    {
        assert_none(&of(path));
    }
    assert_one(&of("functions/a/src/hands.rs"), "hands.rs");
    assert_one(&of("functions/a/src/view.rs"), "view.rs");
    assert_one(&of("functions/a/src/hands/tests.rs"), "hands/tests.rs");
    assert_one(&of("functions/a/src/aws/store.rs"), "store.rs");
}
