#!/usr/bin/env python3
"""Lets several programs that collect mail do the same work at the same server, in turn, in one
run, behind a line of 0, 20 and 100 ms round trip, and prints the figures side by side.

    compare.py [--programs restante,mpop,fetchmail,getmail,fdm] [--work ...] [--rtt 0,20,100]
               [--rounds 3] [--server dovecot|restante] [--json FILE]

The server is one of those of ../yardstick/compare.py, the line is `yardstick delay`. A program is
a small class below: the configuration that it gets, the command, the codes with which it ends.
Every run has a maildrop and a Maildir of its own; the order of the programs changes from
round to round; the figures are medians. A run that has not collected every message, or has left one
on the server that it was to delete, is no figure but an error. Must run as root: Dovecot wants it.
The programs themselves run as nobody.
"""
import argparse, json, os, pathlib, poplib, re, shutil, socket, statistics, subprocess, sys, threading, time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "yardstick"))
import compare as yard  # the servers, and what a message looks like

NOBODY = 65534
DEADLINE = 3600


class Work:
    """What is to be done: so many messages of so many octets; `kept` says they are known and nothing is new,
    `listed` that a program shall keep its list of unique-ids even where it deletes, though it is faster without."""

    def __init__(self, title, count, size, rtts=None, tls=False, kept=False, listed=False):
        self.title, self.count, self.size, self.rtts, self.tls, self.kept = title, count, size, rtts, tls, kept
        self.listed = kept or listed


WORK = {
    "200": Work("200 messages of 4 KiB", 200, 4096),
    "2000": Work("2,000 messages of 4 KiB", 2000, 4096),
    "tls": Work("200 messages of 4 KiB over implicit TLS", 200, 4096, rtts=(20,), tls=True),
    "poll": Work("a poll of 20,000 kept messages, nothing new", 20000, 300, kept=True),
    "big": Work("one message of 100 MB", 1, 100_000_000, rtts=(0,)),
}


class Run:
    """Where a program finds and leaves everything in one run."""

    def __init__(self, folder, user, port, work, sink):
        self.folder, self.number, self.port, self.work, self.sink = folder, user, port, work, sink
        self.user, self.receiver = f"u{user}", f"u{user + 10000}"
        self.host = "localhost" if work.tls else "127.0.0.1"
        self.maildir = folder / "Mail"

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        os.chown(path, NOBODY, NOBODY)
        return str(path)


class Program:
    name = "?"
    wanted = ()
    packages = ""
    codes = (0,)

    def command(self, run):
        raise NotImplementedError

    def know(self, run, ids):
        """Writes the state that the program would have, had it collected the messages with these unique-ids. Returns
        whether it did: some would need many minutes to collect them really."""
        return False

    def collected(self, run):
        return run.maildir / "new"


class Mpop(Program):
    name, packages, wanted = "mpop", "mpop", ("mpop",)

    def command(self, run):
        tls = "tls on\ntls_starttls off\ntls_trust_file {run.sink.root}/ca.pem" if run.work.tls else "tls off"
        rc = run.write("mpoprc", f"""account a
host {run.host}
port {run.port}
{tls.format(run=run)}
auth user
user {run.user}
password secret
delivery maildir {run.maildir}
uidls_file {run.folder}/uidls
keep {"on" if run.work.kept else "off"}
""")
        return ["mpop", "-q", "-C", rc, "a"]

    def know(self, run, ids):
        run.write("uidls", f" {len(ids)} {run.host} {run.user}\n" + "".join(f"{i}\n" for i in sorted(ids)))
        return True


class Getmail(Program):
    name, packages, wanted = "getmail", "getmail6", ("getmail",)

    def command(self, run):
        rc = run.write("getmailrc", f"""[retriever]
type = SimplePOP3{"SSL" if run.work.tls else ""}Retriever
server = {run.host}
port = {run.port}
username = {run.user}
password = secret
{f"ca_certs = {run.sink.root}/ca.pem" if run.work.tls else ""}
[destination]
type = Maildir
path = {run.maildir}/
[options]
read_all = false
delete = {"false" if run.work.kept else "true"}
verbose = 0
""")
        return ["getmail", "--getmaildir", str(run.folder), "--rcfile", rc]

    def know(self, run, ids):
        run.write(f"oldmail-{run.host}-{run.port}-{run.user}", "".join(f"{i}\0{int(time.time())}\n" for i in ids))
        return True


class Fdm(Program):
    name, packages, wanted = "fdm", "fdm", ("fdm",)

    def command(self, run):
        kind, more = ("pop3s", "") if run.work.tls else ("pop3", "no-apop")
        only = f'new-only cache "{run.folder}/cache"' if run.work.listed else ""
        keep = "keep" if run.work.kept else ""
        rc = run.write("fdm.conf", f"""set lock-file "{run.folder}/lock"
set maximum-size 512M
account "a" {kind} server "{run.host}" port {run.port} user "{run.user}" pass "secret" {only} {more} {keep}
action "in" maildir "{run.maildir}"
match all action "in"
""")
        return ["fdm", "-q", "-f", rc, "fetch"]

    def know(self, run, ids):
        run.write("cache", "".join(f"{len(i)} {i}\n" for i in ids))
        return True


class Fetchmail(Program):
    """By a program for each message, maildrop, that writes and syncs a Maildir: of the durable ways the fastest."""

    name, packages, wanted = "fetchmail", "fetchmail maildrop", ("fetchmail", "maildrop")
    codes = (0, 1)

    def command(self, run):
        tls = f"ssl sslcertck sslcertfile {run.sink.root}/ca.pem" if run.work.tls else "sslproto ''"
        rc = run.write("fetchmailrc", f"""set no bouncemail
poll {run.host} service {run.port} protocol pop3 timeout 600 uidl
  user "{run.user}" password "secret" {tls} fetchsizelimit 0
  {"" if run.work.listed else "fetchall"} {"keep" if run.work.kept else "nokeep"}
  {self.delivery(run)}
""")
        return ["fetchmail", "-s", "-f", rc, "--idfile", f"{run.folder}/ids", "--pidfile", f"{run.folder}/pid"]

    def know(self, run, ids):
        run.write("ids", "".join(f"{run.user}@{run.host} {i}\n" for i in ids))
        return True

    def delivery(self, run):
        # The program for each message is started by a shell; both belong to what is measured.
        filter_ = run.write("filter", f'to "{run.maildir}"\n')
        return f'mda "maildrop {filter_}"'


class FetchmailLmtp(Fetchmail):
    """By LMTP to Dovecot, whose processor time is not counted: no process for each message, but a dialogue."""

    name, packages, wanted = "fetchmail-lmtp", "fetchmail", ("fetchmail",)

    def delivery(self, run):
        return f'lmtp smtphost 127.0.0.1/{run.sink.lmtp} smtpname "{run.receiver}@example.org"'

    def collected(self, run):
        return run.sink.root / "mail" / run.receiver / "new"


class Restante(Program):
    """As release build of the project that this folder is part of."""

    name = "restante"

    def command(self, run):
        scheme, security = ("pops", "tls") if run.work.tls else ("pop", "none")
        rc = run.write("fetch.toml", f"""[[account]]
server = "{scheme}://{run.user}@{run.host}:{run.port}"
security = "{security}"
password = "secret"
deliver = [{{ type = "maildir", path = "{run.maildir}" }}]
keep = "{"all" if run.work.kept else "none"}"
{f'tls = {{ ca = "{run.sink.root}/ca.pem" }}' if run.work.tls else ""}
""")
        return [str(yard.Restante.program), "fetch", "--quiet", "--config", rc, "--state", f"{run.folder}/state"]


PROGRAMS = {p.name: p for p in (Restante, Mpop, Fetchmail, FetchmailLmtp, Getmail, Fdm)}


def certificates(root):
    """A root and a certificate of its own for the server: whoever verifies shall not have to look away."""
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    yard.sh(*new, "-subj", "/CN=bench root", "-keyout", f"{root}/ca.key", "-out", f"{root}/ca.pem")
    yard.sh(*new[:2], *new[3:], "-subj", "/CN=localhost", "-keyout", f"{root}/key.pem", "-out", f"{root}/cert.csr")
    (root / "extensions").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    yard.sh("openssl", "x509", "-req", "-in", f"{root}/cert.csr", "-CA", f"{root}/ca.pem", "-CAkey", f"{root}/ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", f"{root}/extensions", "-out", f"{root}/cert.pem")
    (root / "ca.pem").chmod(0o644)


yard.cert = certificates


def start(cls, root, base):
    """The server itself is nobody's figure here, so it needs no control group."""
    server = cls(root, base)
    server.root.mkdir()
    (server.root / "mail").mkdir()
    server.setup()
    os.chown(server.root / "mail", NOBODY, NOBODY)
    log = open(server.root / "log", "w")
    server.proc = subprocess.Popen(server.command(), stdout=log, stderr=log)
    end = time.time() + 30
    while True:
        try:
            with socket.create_connection(("127.0.0.1", server.pop3), 1) as s:
                if s.recv(3) == b"+OK":
                    return server
        except OSError:
            pass
        if time.time() > end or server.proc.poll() is not None:
            sys.exit(f"{cls.name} did not start: {(server.root / 'log').read_text()[-2000:]}")
        time.sleep(0.05)


def stop(server):
    server.proc.terminate()
    server.proc.wait(20)


class Line:
    """The line to the server: `yardstick delay` while it lives."""

    def __init__(self, port, to, rtt):
        command = [str(yard.YARD), "delay", "--addr", f"127.0.0.1:{port}", "--to", f"127.0.0.1:{to}", "--rtt", str(rtt)]
        self.proc = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.proc.stdout.readline().startswith("listening="), "the port is taken"
        self.said = []
        self.reader = threading.Thread(target=lambda: self.said.extend(self.proc.stdout))
        self.reader.start()

    def close(self):
        """The flights of all its connections, when every one of them has ended."""
        end = time.time() + 10
        count = lambda word: sum(line.startswith(word) for line in list(self.said))
        while (count("flights") < count("accepted") or not self.said) and time.time() < end:
            time.sleep(0.02)
        self.proc.terminate()
        self.reader.join()
        self.proc.wait()
        flights = [int(m[1]) for m in re.finditer(r"flights=(\d+)", "".join(self.said))]
        return sum(flights), len(flights)


def fill(server, user, work):
    """A maildrop as it is before its owner comes; the server's own index of it is made before the clock runs."""
    folder = server.maildir(user)
    if work.count == 1:
        for sub in ("new", "cur", "tmp"):
            (folder / sub).mkdir(parents=True)
        block = yard.message(yard.random.Random(1), 1, 1_000_000)
        (folder / "cur" / yard.name(0, user, 1)).write_text(block * (work.size // len(block) + 1))
    else:
        yard.fill(folder, work.count, work.size, user)
    if isinstance(server, yard.Dovecot):
        yard.sh("chown", "-R", "nobody:nogroup", str(folder))
    client = poplib.POP3("127.0.0.1", server.pop3, timeout=600)
    client.user(f"u{user}")
    client.pass_("secret")
    client.list()
    ids = [line.split(None, 1)[1].decode() for line in client.uidl()[1]]
    client.quit()
    assert len(ids) == work.count
    return ids


def left(server, user):
    return sum(len(os.listdir(server.maildir(user) / sub)) for sub in ("new", "cur"))


def environment(run):
    """All that a program is told by its environment."""
    return {"HOME": str(run.folder), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "USER": "nobody", "LOGNAME": "nobody"}


def home(folder):
    """Makes the folder of one run, with an empty Maildir."""
    for sub in ("new", "cur", "tmp"):
        (folder / "Mail" / sub).mkdir(parents=True)
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, NOBODY, NOBODY)
        path.chmod(0o700)


def once(program, run):
    """One run of the program: its figures. Its own processor time and memory, with all its processes."""
    note = run.write("memory", "")
    command = ["/usr/bin/time", "-o", note, "-f", "%M", *program.command(run)]
    with open(run.folder / "log", "w") as log:
        begun = time.monotonic()
        proc = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=run.folder, env=environment(run),
                                user=NOBODY, group=NOBODY, extra_groups=[])
        watch = threading.Timer(DEADLINE, proc.kill)
        watch.start()
        _, status, usage = os.wait4(proc.pid, 0)
        seconds = time.monotonic() - begun
        watch.cancel()
    proc.returncode = os.waitstatus_to_exitcode(status)
    if proc.returncode not in program.codes:
        raise RuntimeError(f"ended with {proc.returncode}: {(run.folder / 'log').read_text()[-600:]}")
    peak = pathlib.Path(note).read_text().split()[-1]
    return {"seconds": seconds, "cpu_ms": (usage.ru_utime + usage.ru_stime) * 1000, "peak_MiB": int(peak) / 1024}


class Bench:
    """The server, the fetched-from and the fetched-into, and whose turn it is."""

    def __init__(self, root, server, sink, base):
        self.root, self.server, self.sink, self.base = root, server, sink, base
        self.users = iter(range(1, 10000))
        self.kept, self.polls = None, {}

    def measure(self, program, work, rtt):
        if work.kept:
            run = self.known(program, work)
        else:
            run = self.run(program, work, next(self.users))
            fill(self.server, run.number, work)
        before = count(program, run)
        figures = self.timed(program, run, rtt)
        got, rest = count(program, run) - before, left(self.server, run.number)
        wanted = (0, work.count) if work.kept else (work.count, 0)
        if (got, rest) != wanted:
            log = (run.folder / "log").read_text()[-600:]
            raise RuntimeError(f"{got} collected and {rest} left instead of {wanted[0]} and {wanted[1]}: {log}")
        return figures

    def run(self, program, work, user):
        folder = self.root / f"{program.name}-{user}"
        home(folder)
        # One port for all: some programs know a maildrop by it.
        return Run(folder, user, self.base + 9, work, self.sink)

    def known(self, program, work):
        """All programs poll the same maildrop. What they know of it is written down, or they collect it once."""
        if self.kept is None:
            user = next(self.users)
            self.kept = user, fill(self.server, user, work)
        user, ids = self.kept
        if program.name not in self.polls:
            run = self.polls[program.name] = self.run(program, work, user)
            for _ in range(1 if program.know(run, ids) else 2):
                # A poll before the clock runs: each has its own way of writing its state.
                self.timed(program, run, 0)
        return self.polls[program.name]

    def timed(self, program, run, rtt):
        line = Line(self.base + 9, self.server.pop3s if run.work.tls else self.server.pop3, rtt)
        try:
            figures = once(program, run)
        finally:
            flights, connections = line.close()
        return {**figures, "flights": flights, "connections": connections}


def count(program, run):
    folder = program.collected(run)
    return len(os.listdir(folder)) if folder.exists() else 0


def measure(bench, a, say):
    """Every work at every distance, round by round; in each round another program begins."""
    figures = {}
    for key in a.work:
        work = WORK[key]
        for rtt in [r for r in a.rtt if work.rtts is None or r in work.rtts] or work.rtts or a.rtt:
            for round_ in range(a.rounds):
                turn = round_ % len(a.programs)
                for name in a.programs[turn:] + a.programs[:turn]:
                    say(f"{key} at {rtt:g} ms, round {round_ + 1}: {name}")
                    runs = figures.setdefault(key, {}).setdefault(rtt, {}).setdefault(name, [])
                    try:
                        runs.append(bench.measure(PROGRAMS[name](), work, rtt))
                    except RuntimeError as error:
                        runs.append({"error": str(error)})
                        say(f"  {name}: {error}")
    return figures


def medians(runs):
    """Of the runs that did their work; `None` when one has not: half a figure is none."""
    if not runs or any("error" in run for run in runs):
        return None
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def table(key, by_rtt, programs):
    """A Markdown table: a row for each program, its ratio to the first one behind each time."""
    work, rtts = WORK[key], list(by_rtt)
    last = rtts[-1]
    head = [f"{rtt:g} ms" for rtt in rtts] + [f"flights at {last:g} ms", f"processor time at {rtts[0]:g} ms", "peak memory"]
    lines = [f"**{work.title}**", "", "| | " + " | ".join(head) + " |", "|---|" + "---|" * len(head)]
    for name in programs:
        cells = []
        for rtt in rtts:
            mine, first = medians(by_rtt[rtt].get(name, [])), medians(by_rtt[rtt].get(programs[0], []))
            ratio = f" (×{mine['seconds'] / first['seconds']:.1f})" if mine and first and name != programs[0] else ""
            cells.append(f"{mine['seconds']:.2f} s{ratio}" if mine else "failed")
        far, near = medians(by_rtt[last].get(name, [])), medians(by_rtt[rtts[0]].get(name, []))
        cells.append(f"{far['flights']:.0f}" if far else "")
        cells.append(f"{near['cpu_ms']:.0f} ms" if near else "")
        cells.append(f"{near['peak_MiB']:.0f} MiB" if near else "")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def check(a):
    """Everything that is missing is said before the first measurement."""
    for what, names, there in (("program", a.programs, PROGRAMS), ("work", a.work, WORK)):
        unknown = [n for n in names if n not in there]
        if unknown:
            sys.exit(f"no such {what}: {', '.join(unknown)}; there are {', '.join(there)}")
    if os.geteuid() != 0:
        sys.exit("must run as root: Dovecot has users of its own")
    wanted = {"openssl": "openssl", "/usr/bin/time": "time", "dovecot": "dovecot-pop3d dovecot-lmtpd"}
    for name in a.programs:
        wanted |= {w: PROGRAMS[name].packages for w in PROGRAMS[name].wanted}
    missing = [package for what, package in wanted.items() if shutil.which(what) is None]
    if missing:
        sys.exit(f"missing: apt-get install -y --no-install-recommends {' '.join(missing)}")
    yard.build(yard.YARD, yard.HERE)
    if "restante" in a.programs or a.server == "restante":
        yard.build(yard.Restante.program, yard.Restante.project)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = lambda text: text.split(",")
    p.add_argument("--programs", type=words, default=["restante", "mpop", "fetchmail", "getmail", "fdm"])
    p.add_argument("--work", type=words, default=list(WORK))
    p.add_argument("--rtt", type=lambda text: [float(r) for r in text.split(",")], default=[0, 20, 100])
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--server", choices=["dovecot", "restante"], default="dovecot", help="from which they collect")
    p.add_argument("--json", help="every single run, into this file")
    p.add_argument("--root", default="/tmp/fetch-bench", help="on a real disk; must not exist; made, and removed at the end")
    a = p.parse_args()
    check(a)
    base, root = 21300, pathlib.Path(a.root)
    # Nothing is removed before the end; why, compare.py of the yardstick tells.
    root.mkdir()
    root.chmod(0o755)
    subprocess.run(["chattr", "+T", a.root], stderr=subprocess.DEVNULL)
    servers = []
    try:
        servers.append(start(yard.SERVERS[a.server], root, base))
        # fetchmail delivers to Dovecot, wherever the mail comes from.
        servers.append(servers[0] if a.server == "dovecot" else start(yard.Dovecot, root, base + 4))
        figures = measure(Bench(root, *servers, base), a, lambda line: print(line, file=sys.stderr))
    finally:
        for server in set(servers):
            stop(server)
        shutil.rmtree(a.root, ignore_errors=True)
    for key, by_rtt in figures.items():
        print(table(key, by_rtt, a.programs))
    if a.json:
        pathlib.Path(a.json).write_text(json.dumps({"rounds": a.rounds, "server": a.server, "figures": figures}, indent=1))


if __name__ == "__main__":
    main()
