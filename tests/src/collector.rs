//! Collectors of the spans of the stack that the tests have brought up.

use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use orderflow_local::Collector;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::process::Child;

use crate::issuer::Issuer;
use crate::patience::eventually;
use crate::script::python;

/// The one collector of this process.
///
/// # Panics
///
/// There is no port for it.
pub fn collector() -> &'static Collector {
    static COLLECTOR: OnceLock<Collector> = OnceLock::new();
    COLLECTOR.get_or_init(|| Collector::open().expect("a collector"))
}

/// Tries of this process whose spans were all there, and those that have lost some.
static WHOLE: AtomicUsize = AtomicUsize::new(0);
static LOST: AtomicUsize = AtomicUsize::new(0);

/// Notes a try at which all spans were there, or some were lost.
pub fn note_try(is_whole: bool) {
    let tries = if is_whole { &WHOLE } else { &LOST };
    tries.fetch_add(1, Ordering::Relaxed);
}

/// Fault of a run of which more tries have lost spans than not: that is no busy machine, but a loss by rule.
#[must_use]
pub fn too_many_lost() -> Option<String> {
    let [whole, lost] = [&WHOLE, &LOST].map(|tries| tries.load(Ordering::Relaxed));
    (lost > whole).then(|| format!("{lost} tries have lost spans, and only {whole} have not"))
}

/// Rotel, a collector that nobody here has written: what it does not understand it does not pass on. It ends when it is
/// dropped.
pub struct Rotel {
    _child: Child,
    port: u16,
}

/// Becomes the program that the package has in it.
const BECOME_ROTEL: &str = "import os, sys; from importlib.util import find_spec; \
    os.execv(os.path.join(find_spec('rotel').submodule_search_locations[0], 'rotel-agent'), ['rotel-agent', *sys.argv[1:]])";

impl Rotel {
    /// Starts it before the collector of that endpoint, which gets all that it takes.
    ///
    /// # Panics
    ///
    /// It does not start.
    pub async fn before(endpoint: &str) -> Self {
        let (port, grpc) = (Issuer::free_port(), Issuer::free_port());
        let mut rotel = python().await;
        rotel.args(["-c", BECOME_ROTEL, "start", "--otlp-http-endpoint", &format!("127.0.0.1:{port}")]);
        rotel.args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}"), "--batch-timeout", "100ms"]);
        rotel.args(["--exporter", "otlp", "--otlp-exporter-protocol", "http"]);
        rotel.args(["--otlp-exporter-endpoint", endpoint]);
        let child = rotel.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("it starts");
        eventually("rotel listens", async || {
            let connected = TcpStream::connect(("127.0.0.1", port)).await;
            connected.map(drop).map_err(|error| json!(error.to_string()))
        })
        .await;
        Self { _child: child, port }
    }

    /// URL that spans are sent to.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
