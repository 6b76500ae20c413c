use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use opentelemetry::trace::Tracer;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use super::*;

/// A request as a collector sees it.
struct Received {
    head: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// A collector that answers after `delay`, with this status.
fn collector(delay: Duration, status: u16) -> (String, Receiver<Received>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let (sender, received) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let sender: Sender<Received> = sender.clone();
            thread::spawn(move || {
                let mut stream = BufReader::new(stream.unwrap());
                let _ = sender.send(read(&mut stream));
                thread::sleep(delay);
                let _ =
                    write!(stream.get_mut(), "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            });
        }
    });
    (url, received)
}

fn read(stream: &mut impl BufRead) -> Received {
    let mut line = || {
        let mut text = String::new();
        stream.read_line(&mut text).unwrap();
        text.trim_end().to_owned()
    };
    let head = line();
    let headers: BTreeMap<String, String> = std::iter::repeat_with(line)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned())))
        .collect();
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    Received { head, headers, body }
}

/// An export to that URL on which a span has ended.
fn ended(url: &str) -> (SdkTracerProvider, Export) {
    let variables = |name: &str| match name {
        "AWS_LAMBDA_FUNCTION_NAME" => Some("loans-function".to_owned()),
        "AWS_REGION" => Some("eu-west-1".to_owned()),
        _ => None,
    };
    let (provider, export) = export(url, &Environment::new(variables)).unwrap();
    end_span(&provider);
    (provider, export)
}

fn end_span(provider: &SdkTracerProvider) {
    drop(provider.tracer("test").start("process loans"));
}

fn block_on<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begun = System.now();
    (runtime.block_on(work), begun.until(System.now()))
}

#[test]
fn spans_arrive_as_a_collector_reads_them() {
    let (url, received) = collector(Duration::ZERO, 200);
    let (_provider, export) = ended(&url);
    block_on(export.flush(System.now(), LIMIT));
    let Received { head, headers, body } = received.recv().unwrap();
    assert_eq!(head, "POST /v1/traces HTTP/1.1");
    assert_eq!(headers["content-type"], "application/x-protobuf");
    assert!(!headers.contains_key("authorization"));
    let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
    let [resource] = request.resource_spans.try_into().unwrap();
    let attributes = format!("{:?}", resource.resource.unwrap().attributes);
    for told in ["service.name", "loans-function", "cloud.region", "eu-west-1"] {
        assert!(attributes.contains(told), "no {told} in {attributes}");
    }
    let names: Vec<_> = resource.scope_spans[0].spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["process loans"]);
    // Sent is sent.
    block_on(export.flush(System.now(), LIMIT));
    assert!(received.try_recv().is_err());
}

#[test]
fn a_collector_that_is_slow_or_dead_costs_its_limit_and_then_nothing_for_a_while() {
    let dead = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map(|listener| listener.local_addr().unwrap()).unwrap();
    let (slow, received_slow) = collector(Duration::from_secs(5), 200);
    let (refusing, received_refusing) = collector(Duration::ZERO, 503);
    for (url, received) in
        [(format!("http://{dead}/v1/traces"), None), (slow, Some(received_slow)), (refusing, Some(received_refusing))]
    {
        let (provider, export) = ended(&url);
        let now = System.now();
        let ((), took) = block_on(export.flush(now, LIMIT));
        assert!(took < LIMIT + Duration::from_secs(2), "{url}: {took:?}");
        if let Some(received) = &received {
            received.recv().unwrap();
        }
        end_span(&provider);
        block_on(export.flush(now.after(Duration::from_millis(9_999)), LIMIT));
        if let Some(received) = received {
            assert!(received.try_recv().is_err(), "{url} is left alone");
            end_span(&provider);
            block_on(export.flush(now.after(PAUSE), LIMIT));
            received.recv_timeout(Duration::from_secs(5)).unwrap();
        }
    }
}

#[test]
fn spans_that_nobody_takes_do_not_pile_up() {
    let (provider, export) = ended("http://127.0.0.1:9/v1/traces");
    for _ in 0..MAX_WAITING {
        end_span(&provider);
    }
    assert_eq!(export.waiting.take().len(), MAX_WAITING);
    block_on(export.flush(System.now(), Duration::ZERO));
}

#[test]
fn only_x_ray_gets_a_signature() {
    assert_eq!(region_of_x_ray("xray.eu-west-1.amazonaws.com").as_deref(), Some("eu-west-1"));
    for other in ["127.0.0.1", "collector.example", "xray.eu-west-1.amazonaws.com.example"] {
        assert_eq!(region_of_x_ray(other), None);
    }
}

const ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

#[test]
fn spans_go_where_the_variables_of_open_telemetry_say() {
    let endpoint = |variables: &'static [(&str, &str)]| {
        let value =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        endpoint(&Environment::new(value))
    };
    assert_eq!(endpoint(&[]), None);
    assert_eq!(endpoint(&[(ALL, "")]), None);
    assert_eq!(endpoint(&[(ALL, "http://c:4318/")]).as_deref(), Some("http://c:4318/v1/traces"));
    assert_eq!(endpoint(&[(ALL, "http://c:4318"), (TRACES, "http://t/x")]).as_deref(), Some("http://t/x"));
}
