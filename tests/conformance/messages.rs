//! The suites of notification's [`Mailer`] and [`Sms`].

use std::sync::Arc;

use libtest_mimic::Trial;
use orderflow_events::{Email, Text};
use orderflow_notification::{
    ConfigurationSet, Mail, Mailer, MemoryMailer, MemorySms, PhoneNumber, SesMailer, Sms, SnsSms,
};
use serde_json::Value;
use uuid::Uuid;

use crate::aws::{Aws, unique};

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(
        aws,
        MemoryBench::default,
        AwsBench::new,
        [
            a_mail_arrives_to_the_letter,
            a_mail_that_is_sent_twice_arrives_twice,
            a_mail_reaches_only_its_recipient,
            a_mail_to_a_domain_in_another_script_arrives,
            a_short_message_arrives_to_the_letter,
            a_short_message_that_is_sent_twice_arrives_twice,
        ]
    )
}

/// The ways out, and what arrived at their ends.
trait Bench {
    fn mailer(&self) -> &impl Mailer;
    fn sms(&self) -> &impl Sms;
    async fn mails_to(&self, recipient: &Email) -> Vec<Mail>;
    async fn short_messages_to(&self, recipient: &PhoneNumber) -> Vec<String>;
}

#[derive(Default)]
struct MemoryBench {
    mailer: MemoryMailer,
    sms: MemorySms,
}

impl Bench for MemoryBench {
    fn mailer(&self) -> &impl Mailer {
        &self.mailer
    }

    fn sms(&self) -> &impl Sms {
        &self.sms
    }

    async fn mails_to(&self, recipient: &Email) -> Vec<Mail> {
        self.mailer.sent().into_iter().filter(|(to, _)| to == recipient).map(|(_, mail)| mail).collect()
    }

    async fn short_messages_to(&self, recipient: &PhoneNumber) -> Vec<String> {
        self.sms.sent().into_iter().filter(|(to, _)| to == recipient).map(|(_, text)| text).collect()
    }
}

/// All that is sent on the emulator it shows to everyone, so each test has recipients of its own.
struct AwsBench {
    mailer: SesMailer,
    sms: SnsSms,
    endpoint: String,
}

impl AwsBench {
    async fn new(aws: &Aws) -> Self {
        let (stack, sender) = (aws.stack(), "shop@example.com");
        let config = stack.sdk_config();
        let ses = aws_sdk_ses::Client::new(&config);
        ses.verify_email_identity().email_address(sender).send().await.expect("a verified sender");
        let sms = SnsSms::new(&config);
        let endpoint = stack.endpoint().to_string().trim_end_matches('/').to_owned();
        Self {
            mailer: SesMailer::new(&config, sender.parse().expect("an address"), ConfigurationSet::default()),
            sms,
            endpoint,
        }
    }

    /// Messages that the emulator shows at that path, under that name.
    async fn shown(&self, path: &str, name: &str) -> Value {
        let reply = reqwest::get(format!("{}{path}", self.endpoint)).await.expect("an answer");
        let mut shown: Value = reply.json().await.expect("JSON");
        shown[name].take()
    }
}

impl Bench for AwsBench {
    fn mailer(&self) -> &impl Mailer {
        &self.mailer
    }

    fn sms(&self) -> &impl Sms {
        &self.sms
    }

    async fn mails_to(&self, recipient: &Email) -> Vec<Mail> {
        let text = |mail: &Value, name: &str| mail[name].as_str().expect(name).to_owned();
        let to_mail = |mail: &Value| Mail {
            subject: text(mail, "Subject"),
            text: text(mail, "BodyText"),
            html: text(mail, "BodyHtml"),
        };
        let shown = self.shown("/_ministack/ses/messages", "messages").await;
        let mails = shown.as_object().into_iter().flat_map(|accounts| accounts.values().filter_map(Value::as_array));
        mails.flatten().filter(|mail| mail["To"] == serde_json::json!([recipient.to_ascii()])).map(to_mail).collect()
    }

    async fn short_messages_to(&self, recipient: &PhoneNumber) -> Vec<String> {
        let shown = self.shown("/_ministack/sns/sms-messages", "sms_messages").await;
        let messages = shown[recipient.as_str()].as_array().into_iter().flatten();
        messages.map(|message| message["Message"].as_str().expect("a text").to_owned()).collect()
    }
}

fn somebody() -> Email {
    Email::new(format!("{}@example.com", unique())).unwrap()
}

fn some_number() -> PhoneNumber {
    let number = format!("+4915{:09}", Uuid::now_v7().as_u128() % 1_000_000_000);
    PhoneNumber::of(&Text::new(number).unwrap(), "DE".parse().unwrap()).unwrap()
}

fn mail(subject: &str) -> Mail {
    Mail { subject: subject.to_owned(), text: "text".to_owned(), html: "<p>text</p>".to_owned() }
}

async fn send_mail(bench: &impl Bench, recipient: &Email, mail: &Mail) {
    bench.mailer().send(recipient, mail).await.unwrap();
}

async fn a_mail_arrives_to_the_letter(bench: &impl Bench) {
    let plain = mail("Your order ord_1");
    let odd = Mail {
        subject: "Grüße 🎈: \"ord_1\" <a&b> 100 %+".to_owned(),
        text: "Zoë,\n\n  名前\t1.50\n.\n+ &amp; =3D ]]>\n".to_owned(),
        html: "<!doctype html>\n<p title=\"'&quot;\">Zo&euml; 🎈&nbsp;</p>\n".to_owned(),
    };
    for mail in [plain, odd] {
        let recipient = somebody();
        send_mail(bench, &recipient, &mail).await;
        assert_eq!(bench.mails_to(&recipient).await, [mail]);
    }
}

async fn a_mail_that_is_sent_twice_arrives_twice(bench: &impl Bench) {
    let (recipient, mails) = (somebody(), [mail("a"), mail("b"), mail("a")]);
    for mail in &mails {
        send_mail(bench, &recipient, mail).await;
    }
    assert_eq!(bench.mails_to(&recipient).await, mails);
}

async fn a_mail_reaches_only_its_recipient(bench: &impl Bench) {
    let (recipient, other) = (somebody(), somebody());
    let odd = Email::new(format!("o'hara+a.{recipient}")).unwrap();
    for recipient in [&recipient, &odd] {
        send_mail(bench, recipient, &mail(recipient.as_str())).await;
        assert_eq!(bench.mails_to(recipient).await, [mail(recipient.as_str())]);
    }
    assert_eq!(bench.mails_to(&other).await, []);
}

async fn a_mail_to_a_domain_in_another_script_arrives(bench: &impl Bench) {
    let somebody = Email::new(format!("{}@bücher.example", unique())).unwrap();
    send_mail(bench, &somebody, &mail("one")).await;
    assert_eq!(bench.mails_to(&somebody).await, [mail("one")]);
}

async fn a_short_message_arrives_to_the_letter(bench: &impl Bench) {
    for text in ["Your order ord_1 was shipped.", "Grüße 🎈\n \"名前\" <a&b> 100 %+ "] {
        let recipient = some_number();
        bench.sms().send(&recipient, text).await.unwrap();
        assert_eq!(bench.short_messages_to(&recipient).await, [text]);
    }
}

async fn a_short_message_that_is_sent_twice_arrives_twice(bench: &impl Bench) {
    let (recipient, other, texts) = (some_number(), some_number(), ["a", "b", "a"]);
    for text in texts {
        bench.sms().send(&recipient, text).await.unwrap();
    }
    assert_eq!(bench.short_messages_to(&recipient).await, texts);
    assert_eq!(bench.short_messages_to(&other).await, [""; 0]);
}
