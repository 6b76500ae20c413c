//! Usage: what orders have asked of AWS, as it is billed.

use std::collections::BTreeMap;
use std::time::Duration;

use orderflow_tests::{AwsService, Tally};
use serde_json::Value;
use tokio::time::Instant;

use crate::deployed::{Deployed, Logged, Trigger};
use crate::meter::{Counts, Publication};
use crate::prices::Assumptions;

/// SNS bills in steps of this.
const STEP_BYTES: usize = 64 * 1024;

/// Messages that a function gets at once.
const BATCH: usize = 10;

const BYTES_OF_A_GB: f64 = 1e9;

/// Usage of all services by some orders.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) orders: u64,
    pub(crate) functions: BTreeMap<String, FunctionUse>,
    pub(crate) topic: TopicUse,
    pub(crate) kept_items: u64,
    pub(crate) kept_bytes: u64,
    pub(crate) mails: u64,
    pub(crate) texts: u64,
}

/// Usage by one function.
#[derive(Clone, Debug, Default)]
pub(crate) struct FunctionUse {
    pub(crate) is_api: bool,
    pub(crate) has_queue: bool,
    pub(crate) tally: Tally,
    pub(crate) queue_calls: u64,
    /// Calls that send a message to a person.
    pub(crate) person_calls: u64,
    pub(crate) invocations: u64,
    /// Requests, messages, or events published.
    pub(crate) records: u64,
    pub(crate) log_lines: u64,
    pub(crate) log_bytes: u64,
}

/// Usage of the topic of all events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TopicUse {
    /// Requests, in steps of 64 KB.
    pub(crate) publishes: u64,
    pub(crate) published_bytes: u64,
    /// Each message once for each subscription, filtered or not.
    pub(crate) subscription_messages: u64,
    pub(crate) delivered_bytes: u64,
    /// Bytes that filters have scanned.
    pub(crate) filtered_bytes: u64,
    pub(crate) deliveries: u64,
}

/// Arrival of a message at a queue.
type Arrivals = BTreeMap<String, Vec<Instant>>;

impl Usage {
    /// Usage by so many orders, from what was counted meanwhile.
    pub(crate) fn of(orders: u64, counts: &Counts, logs: &BTreeMap<String, Logged>, deployed: &Deployed) -> Self {
        let (topic, arrivals) = TopicUse::of(&counts.publications, deployed);
        let mut functions = BTreeMap::new();
        for function in deployed.all().filter(|function| function.trigger != Trigger::Clock) {
            let logged = logs.get(&function.name).copied().unwrap_or_default();
            let arrived = arrivals.get(&function.name).map_or(&[][..], Vec::as_slice);
            let (invocations, records) = match function.trigger {
                Trigger::Api | Trigger::Clock => (logged.invocations, logged.invocations),
                Trigger::Stream => (logged.invocations, published_by(&counts.publications, &function.name, deployed)),
                // The emulator knows no window.
                Trigger::Queue { window_seconds, .. } if window_seconds > 0 => {
                    let batches = batches(arrived, Duration::from_secs(window_seconds));
                    (logged.invocations.min(batches), arrived.len() as u64)
                }
                Trigger::Queue { .. } => (logged.invocations, arrived.len() as u64),
            };
            let one = FunctionUse {
                is_api: function.trigger == Trigger::Api,
                has_queue: matches!(function.trigger, Trigger::Queue { .. }),
                invocations,
                records,
                log_lines: logged.lines,
                log_bytes: logged.bytes,
                ..FunctionUse::default()
            };
            functions.insert(function.name.clone(), one);
        }
        let by_orders = |function: &str| {
            let known = deployed.functions.get(function);
            known.is_none_or(|known| known.trigger != Trigger::Clock)
        };
        for ((function, service), tally) in counts.tallies.iter().filter(|((function, _), _)| by_orders(function)) {
            let one = functions.entry(deployed.name(function).to_owned()).or_default();
            one.tally.add(tally);
            let of = |operations: &[&str]| operations.iter().filter_map(|name| tally.calls.get(*name)).sum::<u64>();
            match service {
                AwsService::Sqs => one.queue_calls += tally.total(),
                AwsService::Ses | AwsService::Sns => one.person_calls += of(&["SendEmail", "Publish"]),
                AwsService::DynamoDb
                | AwsService::SecretsManager
                | AwsService::Ssm
                | AwsService::Lambda
                | AwsService::Connections => {}
            }
        }
        let Counts { kept_items, kept_bytes, mails, texts, .. } = *counts;
        Self { orders, functions, topic, kept_items, kept_bytes, mails, texts }
    }

    /// Usage by deliveries of webhooks: that of the functions of those names, whatever has called them. The time of a receiver is not
    /// in it.
    pub(crate) fn of_deliveries(
        deliveries: u64,
        names: &[&str],
        counts: &Counts,
        logs: &BTreeMap<String, Logged>,
        deployed: &Deployed,
    ) -> Self {
        let mut functions: BTreeMap<String, FunctionUse> = BTreeMap::new();
        for name in names {
            let Logged { invocations, lines, bytes } = logs.get(*name).copied().unwrap_or_default();
            let one = FunctionUse {
                invocations,
                records: deliveries,
                log_lines: lines,
                log_bytes: bytes,
                ..FunctionUse::default()
            };
            functions.insert((*name).to_owned(), one);
        }
        for ((function, _), tally) in &counts.tallies {
            if let Some(one) = functions.get_mut(deployed.name(function)) {
                one.tally.add(tally);
            }
        }
        Self { orders: deliveries, functions, ..Self::default() }
    }

    /// Adds the usage by other orders.
    pub(crate) fn add(&mut self, other: &Self) {
        self.orders += other.orders;
        self.kept_items += other.kept_items;
        self.kept_bytes += other.kept_bytes;
        self.mails += other.mails;
        self.texts += other.texts;
        self.topic.add(&other.topic);
        for (name, more) in &other.functions {
            self.functions.entry(name.clone()).or_default().add(more);
        }
    }

    /// Quantities that are paid for: a label, the name of the price, and how much of it an order takes.
    pub(crate) fn quantities(&self, assumptions: &Assumptions) -> Vec<(&'static str, &'static str, f64)> {
        let all = |of: &dyn Fn(&FunctionUse) -> f64| self.functions.values().map(of).sum::<f64>();
        let queued = |of: &dyn Fn(&FunctionUse) -> u64| all(&|one| if one.has_queue { float(of(one)) } else { 0.0 });
        let log_bytes = |one: &FunctionUse| float(one.log_bytes + one.log_lines * assumptions.log_line_bytes);
        let topic = &self.topic;
        let quantities = [
            ("DynamoDB writes", "write units", all(&|one| one.tally.units.write)),
            ("DynamoDB reads", "read units", all(&|one| one.tally.units.read)),
            ("SNS publishes", "publishes", float(topic.publishes)),
            ("SNS payload, GB", "published", float(topic.published_bytes) / BYTES_OF_A_GB),
            ("SNS messages of subscriptions", "subscription messages", float(topic.subscription_messages)),
            ("SNS payload of these, GB", "delivered", float(topic.delivered_bytes) / BYTES_OF_A_GB),
            ("SNS filters on the body, GB", "filtered", float(topic.filtered_bytes) / BYTES_OF_A_GB),
            ("SQS sends by SNS", "queue requests", float(topic.deliveries)),
            ("SQS receives and deletes", "queue requests", 2.0 * queued(&|one| one.invocations)),
            ("SQS calls of functions", "queue requests", all(&|one| float(one.queue_calls))),
            ("Lambda invocations", "invocations", all(&|one| float(one.invocations))),
            ("Lambda duration, GB-s", "duration", all(&|one| one.gb_seconds(assumptions))),
            ("API requests", "API requests", all(&|one| if one.is_api { float(one.invocations) } else { 0.0 })),
            ("logs, GB", "logs", all(&log_bytes) / BYTES_OF_A_GB),
        ];
        quantities.map(|(label, price, sum)| (label, price, sum / self.order_count())).to_vec()
    }

    /// Mails of an order.
    pub(crate) fn mails_an_order(&self) -> f64 {
        float(self.mails) / self.order_count()
    }

    /// Bytes of an order that stay for ever, in GB, with what each item takes besides.
    pub(crate) fn kept_gb(&self, assumptions: &Assumptions) -> f64 {
        float(self.kept_bytes + self.kept_items * assumptions.stored_item_bytes) / BYTES_OF_A_GB / self.order_count()
    }

    /// Figures of an order that have budgets: of each function, and of the topic.
    pub(crate) fn figures(&self) -> BTreeMap<String, BTreeMap<String, f64>> {
        let orders = u32::try_from(self.orders).unwrap_or(u32::MAX);
        let an_order = |sum: u64| float(sum) / self.order_count();
        let busy = self.functions.iter().filter(|(_, one)| one.invocations > 0);
        let mut figures: BTreeMap<String, BTreeMap<String, f64>> = busy
            .map(|(name, one)| {
                let calls = one.tally.per_event(orders);
                let figures = [
                    ("invocations", an_order(one.invocations)),
                    ("calls", calls.calls),
                    ("sentBytes", calls.sent_bytes),
                    ("receivedBytes", calls.received_bytes),
                    ("readUnits", calls.read_units),
                    ("writeUnits", calls.write_units),
                    ("logBytes", an_order(one.log_bytes)),
                ];
                (name.clone(), named(figures))
            })
            .collect();
        let topic = [
            ("deliveries", an_order(self.topic.deliveries)),
            ("publishedBytes", an_order(self.topic.published_bytes)),
            ("filteredBytes", an_order(self.topic.filtered_bytes)),
        ];
        figures.insert("topic".to_owned(), named(topic));
        figures.insert("tables".to_owned(), named([("keptBytes", an_order(self.kept_bytes))]));
        figures
    }

    fn order_count(&self) -> f64 {
        float(self.orders.max(1))
    }
}

fn named<const N: usize>(figures: [(&str, f64); N]) -> BTreeMap<String, f64> {
    figures.map(|(name, figure)| (name.to_owned(), figure)).into()
}

impl FunctionUse {
    fn add(&mut self, other: &Self) {
        self.is_api |= other.is_api;
        self.has_queue |= other.has_queue;
        self.tally.add(&other.tally);
        self.queue_calls += other.queue_calls;
        self.person_calls += other.person_calls;
        self.invocations += other.invocations;
        self.records += other.records;
        self.log_lines += other.log_lines;
        self.log_bytes += other.log_bytes;
    }

    /// Records that an invocation gets.
    pub(crate) fn batch(&self) -> f64 {
        float(self.records) / float(self.invocations.max(1))
    }

    /// Duration by memory. The calls for one record come one after the other, and records side by side.
    fn gb_seconds(&self, assumptions: &Assumptions) -> f64 {
        let Assumptions { call_ms, mail_ms, record_ms, memory_mb, .. } = *assumptions;
        // What follows a stream and publishes nothing has one at each invocation, as far as anybody can tell.
        let records = self.records.max(self.invocations).max(1);
        let of_a_record = |calls: u64| float(calls) / float(records);
        let waiting = call_ms * of_a_record(self.tally.total() - self.person_calls).max(1.0);
        let invocation_ms = waiting + mail_ms * of_a_record(self.person_calls) + record_ms * self.batch();
        float(self.invocations) * invocation_ms.ceil() / 1_000.0 * memory_mb / 1_024.0
    }
}

impl TopicUse {
    fn of(publications: &[Publication], deployed: &Deployed) -> (Self, Arrivals) {
        let (mut topic, mut arrivals) = (Self::default(), Arrivals::new());
        for publication in publications {
            let bytes: usize = publication.texts.iter().map(String::len).sum();
            topic.publishes += bytes.div_ceil(STEP_BYTES).max(1) as u64;
            for text in &publication.texts {
                let (body, bytes) = (serde_json::from_str(text).unwrap_or(Value::Null), text.len() as u64);
                topic.published_bytes += bytes;
                for subscription in &deployed.subscriptions {
                    topic.subscription_messages += 1;
                    topic.delivered_bytes += bytes;
                    topic.filtered_bytes += if subscription.filter.is_some() { bytes } else { 0 };
                    if subscription.takes(&body) {
                        topic.deliveries += 1;
                        arrivals.entry(subscription.function.clone()).or_default().push(publication.at);
                    }
                }
            }
        }
        (topic, arrivals)
    }

    fn add(&mut self, other: &Self) {
        self.publishes += other.publishes;
        self.published_bytes += other.published_bytes;
        self.subscription_messages += other.subscription_messages;
        self.delivered_bytes += other.delivered_bytes;
        self.filtered_bytes += other.filtered_bytes;
        self.deliveries += other.deliveries;
    }
}

fn published_by(publications: &[Publication], function: &str, deployed: &Deployed) -> u64 {
    let own = publications.iter().filter(|publication| deployed.name(&publication.function) == function);
    own.map(|publication| publication.texts.len() as u64).sum()
}

/// Batches of messages that arrive at these moments: one is full, or as old as the window.
fn batches(arrivals: &[Instant], window: Duration) -> u64 {
    let (mut batches, mut open) = (0, None::<(Instant, usize)>);
    for at in arrivals {
        open = match open {
            Some((first, count)) if count < BATCH && at.duration_since(first) <= window => Some((first, count + 1)),
            _ => {
                batches += 1;
                Some((*at, 1))
            }
        };
    }
    batches
}

fn float(count: u64) -> f64 {
    orderflow_tests::to_f64(count)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::deployed::Subscription;
    use crate::prices::Prices;

    #[test]
    fn a_batch_is_full_or_as_old_as_the_window() {
        let start = Instant::now();
        let arrivals = |seconds: &[u64]| -> Vec<Instant> {
            seconds.iter().map(|second| start + Duration::from_secs(*second)).collect()
        };
        let window = Duration::from_secs(5);
        assert_eq!(batches(&arrivals(&[]), window), 0);
        assert_eq!(batches(&arrivals(&[0, 1, 5]), window), 1);
        assert_eq!(batches(&arrivals(&[0, 1, 6, 7]), window), 2);
        assert_eq!(batches(&arrivals(&[0; 21]), window), 3);
    }

    #[test]
    fn each_subscription_has_its_share_of_a_message() {
        let text = json!({"type": "A"}).to_string();
        let publication = Publication { function: "r".to_owned(), at: Instant::now(), texts: vec![text.clone(), text] };
        let subscription = |function: &str, filter| Subscription { function: function.to_owned(), filter };
        let subscriptions = vec![
            subscription("all", None),
            subscription("a", Some(json!({"type": ["A"]}))),
            subscription("b", Some(json!({"type": ["B"]}))),
        ];
        let deployed = Deployed { subscriptions, ..Deployed::default() };
        let (topic, arrivals) = TopicUse::of(&[publication], &deployed);
        let expected = TopicUse {
            publishes: 1,
            published_bytes: 24,
            subscription_messages: 6,
            delivered_bytes: 72,
            filtered_bytes: 48,
            deliveries: 4,
        };
        assert_eq!(topic, expected);
        assert_eq!(arrivals.keys().collect::<Vec<_>>(), ["a", "all"]);
    }

    #[test]
    fn a_call_takes_its_time_in_one_invocation() {
        let one = |records| {
            let tally = Tally { calls: BTreeMap::from([("Query".to_owned(), 30)]), ..Tally::default() };
            FunctionUse { invocations: 30, records, tally, ..FunctionUse::default() }
        };
        let assumptions = Prices::read().assumptions;
        let seconds = |records| one(records).gb_seconds(&assumptions) / (assumptions.memory_mb / 1_024.0);
        assert!((seconds(30) - 30.0 * 0.008).abs() < 1e-9, "{}", seconds(30));
        assert!((seconds(0) - 30.0 * 0.005).abs() < 1e-9, "nothing is published: {}", seconds(0));
    }

    #[test]
    fn an_order_has_its_share_of_the_sum() {
        let one = FunctionUse {
            is_api: true,
            invocations: 3,
            records: 3,
            log_bytes: 400,
            log_lines: 4,
            ..FunctionUse::default()
        };
        let mut usage = Usage { orders: 1, functions: BTreeMap::from([("f".to_owned(), one)]), ..Usage::default() };
        usage.add(&usage.clone());
        let assumptions = Prices::read().assumptions;
        let quantities = usage.quantities(&assumptions);
        let of = |wanted: &str| quantities.iter().find(|(label, ..)| *label == wanted).unwrap().2;
        assert!((of("API requests") - 3.0).abs() < 1e-9);
        assert!((of("logs, GB") - float(400 + 4 * assumptions.log_line_bytes) / 1e9).abs() < 1e-15);
        assert!((of("SQS receives and deletes") - 0.0).abs() < 1e-9);
    }
}
