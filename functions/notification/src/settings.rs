//! Settings of the notification service.

use std::time::Duration;

use onewrite::envelope::{Faults, Node, Read, reads};
use orderflow_events::{Country, Email, Text};

/// Settings: the variable `SETTINGS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name of the table that has the leases of messages.
    pub leases_table_name: Text,
    /// Name of the table that has the keys of the customers.
    pub key_table_name: Text,
    /// Sender of the mails: it, or its domain, is a verified identity in SES.
    pub sender_email: Email,
    /// Configuration set of SES that mails are sent by: it says where bounces and complaints go.
    pub configuration_set: ConfigurationSet,
    /// Countries whose numbers get short messages; none where there are to be none.
    pub sms_countries: Countries,
    /// Mails that all functions together may send in a second.
    pub mails_per_second: Number,
    /// Mails that one recipient may get in a day.
    pub mails_per_recipient_and_day: Number,
    /// Short messages that one recipient may get in a day.
    pub sms_per_recipient_and_day: Number,
    /// Functions that are at work at once.
    pub functions_at_once: Number,
    /// URL of the shop, under which its pages are.
    pub shop_url: ShopUrl,
    /// Links in the mails to guests; none where there are no guests.
    pub guest_links: Option<LinkSettings>,
}

/// Settings of the links in mails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSettings {
    /// Secret with the keys that sign them: its ARN, or its name.
    pub secret: Text,
    /// Life of a link, in days.
    pub days: Number,
    /// URL of the shop, under which its orders are.
    pub shop_url: Text,
}

impl LinkSettings {
    /// Life of a link.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        Duration::from_hours(24 * u64::from(self.days.0))
    }
}

reads!(Settings {
    leases_table_name: required("leasesTableName"),
    key_table_name: required("keyTableName"),
    sender_email: required("senderEmail"),
    configuration_set: required("configurationSet"),
    sms_countries: required("smsCountries"),
    mails_per_second: required("mailsPerSecond"),
    mails_per_recipient_and_day: required("mailsPerRecipientAndDay"),
    sms_per_recipient_and_day: required("smsPerRecipientAndDay"),
    functions_at_once: required("functionsAtOnce"),
    shop_url: required("shopUrl"),
    guest_links: optional("guestLinks"),
});

reads!(LinkSettings { secret: required("secret"), days: required("days"), shop_url: required("shopUrl") });

/// Whole number from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number(pub u32);

impl Read for Number {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let number = node.integer(1, i64::from(u32::MAX), faults)?;
        u32::try_from(number).ok().map(Self)
    }
}

/// Name of a configuration set of SES; an empty text is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigurationSet(pub Option<Text>);

impl Read for ConfigurationSet {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        if node.text(faults)?.is_empty() {
            Some(Self(None))
        } else {
            Text::read(node, faults).map(|name| Self(Some(name)))
        }
    }
}

/// URL of the shop; an empty text is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShopUrl(pub Option<Text>);

impl Read for ShopUrl {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        if node.text(faults)?.is_empty() {
            Some(Self(None))
        } else {
            Text::read(node, faults).map(|url| Self(Some(url)))
        }
    }
}

/// Countries, written with commas between them; an empty text is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Countries(pub Vec<Country>);

impl Read for Countries {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let codes = node.text(faults)?.split(',').filter(|code| !code.is_empty());
        let countries: Result<Vec<Country>, _> = codes.map(Country::new).collect();
        countries.map_err(|rule| faults.add(node, rule.to_string())).ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use onewrite::envelope::parse;
    use serde_json::json;

    use super::*;

    #[test]
    fn links_are_whole_or_none() {
        let links = |document| parse::<LinkSettings>(&document);
        let whole = json!({ "secret": "arn", "days": 90, "shopUrl": "https://shop.example" });
        assert_eq!(links(whole).unwrap().lifetime().as_secs(), 90 * 86_400);
        let faults = links(json!({ "days": 0 })).unwrap_err().to_string();
        for name in ["/secret", "/days", "/shopUrl"] {
            assert!(faults.contains(name), "{faults}");
        }
    }

    #[test]
    fn what_a_parameter_leaves_empty_is_none() {
        let settings = |set: &str, countries: &str, shop: &str| {
            parse::<Settings>(&json!({
                "leasesTableName": "leases", "keyTableName": "keys", "senderEmail": "orders@example.com", "configurationSet": set,
                "smsCountries": countries, "mailsPerSecond": 14, "functionsAtOnce": 2, "shopUrl": shop,
                "mailsPerRecipientAndDay": 20, "smsPerRecipientAndDay": 5,
            }))
        };
        let none = settings("", "", "").unwrap();
        assert_eq!((none.configuration_set, none.sms_countries, none.shop_url), Default::default());
        let some = settings("bounces", "DE,GB", "https://shop.example").unwrap();
        assert_eq!(some.shop_url.0.as_ref().map(Text::as_str), Some("https://shop.example"));
        assert_eq!(some.configuration_set.0.as_ref().map(Text::as_str), Some("bounces"));
        assert_eq!(some.sms_countries.0, ["DE", "GB"].map(|code| code.parse().unwrap()));
        assert_eq!(some.guest_links, None);
        let fault = settings("", "DE,UK", "").unwrap_err().to_string();
        assert_eq!(fault, "/smsCountries must be a country code of ISO 3166-1: the United Kingdom is GB");
    }
}
