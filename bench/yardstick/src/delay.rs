//! A TCP proxy that is far away: it adds latency, it does not cap bandwidth.
//!
//! Every chunk is read at once, noted with its time and passed on half a round trip later, in both directions. A connection
//! begins as over a long line, too: what the client says first leaves it one round trip after it has connected (SYN, SYN-ACK),
//! and the server hears of the connection another half later.
//!
//! It also counts **flights**: the longest chain of "the client heard something, then said something" of a connection. A chunk of
//! the client is one flight later than the newest chunk that it has been given before; an answer belongs to the newest flight
//! that the server has been given. With a delay each link of the chain takes at least a round trip; without one, a client that
//! fills a window as answers come in counts more of them than it waits for, so the figure is worth something only
//! from some milliseconds on.
//!
//! It prints `accepted` for each connection, and at its end `flights=F sent=OCTETS received=OCTETS`, as the client sees it.
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Chunks on their way, in one direction. More than this and the sender waits, as it would for a window: 64 MiB in half of
/// 100 ms is more than a gigabyte a second.
const IN_FLIGHT_MAX: usize = 64 << 20;

struct Chunk {
    due: Instant,
    flight: u64,
    octets: Vec<u8>,
}

/// Octets between the reading and the writing thread of a direction.
#[derive(Default)]
struct Budget(Mutex<usize>, Condvar);

impl Budget {
    fn take(&self, octets: usize) {
        let mut used = self.0.lock().unwrap();
        while *used > 0 && *used + octets > IN_FLIGHT_MAX {
            used = self.1.wait(used).unwrap();
        }
        *used += octets;
    }

    fn give(&self, octets: usize) {
        *self.0.lock().unwrap() -= octets;
        self.1.notify_one();
    }
}

/// The newest flight that each side has been given something of.
#[derive(Default)]
struct Seen {
    client: AtomicU64,
    server: AtomicU64,
    last: AtomicU64,
}

pub fn delay(listen: &str, to: &str, rtt_ms: f64) -> io::Result<()> {
    let listener = TcpListener::bind(listen)?;
    println!("listening={}", listener.local_addr()?);
    let half = Duration::from_secs_f64(rtt_ms / 2000.0);
    for client in listener.incoming() {
        let (client, to) = (client?, to.to_owned());
        println!("accepted");
        thread::spawn(move || {
            if let Err(error) = connection(client, &to, half) {
                eprintln!("delay: {error}");
            }
        });
    }
    Ok(())
}

fn connection(client: TcpStream, to: &str, half: Duration) -> io::Result<()> {
    let begun = Instant::now();
    sleep_until(begun + 3 * half);
    let server = TcpStream::connect(to)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let seen = Arc::new(Seen::default());
    let up = {
        let (client, server, seen) = (client.try_clone()?, server.try_clone()?, seen.clone());
        // What lies in the socket already was sent when the client could first send.
        let first = begun + 2 * half;
        thread::spawn(move || {
            let note = seen.clone();
            let flight = move || {
                let flight = note.client.load(SeqCst) + 1;
                note.last.fetch_max(flight, SeqCst);
                flight
            };
            pass(client, server, half, Some(first), flight, move |flight| seen.server.store(flight, SeqCst))
        })
    };
    let note = seen.clone();
    let down = pass(
        server,
        client,
        half,
        None,
        || seen.server.load(SeqCst),
        move |flight| {
            note.client.fetch_max(flight, SeqCst);
        },
    );
    let up = up.join().unwrap_or(0);
    println!("flights={} sent={up} received={down}", seen.last.load(SeqCst));
    Ok(())
}

/// Passes on until the end of `from`; how many octets that were.
fn pass(
    mut from: TcpStream,
    to: TcpStream,
    half: Duration,
    first: Option<Instant>,
    flight: impl Fn() -> u64,
    given: impl Fn(u64) + Send + 'static,
) -> u64 {
    let (sender, receiver): (Sender<Chunk>, Receiver<Chunk>) = channel();
    let budget = Arc::new(Budget::default());
    let writer = {
        let budget = budget.clone();
        thread::spawn(move || write(to, &receiver, &budget, given))
    };
    let (mut buffer, mut octets, mut first) = (vec![0; 256 << 10], 0, first);
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(n) => n,
        };
        let sent = first.take().unwrap_or_else(Instant::now);
        octets += n as u64;
        budget.take(n);
        let chunk = Chunk { due: sent + half, flight: flight(), octets: buffer[..n].to_vec() };
        if sender.send(chunk).is_err() {
            break;
        }
    }
    // The end takes its time as well.
    let _ = sender.send(Chunk { due: Instant::now() + half, flight: 0, octets: Vec::new() });
    drop(sender);
    let _ = writer.join();
    octets
}

fn write(mut to: TcpStream, chunks: &Receiver<Chunk>, budget: &Budget, given: impl Fn(u64)) {
    let mut is_open = true;
    for chunk in chunks {
        // Whoever listens no more still has to be counted out, or the reader would wait for ever.
        budget.give(chunk.octets.len());
        if !is_open {
            continue;
        }
        sleep_until(chunk.due);
        if chunk.octets.is_empty() {
            break;
        }
        // Before the octets are there: whoever has read them may answer before we come back.
        given(chunk.flight);
        is_open = to.write_all(&chunk.octets).is_ok();
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn sleep_until(due: Instant) {
    let now = Instant::now();
    if due > now {
        thread::sleep(due - now);
    }
}
