//! Consumer of the notification service: tells the customer, by mail and by short message.

use onewrite::Process;
use onewrite::aws::{DynamoLeases, System};
use orderflow_notification::{Messenger, Notification, SesMailer, Settings, SnsSms};

onewrite::main!(|environment, aws| {
    let (ledger, settings) = (aws.ledger(environment), environment.settings::<Settings>());
    let Settings { leases_table_name, sender_email, configuration_set, sms_countries } = settings?;
    let leases = DynamoLeases::new(aws.dynamodb(), leases_table_name.as_str());
    let (mailer, sms) = (SesMailer::new(aws.config(), sender_email, configuration_set), SnsSms::new(aws.config()));
    Some(Process::<Notification, _, _, _>::new(ledger?, Messenger::new(mailer, sms, sms_countries, leases, System)))
});
