use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Receiver on this machine, on a port of its own: how many connections it has had, and how many bytes.
struct Receiver {
    port: u16,
    connections: Arc<AtomicUsize>,
    bytes: Arc<AtomicUsize>,
}

impl Receiver {
    /// One that does that with each connection, once it has read the head of a request.
    async fn that(answers: impl AsyncFn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, bytes) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (counted, read) = (Arc::clone(&connections), Arc::clone(&bytes));
        tokio::task::spawn_local(async move {
            let answers = std::rc::Rc::new(answers);
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let (answers, read) = (std::rc::Rc::clone(&answers), Arc::clone(&read));
                tokio::task::spawn_local(async move {
                    let (mut buffer, mut head) = ([0; 4_096], Vec::new());
                    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                        let Ok(count @ 1..) = stream.read(&mut buffer).await else { return };
                        read.fetch_add(count, Ordering::Relaxed);
                        head.extend_from_slice(&buffer[..count]);
                    }
                    answers(stream).await;
                });
            }
        });
        Self { port, connections, bytes }
    }

    /// One that answers that text.
    async fn answering(text: &'static str) -> Self {
        Self::that(async move |mut stream: TcpStream| {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
        })
        .await
    }

    fn target(&self, host: &str) -> Target {
        Target::new(&format!("http://{host}:{}/hook", self.port), Loopback::Allowed).unwrap()
    }
}

async fn post(target: &Target) -> Result<Answer, Unanswered> {
    WebhookClient::new(Loopback::Allowed).unwrap().post(target, &[("webhook-id", "1".to_owned())], "{}").await
}

/// Runs a test with its receivers on one thread.
async fn locally(test: impl AsyncFnOnce()) {
    tokio::task::LocalSet::new().run_until(test()).await;
}

#[tokio::test]
async fn an_event_is_posted_and_the_beginning_of_the_answer_is_told() {
    locally(async || {
        let receiver = Receiver::answering("HTTP/1.1 202 Accepted\r\ncontent-length: 6\r\n\r\nthanks").await;
        let answer = post(&receiver.target("127.0.0.1")).await.unwrap();
        assert_eq!((answer.status, answer.beginning.as_str(), answer.is_taken()), (202, "thanks", true));
        let receiver = Receiver::answering("HTTP/1.1 500 No\r\ncontent-length: 99\r\n\r\nhal\u{fffd}f").await;
        let answer = post(&receiver.target("localhost")).await.unwrap();
        assert_eq!((answer.status, answer.beginning.as_str(), answer.is_taken()), (500, "hal\u{fffd}f", false));
    })
    .await;
}

#[tokio::test]
async fn no_redirect_is_followed() {
    locally(async || {
        let inner = Receiver::answering("HTTP/1.1 200 OK\r\n\r\n").await;
        let place =
            format!("HTTP/1.1 307 There\r\nlocation: http://127.0.0.1:{}/\r\ncontent-length: 0\r\n\r\n", inner.port);
        let receiver = Receiver::answering(place.leak()).await;
        assert_eq!(post(&receiver.target("127.0.0.1")).await.unwrap().status, 307);
        assert_eq!(inner.connections.load(Ordering::Relaxed), 0);
    })
    .await;
}

#[tokio::test]
async fn of_a_gigabyte_some_bytes_are_read() {
    locally(async || {
        let sent = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&sent);
        let receiver = Receiver::that(async move |mut stream: TcpStream| {
            let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1073741824\r\n\r\n";
            let _ = stream.write_all(head.as_bytes()).await;
            while let Ok(count) = stream.write(&[b'x'; 8_192]).await {
                counted.fetch_add(count, Ordering::Relaxed);
            }
        })
        .await;
        let answer = post(&receiver.target("127.0.0.1")).await.unwrap();
        assert_eq!((answer.status, answer.beginning.len()), (200, MAX_BYTES));
        tokio::time::sleep(Duration::from_millis(300)).await;
        let sent = sent.load(Ordering::Relaxed);
        assert!(sent < 32 * 1024 * 1024, "{sent} bytes were taken, by the buffers between them");
    })
    .await;
}

#[tokio::test]
async fn who_answers_by_drops_or_not_at_all_is_given_up() {
    locally(async || {
        let slow = Receiver::that(async |mut stream: TcpStream| {
            for byte in "HTTP/1.1 200 OK\r\nx-slow: ".bytes().chain(std::iter::repeat(b'x')) {
                if stream.write_all(&[byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
        .await;
        let silent = Receiver::that(async |_stream: TcpStream| std::future::pending().await).await;
        let good = Receiver::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let client = WebhookClient::new(Loopback::Allowed).unwrap();
        let begun = Instant::now();
        let timed = async |receiver: &Receiver| {
            let answer = client.post(&receiver.target("127.0.0.1"), &[], "{}").await.map(|answer| answer.status);
            (answer, begun.elapsed())
        };
        let (slow, silent, good) = futures::join!(timed(&slow), timed(&silent), timed(&good));
        assert_eq!((slow.0, silent.0, good.0), (Err(Unanswered::TooSlow), Err(Unanswered::TooSlow), Ok(200)));
        assert!(slow.1 < TIMEOUT + Duration::from_secs(2) && good.1 < TIMEOUT, "{slow:?} {good:?}");
    })
    .await;
}

#[tokio::test]
async fn the_status_stands_where_the_body_never_comes_to_its_end() {
    locally(async || {
        let stalling = Receiver::that(async |mut stream: TcpStream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhal").await;
            std::future::pending::<()>().await;
        })
        .await;
        let dripping = Receiver::that(async |mut stream: TcpStream| {
            let _ = stream.write_all(b"HTTP/1.1 503 No\r\ncontent-length: 99\r\n\r\n").await;
            while stream.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(400)).await;
            }
        })
        .await;
        let begun = Instant::now();
        let targets = [&stalling, &dripping].map(|receiver| receiver.target("127.0.0.1"));
        let (stalling, dripping) = futures::join!(post(&targets[0]), post(&targets[1]));
        let (stalling, dripping) = (stalling.unwrap(), dripping.unwrap());
        assert_eq!((stalling.status, stalling.beginning.as_str()), (200, "hal"));
        assert!(dripping.status == 503 && dripping.beginning.len() < 20, "{dripping:?}");
        assert!(begun.elapsed() < TIMEOUT + Duration::from_secs(2), "{:?}", begun.elapsed());
    })
    .await;
}

/// Resolver of one who answers with a public address when they are asked first, and with an inner one from then on.
#[derive(Clone, Debug, Default)]
struct Rebinding(Arc<AtomicUsize>);

impl ResolveDns for Rebinding {
    fn resolve_dns<'a>(&'a self, _: &'a str) -> DnsFuture<'a> {
        let is_first = self.0.fetch_add(1, Ordering::Relaxed) == 0;
        let address = if is_first { [1, 1, 1, 1] } else { [127, 0, 0, 1] };
        DnsFuture::new(async move { Ok(vec![IpAddr::from(address)]) })
    }
}

#[tokio::test]
async fn not_a_byte_reaches_an_inner_address_by_its_name() {
    locally(async || {
        let inner = Receiver::answering("HTTP/1.1 200 OK\r\n\r\n").await;
        let of_name = |name: &str| Target::new(&format!("https://{name}:{}/", inner.port), Loopback::Refused).unwrap();
        let client = WebhookClient::new(Loopback::Refused).unwrap();
        assert_eq!(client.post(&of_name("localhost"), &[], "{}").await, Err(Unanswered::NotPublic));
        // The name has changed what it means, since somebody looked at it.
        let resolver = Rebinding::default();
        resolver.resolve_dns("rebinding.example").await.unwrap();
        let client = WebhookClient::resolving_by(resolver, Loopback::Refused).unwrap();
        assert_eq!(client.post(&of_name("rebinding.example"), &[], "{}").await, Err(Unanswered::NotPublic));
        let seen = [&inner.connections, &inner.bytes].map(|count| count.load(Ordering::Relaxed));
        assert_eq!(seen, [0, 0]);
    })
    .await;
}

#[tokio::test]
async fn of_several_addresses_the_public_ones_are_left() {
    #[derive(Clone, Debug)]
    struct Mixed;
    impl ResolveDns for Mixed {
        fn resolve_dns<'a>(&'a self, _: &'a str) -> DnsFuture<'a> {
            let found = ["10.0.0.1", "1.1.1.1", "::1", "fd00::1", "2606:4700:4700::1111"];
            DnsFuture::new(async move { Ok(found.iter().map(|address| address.parse().unwrap()).collect()) })
        }
    }
    let checked = PublicOnly { resolver: Mixed, loopback: Loopback::Refused };
    let left = checked.resolve_dns("mixed.example").await.unwrap();
    assert_eq!(left.iter().map(ToString::to_string).collect::<Vec<_>>(), ["1.1.1.1", "2606:4700:4700::1111"]);
}
