//! Clock of the orders: counts each minute those that are open and those that are late, names the oldest, and ends those that are
//! not paid for too long, and those whose customer is erased.

use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use onewrite::aws::{DynamoKeys, System, run};
use onewrite::config::Environment;
use onewrite::port::Clock;
use onewrite::{Sweep, telemetry};
use orderflow_orders::{Endings, Order, Orders, PaymentDue, tell};
use serde_json::Value;

onewrite::main!(async |aws| {
    let sweep = Environment::of_process().read(|environment| {
        let (ledger, index) = (aws.ledger(environment), aws.open_subjects(environment));
        let late_after = environment.number("LATE_AFTER_SECONDS", 60..=43_200);
        let due = environment.number("PAYMENT_DUE_HOURS", 1..=8_760);
        let keys = environment.text("KEY_TABLE_NAME");
        let sweep = Sweep::new(ledger?, index?, Duration::from_secs(late_after?.into()));
        Some((sweep, Endings::new(PaymentDue::of_hours(due?), DynamoKeys::new(aws.dynamodb(), keys?))))
    });
    let (sweep, endings) = &sweep?;
    run(service_fn(async |invocation: LambdaEvent<Value>| {
        let deadline = telemetry::begin(&invocation.context);
        let ending = async |order: &Order, age| endings.of(order, age).await;
        let swept = Box::pin(sweep.run_ending::<Orders>(deadline, ending)).await;
        // Before the end, which writes the metrics.
        let told = swept.map(|swept| tell(&swept, System.now()));
        telemetry::end();
        told.map_err(Error::from)
    }))
    .await
});
