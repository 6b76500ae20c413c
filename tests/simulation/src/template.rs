//! Settings of the functions, read from `template.yaml`: what is simulated is what is deployed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use orderflow_local::expanded;
use serde_json::Value as Json;
use simulator::{RelaySettings, Settings};

/// Binary of the relays.
pub const RELAY: &str = "relay";

/// Binary of the collectors of dead letters.
pub const COLLECTOR: &str = "letters";

/// Template, as far as the simulation depends on it.
#[derive(Debug)]
pub struct Template {
    consumers: BTreeMap<String, Settings>,
    timeouts: BTreeMap<String, Duration>,
    collector: Settings,
}

/// Template of this repository.
///
/// # Panics
///
/// It cannot be read, or does not say what a function needs.
#[must_use]
pub fn template() -> &'static Template {
    static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml"));
        let document = expanded(path).unwrap_or_else(|error| panic!("{error}"));
        Template::read(&document).unwrap_or_else(|missing| panic!("the template does not say {missing}"))
    });
    &TEMPLATE
}

impl Template {
    /// Settings of a service.
    ///
    /// # Panics
    ///
    /// The template has no consumer of that name.
    #[must_use]
    pub fn settings(&self, service: &str) -> Settings {
        *self.consumers.get(service).unwrap_or_else(|| panic!("the template has no consumer {service}"))
    }

    /// Settings of a collector of dead letters.
    #[must_use]
    pub const fn collector(&self) -> Settings {
        self.collector
    }

    /// Time that an invocation of a binary may take.
    ///
    /// # Panics
    ///
    /// The template has no function of that binary.
    #[must_use]
    pub fn timeout(&self, binary: &str) -> Duration {
        *self.timeouts.get(binary).unwrap_or_else(|| panic!("the template has no function {binary}"))
    }

    /// Binaries of all functions.
    pub fn binaries(&self) -> impl Iterator<Item = &str> {
        self.timeouts.keys().map(String::as_str)
    }

    fn read(document: &Json) -> Result<Self, String> {
        let (mut consumers, mut timeouts, mut collector) = (BTreeMap::new(), BTreeMap::new(), None);
        for (id, function) in resources(document, "Function") {
            let function = Function { document, id, resource: function };
            timeouts.insert(function.binary()?.to_owned(), function.timeout()?);
            if collector.is_none() && function.binary()? == COLLECTOR {
                collector = Some(function.collector()?);
            }
            if let Some((source, queue)) = function.queue() {
                consumers.insert(function.binary()?.to_owned(), function.settings(source, queue)?);
            }
        }
        let collector = collector.ok_or("the collector of dead letters")?;
        Ok(Self { consumers, timeouts, collector })
    }
}

/// Resources of a type, by the last part of its name.
fn resources<'a>(document: &'a Json, kind: &str) -> impl Iterator<Item = (&'a str, &'a Json)> {
    let resources = document["Resources"].as_object().into_iter().flatten();
    let is_one =
        move |resource: &Json| resource["Type"].as_str().and_then(|name| name.rsplit("::").next()) == Some(kind);
    resources.filter(move |(_, resource)| is_one(resource)).map(|(id, resource)| (id.as_str(), resource))
}

/// Function of a template.
#[derive(Clone, Copy)]
struct Function<'a> {
    document: &'a Json,
    id: &'a str,
    resource: &'a Json,
}

impl<'a> Function<'a> {
    fn binary(self) -> Result<&'a str, String> {
        let binary = self.resource["Metadata"]["BuildProperties"]["Binary"].as_str();
        binary.ok_or_else(|| format!("the binary of {}", self.id))
    }

    fn timeout(self) -> Result<Duration, String> {
        let own = &self.resource["Properties"]["Timeout"];
        let timeout = if own.is_null() { &self.document["Globals"]["Function"]["Timeout"] } else { own };
        self.number(timeout, "the Timeout").map(Duration::from_secs)
    }

    /// Properties of its event source on a queue, and of the queue. A collector's are queues of dead letters, from which
    /// nothing is moved any further.
    fn queue(self) -> Option<(&'a Json, &'a Json)> {
        let source = self.sources().find(|source| !source["FunctionResponseTypes"].is_null())?;
        let queue = source["EventSourceArn"]["Fn::GetAtt"][0].as_str()?;
        let queue = &self.document["Resources"][queue]["Properties"];
        (!queue["RedrivePolicy"].is_null()).then_some((source, queue))
    }

    /// Settings of a collector, the same for each of its sources.
    fn collector(self) -> Result<Settings, String> {
        let source = self.sources().next().ok_or_else(|| format!("the source of {}", self.id))?;
        let most = self.number(&source["ScalingConfig"]["MaximumConcurrency"], "the MaximumConcurrency")?;
        Ok(Settings {
            timeout: self.timeout()?,
            batch_size: small(self.number(&source["BatchSize"], "the BatchSize")?) as usize,
            maximum_concurrency: small(most),
            ..Settings::default()
        })
    }

    /// Properties of its event sources.
    fn sources(self) -> impl Iterator<Item = &'a Json> {
        let sources = resources(self.document, "EventSourceMapping").map(|(_, source)| &source["Properties"]);
        sources.filter(move |source| source["FunctionName"]["Ref"] == self.id)
    }

    fn settings(self, source: &'a Json, queue: &'a Json) -> Result<Settings, String> {
        let number = |value, what| self.number(value, what);
        let variable = |name| self.number(&self.resource["Properties"]["Environment"]["Variables"][name], name);
        let window = number(&source["MaximumBatchingWindowInSeconds"], "the MaximumBatchingWindowInSeconds")?;
        let redrive = number(&queue["RedrivePolicy"]["maxReceiveCount"], "the maxReceiveCount")?;
        Ok(Settings {
            timeout: self.timeout()?,
            visibility_timeout: Duration::from_secs(number(&queue["VisibilityTimeout"], "the VisibilityTimeout")?),
            max_receive_count: small(variable("MAX_RECEIVE_COUNT")?),
            redrive_max_receive_count: small(redrive),
            max_backoff_seconds: small(variable("MAX_BACKOFF_SECONDS")?),
            maximum_concurrency: small(number(
                &source["ScalingConfig"]["MaximumConcurrency"],
                "the MaximumConcurrency",
            )?),
            batch_size: small(number(&source["BatchSize"], "the BatchSize")?) as usize,
            batching_window: Duration::from_secs(window),
            relay: self.relay()?,
        })
    }

    /// Settings of the relay on its table's stream, if that has one.
    fn relay(self) -> Result<Option<RelaySettings>, String> {
        let table = &self.resource["Properties"]["Environment"]["Variables"]["TABLE_NAME"]["Ref"];
        let stream = |source: &&Json| source["EventSourceArn"]["Fn::GetAtt"][0] == *table && table.is_string();
        let relays = resources(self.document, "Function").map(|(id, function)| Self { id, resource: function, ..self });
        let mut relays = relays.filter_map(|relay| Some((relay, relay.sources().find(stream)?)));
        let settings = |(relay, source): (Self, &'a Json)| {
            Ok(RelaySettings {
                timeout: relay.timeout()?,
                batch_size: small(relay.number(&source["BatchSize"], "the BatchSize")?) as usize,
                bisects: source["BisectBatchOnFunctionError"] == true,
            })
        };
        relays.next().map(settings).transpose()
    }

    /// A number as it is where no parameter is given.
    fn number(self, value: &'a Json, what: &str) -> Result<u64, String> {
        if let Some([condition, yes, no]) = value["Fn::If"].as_array().map(Vec::as_slice) {
            return self.number(if self.holds(condition) { yes } else { no }, what);
        }
        let value = match value["Ref"].as_str() {
            Some(parameter) => &self.document["Parameters"][parameter]["Default"],
            None => value,
        };
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
        number.ok_or_else(|| format!("{what} of {}", self.id))
    }

    /// Tells that a condition which compares a parameter with a value is true of the parameter's default.
    fn holds(self, condition: &Json) -> bool {
        let compared = &self.document["Conditions"][condition.as_str().unwrap_or_default()]["Fn::Equals"];
        let parameter = compared[0]["Ref"].as_str().unwrap_or_default();
        self.document["Parameters"][parameter]["Default"] == compared[1]
    }
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
