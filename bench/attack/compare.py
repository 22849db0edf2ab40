#!/usr/bin/env python3
"""How long a login takes while hydra guesses at full speed, and how long when all is quiet, in turns.

    compare.py [--restante PROGRAM] [--rules default,everywhere] [--rounds 3] [--seconds 20] [--json FILE]

An owner logs in again and again, from one address, with a connection for each; a login is from the connection to the
answer to PASS. hydra guesses at the same account with 64 connections from another address of loopback, which is never
banned. Rules:

  default     as the server is shipped: what hydra meets is its address's penalties
  everywhere  no penalties and no wait for an answer, so that guesses come as fast as they can be refused: an attack
              from so many addresses that none is ever slowed down
Each with logins that are remembered (auth.cache_s, the default) and with one hash for each login. `newcomer` logs in from
another address each time, where nobody knows the account: such a login stands behind the guesses.
The medians of all rounds are printed. Runs as anybody, on a quiet machine.
"""
import argparse, json, os, pathlib, shutil, signal, socket, statistics, subprocess, sys, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent
RULES = {
    "default": "[auth]\n{cache}",
    "everywhere": "[auth]\nfail_delay_s = 0\n{cache}[defence]\npenalty_s = 0\n",
}
CONFIG = """hostname = "mail.example.org"
state_dir = "{folder}/state"
[[listen]]
protocol = "pop3"
address = "127.0.0.1:{port}"
{rules}[[auth.source]]
type = "embedded"
[maildrop]
path = "{folder}/mail/{{local}}"
[log]
target = "file"
path = "{folder}/log"
"""
PASSWORD = "correct-horse"
HYDRA_TASKS = 64
ANSWER_MAX = 60


class Server:
    """Restante with one account, in a folder of its own."""

    def __init__(self, program, rules):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="restante-attack-"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        for name in ("state", "mail"):
            (self.folder / name).mkdir(mode=0o700)
        for part in ("cur", "new", "tmp"):
            (self.folder / "mail" / "alice" / part).mkdir(parents=True, mode=0o700)
        config = self.folder / "restante.toml"
        config.write_text(CONFIG.format(folder=self.folder, port=self.port, rules=rules))
        account = [program, "account", "add", "alice", "--password-stdin", "--config", str(config)]
        subprocess.run(account, input=PASSWORD + "\n", text=True, check=True, capture_output=True)
        self.process = subprocess.Popen([program, "serve", "--config", str(config)], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + ANSWER_MAX
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise SystemExit("the server does not come up")
                time.sleep(0.05)

    def guesses(self):
        return (self.folder / "log").read_text().count(" event=auth_failed ")

    def stop(self):
        self.process.terminate()
        self.process.wait(ANSWER_MAX)
        shutil.rmtree(self.folder, ignore_errors=True)


def login(port, source):
    """Seconds from the connection to the answer to PASS; the answer."""
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), ANSWER_MAX, (source, 0)) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = peer.makefile("rb")
        lines.readline()
        for command in (b"USER alice\r\n", f"PASS {PASSWORD}\r\n".encode()):
            peer.sendall(command)
            answer = lines.readline()
        taken = time.perf_counter() - began
        peer.sendall(b"QUIT\r\n")
        while lines.readline():
            pass
    return taken, answer


def logins(port, seconds, sources):
    times, refused = [], 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        taken, answer = login(port, next(sources))
        if answer.startswith(b"+OK"):
            times.append(taken)
        else:
            refused += 1
        time.sleep(0.05)
    return times, refused


def attack(server, seconds):
    """hydra for so long; it begins before this returns."""
    command = ["hydra", "-I", "-q", "-l", "alice", "-x", "6:6:a", "-t", str(HYDRA_TASKS), "-w", "60"]
    command += ["-s", str(server.port), "pop3://127.0.0.1"]
    before = server.guesses()
    hydra = subprocess.Popen(command, cwd=server.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             start_new_session=True)
    while server.guesses() < before + HYDRA_TASKS // 2:
        if hydra.poll() is not None:
            raise SystemExit("hydra has ended; is it installed?")
        time.sleep(0.05)
    return hydra


def sources(kind):
    """The owner's address, or another one each time."""
    n = 0
    while True:
        n += 1
        yield "127.7.0.1" if kind != "newcomer" else f"127.{8 + n // 60000 % 200}.{n // 250 % 240}.{1 + n % 250}"


def measure(program, rules, kind, rounds, seconds):
    cache = "" if kind == "remembered" else "cache_s = 0\n"
    server = Server(program, RULES[rules].format(cache=cache))
    try:
        source = sources(kind)
        logins(server.port, 1, source)
        quiet, hydra, refused, guesses = [], [], 0, 0
        for _ in range(rounds):
            quiet += logins(server.port, seconds, source)[0]
            attacker = attack(server, seconds)
            before, began = server.guesses(), time.monotonic()
            times, more = logins(server.port, seconds, source)
            guesses += (server.guesses() - before) / (time.monotonic() - began) / rounds
            # With the processes that it has made, one for each connection.
            os.killpg(attacker.pid, signal.SIGKILL)
            attacker.wait()
            hydra, refused = hydra + times, refused + more
        row = dict(rules=rules, logins=kind, guesses_per_s=guesses, refused=refused)
        for name, times in (("quiet", quiet), ("hydra", hydra)):
            times.sort()
            row[name + "_ms"] = 1000 * statistics.median(times) if times else float("nan")
            row[name + "_p95_ms"] = 1000 * times[len(times) * 95 // 100] if times else float("nan")
            row[name + "_logins"] = len(times)
        row["ratio"] = row["hydra_ms"] / row["quiet_ms"]
        return row
    finally:
        server.stop()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--restante", default=str(HERE.parent.parent / "target" / "release" / "restante"))
    p.add_argument("--rules", default="default,everywhere")
    p.add_argument("--logins", default="remembered,hashed,newcomer")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seconds", type=int, default=20)
    p.add_argument("--json")
    a = p.parse_args()
    print("| rules | logins | guesses/s | quiet, median (p95) | under hydra | ratio | refused |")
    print("|---|---|---|---|---|---|---|")
    rows = []
    for rules in a.rules.split(","):
        for kind in a.logins.split(","):
            row = measure(a.restante, rules, kind, a.rounds, a.seconds)
            rows.append(row)
            print("| {rules} | {logins} | {guesses_per_s:.0f} | {quiet_ms:.1f} ms ({quiet_p95_ms:.1f}) | "
                  "{hydra_ms:.1f} ms ({hydra_p95_ms:.1f}) | {ratio:.2f} | {refused} of {total} |".format(
                      total=row["refused"] + row["hydra_logins"], **row), flush=True)
    if a.json:
        pathlib.Path(a.json).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    sys.exit(main())
