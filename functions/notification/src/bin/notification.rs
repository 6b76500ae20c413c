//! Consumer of the notification service: tells the customer, by mail and by short message.

use onewrite::Process;
use onewrite::aws::{DynamoKeys, DynamoLeases, SecretLinkKeys, System};
use onewrite::personal::KeyRing;
use orderflow_notification::{Limits, MailLinks, Messenger, Notification, Pacing, SesMailer, Settings, SnsSms};

onewrite::main!(|environment, aws| {
    let (ledger, settings) = (aws.ledger(environment), environment.settings::<Settings>()?);
    let mailer = SesMailer::new(aws.config(), settings.sender_email, settings.configuration_set);
    let pacing = Pacing::new(settings.mails_per_second.0, settings.functions_at_once.0);
    let leases = DynamoLeases::new(aws.dynamodb(), settings.leases_table_name.as_str());
    let keys = KeyRing::new(DynamoKeys::new(aws.dynamodb(), settings.key_table_name.as_str()), System);
    let sms = SnsSms::new(aws.config());
    let links = settings
        .guest_links
        .map(|links| MailLinks::new(&links, SecretLinkKeys::new(aws.config(), links.secret.as_str())));
    let limits = Limits { mails: settings.mails_per_recipient_and_day, texts: settings.sms_per_recipient_and_day };
    let messenger = Messenger::new(mailer, pacing, sms, settings.sms_countries, leases, keys, System);
    let messenger = messenger.with_limits(limits).with_links(links).with_shop(settings.shop_url);
    Some(Process::<Notification, _, _, _>::new(ledger?, messenger))
});
