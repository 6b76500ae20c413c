//! Settings of the functions, read from `template.yaml`: what is simulated is what is deployed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use orderflow_local::read_template;
use serde_json::Value as Json;
use simulator::{RelaySettings, Settings};

/// Lambda lets so many invocations of one SQS source run at once where the source sets no maximum (its quota).
const MAXIMUM_CONCURRENCY: u64 = 1_000;

/// Binary of the relays.
pub const RELAY: &str = "relay";

/// Template, as far as the simulation depends on it.
#[derive(Debug)]
pub struct Template {
    consumers: BTreeMap<String, Settings>,
    timeouts: BTreeMap<String, Duration>,
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
        let document = read_template(path).unwrap_or_else(|error| panic!("{error}"));
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
        let (mut consumers, mut timeouts) = (BTreeMap::new(), BTreeMap::new());
        for function in functions(document) {
            let binary = function.binary()?;
            timeouts.insert(binary.to_owned(), function.timeout()?);
            if let Some(source) = function.source("SQS") {
                consumers.insert(binary.to_owned(), function.settings(source)?);
            }
        }
        Ok(Self { consumers, timeouts })
    }
}

/// Function of a template.
#[derive(Clone, Copy)]
struct Function<'a> {
    document: &'a Json,
    id: &'a str,
    resource: &'a Json,
}

fn functions(document: &Json) -> impl Iterator<Item = Function<'_>> {
    let resources = document["Resources"].as_object().into_iter().flatten();
    let functions = resources.filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function");
    functions.map(move |(id, resource)| Function { document, id, resource })
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

    /// Properties of its event source of that type.
    fn source(self, kind: &str) -> Option<&'a Json> {
        let mut events = self.resource["Properties"]["Events"].as_object()?.values();
        events.find(|event| event["Type"] == kind).map(|event| &event["Properties"])
    }

    fn settings(self, source: &'a Json) -> Result<Settings, String> {
        let queue = self.resolve(&source["Queue"]).and_then(|arn| arn["Fn::GetAtt"][0].as_str());
        let queue =
            &self.document["Resources"][queue.ok_or_else(|| format!("the queue of {}", self.id))?]["Properties"];
        let variable = |name| self.number(&self.resource["Properties"]["Environment"]["Variables"][name], name);
        let number = |value, what| self.number(value, what);
        let or = |value: &'a Json, what, default| if value.is_null() { Ok(default) } else { number(value, what) };
        let concurrency =
            or(&source["ScalingConfig"]["MaximumConcurrency"], "the MaximumConcurrency", MAXIMUM_CONCURRENCY)?;
        Ok(Settings {
            timeout: self.timeout()?,
            visibility_timeout: Duration::from_secs(number(&queue["VisibilityTimeout"], "the VisibilityTimeout")?),
            max_receive_count: small(variable("MAX_RECEIVE_COUNT")?),
            redrive_max_receive_count: small(number(
                &queue["RedrivePolicy"]["maxReceiveCount"],
                "the maxReceiveCount",
            )?),
            max_backoff_seconds: small(variable("MAX_BACKOFF_SECONDS")?),
            maximum_concurrency: small(concurrency),
            batch_size: small(number(&source["BatchSize"], "the BatchSize")?) as usize,
            batching_window: Duration::from_secs(or(&source["MaximumBatchingWindowInSeconds"], "the window", 0)?),
            relay: self.relay()?,
        })
    }

    /// Settings of the relay of its table's stream, if its table has one.
    fn relay(self) -> Result<Option<RelaySettings>, String> {
        let table = &self.resource["Properties"]["Environment"]["Variables"]["TABLE_NAME"]["Ref"];
        let relay = functions(self.document).find_map(|function| {
            let events = function.resource["Properties"]["Events"].as_object()?.values();
            let mut sources = events.map(|event| &event["Properties"]);
            let source = sources.find(|source| source["Stream"]["Fn::GetAtt"][0] == *table)?;
            Some((function, source))
        });
        relay
            .map(|(function, source)| {
                Ok(RelaySettings {
                    timeout: function.timeout()?,
                    batch_size: small(self.number(&source["BatchSize"], "the BatchSize of the relay")?) as usize,
                    bisects: source["BisectBatchOnFunctionError"] == true,
                })
            })
            .transpose()
    }

    fn number(self, value: &'a Json, what: &str) -> Result<u64, String> {
        let value = self.resolve(value);
        let number = value.and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
        number.ok_or_else(|| format!("{what} of {}", self.id))
    }

    /// Value of an intrinsic function: the default of a parameter, or an entry of a mapping.
    fn resolve(self, value: &'a Json) -> Option<&'a Json> {
        if let Some(parameter) = value["Ref"].as_str() {
            return Some(&self.document["Parameters"][parameter]["Default"]);
        }
        if let Some(path) = value["Fn::FindInMap"].as_array() {
            return path.iter().try_fold(&self.document["Mappings"], |map, key| map.get(key.as_str()?));
        }
        Some(value)
    }
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
