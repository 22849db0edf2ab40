#!/usr/bin/env python3
"""What a session of a system account costs beside one of a virtual account, in turns: login, STAT, QUIT.

    compare.py [--restante PROGRAM] [--rounds 3] [--logins 200] [--passwords shadow|pam]

A system account has a process that checks its password and one that opens its files with its rights; a virtual one has
neither. Both have the same hash and an empty Maildir; nothing is remembered, and in a third row the source remembers
(cache_s), so that its password is not checked twice. Medians of the rounds are printed; memory is that of one session's own
processes. `--passwords pam` takes a program that was built with it.

Must run as root. Makes an account of this machine (rstbench) for the time of the run, and removes it again.
"""
import argparse, os, pathlib, pwd, shutil, socket, statistics, subprocess, sys, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent
NAME, PASSWORD, ANSWER_MAX = "rstbench", "correct-horse", 30
CONFIG = """hostname = "mail.example.org"
state_dir = "{folder}/state"
[[listen]]
protocol = "pop3"
address = "127.0.0.1:{port}"
[auth]
fail_delay_s = 0
{auth}
[maildrop]
path = "{path}"
[log]
target = "file"
path = "{folder}/log"
[server]
user = "nobody"
"""
VIRTUAL = 'cache_s = 0\n[[auth.source]]\ntype = "file"\npath = "{folder}/users"'
SYSTEM = '[[auth.source]]\ntype = "system"\npasswords = "{passwords}"\ncache_s = {cache}'


class Server:
    """Restante in a folder of its own."""

    def __init__(self, program, parent, auth, path):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=parent))
        self.folder.chmod(0o755)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        nobody = pwd.getpwnam("nobody")
        for name in ("state", "mail"):
            (self.folder / name).mkdir()
        for part in ("cur", "new", "tmp"):
            (self.folder / "mail" / NAME / part).mkdir(parents=True)
        hash_ = next(l.split(":")[1] for l in open("/etc/shadow") if l.startswith(NAME + ":"))
        (self.folder / "users").write_text(f"{NAME}:{{CRYPT}}{hash_}\n")
        (self.folder / "users").chmod(0o600)
        subprocess.run(["chown", "-R", f"{nobody.pw_uid}:{nobody.pw_gid}", str(self.folder)], check=True)
        config = self.folder / "restante.toml"
        auth = auth.replace("{folder}", str(self.folder))
        config.write_text(CONFIG.format(folder=self.folder, port=self.port, auth=auth,
                                        path=path.replace("{folder}", str(self.folder))))
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

    def session(self, at_work=None):
        """Seconds from the connection to the end of the session."""
        began = time.perf_counter()
        with socket.create_connection(("127.0.0.1", self.port), ANSWER_MAX) as peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            lines = peer.makefile("rb")
            lines.readline()
            for command in (f"USER {NAME}", f"PASS {PASSWORD}", "STAT"):
                peer.sendall(command.encode() + b"\r\n")
                answer = lines.readline()
                if not answer.startswith(b"+OK"):
                    raise SystemExit(f"{command.split()[0]}: {answer}")
            if at_work:
                at_work()
            peer.sendall(b"QUIT\r\n")
            while lines.readline():
                pass
        return time.perf_counter() - began

    def stop(self):
        self.process.terminate()
        self.process.wait(ANSWER_MAX)


def memory(uid):
    """KiB of the processes of the account: anonymous, and with their share of the program."""
    total = {"Anonymous": 0, "Pss": 0}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if folder.stat().st_uid != uid and f"\nUid:\t{uid}\t" not in (folder / "status").read_text():
                continue
            for line in (folder / "smaps_rollup").read_text().splitlines():
                name, _, value = line.partition(":")
                if name in total:
                    total[name] += int(value.split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total


def measure(program, parent, auth, path, logins):
    server = Server(program, parent, auth, path)
    try:
        for _ in range(5):
            server.session()
        times = [server.session() for _ in range(logins)]
        of_worker = {}
        uid = pwd.getpwnam(NAME).pw_uid
        server.session(lambda: of_worker.update(memory(uid)))
        return 1000 * statistics.median(times), of_worker
    finally:
        server.stop()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--restante", default=str(HERE.parent.parent / "target" / "release" / "restante"))
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--logins", type=int, default=200)
    p.add_argument("--passwords", default="shadow", choices=["shadow", "pam"])
    a = p.parse_args()
    if os.geteuid() != 0:
        sys.exit("must run as root: it makes an account of this machine")
    parent = pathlib.Path(tempfile.mkdtemp(prefix="restante-system-"))
    parent.chmod(0o755)
    subprocess.run(["useradd", "--create-home", "--base-dir", str(parent), NAME], check=True)
    try:
        subprocess.run(["chpasswd", "--crypt-method", "SHA512"], input=f"{NAME}:{PASSWORD}", text=True, check=True)
        home = parent / NAME
        for part in ("cur", "new", "tmp"):
            subprocess.run(["install", "-d", "-o", NAME, "-m", "700", str(home / "Maildir"), str(home / "Maildir" / part)], check=True)
        system = SYSTEM.replace("{passwords}", a.passwords)
        kinds = {
            "virtual": (VIRTUAL, "{folder}/mail/{local}"),
            "system": (system.replace("{cache}", "0"), "{home}/Maildir"),
            "system, remembered": (system.replace("{cache}", "60"), "{home}/Maildir"),
        }
        rows = {kind: [] for kind in kinds}
        for _ in range(a.rounds):
            for kind, (auth, path) in kinds.items():
                rows[kind].append(measure(a.restante, parent, auth, path, a.logins))
        for kind, of_kind in rows.items():
            memory_of = of_kind[-1][1]
            print(f"{kind:20s} {statistics.median(ms for ms, _ in of_kind):6.2f} ms a session  "
                  + "  ".join(f"{name}={value} KiB" for name, value in memory_of.items()))
    finally:
        subprocess.run(["userdel", NAME], check=False)
        shutil.rmtree(parent, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
