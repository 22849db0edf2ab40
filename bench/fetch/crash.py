#!/usr/bin/env python3
"""Puts programs that collect mail through the same bad days and counts what came twice and what is gone.

    crash.py [--programs restante,mpop,fetchmail,getmail,fdm] [--faults drop-keep,...] [--limit 120]
             [--cut 150] [--kill 100] [--restante PROGRAM] [--json FILE]

The server is a small one of this script (plain POP3 on loopback), because no other does wrong when it is told
to. The programs are configured as compare.py beside this file configures them. Every pair of program and fault has a maildrop, a
folder and a Maildir of its own: what comes before the fault, the fault, then two runs in which nothing is wrong. A cell
of the table is "duplicates / losses": whole copies in the Maildir beyond the first, and messages that are
neither there nor on the server. A fault that did not happen is an error and no figure.
"""
import argparse, importlib.util, json, os, pathlib, random, re, shutil, signal, socket, struct, subprocess, sys, tempfile, threading, time

HERE = pathlib.Path(__file__).resolve().parent
# Not `import compare`: there are two files of this name, and one imports the other by it.
spec = importlib.util.spec_from_file_location("fetchers", HERE / "compare.py")
fetchers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fetchers)

SIZE = 4096
CLEAN_RUNS = 2
SILENCE = 30  # seconds that a session of the server waits for its client


class Script:
    """What is wrong with the server while one run of a program lasts; nothing, unless told."""

    def __init__(self, lists=None, cut=None, reset=False, kill=None, quit=None, ids=None, full=False):
        self.lists, self.cut, self.reset, self.kill, self.quit, self.ids, self.full = lists, cut, reset, kill, quit, ids, full
        self.happened = ids is not None

    def once(self):
        """Whether it goes wrong now: a connection made after that finds a good server."""
        first, self.happened = not self.happened, True
        return first


class Fault:
    """A bad day: `before` is how many good runs come first, `script` makes the run in which something is wrong."""

    def __init__(self, title, keep, script, count=200, before=0):
        self.title, self.keep, self.script, self.count, self.before = title, keep, script, count, before


FAULTS = {
    "drop-keep": Fault("the server's side ends in the middle of message {cut} of 200; kept on the server", True, lambda a: Script(cut=a.cut)),
    "drop-delete": Fault("the server's side ends in the middle of message {cut} of 200; deleted after delivery", False, lambda a: Script(cut=a.cut)),
    "reset-keep": Fault("the connection is reset in the middle of message {cut} of 200; kept", True, lambda a: Script(cut=a.cut, reset=True)),
    "reset-delete": Fault("the connection is reset in the middle of message {cut} of 200; deleted", False, lambda a: Script(cut=a.cut, reset=True)),
    "kill-keep": Fault("SIGKILL after {kill} of 200; kept", True, lambda a: Script(kill=a.kill)),
    "kill-delete": Fault("SIGKILL after {kill} of 200; deleted", False, lambda a: Script(kill=a.kill)),
    "short": Fault("50 are known, the server once lists 10 of them; kept", True, lambda a: Script(lists=10), 50, 1),
    "none": Fault("50 are known, the server once lists none; kept", True, lambda a: Script(lists=0), 50, 1),
    "quit-done": Fault("QUIT of 50 is not answered, the deletions are done", False, lambda a: Script(quit="done"), 50),
    "quit-undone": Fault("QUIT of 50 is not answered, the deletions are not done", False, lambda a: Script(quit="undone"), 50),
    "full-keep": Fault("the disk is full after about 100 of 200; kept", True, lambda a: Script(full=True)),
    "full-delete": Fault("the disk is full after about 100 of 200; deleted", False, lambda a: Script(full=True)),
    "ids": Fault("50 are known, all unique-ids change; kept", True, lambda a: Script(ids="new-"), 50, 1),
}


class Maildrop:
    """What the server holds: messages by number, from 1, in the order in which they came."""

    def __init__(self, count):
        rnd = random.Random(count)
        self.lock, self.prefix = threading.Lock(), "old-"
        self.messages = {n: fetchers.yard.message(rnd, n, SIZE) for n in range(1, count + 1)}
        self.there = set(self.messages)

    def listing(self, lists):
        with self.lock:
            numbers = sorted(self.there)
            return [(n, f"{self.prefix}{n * 7919:08x}") for n in (numbers if lists is None else numbers[:lists])]

    def remove(self, numbers):
        with self.lock:
            self.there -= numbers


def wire(text):
    return text.replace("\n", "\r\n").encode()


class Server:
    """A POP3 server for one maildrop and any password, on a port of its own. It does as `script` says."""

    def __init__(self, maildrop):
        self.maildrop, self.script, self.trouble, self.prey = maildrop, Script(), [], None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.accepted = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        connection.settimeout(SILENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with connection:
                Session(self, connection).run()
        except OSError:
            pass  # the client went away, or was killed
        except Exception as error:
            self.trouble.append(f"the server of this script: {error!r}")

    def close(self):
        # Without this the accepting thread would keep the port.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Gone(OSError):
    """The connection is over, by the script or by QUIT."""


class Session:
    """One connection."""

    def __init__(self, server, connection):
        self.server, self.script, self.maildrop = server, server.script, server.maildrop
        self.connection, self.lines = connection, connection.makefile("rb")
        self.listed, self.deleted, self.bodies = [], set(), 0

    def run(self):
        self.say("+OK ready")
        while line := self.lines.readline(4096):
            word, *rest = line.decode("latin-1").split() or [""]
            method = getattr(self, "do_" + word.lower(), None)
            if method is None:
                self.say("-ERR no such command")
                continue
            try:
                method(*rest)
            except (IndexError, KeyError, TypeError, ValueError):
                self.say("-ERR what is that?")

    def say(self, line):
        self.connection.sendall(line.encode() + b"\r\n")

    def many(self, first, lines):
        self.connection.sendall("".join(f"{line}\r\n" for line in [first, *lines, "."]).encode())

    def hang_up(self):
        """Ends the connection as a server ends that is stopped: what was sent arrives, what the client says is for nobody."""
        self.connection.shutdown(socket.SHUT_WR)
        while self.lines.read1(65536):
            pass
        raise Gone

    def reset(self):
        """Ends it as a router does that has forgotten it: with an error where the end of a file was."""
        end = time.monotonic() + SILENCE
        while not self.read_all() and time.monotonic() < end:
            time.sleep(0.01)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # The reader holds the connection open as well.
        self.lines.close()
        self.connection.close()
        raise Gone

    def message(self, number):
        """The index and the text of a listed message; `KeyError` for one that is not."""
        index = int(number) - 1
        if index not in range(len(self.listed)) or index in self.deleted:
            raise KeyError
        return index, self.maildrop.messages[self.listed[index][0]]

    def rows(self, show):
        return [f"{i + 1} {show(n, uid)}" for i, (n, uid) in enumerate(self.listed) if i not in self.deleted]

    def size(self, n, _=None):
        return len(wire(self.maildrop.messages[n]))

    def do_capa(self):
        self.many("+OK", ["USER", "PIPELINING", "UIDL", "TOP"])

    def do_user(self, name):
        self.say("+OK")

    def do_pass(self, password):
        self.listed = self.maildrop.listing(self.script.lists)
        if self.script.lists is not None:
            self.script.happened = True
        self.say("+OK")

    def do_stat(self):
        left = [n for i, (n, _) in enumerate(self.listed) if i not in self.deleted]
        self.say(f"+OK {len(left)} {sum(self.size(n) for n in left)}")

    def do_list(self, number=None):
        if number is None:
            return self.many("+OK", self.rows(self.size))
        index, _ = self.message(number)
        self.say(f"+OK {number} {self.size(self.listed[index][0])}")

    def do_uidl(self, number=None):
        if number is None:
            return self.many("+OK", self.rows(lambda _, uid: uid))
        index, _ = self.message(number)
        self.say(f"+OK {number} {self.listed[index][1]}")

    def do_top(self, number, lines):
        _, text = self.message(number)
        head, body = text.split("\n\n", 1)
        if int(lines) >= body.count("\n"):
            return self.body(text)
        self.send(head + "\n\n" + "".join(line + "\n" for line in body.split("\n")[:int(lines)]))

    def do_retr(self, number):
        self.body(self.message(number)[1])

    def body(self, text):
        """A whole message; every such counts, by whatever command it is asked for."""
        if self.bodies + 1 == self.script.cut and self.script.once():
            self.connection.sendall(b"+OK\r\n" + wire(text)[:SIZE // 2])
            self.reset() if self.script.reset else self.hang_up()
        self.send(text)
        self.bodies += 1
        if self.bodies == self.script.kill and self.script.once():
            self.kill()

    def send(self, text):
        stuffed = re.sub(r"(?m)^\.", "..", text)
        self.connection.sendall(b"+OK\r\n" + wire(stuffed) + b".\r\n")

    def kill(self):
        """Kills the program when it has done all that it does with what it got so far: none is killed before it has
        read what lies in its socket, and the moment is the same on a slow machine."""
        end, idle = time.monotonic() + SILENCE, 0
        while idle < 5 and time.monotonic() < end:
            idle = idle + 1 if self.read_all() and at_rest(self.server.prey.pid) else 0
            time.sleep(0.01)
        os.killpg(self.server.prey.pid, signal.SIGKILL)
        raise Gone

    def read_all(self):
        """Whether nothing lies in the client's socket, by the kernel's table."""
        client, mine = self.connection.getpeername()[1], self.server.port
        for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, local, remote, _, queues = line.split()[:5]
            ports = int(local.split(":")[1], 16), int(remote.split(":")[1], 16)
            if ports in ((client, mine), (mine, client)) and queues != "00000000:00000000":
                # What the client has said does not matter, only what it has not read: tx here, rx there.
                waiting = queues.split(":")[0 if ports == (mine, client) else 1]
                if int(waiting, 16):
                    return False
        return True

    def do_dele(self, number):
        self.deleted.add(self.message(number)[0])
        self.say("+OK")

    def do_noop(self):
        self.say("+OK")

    def do_rset(self):
        self.deleted.clear()
        self.say("+OK")

    def do_quit(self):
        lost = self.script.quit and self.script.once()
        if not (lost and self.script.quit == "undone"):
            self.maildrop.remove({self.listed[index][0] for index in self.deleted})
        if lost:
            self.hang_up()
        self.say("+OK")
        raise Gone


def at_rest(group):
    """Whether every thread of the process group waits for something that is no disk."""
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if stat(folder)[2] == str(group) and any(stat(task)[0] not in "SZ" for task in (folder / "task").iterdir()):
                return False
        except OSError:
            pass  # it has ended meanwhile
    return True


def stat(folder):
    """State, parent, process group; the name before them may hold anything."""
    return (folder / "stat").read_text().rpartition(")")[2].split()


class Small:
    """The Maildir on a file system that is soon full, until there is `room`."""

    def __init__(self, maildir):
        self.maildir = maildir
        owner = f"uid={fetchers.NOBODY},gid={fetchers.NOBODY}," if os.geteuid() == 0 else ""
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", owner + "mode=0700,size=800k", "bad-day", maildir], stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise PermissionError(f"no file system can be mounted here: {done.stderr.strip()}")
        for sub in ("new", "cur", "tmp"):
            (maildir / sub).mkdir(mode=0o700)
            os.chown(maildir / sub, fetchers.NOBODY, fetchers.NOBODY)

    def room(self):
        subprocess.run(["mount", "-o", "remount,size=16m", self.maildir], check=True)

    def close(self):
        subprocess.run(["umount", self.maildir], check=True)


def run_once(program, run, server, script, limit):
    """Runs the program at the server with this script: its code, or "time" when it had to be stopped."""
    server.script = script
    if script.ids:
        server.maildrop.prefix = script.ids
    root = {"user": fetchers.NOBODY, "group": fetchers.NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    with open(run.folder / "log", "a") as log:
        # A group of its own: with SIGKILL goes what it has started, as when a machine stops it all.
        proc = server.prey = subprocess.Popen(program.command(run), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=run.folder,
                                              env=fetchers.environment(run), start_new_session=True, **root)
        try:
            return proc.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(proc.pid, signal.SIGKILL)
            proc.wait()
            return "time"


def judge(maildrop, maildir):
    """What is in the Maildir against what was sent. The head may have got lines of the program; the body may not differ."""
    copies, torn = dict.fromkeys(maildrop.messages, 0), 0
    for path in [*(maildir / "new").iterdir(), *(maildir / "cur").iterdir()]:
        head, _, body = path.read_bytes().decode("latin-1").replace("\r\n", "\n").partition("\n\n")
        subject = re.search(r"(?m)^Subject: message (\d+)$", head)
        number = int(subject[1]) if subject else 0
        if number in copies and body.rstrip("\n") == maildrop.messages[number].split("\n\n", 1)[1].rstrip("\n"):
            copies[number] += 1
        else:
            torn += 1
    nowhere = {n for n, copy in copies.items() if copy == 0}
    return {"duplicates": sum(max(copy - 1, 0) for copy in copies.values()), "losses": len(nowhere - maildrop.there),
            "missed": len(nowhere & maildrop.there), "torn": torn, "left": len(maildrop.there)}


def live(program, fault, a, root):
    """One program through one bad day: what was counted, and how each run ended."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=root))
    fetchers.home(folder)
    maildrop = Maildrop(fault.count)
    server = Server(maildrop)
    run = fetchers.Run(folder, 1, server.port, fetchers.Work(fault.title, fault.count, SIZE, kept=fault.keep, listed=True), None)
    script, small, codes = fault.script(a), None, []
    go = lambda script: codes.append(run_once(program, run, server, script, a.limit))
    try:
        small = Small(run.maildir) if script.full else None
        for _ in range(fault.before):
            go(Script())
            if judge(maildrop, run.maildir)["missed"]:
                raise RuntimeError(f"the run before the fault collected too little: {tail(run)}")
        go(script)
        then = judge(maildrop, run.maildir)
        if small:
            script.happened = then["missed"] > 0
            small.room()
        if not script.happened:
            raise RuntimeError(f"the fault did not happen; the runs ended with {codes}: {tail(run)}")
        for _ in range(CLEAN_RUNS):
            go(Script())
        blocked = codes[-1] not in program.codes
        if blocked and (helped := by_hand(run)):
            go(Script())
        if server.trouble:
            raise RuntimeError(server.trouble[0])
        result = {**judge(maildrop, run.maildir), "hung": "time" in codes, "blocked": blocked, "helped": blocked and bool(helped), "codes": codes,
                  "after_the_fault": then, "log": tail(run)}
        if fault.keep:
            result["left"] = 0
        return result
    finally:
        server.close()
        if small:
            small.close()


def by_hand(run):
    """What somebody does who finds that nothing comes any more: he removes a lock that nobody holds."""
    lock = run.folder / "lock"
    if lock.exists():
        lock.unlink()
        return True
    return False


def tail(run):
    return (run.folder / "log").read_text(errors="replace")[-400:].strip()


def cell(result):
    if "error" in result or "skipped" in result:
        return "failed" if "error" in result else "skipped"
    text = f"{result['duplicates']} / {result['losses']}"
    if result["blocked"]:
        text = "**blocked**" + (f", by hand {text}" if result["helped"] else f", {text}")
    text += ", hung" if result["hung"] else ""
    for key, words in (("missed", "missed"), ("torn", "torn"), ("left", "left on the server")):
        text += f", {result[key]} {words}" if result[key] else ""
    return text


def table(results, a):
    lines = ["| duplicates / losses | " + " | ".join(a.programs) + " |", "|---|" + "---|" * len(a.programs)]
    for key in a.faults:
        lines.append(f"| {FAULTS[key].title.format(cut=a.cut, kill=a.kill)} | " + " | ".join(cell(results[key][p]) for p in a.programs) + " |")
    return "\n".join(lines)


def check(a):
    """Everything that is missing is said before the first run."""
    for what, names, there in (("program", a.programs, fetchers.PROGRAMS), ("fault", a.faults, FAULTS)):
        unknown = [n for n in names if n not in there or n == "fetchmail-lmtp"]
        if unknown:
            sys.exit(f"no such {what}: {', '.join(unknown)}; there are {', '.join(n for n in there if n != 'fetchmail-lmtp')}")
    if not 0 < a.cut <= 200 or not 0 < a.kill <= 200:
        sys.exit("--cut and --kill are messages of 200")
    missing = [fetchers.PROGRAMS[n].packages for n in a.programs if any(shutil.which(w) is None for w in fetchers.PROGRAMS[n].wanted)]
    if missing:
        sys.exit(f"missing: apt-get install -y --no-install-recommends {' '.join(missing)}")
    if a.restante:
        fetchers.yard.Restante.program = pathlib.Path(a.restante).resolve(strict=True)
    if "restante" in a.programs:
        fetchers.yard.build(fetchers.yard.Restante.program, fetchers.yard.Restante.project)
    if os.geteuid() != 0:
        fetchers.NOBODY = -1  # everything belongs to whoever runs this, and stays so


def attempt(name, key, a, root):
    try:
        return live(fetchers.PROGRAMS[name](), FAULTS[key], a, root)
    except PermissionError as error:
        return {"skipped": str(error)}
    except RuntimeError as error:
        return {"error": str(error)}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = lambda text: text.split(",")
    p.add_argument("--programs", type=words, default=["restante", "mpop", "fetchmail", "getmail", "fdm"])
    p.add_argument("--faults", type=words, default=list(FAULTS), help=", ".join(FAULTS))
    p.add_argument("--cut", type=int, default=150, help="the message in whose middle the connection is dropped")
    p.add_argument("--kill", type=int, default=100, help="how many messages a program gets before it is killed")
    p.add_argument("--limit", type=float, default=120, help="seconds that one run of a program may last; then it is killed, and has \"hung\"")
    p.add_argument("--restante", help="the program, if not the project's release build")
    p.add_argument("--json", help="every count, code and last words, into this file")
    a = p.parse_args()
    check(a)
    results = {}
    with tempfile.TemporaryDirectory(prefix="fetch-crash-") as root:
        os.chmod(root, 0o755)
        for key in a.faults:
            for name in a.programs:
                result = results.setdefault(key, {})[name] = attempt(name, key, a, root)
                why = result.get("error") or result.get("skipped")
                print(f"{key}: {name}: {cell(result)}{f': {why}' if why else ''}", file=sys.stderr, flush=True)
    print(table(results, a))
    if a.json:
        pathlib.Path(a.json).write_text(json.dumps(results, indent=1))
    if any("error" in result for by_program in results.values() for result in by_program.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
