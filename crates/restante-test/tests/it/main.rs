//! Integration tests.
#![allow(clippy::unwrap_used)]
use restante_test::judge::Case;
#[test]
fn smoke() {
    Case::with_mail(vec![restante_test::mail::numbered(1, 3)]).run(|server| {
        let t=std::time::Instant::now(); let mut p = server.login("alice");
        p.ok("STAT");
        println!("{}", p.transcript());
        drop(p);
        let mut p = server.pop3s();
        println!("{:?}", p.list("CAPA"));
        let mut p = server.pop3_stls();
        println!("{:?}", p.list("CAPA"));
        server.deliver(&["bob"], b"Subject: x\r\n\r\n.hello\r\n");
        let l = server.retrieve_all("bob");
        println!("{}", String::from_utf8_lossy(&l[0]));
        println!("{}", server.log());
    println!("body {:?}", t.elapsed());
    });
}
#[test]
fn tempty() {
    let t=std::time::Instant::now();
    let s = restante_test::real::Server::start(restante_test::real::Kind::Dovecot, &Default::default());
    println!("start {:?}", t.elapsed());
    drop(s);
    println!("all {:?}", t.elapsed());
}

