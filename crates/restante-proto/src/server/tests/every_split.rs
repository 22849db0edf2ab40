//! The transcript does not depend on how the input was split, and no input panics.

use proptest::prelude::*;

use super::*;

/// What a client may send. STLS ends a flight: what follows it in the same flight is thrown away, so the splits are
/// tried between the flights' borders only.
fn flights() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let command = prop_oneof![
        8 => prop::sample::select(&COMMANDS[..]).prop_map(|command| command.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (0usize..700).prop_map(|length| vec![b'A'; length]),
        1 => "(USER|PASS|LIST|RETR|TOP|UIDL|AUTH|APOP|DELE)( [0-9a-z=*]{0,4}){0,3}".prop_map(String::into_bytes),
    ];
    let end = prop::sample::select(&["\r\n", "\r\n", "\n", "\r", ""][..]);
    let line = (command, end).prop_map(|(mut line, end)| {
        line.extend_from_slice(end.as_bytes());
        line
    });
    let flight = prop::collection::vec(line, 0..12).prop_map(|lines| lines.concat());
    let flight = (flight, any::<bool>()).prop_map(|(mut flight, is_tls)| {
        // Garbage could hold an STLS of its own.
        flight.retain(|octet| !b"tT".contains(octet) || !is_tls);
        if is_tls {
            flight.extend_from_slice(b"\r\nSTLS\r\n");
        }
        flight
    });
    (any::<bool>(), prop::collection::vec(flight, 1..4)).prop_map(|(is_logged_in, mut flights)| {
        if is_logged_in {
            flights.insert(0, b"STLS\r\n".to_vec());
            flights.insert(1, b"USER alice\r\nPASS secret\r\n".to_vec());
        }
        flights
    })
}

fn play(world: World, flights: &[Vec<u8>], sizes: &[usize]) -> Vec<u8> {
    let mut run = world.start();
    let mut sizes = sizes.iter().cycle();
    for flight in flights {
        let mut rest = &flight[..];
        while !rest.is_empty() {
            let size = sizes.next().map_or(rest.len(), |size| (*size).min(rest.len()));
            let (piece, after) = rest.split_at(size);
            run.receive(piece);
            rest = after;
        }
    }
    run.said
}

fn any_world(is_strict: bool, is_faulty: bool) -> World {
    let mut world = if is_strict { strict_world() } else { world() };
    world.timestamp = Some("<1896.697170952@dbc.mtview.ca.us>".into());
    world.fault = is_faulty.then_some((0, Fault::Temporary));
    world.policy.limits.bad_commands_before_login_max = 100;
    world.policy.mechanisms = Mechanism::ALL.to_vec();
    world.channel = Channel { exporter: true, server_end_point: is_faulty, certificate: true };
    world.with_services()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_split_gives_the_same_transcript(
        flights in flights(),
        sizes in prop::collection::vec(1usize..40, 1..20),
        is_strict: bool,
        is_faulty: bool,
    ) {
        let whole = play(any_world(is_strict, is_faulty), &flights, &[]);
        let split = play(any_world(is_strict, is_faulty), &flights, &sizes);
        prop_assert_eq!(split.escape_ascii().to_string(), whole.escape_ascii().to_string());
        let octets = play(any_world(is_strict, is_faulty), &flights, &[1]);
        prop_assert_eq!(octets.escape_ascii().to_string(), whole.escape_ascii().to_string());
    }

    #[test]
    fn no_input_panics(octets in prop::collection::vec(any::<u8>(), 0..400), is_strict: bool) {
        let login = b"USER u\r\nPASS secret\r\n".to_vec();
        play(any_world(is_strict, false), core::slice::from_ref(&octets), &[]);
        play(any_world(false, false), &[login, octets], &[]);
    }

    #[test]
    fn first_lines_and_status_words_are_as_they_must_be(flights in flights(), is_strict: bool) {
        let mut world = any_world(is_strict, false);
        // No body lines, so that every line is a first line, a listing or an announcement.
        world.messages.iter_mut().for_each(|(message, _)| message.clear());
        let said = play(world, &flights, &[]);
        for line in said.split_inclusive(|&octet| octet == b'\n') {
            prop_assert!(line.ends_with(b"\r\n"));
            if !line.starts_with(b"D: ") {
                // R1939-3.9, R1939-3.10
                prop_assert!(line.len() <= 512);
            }
        }
    }
}

const COMMANDS: [&str; 60] = [
    "XTND BBOARDS",
    "XTND BBOARDS news",
    "XTND X-BBOARDS news",
    "XTND XLST a",
    "XTND XLST b 2",
    "XTND XMIT\r\nTo: x\r\n\r\n..x\r\nQUIT\r\n.",
    "USER alice\r\nPASS secret",
    "USER alice\r\nPASS secret",
    "USER alice\r\nPASS secret",
    "USER alice\r\nCAPA\r\nPASS secret",
    "USER bob\r\nPASS B",
    "DELE 2\r\nQUIT",
    "USER alice",
    "PASS secret",
    "RETR 3",
    "PASS wrong",
    "PASS B",
    "PASS down",
    "PASS ",
    "APOP mrose c4c9334bac560ecc979e58001b3e22fb",
    "APOP mrose c4c9334bac560ecc979e58001b3e22fc",
    "AUTH",
    "AUTH PLAIN",
    "AUTH PLAIN AGFsaWNlAHNlY3JldA==",
    "AGFsaWNlAHNlY3JldA==",
    "AUTH SCRAM-SHA-256\r\nbiwsbj11LHI9eA==",
    "AUTH SCRAM-SHA-1 biwsbj11LHI9eA==",
    "AUTH SCRAM-SHA-1-PLUS cD10bHMtZXhwb3J0ZXIsLG49dSxyPXg=",
    "c=biws,r=x,p=AAAA",
    "Yz1iaXdzLHI9eA==",
    "AUTH CRAM-MD5",
    "YSAwMDAxMDIwMzA0MDUwNjA3MDgwOTBhMGIwYzBkMGUwZg==",
    "AUTH OAUTHBEARER bixhPXUsAWF1dGg9QmVhcmVyIHNlY3JldAEB",
    "AUTH XOAUTH2\r\ndXNlcj11AWF1dGg9QmVhcmVyIHgBAQ==\r\n",
    "AQ==",
    "AUTH EXTERNAL =",
    "AUTH ANONYMOUS c2lyaGM=",
    "AUTH LOGIN",
    "YWxpY2U=",
    "c2VjcmV0",
    "*",
    "CAPA",
    "STAT",
    "LIST",
    "LIST 1",
    "LIST 0",
    "RETR 1",
    "RETR 2",
    "RETR 9",
    "DELE 1",
    "DELE 3",
    "NOOP",
    "RSET",
    "TOP 1 0",
    "TOP 1 1",
    "TOP 1 99999999",
    "UIDL",
    "UIDL 2",
    "QUIT now",
    "QUIT",
];
