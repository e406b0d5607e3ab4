"""Apache CXF on loopback: services of many kinds, compiled and started here; a JDK 17 and Maven are needed.

Maven fetches the jars once into the user's cache. Where that cannot be, `CxfUnavailable` says why.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from tests.servers.fetched import SHORT_LIVED

VERSION = "4.2.3"
_SOURCE = Path(__file__).with_name("CxfServer.java")
_CONTRACT = Path(__file__).parent / "catalog" / "catalog.wsdl"
_ARTIFACTS = ("cxf-rt-frontend-jaxws", "cxf-rt-transports-http-jetty", "cxf-rt-ws-security")
_EXCLUDED = "<exclusions><exclusion><groupId>org.opensaml</groupId><artifactId>*</artifactId></exclusion></exclusions>"
_POM = (
    '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>tests</groupId>'
    "<artifactId>cxf</artifactId><version>1</version><dependencies>"
    + "".join(
        f"<dependency><groupId>org.apache.cxf</groupId><artifactId>{name}</artifactId><version>{VERSION}</version>"
        f"{_EXCLUDED}</dependency>"
        for name in _ARTIFACTS
    )
    + "</dependencies></project>"
)


class CxfUnavailable(Exception):  # noqa: N818 - it is a state of the machine, not a mistake
    """CXF cannot be run here; the text says why."""


def jars() -> Path:
    """The folder with CXF's jars, fetched if they are not there.

    Raises:
        CxfUnavailable: No JDK, no Maven, or Maven cannot fetch.
    """
    for tool in ("java", "javac", "mvn"):
        if shutil.which(tool) is None:
            raise CxfUnavailable(f"Apache CXF needs a JDK 17 and Maven; {tool} is not on the path")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zeebe-connectors" / f"cxf-{VERSION}"
    if (cache / "complete").exists():
        return cache / "lib"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "pom.xml").write_text(_POM)
    command = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib", "-DincludeScope=runtime"]
    try:
        done = subprocess.run(command, cwd=cache, capture_output=True, text=True, timeout=600, check=False)
    except subprocess.TimeoutExpired:
        raise CxfUnavailable("Maven did not fetch Apache CXF within 10 minutes") from None
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if "ERROR" in line] or [done.stderr]
        raise CxfUnavailable(f"Maven cannot fetch Apache CXF: {lines[0][:300]}")
    (cache / "complete").touch()
    return cache / "lib"


class CxfServer:
    """The running services.

    Args:
        folder: For classes and keystores.
        trusted: Who may sign requests.
        identity: Key and certificate that replies of `/signing` are signed with.
    """

    def __init__(
        self, folder: Path, trusted: list[x509.Certificate], identity: tuple[object, x509.Certificate]
    ) -> None:
        self._folder = folder
        self._trusted = trusted
        self._identity = identity
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def url(self, path: str) -> str:
        """Address of a service."""
        return f"http://127.0.0.1:{self.port}{path}"

    def start(self) -> None:
        """Compiles and starts it; comes back when all services answer.

        Raises:
            CxfUnavailable: It did not start; the text has its last lines.
        """
        library = jars()
        self._keystores()
        path = f"{self._folder}{os.pathsep}{library}/*"
        compiled = subprocess.run(
            ["javac", *(f"-J{option}" for option in SHORT_LIVED), "-cp", path, "-d", self._folder, _SOURCE],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if compiled.returncode:
            raise CxfUnavailable(f"the services cannot be compiled: {compiled.stderr[:500]}")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._process = subprocess.Popen(
            ["java", *SHORT_LIVED, "-cp", path, "CxfServer", str(self.port), str(_CONTRACT)],
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        lines: list[str] = []
        ready = threading.Event()

        def follow() -> None:
            for line in self._process.stdout:
                del lines[:-50]
                lines.append(line)
                if line.strip() == "up":
                    ready.set()
            ready.set()

        threading.Thread(target=follow, daemon=True).start()
        if not ready.wait(90) or self._process.poll() is not None:
            self.stop()
            raise CxfUnavailable(f"Apache CXF did not start: {''.join(lines[-5:])}")

    def stop(self) -> None:
        """Ends it."""
        if self._process is not None:
            self._process.stdin.close()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process.stdout.close()

    def _keystores(self) -> None:
        how = BestAvailableEncryption(b"secret")
        known = [pkcs12.PKCS12Certificate(item, f"c{number}".encode()) for number, item in enumerate(self._trusted)]
        (self._folder / "trust.p12").write_bytes(pkcs12.serialize_java_truststore(known, how))
        key, certificate = self._identity
        data = pkcs12.serialize_key_and_certificates(b"server", key, certificate, None, how)
        (self._folder / "server.p12").write_bytes(data)
        for name in ("trust", "server"):
            (self._folder / f"{name}.properties").write_text(
                "org.apache.wss4j.crypto.provider=org.apache.wss4j.common.crypto.Merlin\n"
                "org.apache.wss4j.crypto.merlin.keystore.type=PKCS12\n"
                "org.apache.wss4j.crypto.merlin.keystore.password=secret\n"
                f"org.apache.wss4j.crypto.merlin.keystore.file={self._folder / name}.p12\n"
            )
