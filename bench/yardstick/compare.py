#!/usr/bin/env python3
"""Runs the same POP3/LMTP work against several servers, in turn, in one run, and prints the
figures side by side.

    compare.py --servers dovecot,restante --work login,poll,retr [--rounds 3]

Each server runs in its own control group (v1 cpuacct + memory), so its processor time and its
memory are counted whole: every process it forks, none of the load generator's. A server is a
small class below: the files it needs, the command that starts it, its ports. Every server gets
its own copy of the same maildrops. Must run as root (control groups, and Dovecot's own users).

How to add or change a server: subclass Server. `restante` is the release build of the project
that this folder is part of (or of the one that the variable RESTANTE names), started with its
bench/yardstick.toml, in which @ROOT@, @POP3@, @POP3S@ and @LMTP@ are replaced. Both programs
are built when they are missing; after a change of the server, build it again.
"""
import argparse, itertools, os, pathlib, random, re, shutil, signal, socket, statistics, subprocess, sys, time

HERE = pathlib.Path(__file__).resolve().parent
YARD = HERE / "target/release/yardstick"
CG = {c: pathlib.Path(f"/sys/fs/cgroup/{c}") for c in ("cpuacct", "memory")}


def sh(*a, **k):
    return subprocess.run(a, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **k).stdout


class Group:
    def __init__(self, name):
        self.d = {c: p / f"yard-{name}-{os.getpid()}" for c, p in CG.items()}
        for p in self.d.values():
            p.mkdir()

    def enter(self):
        for p in self.d.values():
            (p / "cgroup.procs").write_text(str(os.getpid()))

    def cpu(self):
        return int((self.d["cpuacct"] / "cpuacct.usage").read_text()) / 1e9

    def rss(self):
        """Anonymous memory plus kernel memory (sockets), in bytes: what idle sessions cost."""
        m = self.d["memory"]
        stat = dict(l.split() for l in (m / "memory.stat").read_text().splitlines())
        k = m / "memory.kmem.usage_in_bytes"
        return int(stat["rss"]), int(k.read_text()) if k.exists() else 0

    def pids(self):
        return [int(p) for p in (self.d["cpuacct"] / "cgroup.procs").read_text().split()]

    def reset_peak(self):
        """Whatever memory the processes took before does not count."""
        for p in self.pids():
            pathlib.Path(f"/proc/{p}/clear_refs").write_text("5")

    def peak(self):
        """The most memory that one process had resident, in bytes."""
        most = 0
        for p in self.pids():
            status = pathlib.Path(f"/proc/{p}/status").read_text()
            most = max(most, *(int(v) * 1024 for v in re.findall(r"VmHWM:\s+(\d+)", status)), 0)
        return most

    def close(self):
        for sig in (signal.SIGTERM, signal.SIGKILL):
            for _ in range(40):
                pids = self.pids()
                if not pids:
                    break
                if sig == signal.SIGKILL or _ == 0:
                    for p in pids:
                        try:
                            os.kill(p, sig)
                        except ProcessLookupError:
                            pass
                time.sleep(0.1)
        for p in self.d.values():
            try:
                p.rmdir()
            except OSError:
                pass


class Server:
    name = "?"

    runs = itertools.count(1)

    def __init__(self, root, base):
        self.root = pathlib.Path(root) / f"{self.name}-{next(Server.runs)}"
        self.pop3, self.pop3s, self.lmtp = base, base + 1, base + 2
        self.proc = None

    def user(self, n):
        return f"u{n}"

    def maildir(self, n):
        return self.root / "mail" / self.user(n)

    def setup(self):
        pass

    def command(self):
        raise NotImplementedError

    def start(self):
        self.group = Group(self.name)
        log = open(self.root / "log", "w")
        self.proc = subprocess.Popen(self.command(), stdout=log, stderr=log, preexec_fn=self.group.enter)
        end = time.time() + 30
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.pop3), 1) as s:
                    if s.recv(3) == b"+OK":
                        return
            except OSError:
                pass
            if time.time() > end or self.proc.poll() is not None:
                sys.exit(f"{self.name} did not start: {(self.root / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self):
        self.proc.terminate()
        try:
            self.proc.wait(10)
        except subprocess.TimeoutExpired:
            pass
        self.group.close()


class Dovecot(Server):
    """Dovecot tuned for throughput: long-lived login and mail processes, auth cache on."""

    name = "dovecot"

    def setup(self):
        sh("chown", "-R", "nobody:nogroup", str(self.root / "mail"))
        (self.root / "users").write_text(
            "".join(f"u{n}:{{PLAIN}}secret:65534:65534::{self.root}/mail/u{n}::\n" for n in range(20000)))
        cert(self.root)
        (self.root / "dovecot.conf").write_text(f"""
protocols = pop3 lmtp
base_dir = {self.root}/run
state_dir = {self.root}/state
log_path = {self.root}/dovecot.log
listen = 127.0.0.1
ssl = yes
ssl_cert = <{self.root}/cert.pem
ssl_key = <{self.root}/key.pem
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = no
auth_mechanisms = plain
auth_username_format = %Ln
auth_cache_size = 10M
auth_cache_ttl = 1 hour
auth_verbose = no
mail_location = maildir:~/
mail_fsync = optimized
first_valid_uid = 1
mail_max_userip_connections = 100000
default_process_limit = 20000
default_client_limit = 40000
passdb {{
  driver = passwd-file
  args = {self.root}/users
}}
userdb {{
  driver = passwd-file
  args = {self.root}/users
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {self.pop3}
  }}
  inet_listener pop3s {{
    port = {self.pop3s}
    ssl = yes
  }}
  service_count = 0
  process_min_avail = 2
  client_limit = 20000
  vsz_limit = 2G
}}
service pop3 {{
  service_count = 100000
  process_min_avail = 8
  process_limit = 20000
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.lmtp}
  }}
  service_count = 0
  process_min_avail = 4
}}
service stats {{
  client_limit = 40000
}}
service anvil {{
  client_limit = 60000
}}
service auth {{
  client_limit = 60000
}}
{self.extra()}
""")

    def extra(self):
        return ""

    def command(self):
        return ["dovecot", "-F", "-c", str(self.root / "dovecot.conf")]


class Restante(Server):
    name = "restante"
    project = pathlib.Path(os.environ.get("RESTANTE", HERE.parent.parent)).resolve()
    program = project / "target/release/restante"

    def setup(self):
        cert(self.root)
        (self.root / "users").write_text("".join(f"u{n}:{{PLAIN}}secret\n" for n in range(20000)))
        t = (self.project / "bench/yardstick.toml").read_text()
        for k, v in {"ROOT": self.root, "POP3": self.pop3, "POP3S": self.pop3s, "LMTP": self.lmtp}.items():
            t = t.replace(f"@{k}@", str(v))
        (self.root / "restante.toml").write_text(t)

    def command(self):
        return [str(self.program), "serve", "--config", str(self.root / "restante.toml")]


class Unconfined(Restante):
    """The same server without its walls (Landlock, seccomp): what they cost."""

    name = "restante-unconfined"

    def setup(self):
        super().setup()
        with (self.root / "restante.toml").open("a") as file:
            file.write('\n[server]\nconfine = "off"\n')


class Floor(Server):
    """The yardstick's own server of canned replies: the least that any server can cost here."""

    name = "floor"

    def setup(self):
        cert(self.root)

    def start(self):
        users, count, size = SETS[self.set_]
        self.group = Group(self.name)
        one = lambda port, *more: subprocess.Popen(
            [str(YARD), "floor", "--addr", f"127.0.0.1:{port}", "--count", str(count), "--size", str(size), "--conns", "64", *more],
            preexec_fn=self.group.enter, env={**os.environ, "YARD_CERT": str(self.root)})
        self.proc = one(self.pop3)
        self.tls = one(self.pop3s, "--tls")
        time.sleep(0.5)

    def stop(self):
        self.tls.kill()
        super().stop()


SERVERS = {c.name: c for c in (Dovecot, Restante, Unconfined, Floor)}


def cert(root):
    sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
       "-subj", "/CN=localhost", "-keyout", str(root / "key.pem"), "-out", str(root / "cert.pem"))


def message(rnd, n, size):
    """One message with LF line ends, as an MDA leaves it in a Maildir; some lines need dot-stuffing."""
    head = (f"Return-Path: <sender{n}@example.org>\nReceived: from mx.example.org by mail.example.org; "
            f"Sat, 21 Nov 2026 10:00:{n % 60:02d} +0000\nFrom: Sender {n} <sender{n}@example.org>\nTo: user@example.org\n"
            f"Subject: message {n}\nMessage-ID: <{n}.{rnd.randrange(10**9)}@example.org>\nDate: Sat, 21 Nov 2026 10:00:00 +0000\n"
            "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n")
    out, length = [head], len(head)
    words = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore".split()
    while length < size:
        line = " ".join(rnd.choices(words, k=rnd.randrange(1, 13)))[:76] + "\n"
        if rnd.random() < 0.02:
            line = "." + line
        out.append(line)
        length += len(line)
    return "".join(out)


def name(k, seed, count):
    if count < 1_000_000:
        return f"{1700000000 + k}.M{k:06d}P{seed}.yard:2,S"
    # As long and as different as those of deliveries are: this is where memory goes.
    rnd = random.Random(k)
    return f"{1600000000 + 90 * k}.M{rnd.randrange(10**6)}P{seed}Q{k % 500}R{rnd.randrange(16**16):016x}.mail.example.org:2,S"


def fill(dir_, count, size, seed):
    for sub in ("new", "cur", "tmp"):
        (dir_ / sub).mkdir(parents=True, exist_ok=True)
    rnd = random.Random(seed)
    stock = [message(rnd, k, size) for k in range(min(count, 16))]
    for k in range(count):
        # cur/ with flags, as a mailbox that has been read before: the state a server meets most.
        (dir_ / "cur" / name(k, seed, count)).write_text(stock[k % len(stock)])


#            users, messages each, octets each
SETS = {
    "small": (64, 20, 4000),
    "poll": (64, 1000, 300),
    "retr": (2, 2000, 50_000),
    "big": (1, 8, 25_000_000),
    "huge": (1, 100_000, 1000),
    "million": (1, 1_000_000, 300),
    "empty": (64, 0, 0),
}

#            maildrops, yardstick arguments
WORK = {
    "login": ("small", ["login", "--users", "64", "--conns", "16", "--seconds", "4"]),
    "login-tls": ("small", ["login", "--tls", "--users", "64", "--conns", "16", "--seconds", "4"]),
    "login-tls-resume": ("small", ["login", "--tls", "--resume", "--users", "64", "--conns", "16", "--seconds", "4"]),
    "poll": ("poll", ["poll", "--users", "64", "--conns", "16", "--seconds", "4"]),
    "retr": ("retr", ["retr", "--users", "2", "--conns", "2", "--pipeline", "1"]),
    "retr-pipelined": ("retr", ["retr", "--users", "2", "--conns", "2", "--pipeline", "64"]),
    "retr-tls": ("retr", ["retr", "--tls", "--users", "2", "--conns", "2", "--pipeline", "64"]),
    "retr-big": ("big", ["retr", "--users", "1", "--conns", "1"]),
    "drain": ("retr", ["drain", "--users", "2", "--conns", "2", "--pipeline", "64"]),
    "open-cold": ("huge", ["open"]),
    "open-warm": ("huge", ["open"]),
    "open-million-cold": ("million", ["open"]),
    "open-million-warm": ("million", ["open"]),
    "idle": ("small", ["idle", "--users", "64", "--conns", "2000", "--seconds", "2"]),
    "idle-tls": ("small", ["idle", "--tls", "--users", "64", "--conns", "2000", "--seconds", "2"]),
    "deliver": ("empty", ["deliver", "--user", "u%@example.org", "--users", "64", "--conns", "4", "--count", "4000", "--size", "10000"]),
}


def figures(text):
    return {k: v for k, v in re.findall(r"(\w+)=([\d.]+)", text)}


def run(server_cls, work, root, base):
    set_, extra = WORK[work]
    s = server_cls(root, base)
    s.set_ = set_
    s.root.mkdir()
    users, count, size = SETS[set_]
    for n in range(users):
        fill(s.maildir(n), count, size, n)
    s.setup()
    s.start()
    try:
        if work.startswith("idle"):
            # Each maildrop can be held by one session only, so the idle sessions have their own users.
            for n in range(users, 2000):
                fill(s.maildir(n), 1, 500, n)
            sh("chmod", "-R", "a+rwX", str(s.root / "mail"))
            extra = [a if a != "64" else "2000" for a in extra]
        port = {"deliver": s.lmtp}.get(work, s.pop3s if "--tls" in extra else s.pop3)
        cmd = [str(YARD), *extra, "--addr", f"127.0.0.1:{port}"]
        if work not in ("open-cold", "open-million-cold", "deliver", "drain", "idle", "idle-tls"):
            # One small round first: caches and indexes built, processes forked.
            warm = ["open"] if set_ in ("huge", "million", "big", "retr") else [extra[0], "--users", str(users), "--conns", "8", "--seconds", "1.5"]
            for n in range(users if warm == ["open"] else 1):
                sh(str(YARD), *warm, "--addr", f"127.0.0.1:{s.pop3}", *(["--first", str(n)] if warm == ["open"] else []))
        if work.startswith("open"):
            s.group.reset_peak()
        cpu0, m0 = s.group.cpu(), s.group.rss()
        if work.startswith("idle"):
            p = subprocess.Popen(cmd, stdout=subprocess.PIPE, text=True)
            line = p.stdout.readline()
            time.sleep(1)
            m1 = s.group.rss()
            out = line + p.stdout.read()
            held = int(figures(line).get("held", 0)) or 1
            f = figures(out)
            f["rss_per_session_KiB"] = f"{(m1[0] - m0[0]) / held / 1024:.2f}"
            f["kernel_per_session_KiB"] = f"{(m1[1] - m0[1]) / held / 1024:.2f}"
        else:
            out = sh(*cmd)
            f = figures(out)
            if work.startswith("open"):
                f["peak_MiB"] = f"{s.group.peak() / 2**20:.1f}"
        cpu = s.group.cpu() - cpu0
        n = float(f.get("sessions", 0)) or float(f.get("messages", 0)) or 1
        f["cpu_s"] = f"{cpu:.3f}"
        f["cpu_us_per_item"] = f"{cpu / n * 1e6:.1f}"
        if "MB" in f and float(f["MB"]) > 0:
            f["cpu_s_per_GB"] = f"{cpu / float(f['MB']) * 1000:.3f}"
        if "error" in out.replace("errors=0", ""):
            f["note"] = out.strip().replace("\n", " | ")[:300]
        return f
    finally:
        s.stop()


def build(program, folder):
    """Builds what is not there yet, into the folder's own target folder."""
    if not program.exists():
        print(f"building {program.name}", file=sys.stderr)
        subprocess.run(["cargo", "build", "--release", "--locked", "--target-dir", str(folder / "target")], cwd=folder, check=True)


def check(names):
    """Everything that is missing is said before the first measurement."""
    unknown = [n for n in names if n not in SERVERS]
    if unknown:
        sys.exit(f"no such server: {', '.join(unknown)}; there are {', '.join(SERVERS)}")
    if os.geteuid() != 0:
        sys.exit("must run as root: control groups, and Dovecot's own users")
    for controller, folder in CG.items():
        if not folder.is_dir():
            sys.exit(f"no {folder}: the control group {controller} of version 1 is needed (systemd.unified_cgroup_hierarchy=0)")
    wanted = ["openssl"] + (["dovecot"] if "dovecot" in names else [])
    missing = [w for w in wanted if shutil.which(w) is None]
    if missing:
        sys.exit(f"missing: {', '.join(missing)}; apt-get install -y --no-install-recommends dovecot-pop3d dovecot-lmtpd openssl")
    build(YARD, HERE)
    if any(issubclass(SERVERS[n], Restante) for n in names):
        build(Restante.program, Restante.project)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--servers", default="dovecot,restante")
    p.add_argument("--work", default="login,login-tls,poll,retr,retr-pipelined,retr-tls,retr-big,drain,open-cold,open-warm,idle,deliver")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--root", default="/tmp/yardstick", help="must not exist; made, and removed at the end")
    a = p.parse_args()
    names = a.servers.split(",")
    check(names)
    # An ext4 without a journal does not use an inode again for minutes after its file was removed, and every new file
    # steps over all of those in its block group, which can cost more than everything that is measured (242 us
    # instead of 15). So each run has a folder of its own, in a block group of its own (attribute T), and nothing is
    # removed before the last one is over.
    os.mkdir(a.root)
    subprocess.run(["chattr", "+T", a.root], stderr=subprocess.DEVNULL)
    try:
        measure(a, names)
    finally:
        shutil.rmtree(a.root, ignore_errors=True)


def measure(a, names):
    for work in a.work.split(","):
        rows = {n: [] for n in names}
        for r in range(a.rounds):
            for k, n in enumerate(names):
                rows[n].append(run(SERVERS[n], work, a.root, 21100 + 10 * k))
        print(f"## {work}: {' '.join(WORK[work][1])}")
        keys = [k for k in rows[names[0]][0] if k != "note"]
        med = {}
        for n in names:
            med[n] = {k: statistics.median(float(x.get(k, "nan")) for x in rows[n]) for k in keys}
            print(f"{n:12s} " + "  ".join(f"{k}={med[n][k]:g}" for k in keys))
            for x in rows[n]:
                if "note" in x:
                    print(f"{'':12s} ! {x['note']}")
        if len(names) > 1:
            base = names[0]
            for n in names[1:]:
                print(f"{n}/{base}".ljust(12) + " " + "  ".join(
                    f"{k}={med[n][k] / med[base][k]:.3f}" for k in keys if med[base][k] > 0))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
