//! Clearance of flagged orders over HTTP.

use orderflow_screening::ScreeningApi;

onewrite::http_main!(|environment, aws| {
    let (ledger, access) = (aws.ledger(environment), aws.access(environment));
    Some(ScreeningApi::new(ledger?, access?))
});
