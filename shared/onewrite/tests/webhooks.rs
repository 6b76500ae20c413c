//! Webhooks to names that lie, by the resolver of the machine: in a network of its own, of which every address is this machine.

#![expect(clippy::unwrap_used, reason = "all of it is tests, though Clippy does not see any in its helpers")]

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;
use std::{env, fs, thread};

use onewrite::aws::WebhookClient;
use onewrite::webhook::{Loopback, Target, Unanswered};

/// Names, and the addresses of each: those of its first lookup, those of its second, and so on; the last stay.
const NAMES: [(&str, &[&[&str]]); 15] = [
    ("public.test", &[&[PUBLIC]]),
    ("public6.test", &[&[PUBLIC_V6]]),
    ("both.test", &[&["10.0.0.1", PUBLIC, "fd00::1"]]),
    ("both6.test", &[&["192.168.1.1", PUBLIC_V6, "::1"]]),
    ("rebinding.test", &[&[PUBLIC], &["10.0.0.1"]]),
    ("metadata-later.test", &[&[PUBLIC], &[PUBLIC], &["169.254.169.254"]]),
    ("family-later.test", &[&[PUBLIC_V6], &["::1", "127.0.0.1"]]),
    ("public-later.test", &[&["169.254.169.254"], &[PUBLIC]]),
    ("inner.test", &[&["10.0.0.1", "172.16.0.1", "192.168.1.1"]]),
    ("metadata.test", &[&["169.254.169.254", "fd00:ec2::254"]]),
    ("carrier.test", &[&["100.64.0.1"]]),
    ("here.test", &[&["127.0.0.1", "::1"]]),
    ("local6.test", &[&["fd00::1", LINK_LOCAL]]),
    ("mapped.test", &[&["::ffff:169.254.169.254"]]),
    ("translated.test", &[&["64:ff9b::10.0.0.1", "2002:7f00:1::1"]]),
];

/// Addresses that may be connected to.
const PUBLIC: &str = "93.184.215.14";
const PUBLIC_V6: &str = "2606:2800:21f:cb07::1";

/// An address that nobody can connect to without the name of a link.
const LINK_LOCAL: &str = "fe80::1";

/// Times that an event is posted to each name.
const ROUNDS: usize = 4;

/// The name server, which is the one of [`RESOLV_CONF`].
const NAME_SERVER: (Ipv4Addr, u16) = (Ipv4Addr::new(127, 0, 0, 53), 53);
const RESOLV_CONF: &str = "nameserver 127.0.0.53\noptions attempts:1 timeout:2\n";
const NSSWITCH_CONF: &str = "hosts: dns\n";

/// Address that ends the listening when it is connected to.
const LAST: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 99));

/// Variable that is set where the test is in a network of its own.
const INSIDE: &str = "ONEWRITE_NETWORK_OF_ITS_OWN";

/// Script that makes each address one of this machine, has names looked up at our server alone, and then runs what it is told.
const SETUP: &str = r#"
set -e
ip link set lo up
ip route add local default dev lo
ip -6 route add local default dev lo
mount --bind "$1/resolv.conf" /etc/resolv.conf
mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf
[ ! -d /run/nscd ] || mount -t tmpfs tmpfs /run/nscd
shift
exec "$@"
"#;

/// Flags of `unshare`: for anybody, where the machine lets them, and for root.
const FLAGS: [&[&str]; 2] = [&["--user", "--map-root-user", "--net", "--mount"], &["--net", "--mount"]];

#[test]
fn events_reach_public_addresses_alone_whatever_a_name_resolves_to() {
    if is_inside() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(public_addresses_alone_are_connected_to());
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::write(folder.join("resolv.conf"), RESOLV_CONF).unwrap();
    fs::write(folder.join("nsswitch.conf"), NSSWITCH_CONF).unwrap();
    let works = |flags: &[&str]| in_own_network(flags, folder, &["true"]).is_ok_and(|done| done.status.success());
    let Some(flags) = FLAGS.into_iter().find(|flags| works(flags)) else {
        eprintln!("left out: names that lie, for this machine makes no network of its own by unshare, ip and mount");
        return;
    };
    let program = env::current_exe().unwrap();
    let name = "events_reach_public_addresses_alone_whatever_a_name_resolves_to";
    let done = in_own_network(flags, folder, &[program.to_str().unwrap(), "--exact", name]).unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&done.stderr));
}

/// Runs a program in a network that has nothing but this machine.
fn in_own_network(flags: &[&str], folder: &Path, program: &[&str]) -> io::Result<Output> {
    let setup = ["sh", "-c", SETUP, "sh"];
    Command::new("unshare").args(flags).args(setup).arg(folder).args(program).env(INSIDE, "yes").output()
}

#[expect(clippy::disallowed_methods, reason = "a test is told by its environment where it runs")]
fn is_inside() -> bool {
    env::var_os(INSIDE).is_some()
}

/// The test itself. Nobody has a certificate here: who is connected to hears the beginning of a handshake, and no more.
async fn public_addresses_alone_are_connected_to() {
    let queries = UdpSocket::bind(NAME_SERVER).unwrap();
    thread::spawn(move || answer_queries(&queries));
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 443)).unwrap();
    let listening = thread::spawn(move || connections(&listener));

    let client = WebhookClient::new(Loopback::Refused).unwrap();
    let mut expected = Vec::new();
    for round in 0..ROUNDS {
        for (name, _) in NAMES {
            let public: Vec<IpAddr> = addresses(name, round).into_iter().filter(|address| is_ours(*address)).collect();
            let outcome = if public.is_empty() { Unanswered::NotPublic } else { Unanswered::Unreachable };
            let target = Target::new(&format!("https://{name}/hook"), Loopback::Refused).unwrap();
            let answer = client.post(&target, &[("webhook-id", "1".to_owned())], "{}").await;
            assert_eq!(answer, Err(outcome), "{name}, lookup {round}");
            expected.extend(public);
        }
    }
    assert!(expected.len() > 4 * ROUNDS, "{expected:?}");

    // Whoever connects without looking is heard at each of the others: they could have been reached, and were not before.
    for (name, answers) in NAMES {
        for inner in (0..answers.len()).flat_map(|round| addresses(name, round)) {
            if !is_ours(inner) && inner != parsed(LINK_LOCAL) {
                connect(inner);
                expected.push(inner.to_canonical());
            }
        }
    }
    connect(LAST);
    let heard = listening.join().unwrap();
    assert_eq!(heard.iter().map(|(address, _)| *address).collect::<Vec<_>>(), expected);
    assert!(heard.iter().all(|(_, bytes)| *bytes > 0), "{heard:?}");
}

fn parsed(address: &str) -> IpAddr {
    address.parse().unwrap()
}

/// Tells that it is one of the two that may be connected to, not by the rule that is tested.
fn is_ours(address: IpAddr) -> bool {
    [PUBLIC, PUBLIC_V6].map(parsed).contains(&address)
}

fn connect(address: IpAddr) {
    TcpStream::connect((address, 443)).and_then(|mut stream| stream.write_all(b"x")).unwrap();
}

/// The address of this machine to which each connection was made, until the last, and the number of bytes that came first.
fn connections(listener: &TcpListener) -> Vec<(IpAddr, usize)> {
    let mut heard = Vec::new();
    loop {
        let (mut stream, _) = listener.accept().unwrap();
        let address = stream.local_addr().unwrap().ip().to_canonical();
        if address == LAST {
            return heard;
        }
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        heard.push((address, stream.read(&mut [0; 4_096]).unwrap_or_default()));
    }
}

// ── The name server: of DNS (RFC 1035) as much as a resolver asks for ───────────────────────────────────────────────

/// Length of the header of a message, after which comes its question.
const HEADER: usize = 12;

/// Types of records: addresses of IPv4, and of IPv6.
const A: u16 = 1;
const AAAA: u16 = 28;

/// Addresses of a name at one of its lookups, counted from zero.
fn addresses(name: &str, lookup: usize) -> Vec<IpAddr> {
    let answers = NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, answers)| answers).unwrap_or_default();
    let answer = answers.get(lookup).or(answers.last()).copied().unwrap_or_default();
    answer.iter().map(|address| parsed(address)).collect()
}

/// Answers by the table. Each lookup asks for both types once, so that the queries of one type count the lookups.
fn answer_queries(socket: &UdpSocket) {
    let (mut asked, mut buffer) = (HashMap::<(String, u16), usize>::new(), [0; 512]);
    while let Ok((length, client)) = socket.recv_from(&mut buffer) {
        let query = &buffer[..length];
        let (name, kind, end) = question(query);
        let lookup = asked.entry((name.clone(), kind)).or_default();
        let found = addresses(&name, *lookup);
        *lookup += 1;
        socket.send_to(&response(query, kind, end, &found), client).unwrap();
    }
}

/// Name and type of the question of a query, and where it ends.
fn question(query: &[u8]) -> (String, u16, usize) {
    let (mut labels, mut at) = (Vec::new(), HEADER);
    while query[at] > 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..end]).to_lowercase());
        at = end;
    }
    (labels.join("."), u16::from_be_bytes([query[at + 1], query[at + 2]]), at + 5)
}

/// The answer to a query: its question again, and a record of each address of that type, which nobody may keep.
fn response(query: &[u8], kind: u16, end: usize, found: &[IpAddr]) -> Vec<u8> {
    let of_kind = |address: &IpAddr| match (kind, address) {
        (A, IpAddr::V4(address)) => Some(address.octets().to_vec()),
        (AAAA, IpAddr::V6(address)) => Some(address.octets().to_vec()),
        _ => None,
    };
    let records: Vec<Vec<u8>> = found.iter().filter_map(of_kind).collect();
    let count = u8::try_from(records.len()).unwrap();
    let mut response = query[..2].to_vec();
    // An answer without a fault, by one who asks others; the numbers of questions, answers, and of two other sections.
    response.extend_from_slice(&[0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0]);
    response.extend_from_slice(&query[HEADER..end]);
    for record in records {
        // The name of the question, by its place; the type; the class of the Internet; seconds to live; the length.
        response.extend_from_slice(&[0xc0, 0x0c]);
        response.extend_from_slice(&kind.to_be_bytes());
        response.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, u8::try_from(record.len()).unwrap()]);
        response.extend_from_slice(&record);
    }
    response
}
