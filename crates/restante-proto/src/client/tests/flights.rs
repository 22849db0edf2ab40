//! What shares a flight, and how much is sent ahead.

use super::*;

#[test]
fn no_more_messages_are_asked_for_ahead_than_fit_a_window() {
    let asked_for = |octets: u64| {
        let mut driver = Driver::with_capabilities("PIPELINING\r\n");
        driver.session.settings.limits.ahead_octets_max = 1000;
        for at in 1..100 {
            let expected = Some(Octets::new(octets));
            driver.session.submit(Request::Retrieve { number: number(at), expected }).unwrap();
        }
        driver.run(&[]).unwrap();
        let first = driver.log.matches("C: ").count();
        // Each that has come makes room for another.
        driver.run(&[b"+OK\r\n.\r\n"]).unwrap();
        assert_eq!(driver.log.matches("C: ").count(), (first + 1).min(99), "{octets}");
        first
    };
    assert_eq!(asked_for(100), 10);
    assert_eq!(asked_for(400), 2);
    assert_eq!(asked_for(u64::MAX), 2, "two may always");
    assert_eq!(asked_for(0), 99);
}

#[test]
fn quit_shares_a_flight_with_dele_only() {
    for (request, expected) in [
        (Request::Delete(number(1)), "C: DELE 1\nC: QUIT\n"),
        (Request::Noop, "C: NOOP\nC: QUIT\n"),
        (Request::Reset, "C: RSET\n"),
        (Request::retrieve(number(1)), "C: RETR 1\n"),
        (Request::Stat, "C: STAT\n"),
    ] {
        let driver = Driver::with_capabilities("PIPELINING\r\n").submit(request).submit(Request::Quit);
        let mut driver = driver;
        driver.run(&[]).unwrap();
        assert_eq!(driver.log, expected);
    }
    // Also not when DELE stands between.
    let driver = Driver::with_capabilities("PIPELINING\r\n").submit(Request::retrieve(number(1)));
    let mut driver = driver.submit(Request::Delete(number(1))).submit(Request::Quit);
    driver.run(&[]).unwrap();
    assert_eq!(driver.log, "C: RETR 1\nC: DELE 1\n");
}

#[test]
fn user_and_pass_share_a_flight_and_so_does_utf8_before_a_login() {
    let listing = "PIPELINING\r\nUTF8\r\nSASL PLAIN\r\n";
    play(
        || Driver::with_capabilities(listing).submit(login(Method::UserPass)).submit(Request::Stat),
        "+OK\r\n+OK\r\n+OK 0 0\r\n",
        "C: USER fred
         C: PASS  pass word 
         = done
         C: STAT
         = stat 0 0
         = done",
    );
    let plain = || login(Method::Sasl(Mechanism::Plain));
    play(
        || Driver::with_capabilities(listing).submit(Request::Utf8).submit(plain()).submit(Request::Noop),
        "-ERR\r\n+OK\r\n+OK\r\n",
        "C: UTF8
         C: AUTH PLAIN AGZyZWQAIHBhc3Mgd29yZCA=
         = refused None 
         = done
         C: NOOP
         = done",
    );
    let mut driver = Driver::with_capabilities(listing).submit(Request::Utf8).submit(plain());
    driver.run(&[]).unwrap();
    let (octets, shown) = driver.session.redaction().unwrap();
    assert_eq!(shown, b"AUTH PLAIN ****\r\n");
    assert_eq!(octets, "AUTH PLAIN AGZyZWQAIHBhc3Mgd29yZCA=\r\n".len(), "UTF8 is shown");
    assert_eq!(driver.session.flights(), 2);
}

#[test]
fn a_refused_user_name_with_pass_behind_it_is_one_refusal() {
    let driver = || Driver::with_capabilities("PIPELINING\r\n").submit(login(Method::UserPass));
    play(
        || driver().submit(Request::Noop),
        "-ERR [AUTH] nobody\r\n-ERR USER first\r\n+OK\r\n",
        "C: USER fred
         C: PASS  pass word 
         = refused Some(Auth) nobody
         C: NOOP
         = done",
    );
    let mut told = driver();
    told.run(&[b"-ERR nobody\r\n"]).unwrap();
    assert_eq!(told.session.login_refusal().map(|refusal| &refusal.text[..]), Some("nobody"));
    assert!(!told.session.is_logged_in());
    assert_eq!(driver().run(&[b"-ERR\r\n+OK\r\n"]), Err(ProtocolError::LoginContradicted));
}

#[test]
fn a_refused_capa_after_the_login_leaves_what_was_listed_before() {
    let driver = Driver::with_capabilities("PIPELINING\r\n").submit(login(Method::UserPass));
    let mut driver = driver.submit(Request::Capabilities).submit(Request::List);
    driver.run(&[b"+OK\r\n+OK\r\n", b"-ERR not now\r\n+OK\r\n.\r\n"]).unwrap();
    assert!(driver.session.capabilities().is_some_and(|listed| listed.pipelining));
    assert!(
        driver.log.ends_with("C: CAPA\nC: LIST\n= quirk no-capa\n= refused None not now\n= done\n"),
        "{}",
        driver.log
    );
}

#[test]
fn what_is_told_carries_the_handle_of_its_request() {
    let mut driver = Driver::with_capabilities("PIPELINING\r\n");
    let list = driver.session.submit(Request::List).unwrap();
    let uidl = driver.session.submit(Request::UidlOne(number(1))).unwrap();
    let message = driver.session.submit(Request::retrieve(number(1))).unwrap();
    driver.run(&[]).unwrap();
    driver.input.fill(b"+OK\r\n1 3\r\n.\r\n+OK 1  a\r\n+OK\r\nx\r\n.\r\n");
    let mut told = Vec::new();
    loop {
        match driver.session.step(&mut driver.input, &mut driver.output).unwrap() {
            Step::Event(handle, event) => told.push((handle, show(&event))),
            Step::ReceiveMessage(handle, mut decoder) => {
                let mut text = Vec::new();
                let decoded = decoder.decode(driver.input.octets(), &mut text);
                driver.input.consume(decoded.consumed);
                driver.session.message_received(&decoder);
                told.push((handle, "message".into()));
            }
            Step::Idle => break,
            step => panic!("{step:?}"),
        }
    }
    let told: Vec<_> = told.iter().map(|(handle, text)| (*handle, text.as_str())).collect();
    assert_eq!(
        told,
        [
            (list, "scan 1 3"),
            (list, "done"),
            (uidl, "quirk listing-blanks"),
            (uidl, "unique-id 1 a"),
            (uidl, "done"),
            (message, "message"),
            (message, "done"),
        ]
    );
    assert!(Handle::GREETING < list && list < uidl && uidl < message);
}

#[test]
fn deadlines_are_data_and_differ_by_what_is_awaited() {
    use super::deadline::Awaited;
    let awaited = |driver: &Driver| driver.session.deadline().0;
    let mut driver = Driver::new();
    assert_eq!(awaited(&driver), Awaited::Greeting);
    driver.run(&[b"+OK\r\n"]).unwrap();
    let mut driver = driver.submit(login(Method::UserPass));
    driver.run(&[]).unwrap();
    assert_eq!(awaited(&driver), Awaited::Login);
    driver.run(&[b"+OK\r\n", b"+OK\r\n"]).unwrap();
    let mut driver = driver.submit(Request::List);
    driver.run(&[]).unwrap();
    assert_eq!(driver.session.deadline(), (Awaited::Reply, Deadlines::DEFAULT.reply));
    driver.run(&[b"+OK\r\n1 1\r\n"]).unwrap();
    assert_eq!(awaited(&driver), Awaited::Progress);
    driver.run(&[b".\r\n"]).unwrap();
    let mut driver = driver.submit(Request::retrieve(number(1)));
    driver.run(&[b"+OK\r\nhalf"]).unwrap();
    assert_eq!(awaited(&driver), Awaited::Progress);
}
