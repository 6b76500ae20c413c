//! One run: binaries, feeds, rounds, report.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use tempfile::TempDir;

use crate::affinity::Cores;
use crate::aws::{Aws, KeySchema, Tables};
use crate::budget::{BudgetError, Budgets};
use crate::build::{self, BuildError};
use crate::cli::Arguments;
use crate::collector::Collector;
use crate::feed::{self, FeedError, GROUP, Subject};
use crate::package::{self, Size};
use crate::process::{Launch, ProcessError};
use crate::report::{BuildKind, Handled, Report, Row};
use crate::rounds::{self, Extent, Figures, Handling, Spread, WARM_UP};
use crate::stack::{Function, Stack, StackError};
use crate::trust::{Identity, TrustError};
use crate::valgrind::{Instructions, Undisturbed, Valgrind};
use crate::watchers;

/// Reason why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No binaries.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// No stack.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// No TLS.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// No feed, or a function that fails on it.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// No budgets.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// A file that cannot be read or written.
    #[error("cannot use {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Error of the system.
        source: std::io::Error,
    },
    /// No stub.
    #[error("cannot listen: {0}")]
    Listen(#[source] std::io::Error),
    /// Nothing to feed the floor with.
    #[error("no function puts every event: the floor has nothing to do")]
    NoFeedForTheFloor,
}

impl From<ProcessError> for Error {
    fn from(error: ProcessError) -> Self {
        Self::Feed(error.into())
    }
}

type Result<T> = std::result::Result<T, Error>;

/// Result of a run.
pub(crate) struct Outcome {
    pub(crate) text: String,
    pub(crate) is_good: bool,
}

/// One function of one build, with its figures.
#[derive(Clone)]
struct Candidate {
    build: BuildKind,
    subject: Subject,
    launch: Launch,
    /// The binary as it was built.
    original: PathBuf,
    figures: Figures,
    instructions: Option<Instructions>,
}

/// Function whose feed the floor gets: it puts every event down, once.
const FED_LIKE_THE_FLOOR: &str = "journal";

/// The floor's table.
const FLOOR_TABLE: &str = "FloorTable";

/// Measures what the arguments ask for.
pub(crate) async fn run(arguments: Arguments) -> Result<Outcome> {
    let bin_dir = match &arguments.bin_dir {
        Some(bin_dir) => bin_dir.clone(),
        None => build::build(arguments.debug)?,
    };
    let bench = Bench::open(&arguments).await?;
    if let Some(watchers) = arguments.watchers {
        return bench.watched(&bin_dir, watchers).await;
    }
    let mut candidates = bench.floors(&bin_dir)?;
    candidates.extend(bench.functions(&bin_dir, BuildKind::Now).await?);
    if let Some(baseline) = &arguments.baseline {
        candidates.extend(bench.functions(baseline, BuildKind::Before).await?);
    }
    feed_floors(&mut candidates)?;
    candidates.retain(|one| one.build == BuildKind::Floor || is_asked_for(&one.subject.name, &arguments.only));
    candidates.sort_by_key(|one| (one.build != BuildKind::Floor, one.build == BuildKind::Before));
    if arguments.traced {
        let traced = traced(&candidates).await?;
        candidates.extend(traced);
    }

    let load = load();
    for round in 1..=bench.rounds() {
        say(&format!("round {round} of {}: {} functions", bench.rounds(), candidates.len()));
        for candidate in &mut candidates {
            candidate.figures.add(bench.measure(candidate).await?);
        }
    }
    for candidate in candidates.iter().filter(|one| one.figures.retries > 0) {
        let (name, retries) = (&candidate.subject.name, candidate.figures.retries);
        say(&format!("{name} repeated {retries} calls that took too long: this machine has too much to do"));
    }
    let valgrind = bench.count_instructions(&mut candidates).await;
    let report = Report {
        processor: processor(),
        rounds: bench.rounds(),
        latency_ms: arguments.latency_ms,
        tls: !arguments.plain,
        valgrind,
        load: [load, self::load()],
        rows: bench.rows(&candidates)?,
    };
    bench.conclude(&report)
}

/// Stubs and settings that all measurements share.
struct Bench<'a> {
    arguments: &'a Arguments,
    aws: Rc<Aws>,
    identity: Option<Identity>,
    folder: TempDir,
    cores: Cores,
}

impl<'a> Bench<'a> {
    async fn open(arguments: &'a Arguments) -> Result<Self> {
        let identity = if arguments.plain { None } else { Some(Identity::new()?) };
        let acceptor = identity.as_ref().map(Identity::acceptor);
        let latency = Duration::from_millis(arguments.latency_ms);
        let aws = Aws::open(acceptor, latency).await.map_err(Error::Listen)?;
        let folder = tempfile::tempdir().map_err(|source| Error::File { path: "a folder".to_owned(), source })?;
        let cores = if arguments.debug { Cores::shared() } else { Cores::divided() };
        Ok(Self { arguments, aws, identity, folder, cores })
    }

    /// With debug builds one round is enough: nothing is measured that varies.
    fn rounds(&self) -> u32 {
        if self.arguments.debug { 1 } else { self.arguments.rounds }
    }

    fn launch(&self, binary: PathBuf, variables: BTreeMap<String, String>) -> Launch {
        let endpoint = self.aws.endpoint().to_owned();
        Launch { wrapper: Vec::new(), binary, variables, endpoint, log: None, cores: self.cores }
    }

    /// The binary that is run for one that was built: with TLS a copy that trusts the stub.
    fn runnable(&self, original: &Path, build: BuildKind) -> Result<PathBuf> {
        let Some(identity) = &self.identity else { return Ok(original.to_owned()) };
        let folder = self.folder.path().join(format!("{build:?}"));
        let copy = folder.join(original.file_name().unwrap_or_default());
        if !copy.exists() {
            fs::create_dir_all(&folder).map_err(|source| file(&folder, source))?;
            identity.copy_trusting(original, &copy)?;
        }
        Ok(copy)
    }

    fn floors(&self, bin_dir: &Path) -> Result<Vec<Candidate>> {
        let original = bin_dir.join("floor");
        let binary = self.runnable(&original, BuildKind::Floor)?;
        let floors = [("floor: a put", "1"), ("floor: a query and a put", "2")].map(|(name, calls)| {
            let variables = [("CALLS", calls), ("TABLE_NAME", FLOOR_TABLE)];
            let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            let schema = KeySchema { hash: "pk".to_owned(), range: Some("sk".to_owned()) };
            let tables = Tables::new([(FLOOR_TABLE.to_owned(), schema)]);
            let launch = self.launch(binary.clone(), variables);
            let groups = Vec::new().into();
            Candidate {
                build: BuildKind::Floor,
                subject: Subject { name: name.to_owned(), tables, groups },
                launch,
                original: original.clone(),
                figures: Figures::default(),
                instructions: None,
            }
        });
        Ok(floors.into())
    }

    /// The functions of one build, each with its feed.
    async fn functions(&self, bin_dir: &Path, build: BuildKind) -> Result<Vec<Candidate>> {
        let stack = Stack::read(&build::template_of(bin_dir))?;
        let start = self.starter(&stack, bin_dir, build)?;
        let groups = WARM_UP + usize::try_from(self.arguments.events()).unwrap_or(usize::MAX).div_ceil(GROUP);
        say(&format!("{} orders through the functions of {}", groups * GROUP, bin_dir.display()));
        let mut subjects = feed::record(&stack, &self.aws, &start, groups).await?;
        for function in feed::idle(&stack, &subjects) {
            let name = &function.binary;
            if self.arguments.debug {
                say(&format!("not counted, for an order does not come to it: {name}"));
            } else if is_asked_for(name, &self.arguments.only) {
                let (subject, launch) = (Subject::without_events(function, &stack), start(function));
                match feed::expect_start(&self.aws, &subject, &launch).await {
                    Ok(()) => {
                        say(&format!("only started, for an order does not come to it: {name}"));
                        subjects.push((subject, launch));
                    }
                    Err(error) => say(&format!("not measured, for it does not start here: {error}")),
                }
            }
        }
        let candidate = |(subject, launch): (Subject, Launch)| Candidate {
            build,
            original: bin_dir.join(launch.binary.file_name().unwrap_or_default()),
            subject,
            launch: Launch { log: None, ..launch },
            figures: Figures::default(),
            instructions: None,
        };
        Ok(subjects.into_iter().map(candidate).collect())
    }

    /// Recipe by which the functions of a build are started, all of which are there then.
    fn starter(&self, stack: &Stack, bin_dir: &Path, build: BuildKind) -> Result<impl Fn(&Function) -> Launch> {
        for function in &stack.functions {
            self.runnable(&bin_dir.join(&function.binary), build)?;
        }
        let log = self.folder.path().join(format!("{build:?}.log"));
        Ok(move |function: &Function| {
            // It was copied above.
            let binary = self.runnable(&bin_dir.join(&function.binary), build).unwrap_or_default();
            Launch { log: Some(log.clone()), ..self.launch(binary, function.variables.clone()) }
        })
    }

    /// Events of which so many are told.
    async fn watched(&self, bin_dir: &Path, watchers: u32) -> Result<Outcome> {
        let stack = Stack::read(&build::template_of(bin_dir))?;
        let start = self.starter(&stack, bin_dir, BuildKind::Now)?;
        say(&format!("{watchers} connect, and watch the events of all orders"));
        let latency = Duration::from_millis(self.arguments.latency_ms);
        let load = load();
        let told = watchers::measure(&self.aws, &stack, &start, watchers, latency).await?;
        let transport = if self.identity.is_some() { "TLS" } else { "no TLS" };
        let conditions = format!(
            "{}; {watchers} who watch; {transport}; {} ms a call; load {load:.1} at the beginning, {:.1} at the end.",
            processor(),
            self.arguments.latency_ms,
            self::load()
        );
        Ok(Outcome { text: format!("{conditions}\n{}", watchers::tables(&told)), is_good: true })
    }

    async fn measure(&self, candidate: &Candidate) -> Result<Figures> {
        let starts = if self.arguments.debug { 0 } else { self.arguments.starts };
        let extent = Extent { events: self.arguments.events(), starts };
        Ok(rounds::measure(&self.aws, &candidate.subject, &candidate.launch, extent).await?)
    }

    /// Counts the instructions of all, if it is asked for and valgrind is there; its version.
    async fn count_instructions(&self, candidates: &mut [Candidate]) -> Option<String> {
        if !self.arguments.counts_instructions() {
            return None;
        }
        let Some(valgrind) = Valgrind::find(self.folder.path()) else {
            say("no instructions are counted: valgrind is not installed");
            return None;
        };
        for candidate in candidates {
            say(&format!("instructions of {}", candidate.subject.name));
            let figures = &candidate.figures;
            let event = figures.handling.as_ref().map(|handling| handling.per_event.calls);
            let undisturbed = Undisturbed { init: figures.init_calls, event };
            match valgrind.count(&self.aws, &candidate.subject, &candidate.launch, WARM_UP, undisturbed).await {
                Ok(instructions) => candidate.instructions = Some(instructions),
                Err(error) => say(&format!("no instructions: {error}")),
            }
        }
        Some(valgrind.version)
    }

    fn rows(&self, candidates: &[Candidate]) -> Result<Vec<Row>> {
        let mut sizes = BTreeMap::<&Path, Size>::new();
        let mut rows = Vec::new();
        for candidate in candidates {
            let original = candidate.original.as_path();
            // Debug binaries are hundreds of megabytes, and nobody deploys them.
            let size = match sizes.get(original) {
                Some(size) => *size,
                None if self.arguments.debug => Size::default(),
                None => package::size(original).map_err(|source| file(original, source))?,
            };
            sizes.insert(original, size);
            rows.push(candidate.row(size));
        }
        Ok(rows)
    }

    /// The tables, the file, and what the budgets say.
    fn conclude(&self, report: &Report) -> Result<Outcome> {
        let arguments = self.arguments;
        let mut text = report.tables(arguments.debug);
        if let Some(path) = &arguments.json {
            let json = serde_json::to_string_pretty(report).unwrap_or_default() + "\n";
            fs::write(path, json).map_err(|source| file(path, source))?;
        }
        let measured = report.measured();
        if arguments.write_budgets {
            Budgets::read()?.replaced(&measured, arguments.only.is_empty()).write()?;
        }
        let faults =
            if arguments.check { Budgets::read()?.faults(&measured, arguments.only.is_empty()) } else { Vec::new() };
        for fault in &faults {
            let _ = write!(text, "\nover budget: {fault}");
        }
        if !faults.is_empty() {
            text += "\nIf it has to be so: cargo measure --write-budgets, and say in the commit why.";
        }
        Ok(Outcome { text, is_good: faults.is_empty() })
    }
}

impl Candidate {
    fn row(&self, size: Size) -> Row {
        let figures = &self.figures;
        Row {
            name: self.subject.name.clone(),
            build: self.build,
            binary_bytes: size.binary_bytes,
            zip_bytes: size.zip_bytes,
            init_ms: Spread::of(&figures.init_ms),
            init_cpu_ms: Spread::of(&figures.init_cpu_ms),
            resident_after_init_mb: Spread::of(&figures.resident_after_init_mb),
            handled: figures.handling.as_ref().map(handled),
            instructions: self.instructions,
        }
    }
}

fn handled(handling: &Handling) -> Handled {
    Handled {
        resident_after_events_mb: Spread::of(&handling.resident_after_events_mb),
        events: handling.events,
        first_ms: Spread::of(&handling.first_ms),
        later_ms: Spread::of(&handling.later_ms),
        event_cpu_ms: Spread::of(&handling.event_cpu_ms),
        per_event: handling.per_event.clone(),
    }
}

/// The functions that have events once more for each collector of their spans: each trace is collected, which is the most that
/// they cost.
async fn traced(candidates: &[Candidate]) -> Result<Vec<Candidate>> {
    let mut traced = Vec::new();
    for collector in Collector::ALL {
        let endpoint = collector.open().await.map_err(Error::Listen)?;
        let fed = candidates.iter().filter(|one| one.build == BuildKind::Now && one.subject.has_events());
        for candidate in fed {
            let mut candidate = candidate.clone();
            let variables = [
                ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
                ("OTEL_SERVICE_NAME", candidate.subject.name.as_str()),
                // Not by the parent: where the feed was recorded nobody collected.
                ("OTEL_TRACES_SAMPLER", "always_on"),
            ];
            let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
            candidate.launch.variables.extend(variables);
            candidate.build = BuildKind::Traced(collector);
            traced.push(candidate);
        }
    }
    Ok(traced)
}

/// The floor puts down all events, as the journal does.
fn feed_floors(candidates: &mut [Candidate]) -> Result<()> {
    let fed = |one: &&Candidate| one.build == BuildKind::Now && one.subject.name == FED_LIKE_THE_FLOOR;
    let groups = candidates.iter().find(fed).ok_or(Error::NoFeedForTheFloor)?.subject.groups.clone();
    for floor in candidates.iter_mut().filter(|one| one.build == BuildKind::Floor) {
        floor.subject.groups = Rc::clone(&groups);
    }
    Ok(())
}

fn is_asked_for(name: &str, only: &[String]) -> bool {
    only.is_empty() || only.iter().any(|wanted| name.starts_with(wanted.as_str()))
}

fn file(path: &Path, source: std::io::Error) -> Error {
    Error::File { path: path.display().to_string(), source }
}

/// Says how far it is.
fn say(text: &str) {
    anstream::eprintln!("  {text}");
}

/// Processes that wanted to run in the last minute, on average.
fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, model)| model.to_owned())
}
