//! Collector of spans: what the functions export by OTLP over HTTP, kept in memory, and in a file for others to read.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use data_encoding::HEXLOWER;
use flate2::read::MultiGzDecoder;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_ENCODING;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span as Exported;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;
use serde::{Deserialize, Serialize};

/// A span as it was exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Service that it is of: `service.name`.
    pub service: String,
    /// Id of its trace, in hexadecimal digits.
    pub trace: String,
    /// Its own id, in hexadecimal digits.
    pub id: String,
    /// Id of its parent; empty for the root of a trace.
    pub parent: String,
    /// Ids of the traces and the spans that it is linked to.
    pub links: Vec<(String, String)>,
    /// Its name, such as `process orders-queue`.
    pub name: String,
    /// Its kind: 1 internal, 2 server, 3 client, 4 producer, 5 consumer (numbers of OTLP).
    pub kind: i32,
    /// Its beginning, in nanoseconds since 1970.
    pub start_ns: u64,
    /// Its end, in nanoseconds since 1970.
    pub end_ns: u64,
    /// Its attributes as texts.
    pub attributes: BTreeMap<String, String>,
    /// Names of its events, in order.
    pub events: Vec<String>,
    /// Reason of its failure, if it is one.
    pub error: Option<String>,
}

/// A collector. It runs for as long as the program.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    kept: Kept,
}

impl Collector {
    /// Opens a collector on a free port.
    ///
    /// # Errors
    ///
    /// There is no port.
    pub fn open() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let kept = Kept::default();
        let served = kept.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // A thread of its own: the functions wait for its answers.
        thread::Builder::new().name("collector".to_owned()).spawn(move || runtime.block_on(serve(listener, served)))?;
        Ok(Self { address, kept })
    }

    /// Value of `OTEL_EXPORTER_OTLP_ENDPOINT` by which a function finds it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All spans so far.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        self.kept.lock().spans.clone()
    }

    /// Writes each span to a file of its own, too, as a line of JSON: those so far, and all from now on.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn keep_in(&self, path: &Path) -> io::Result<()> {
        let mut file = File::create(path)?;
        let mut memory = self.kept.lock();
        for span in &memory.spans {
            writeln!(file, "{}", serde_json::to_string(span)?)?;
        }
        memory.file = Some(file);
        Ok(())
    }
}

#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Memory>>);

#[derive(Debug, Default)]
struct Memory {
    spans: Vec<Span>,
    file: Option<File>,
}

async fn serve(listener: TcpListener, kept: Kept) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        let kept = kept.clone();
        let service = service_fn(move |request| {
            let kept = kept.clone();
            async move { Ok::<_, Infallible>(kept.answer(request).await) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let is_export = request.uri().path() == "/v1/traces";
        let is_gzip = request.headers().get(CONTENT_ENCODING).is_some_and(|coding| coding == "gzip");
        let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let mut response = Response::new(Full::default());
        match ExportTraceServiceRequest::decode(if is_gzip { unzipped(&body) } else { body }) {
            Ok(export) if is_export => self.add(export),
            _ => *response.status_mut() = hyper::StatusCode::BAD_REQUEST,
        }
        response
    }

    fn add(&self, export: ExportTraceServiceRequest) {
        let mut memory = self.lock();
        for of_resource in export.resource_spans {
            let resource = texts(of_resource.resource.unwrap_or_default().attributes);
            let service = resource.get("service.name").cloned().unwrap_or_default();
            for exported in of_resource.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans) {
                let span = span(&service, exported);
                if let (Some(file), Ok(line)) = (memory.file.as_mut(), serde_json::to_string(&span)) {
                    // Whoever reads the file misses a span; nobody waits for it.
                    let _ = writeln!(file, "{line}");
                }
                memory.spans.push(span);
            }
        }
    }
}

/// A body without its compression, which every receiver of OTLP has to know; as far as it can be read.
fn unzipped(body: &Bytes) -> Bytes {
    let mut unzipped = Vec::new();
    let _ = MultiGzDecoder::new(&body[..]).read_to_end(&mut unzipped);
    unzipped.into()
}

fn span(service: &str, exported: Exported) -> Span {
    let id = |bytes: &[u8]| HEXLOWER.encode(bytes);
    let status = exported.status.unwrap_or_default();
    Span {
        service: service.to_owned(),
        trace: id(&exported.trace_id),
        id: id(&exported.span_id),
        parent: id(&exported.parent_span_id),
        links: exported.links.iter().map(|link| (id(&link.trace_id), id(&link.span_id))).collect(),
        name: exported.name,
        kind: exported.kind,
        start_ns: exported.start_time_unix_nano,
        end_ns: exported.end_time_unix_nano,
        attributes: texts(exported.attributes),
        events: exported.events.into_iter().map(|event| event.name).collect(),
        error: (status.code == StatusCode::Error as i32).then_some(status.message),
    }
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    };
    attributes.into_iter().map(|attribute| (attribute.key, text(attribute.value))).collect()
}
