//! Counts of orders and of money over HTTP.

use onewrite::aws::System;
use orderflow_analytics::{AnalyticsApi, DynamoCounts, Settings};

onewrite::http_main!(|environment, aws| {
    let (settings, access) = (environment.settings::<Settings>(), aws.access(environment));
    let counts = DynamoCounts::new(aws.dynamodb(), settings?.count_table_name.as_str());
    Some(AnalyticsApi::new(counts, System, access?))
});
