use envelope::Time;

use super::*;
use crate::memory::VirtualTime;

const KNOWN: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn a_signature_is_the_one_that_libraries_of_others_make() {
    // By `standardwebhooks` 1.0 of PyPI.
    let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let at = Time::from_millis(1_614_265_330_999);
    let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", r#"{"test": 2432232314}"#);
    let known = Secret::new(KNOWN).unwrap();
    let [id_header, timestamp, signature] = Secrets::new(known.clone(), None).headers(id, at, body);
    assert_eq!(
        (id_header, timestamp, signature),
        (
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", "1614265330".to_owned()),
            ("webhook-signature", expected.to_owned())
        )
    );
    // While secrets are replaced, all sign.
    let [current, other] = [1, 2].map(|seed| Secret::random(&VirtualTime::new(seed)));
    let [.., (_, all)] = Secrets::new(current, [other, known]).headers(id, at, body);
    assert_eq!(all.split(' ').count(), 3);
    assert_eq!(all.split(' ').nth(2), Some(expected));
}

#[test]
fn a_secret_is_read_as_it_was_told_and_is_shown_to_nobody_else() {
    let secret = Secret::random(&VirtualTime::new(1));
    assert_eq!(Secret::new(&secret.text()), Ok(secret.clone()));
    assert_eq!(format!("{:?}", Secrets::new(secret.clone(), Some(secret))).matches("whsec").count(), 0);
    let short = format!("whsec_{}", "A".repeat(28));
    for text in
        ["", "whsec_", "whsec_x", &short, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &format!("whsec_{}", "A".repeat(88))]
    {
        let refused = Secret::new(text).map(drop).unwrap_err().to_string();
        assert!(refused.starts_with("must be whsec_"), "{text}: {refused}");
    }
}

#[test]
fn a_private_key_signs_as_libraries_of_others_do_and_its_public_key_is_shown() {
    // By `cryptography` 50 of PyPI, of the seed 0, 1, 2 … 31.
    let private = "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let public = "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
    let expected = "v1a,yoUrgEkc12aGqm0n4Sydmdz55xJfTz4AsAgieHFjmkR7LJtqVCZOQYzvvHjI5kAey+r4iaBGxTFRrl2iBQxtDQ==";
    let secret = Secret::new(private).unwrap();
    assert_eq!((secret.text().as_str(), secret.public().as_deref()), (private, Some(public)));
    let at = Time::from_millis(1_614_265_330_999);
    let hmac = Secret::new(KNOWN).unwrap();
    let [.., (_, signatures)] =
        Secrets::new(secret, Some(hmac.clone())).headers("msg_p5jXN8AQM9LWM0D4loKWxJek", at, r#"{"test": 2432232314}"#);
    let signatures: Vec<&str> = signatures.split(' ').collect();
    assert_eq!(signatures, [expected, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="]);
    assert_eq!(hmac.public(), None);
    let fresh = Secret::random_ed25519(&VirtualTime::new(1));
    assert_eq!(Secret::new(&fresh.text()), Ok(fresh.clone()));
    assert!(fresh.public().unwrap().starts_with("whpk_") && !format!("{fresh:?}").contains("whsk"));
    for text in ["whsk_", "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==", public] {
        assert!(Secret::new(text).is_err(), "{text}");
    }
}

#[test]
fn an_address_is_public_or_it_is_not() {
    for address in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2a00:1450:4001:81b::200e",
        "2001:200::1",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
        "3ffe::1",
    ] {
        assert!(is_public(address.parse().unwrap()), "{address}");
    }
    for address in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "169.254.170.2",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::ffff:0:8.8.8.8",
        "64:ff9b::169.254.169.254",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::8.8.8.8",
        "2002:a00:1::1",
        "2002:7f00:1::",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2001:10::1",
        "2001:1ff::1",
        "3fff::1",
        "3fff:fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "4000::1",
        "5f00::1",
    ] {
        assert!(!is_public(address.parse().unwrap()), "{address}");
    }
}

#[test]
fn a_target_is_https_and_public_however_it_is_written() {
    for text in [
        "https://partner.example/",
        "https://partner.example:8443/a/b?c=d",
        "HTTPS://PARTNER.example",
        "https://1.1.1.1/",
        "https://[2606:4700:4700::1111]/",
        "https://bücher.example/",
        "https://0x01010101/",
    ] {
        assert!(Target::new(text, Loopback::Refused).is_ok(), "{text}");
    }
    let long = format!("https://partner.example/{}", "x".repeat(2_000));
    for (text, rule) in [
        ("", "must be a URL"),
        ("partner.example", "must be a URL"),
        ("https://", "must be a URL"),
        ("http://partner.example/", "must begin with https://"),
        ("ftp://partner.example/", "must begin with https://"),
        ("file:///etc/passwd", "must be a URL with a host"),
        ("https://ada:secret@partner.example/", "must be without a name and a password"),
        ("https://partner.example@10.0.0.1/", "must be without a name and a password"),
        ("https://partner.example/#top", "must be without a fragment"),
        (&long, "must be at most 2000 characters"),
    ] {
        assert_eq!(Target::new(text, Loopback::Refused).unwrap_err().to_string(), rule, "{text}");
    }
    // One inner address, in all its spellings, and the others.
    for host in [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.1.",
        "１２７.0.0.1",
        "127。0。0。1",
        "%31%32%37.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:0:0:1]",
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "[fd00:ec2::254]",
        "[::ffff:a9fe:a9fe]",
        "10.0.0.1",
        "0",
        "0.0.0.0",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ] {
        for port in ["", ":443", ":6379"] {
            let text = format!("https://{host}{port}/");
            let refused = Target::new(&text, Loopback::Refused).unwrap_err().to_string();
            assert_eq!(refused, "must have a public address", "{text}");
        }
    }
}

#[test]
fn a_local_stack_may_post_to_this_machine_and_to_no_other() {
    for text in ["http://127.0.0.1:9000/", "http://localhost:9000/", "http://[::1]:9000/", "https://127.0.0.1/"] {
        assert!(Target::new(text, Loopback::Allowed).is_ok(), "{text}");
        assert!(Target::new(text, Loopback::Refused).is_err() || text == "https://localhost/", "{text}");
    }
    for text in ["http://partner.example/", "https://10.0.0.1/", "http://10.0.0.1/", "http://169.254.169.254/"] {
        assert!(Target::new(text, Loopback::Allowed).is_err(), "{text}");
    }
}
