//! Settings of the functions.

use onewrite::config::Environment;

use crate::collector::Post;
use crate::domain::Destination;

impl Post {
    /// Reads the variables of a service's collector.
    pub fn read(environment: &mut Environment) -> Option<Self> {
        let (service, queue_url) = (environment.text("SERVICE"), environment.text("QUEUE_URL"));
        let (function, table_type) = (environment.text("CONSUMER"), environment.text("TABLE_TYPE"));
        let undeliverable_queue_arn = environment.text("UNDELIVERABLE_QUEUE_ARN");
        let relay_dlq_arn = environment.optional("RELAY_DLQ_ARN");
        let own_function = environment.text("AWS_LAMBDA_FUNCTION_NAME");
        let table_type = table_type?;
        let destination = Destination {
            queue_url: queue_url?,
            function: function?,
            is_journal: table_type == "journal",
            is_door: table_type == "none",
        };
        Some(Self {
            service: service?,
            destination,
            undeliverable_queue_arn: undeliverable_queue_arn?,
            relay_dlq_arn,
            function: own_function?,
        })
    }
}
