//! API that answers by a script, and what the command has asked of it.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

/// Request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Method and path with its query: `GET /operations/groups`.
    pub(crate) line: String,
    /// The headers, in lower case.
    pub(crate) headers: String,
    /// The body; null where there is none.
    pub(crate) body: Value,
}

/// Answer to the next request: a status and a document. Status 0 closes the connection without a word.
pub(crate) type Answer = (u16, Value);

/// API on a port of its own.
pub(crate) struct ScriptedApi {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// Result of a run of the command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl ScriptedApi {
    /// An API that gives these answers, one after the other, and then none.
    pub(crate) fn of(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/dev", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut answers: VecDeque<Answer> = answers.into_iter().collect();
        let record = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (status, document) = answers.pop_front().unwrap_or((500, Value::Null));
                record.lock().unwrap().push(read(&stream));
                answer(stream, status, &document);
            }
        });
        Self { url, asked }
    }

    /// Runs the command on it, without a terminal, with a token; blanks are between the arguments.
    pub(crate) fn run(&self, arguments: &str) -> Ran {
        self.run_with(&arguments.split(' ').collect::<Vec<_>>(), &[])
    }

    /// Runs the command with those arguments and environment variables.
    pub(crate) fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orderctl"));
        command.args(arguments).env("ORDERFLOW_API", &self.url).env("ORDERFLOW_TOKEN", "secret").stdin(Stdio::null());
        let output = command.envs(environment.iter().copied()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// All that it was asked.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Methods and paths of all that it was asked.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

fn read(stream: &TcpStream) -> Asked {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "a request that ends early: {head}");
    }
    let (line, headers) = head.split_once("\r\n").unwrap();
    let headers = headers.to_lowercase();
    let length = headers.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    Asked {
        line: line.trim_end_matches(" HTTP/1.1").replacen(" /dev/", " /", 1),
        headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    }
}

fn answer(mut stream: TcpStream, status: u16, document: &Value) {
    if status == 0 {
        return;
    }
    let body = document.to_string();
    let head =
        format!("HTTP/1.1 {status} X\r\nETag: \"7\"\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    // The command may have been ended.
    let _nobody_listens = stream.write_all((head + &body).as_bytes());
}
