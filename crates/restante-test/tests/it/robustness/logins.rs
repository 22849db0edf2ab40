//! LOGIN-DELAY across reloads, and where it cannot be kept.

use std::fs;
use std::process::Command;

use restante_test::real::{Server, restante};
use restante_test::wait;
use rustix::process::Signal;

use super::ours;

/// Changes the configuration and waits until it is in use, or is said not to be.
fn reload(server: &mut Server, said: &str, change: impl Fn(&str) -> String) {
    let file = server.site().path().join("restante.toml");
    let text = change(&fs::read_to_string(&file).unwrap());
    fs::write(file, text).unwrap();
    let before = server.log().matches(said).count();
    server.process().signal(Signal::HUP);
    wait::until("the new configuration", || server.log().matches(said).count() > before);
}

fn log_in(server: &Server) -> String {
    server.try_login("alice", "secret")
}

#[test]
fn a_reload_begins_and_ends_the_delay_and_keeps_what_it_knows() {
    ours().run(|server| {
        assert!(log_in(server).starts_with("+OK"));
        reload(server, "configuration_reloaded", |text| format!("{text}[pop3]\nlogin_delay_s = 3600\n"));
        // What came before was not noted.
        assert!(log_in(server).starts_with("+OK"));
        assert!(log_in(server).starts_with("-ERR [LOGIN-DELAY]"));
        reload(server, "configuration_reloaded", |text| text.replace("3600", "3601"));
        assert!(log_in(server).starts_with("-ERR [LOGIN-DELAY]"));
        reload(server, "configuration_reloaded", |text| text.replace("3601", "0"));
        assert!(log_in(server).starts_with("+OK"));
        assert!(log_in(server).starts_with("+OK"));
        // Logins without a delay are not noted, and those of before still stand.
        reload(server, "configuration_reloaded", |text| {
            text.replace("login_delay_s = 0", "login_delay_s = 3600")
        });
        assert!(log_in(server).starts_with("-ERR [LOGIN-DELAY]"));
    });
}

#[test]
fn a_delay_that_cannot_be_kept_is_refused_and_the_old_configuration_stays() {
    ours().run(|server| {
        let state = server.site().path().join("state");
        // The last that the server makes there at its start.
        wait::until("the control socket", || state.join("control").exists());
        fs::remove_dir_all(&state).unwrap();
        fs::write(&state, "no folder").unwrap();
        reload(server, "configuration_kept", |text| format!("{text}[pop3]\nlogin_delay_s = 3600\n"));
        assert!(log_in(server).starts_with("+OK"));
        assert!(log_in(server).starts_with("+OK"));
        let file = server.site().path().join("restante.toml");
        let check = Command::new(restante::binary())
            .args(["config", "check", "--config"])
            .arg(file)
            .output()
            .unwrap();
        assert!(!check.status.success());
        let said = String::from_utf8_lossy(&[check.stdout, check.stderr].concat()).into_owned();
        assert!(said.contains("login_delay_s") && said.contains("no folder"), "{said}");
    });
}

#[test]
fn a_file_of_logins_that_is_damaged_is_told_and_keeps_nobody_out() {
    ours().restante("pop3", "login_delay_s = 3600").run(|server| {
        assert!(log_in(server).starts_with("+OK"));
        server.kill();
        let file = server.site().path().join("state/logins");
        let mut octets = fs::read(&file).unwrap();
        octets[20] ^= 0xFF;
        fs::write(&file, octets).unwrap();
        server.start_again();
        wait::until("the log to say so", || server.log().contains("logins: damaged records left out: 1"));
        assert!(log_in(server).starts_with("+OK"));
        assert!(log_in(server).starts_with("-ERR [LOGIN-DELAY]"));
    });
}
