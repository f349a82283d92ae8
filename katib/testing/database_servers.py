"""Throw-away database servers for tests: real ones, on this machine, in a folder that goes with them.

PostgreSQL is taken from the machine (``initdb`` and ``postgres`` on the path or under ``/usr/lib/postgresql``) or from the PyPI package
``pgserver``; MariaDB from the machine (``mariadbd`` and ``mariadb-install-db``). Neither runs as root, so root starts them as the
packages' own user or as nobody. A server ends with the process that started it, however that ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import itertools
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from typing_extensions import override

from katib.store import open_store, upgrade_store
from katib.testing.served import children_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from katib.store.protocol import Store

__all__ = ["DatabaseServer", "MariadbServer", "PostgresqlServer", "open_upgraded"]

_START_SECONDS: Final = 60
_SET_DEATH_SIGNAL: Final = 1
_MEMORY_WANTED: Final = 2 * 2**30
_PASSWORD: Final = "p@ss/w:rd"  # noqa: S105 - of servers that live as long as a test; it wants quoting in a URL
_QUOTED_PASSWORD: Final = "p%40ss%2Fw%3Ard"  # noqa: S105


def open_upgraded(url: str | Path) -> Store:
    """Open a store on a server, creating its tables when they are absent; what a test's child processes import."""
    upgrade_store(url)
    return open_store(url)


class DatabaseServer(ABC):
    """A server that runs while it is open (``with``).

    Args:
        durable: Whether a commit survives a power cut; without, it survives the end of the server only, and tests are faster.

    Attributes:
        name: Of the program.
        how_to_get: Where there is none.
        port: On 127.0.0.1.
    """

    name: ClassVar[str]
    how_to_get: ClassVar[str]
    users: ClassVar[tuple[str, ...]]
    end_signal: ClassVar[signal.Signals]

    def __init__(self, *, durable: bool = False) -> None:
        self.durable = durable
        self.folder = Path()
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count()

    @classmethod
    @abstractmethod
    def program(cls, name: str) -> str | None:
        """Return the path of one of its programs."""

    @classmethod
    @abstractmethod
    def missing(cls) -> str:
        """Return why it cannot run here, in one sentence; empty where it can."""

    @abstractmethod
    def _initialise(self) -> None:
        """Fill the data folder."""

    @abstractmethod
    def _command(self) -> list[str]:
        """Return the command of the server itself, in the foreground."""

    @abstractmethod
    def url_of(self, database: str) -> str:
        """Return the URL of a database, which need not exist."""

    @abstractmethod
    def connect(self, database: str = "") -> Any:
        """Return the driver's own connection, as the owner of everything."""

    def execute(self, *statements: str, database: str = "") -> list[tuple[Any, ...]]:
        """Run statements, each in a transaction of its own, and return the rows of the last."""
        connection = self.connect(database)
        try:
            self._commit_always(connection)
            rows: list[tuple[Any, ...]] = []
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
                rows = cursor.fetchall() if cursor.description else []
            return list(rows)
        finally:
            connection.close()

    @staticmethod
    @abstractmethod
    def _commit_always(connection: Any) -> None:
        """Let every statement of a connection be a transaction."""

    @abstractmethod
    def new_database(self) -> str:
        """Create an empty database and return its URL."""

    @abstractmethod
    def drop(self, url: str) -> None:
        """Remove a database with everything in it."""

    def new_store(self) -> str:
        """Create a database with the tables of a new store and return its URL."""
        url = self.new_database()
        upgrade_store(url)
        return url

    def __enter__(self) -> Self:
        memory = None if self.durable else _memory()
        self.folder = Path(tempfile.mkdtemp(prefix=f"katib-{self.name.lower()}-", dir=memory))
        try:
            if os.geteuid() == 0:
                owner = self._owner()
                os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            self._initialise()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, *, arguments: Sequence[str] = ()) -> None:
        """Start the server on its port and wait until it answers."""
        self.port = self.port or _free_port()
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the server's own program
                [*self._command(), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C is for the tests, which then end it
                preexec_fn=self._die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one system call
                **self._as_user(),
            )
        self._wait()

    def _die_with_parent(self) -> None:
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, self.end_signal)

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.execute("SELECT 1")
            except Exception as error:
                if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                    log = (self.folder / "server.log").read_text(encoding="utf-8", errors="replace")
                    raise RuntimeError(f"{self.name} did not start:\n{log[-2000:]}") from error
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """End the server; what it did not write is lost."""
        self._end(self.end_signal)

    def kill(self) -> None:
        """Kill the server and all its processes as a crash would."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        workers = children_of(process.pid)
        process.send_signal(number)
        if number is signal.SIGKILL:
            for worker in workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, number)
        process.wait(_START_SECONDS)
        deadline = time.monotonic() + _START_SECONDS
        while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < deadline:
            time.sleep(0.01)  # a successor wants their shared memory

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the server for the length of the block; it starts again with what it had stored."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @classmethod
    def _owner(cls) -> pwd.struct_passwd:
        for name in (*cls.users, "nobody"):
            with contextlib.suppress(KeyError):
                return pwd.getpwnam(name)
        raise RuntimeError(f"{cls.name} does not run as root, and there is no user {cls.users[0]!r} or 'nobody'")

    @classmethod
    def _as_user(cls) -> dict[str, Any]:
        if os.geteuid() != 0:
            return {}
        owner = cls._owner()
        return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}

    def _run(self, command: Sequence[str]) -> None:
        done = subprocess.run(  # noqa: S603 - the server's own program
            command, check=False, capture_output=True, cwd=self.folder, text=True, **self._as_user()
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")

    def _next_name(self) -> str:
        return f"katib_{next(self._numbers)}_{secrets.token_hex(3)}"


class PostgresqlServer(DatabaseServer):
    """A PostgreSQL server; its user ``katib`` owns everything and has a password."""

    name = "PostgreSQL"
    how_to_get = "apt-get install postgresql, or pip install pgserver"
    users = ("postgres",)
    end_signal = signal.SIGQUIT

    @classmethod
    @override
    def program(cls, name: str) -> str | None:
        folders = [*os.environ.get("PATH", "").split(os.pathsep)]
        versions = Path("/usr/lib/postgresql").glob("*/bin")
        folders += map(str, sorted(versions, key=lambda path: path.parent.name.rjust(4), reverse=True))
        package = importlib.util.find_spec("pgserver")
        if package is not None and package.origin is not None:
            folders.append(str(Path(package.origin).parent / "pginstall" / "bin"))
        return shutil.which(name, path=os.pathsep.join(folders))

    @classmethod
    @override
    def missing(cls) -> str:
        wanted = ["psycopg"] * (importlib.util.find_spec("psycopg") is None)
        wanted += [name for name in ("initdb", "postgres") if cls.program(name) is None]
        return f"{cls.name} cannot run here, {wanted[0]} was not found: {cls.how_to_get}" if wanted else ""

    @override
    def _initialise(self) -> None:
        password = self.folder / "password"
        password.write_text(_PASSWORD, encoding="utf-8")
        password.chmod(0o644)
        self._run(
            [
                self.program("initdb") or "initdb",
                f"--pgdata={self.folder / 'data'}",
                "--username=katib",
                "--auth=scram-sha-256",
                f"--pwfile={password}",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ]
        )

    @override
    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "fsync": "on" if self.durable else "off",
            "full_page_writes": "on" if self.durable else "off",
            "shared_buffers": "64MB",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [self.program("postgres") or "postgres", "-D", str(self.folder / "data"), *options]

    @override
    def url_of(self, database: str) -> str:
        return f"postgresql+psycopg://katib:{_QUOTED_PASSWORD}@127.0.0.1:{self.port}/{database}"

    @override
    def connect(self, database: str = "") -> Any:
        import psycopg

        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="katib",
            password=_PASSWORD,
            dbname=database or "postgres",
            connect_timeout=10,
        )

    @staticmethod
    @override
    def _commit_always(connection: Any) -> None:
        connection.autocommit = True

    @override
    def new_database(self) -> str:
        name = self._next_name()
        self.execute(f"CREATE DATABASE {name}")
        return self.url_of(name)

    @override
    def new_store(self) -> str:
        name, template = self._next_name(), "katib_template"
        if not self.execute(f"SELECT 1 FROM pg_database WHERE datname = '{template}'"):  # noqa: S608 - ours
            self.execute(f"CREATE DATABASE {template}")
            upgrade_store(self.url_of(template))
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url_of(name)

    @override
    def drop(self, url: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {url.rsplit('/', 1)[1]} WITH (FORCE)")


class MariadbServer(DatabaseServer):
    """A MariaDB server; its user ``katib`` may do everything and has a password."""

    name = "MariaDB"
    how_to_get = "apt-get install mariadb-server"
    users = ("mysql",)
    end_signal = signal.SIGKILL

    @classmethod
    @override
    def program(cls, name: str) -> str | None:
        return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")

    @classmethod
    @override
    def missing(cls) -> str:
        wanted = ["pymysql"] * (importlib.util.find_spec("pymysql") is None)
        wanted += [name for name in ("mariadbd", "mariadb-install-db") if cls.program(name) is None]
        return f"{cls.name} cannot run here, {wanted[0]} was not found: {cls.how_to_get}" if wanted else ""

    @override
    def _initialise(self) -> None:
        users = self.folder / "users.sql"
        users.write_text(
            f"CREATE USER IF NOT EXISTS katib@'127.0.0.1' IDENTIFIED BY '{_PASSWORD}';\n"
            "GRANT ALL ON *.* TO katib@'127.0.0.1' WITH GRANT OPTION;\n",
            encoding="utf-8",
        )
        users.chmod(0o644)
        self._run(
            [
                self.program("mariadb-install-db") or "mariadb-install-db",
                "--no-defaults",
                f"--datadir={self.folder / 'data'}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                *self._sizes(),
            ]
        )

    @staticmethod
    def _sizes() -> list[str]:
        return ["--innodb-log-file-size=16M", "--innodb-buffer-pool-size=64M"]

    @override
    def _command(self) -> list[str]:
        return [
            self.program("mariadbd") or "mariadbd",
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            f"--socket={self.folder / 'socket'}",
            f"--pid-file={self.folder / 'pid'}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            f"--init-file={self.folder / 'users.sql'}",
            f"--innodb-flush-log-at-trx-commit={1 if self.durable else 2}",
            f"--innodb-flush-method={'fsync' if self.durable else 'nosync'}",
            *(() if self.durable else ("--innodb-doublewrite=0", "--sync-frm=0")),
            *self._sizes(),
        ]

    @override
    def url_of(self, database: str) -> str:
        return f"mysql+pymysql://katib:{_QUOTED_PASSWORD}@127.0.0.1:{self.port}/{database}"

    @override
    def connect(self, database: str = "") -> Any:
        import pymysql

        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user="katib",
            password=_PASSWORD,
            database=database or None,
            charset="utf8mb4",
        )

    @staticmethod
    @override
    def _commit_always(connection: Any) -> None:
        connection.autocommit(True)  # noqa: FBT003 - the driver's own

    @override
    def new_database(self) -> str:
        name = self._next_name()
        # Not the character set of the store: it has to say that itself.
        self.execute(f"CREATE DATABASE {name} CHARACTER SET latin1")
        return self.url_of(name)

    @override
    def drop(self, url: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {url.rsplit('/', 1)[1]}")


def _memory() -> str | None:
    """Return a folder in memory with room for many small databases, if there is one."""
    with contextlib.suppress(OSError):
        if shutil.disk_usage("/dev/shm").free > _MEMORY_WANTED:  # noqa: S108 - mkdtemp makes a folder in it
            return "/dev/shm"  # noqa: S108
    return None


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
