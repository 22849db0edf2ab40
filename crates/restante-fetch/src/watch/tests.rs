//! A watch whose work is said by the test, with the runtime's clock standing still while a job runs and jumping else.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// What happened, in its order.
type Log = Arc<Mutex<Vec<String>>>;

fn job(account: &str, host: &str, log: &Log, work: impl Fn() -> Report + Send + Sync + 'static) -> Job {
    let (told, done) = (Arc::clone(log), Arc::clone(log));
    let name: Arc<str> = account.into();
    let worker = Arc::clone(&name);
    Job {
        events: Events::new(
            account,
            Arc::new(move |account, event| {
                told.lock().unwrap().push(format!("{account}: {event}"));
            }),
        ),
        account: name,
        host: host.into(),
        interval: Interval::new(Duration::from_secs(100)),
        work: Arc::new(move || {
            done.lock().unwrap().push(format!("{worker} works"));
            work()
        }),
    }
}

fn failing(kind: Kind) -> Report {
    Report::failed(Failure::new(kind, "x"))
}

/// Runs a watch until the log holds so many lines.
async fn lines(jobs: Vec<Job>, log: &Log, calls: &mut mpsc::Receiver<Call>, count: usize) -> Vec<String> {
    let enough = async {
        while log.lock().unwrap().len() < count {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        () = forever(jobs, Limits::default(), calls, || 0.5) => {}
        () = enough => {}
    }
    log.lock().unwrap().iter().take(count).cloned().collect()
}

#[tokio::test(start_paused = true)]
async fn accounts_are_looked_at_when_they_are_due() {
    let log = Log::default();
    let (_keep, mut calls) = mpsc::channel(1);
    let with_mail = job("a", "h", &log, || Report { collected: 1, ..Report::default() });
    let lines = lines(vec![with_mail], &log, &mut calls, 5).await;
    assert_eq!(lines, ["a works", "a: next in 50 s", "a works", "a: next in 25 s", "a works"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_password_is_not_tried_again_before_the_configuration_is_read_again() {
    let log = Log::default();
    let (caller, mut calls) = mpsc::channel(1);
    let wrong = || vec![job("a", "h", &log, || failing(Kind::Credentials))];
    let (jobs, again) = (wrong(), wrong());
    let reload = async {
        tokio::time::sleep(Duration::from_secs(200_000)).await;
        assert_eq!(log.lock().unwrap().len(), 2, "it was tried again");
        caller.send(Call::Replace(again)).await.expect("the watch runs");
        std::future::pending::<()>().await;
    };
    let lines = tokio::select! {
        lines = lines(jobs, &log, &mut calls, 3) => lines,
        () = reload => unreachable!("it never ends"),
    };
    assert_eq!((lines[0].as_str(), lines[2].as_str()), ("a works", "a works"));
    assert!(lines[1].starts_with("a: not again before the configuration is read again"), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn somebody_can_wake_all_and_end_it() {
    let log = Log::default();
    let (caller, mut calls) = mpsc::channel(1);
    let jobs = vec![job("a", "h", &log, Report::default)];
    let calling = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        caller.send(Call::Wake).await.expect("the watch runs");
        tokio::time::sleep(Duration::from_secs(1)).await;
        caller.send(Call::Stop).await.expect("the watch runs");
    };
    tokio::join!(forever(jobs, Limits::default(), &mut calls, || 0.5), calling);
    let works = log.lock().unwrap().iter().filter(|line| line.as_str() == "a works").count();
    assert_eq!(works, 2);
}

/// Makes a call while the first look is under way, which ends with `first`, and ends the watch. What happened.
async fn called_while_running(call: impl FnOnce(Job) -> Call, first: fn() -> Report) -> Vec<String> {
    let log = Log::default();
    let (caller, mut calls) = mpsc::channel(1);
    let (begun, beginning) = tokio::sync::oneshot::channel();
    let (go, going) = std::sync::mpsc::channel::<()>();
    let first_look = Mutex::new(Some((begun, going)));
    let work = move || match first_look.lock().unwrap().take() {
        Some((begun, going)) => {
            begun.send(()).expect("somebody waits");
            going.recv().expect("the test says when");
            first()
        }
        None => Report::default(),
    };
    let job = job("a", "h", &log, work);
    let new = job.clone();
    let calling = async {
        beginning.await.expect("it is looked at");
        caller.send(call(new)).await.expect("the watch runs");
        // There is room for one: it has been heard.
        drop(caller.reserve().await.expect("the watch runs"));
        go.send(()).expect("the look waits");
        tokio::time::sleep(Duration::from_secs(1)).await;
        caller.send(Call::Stop).await.expect("the watch runs");
    };
    tokio::join!(forever(vec![job], Limits::default(), &mut calls, || 0.5), calling);
    let log = log.lock().unwrap();
    log.clone()
}

#[tokio::test(start_paused = true)]
async fn a_call_while_an_account_is_looked_at_is_not_lost() {
    let looks = |log: &[String]| log.iter().filter(|line| *line == "a works").count();
    let log = called_while_running(|_| Call::Wake, Report::default).await;
    assert_eq!((looks(&log), log[1].as_str()), (2, "a: next in 0 s"), "{log:?}");
    // The configuration was mended while the old one failed.
    let log = called_while_running(|job| Call::Replace(vec![job]), || failing(Kind::Credentials)).await;
    assert_eq!((looks(&log), log[1].as_str()), (2, "a: next in 0 s"), "{log:?}");
    let log = called_while_running(|job| Call::Replace(vec![job]), Report::default).await;
    assert_eq!(looks(&log), 1, "{log:?}");
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_taken_out_is_not_looked_at_again() {
    let log = Log::default();
    let (caller, mut calls) = mpsc::channel(1);
    let (a, b) = (job("a", "h", &log, Report::default), job("b", "h", &log, Report::default));
    let only_b = b.clone();
    let calling = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        caller.send(Call::Replace(vec![only_b])).await.expect("the watch runs");
        tokio::time::sleep(Duration::from_secs(1000)).await;
        caller.send(Call::Stop).await.expect("the watch runs");
    };
    tokio::join!(forever(vec![a, b], Limits::default(), &mut calls, || 0.5), calling);
    let works = |name: &str| log.lock().unwrap().iter().filter(|line| line.as_str() == name).count();
    assert_eq!(works("a works"), 1);
    assert!(works("b works") > 3);
}

#[tokio::test]
async fn no_more_run_at_a_time_than_allowed_and_a_panic_is_one_accounts_trouble() {
    let log = Log::default();
    let (running, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let mut jobs: Vec<Job> = (0..12)
        .map(|index| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            job(&format!("a{index}"), "h", &log, move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
                Report { collected: 1, ..Report::default() }
            })
        })
        .collect();
    jobs.push(job("bad", "other", &log, || panic!("as the test wants it")));
    let reports = once(jobs, Limits { jobs: 3, jobs_per_host: 2 }).await;
    assert_eq!(reports.len(), 13);
    assert!(most.load(Ordering::SeqCst) <= 2);
    assert_eq!(reports["bad"].failure.as_ref().expect("it panicked").kind, Kind::Files);
    assert!(reports.iter().all(|(account, report)| &**account == "bad" || report.collected == 1));
}
