//! Consumer of the notification service: tells the customer, by mail and by short message.

use onewrite::Process;
use onewrite::aws::{DynamoLeases, SecretLinkKeys, System};
use orderflow_notification::{MailLinks, Messenger, Notification, Pacing, SesMailer, Settings, SnsSms};

onewrite::main!(|environment, aws| {
    let (ledger, settings) = (aws.ledger(environment), environment.settings::<Settings>()?);
    let mailer = SesMailer::new(aws.config(), settings.sender_email, settings.configuration_set);
    let pacing = Pacing::new(settings.mails_per_second.0, settings.functions_at_once.0);
    let leases = DynamoLeases::new(aws.dynamodb(), settings.leases_table_name.as_str());
    let sms = SnsSms::new(aws.config());
    let links = settings
        .guest_links
        .map(|links| MailLinks::new(&links, SecretLinkKeys::new(aws.config(), links.secret.as_str())));
    let messenger = Messenger::new(mailer, pacing, sms, settings.sms_countries, leases, System);
    let messenger = messenger.with_links(links).with_shop(settings.shop_url);
    Some(Process::<Notification, _, _, _>::new(ledger?, messenger))
});
