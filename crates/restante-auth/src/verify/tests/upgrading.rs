//! When the stored form of a password is replaced by a better one: after a login with it, and never otherwise.

use super::*;

/// Who was upgraded after these logins, and what the operator was told.
async fn upgraded(upgrade: Upgrade, logins: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let scram = "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,\
                 WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
    let twin = Twin::new(&[
        ("sha", "{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI="),
        ("bcrypt", COSTLY),
        ("plain", "{PLAIN}x"),
        ("scram", scram),
        ("locked", ""),
    ]);
    let told = Arc::new(Mutex::new(Vec::new()));
    let notices = Arc::clone(&told);
    let notify = Notify::new(move |notice| {
        let Notice::Doubtful(error) = notice else { return };
        notices.lock().unwrap().push(error.to_string());
    });
    let cache = Some(CacheSettings::default());
    let settings = Settings { upgrade, cache, notify: Some(notify), ..settings() };
    let authenticator = over(&[Arc::clone(&twin)], settings);
    for (user, typed) in logins {
        let credentials = password(user, typed.as_bytes(), Method::UserPass);
        // A failure of the upgrade, as each is here, is none of the login.
        let _ = outcome(&authenticator, &credentials).await;
        // The task behind it.
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
    }
    let upgraded = twin.upgraded.lock().unwrap().clone();
    let told = told.lock().unwrap().clone();
    (upgraded, told)
}

#[tokio::test]
async fn a_right_password_in_an_older_form_is_upgraded() {
    let logins =
        [("sha", "x"), ("bcrypt", "x"), ("plain", "x"), ("scram", "pencil"), ("bcrypt", "x"), ("sha", "x")];
    assert_eq!(upgraded(Upgrade::Never, &logins).await.0, Vec::<String>::new());
    // The second login of bcrypt is remembered: it was tried a moment ago.
    let (names, told) = upgraded(Upgrade::Hashes, &logins).await;
    assert_eq!(names, ["sha x", "bcrypt x", "sha x"]);
    assert!(
        told.len() == 3
            && told[0].contains("sha: the stored password is not upgraded: twin: it is read-only")
    );
    assert!(!told.concat().contains(" x"), "{told:?}");
    assert_eq!(upgraded(Upgrade::All, &logins).await.0, ["sha x", "bcrypt x", "plain x", "sha x"]);
}

#[tokio::test]
async fn a_login_that_fails_upgrades_nothing() {
    let logins = [("sha", "y"), ("bcrypt", "X"), ("nobody", "x"), ("locked", "x"), ("plain", "y")];
    assert_eq!(upgraded(Upgrade::All, &logins).await.0, Vec::<String>::new());
}
