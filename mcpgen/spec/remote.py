"""Turns the URL of another document into a file beside ours, because a build reads nothing but files.

Nothing is fetched unless the configuration names the host and `mcpgen build` runs; what was fetched is stored, is
committed with the rest, and is read from there ever after. What comes from elsewhere is as hostile as the document
itself: what it may cost is bounded here, what it says is read within the bounds of all other files.
"""

import hashlib
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote, urljoin

if TYPE_CHECKING:
    import socket
    from http.client import HTTPResponse

MAX_REMOTE: Final = 100
"""Documents of other hosts in one run."""
MAX_REMOTE_BYTES: Final = 20_000_000
"""Of one of them, as it is sent and as it is unpacked."""
MAX_REDIRECTS: Final = 3
MAX_SECONDS: Final = 20.0
"""For one of them: from the resolution of the name to the last byte, redirects included."""
FOLDER: Final = "remote"
"""Where they are stored, beside the document."""

_URL: Final = re.compile(
    r"(https?)://([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(/[^?]*)?(?:\?(.*))?",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)
_LONGEST_URL: Final = 2_000
_PORTS: Final = {"https": 443, "http": 80}
_SAFE: Final = "/%:@!$&'()*+,;=?"
_ENDINGS: Final = (".json", ".yaml", ".yml", ".md", ".txt")
_LONGEST_PART: Final = 80
_MOST_PARTS: Final = 12


class Unfetched(Exception):
    """Why a document of another host cannot be had, one phrase, and the way out."""

    def __init__(self, reason: str, hint: str = "") -> None:
        self.hint = hint
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Address:
    """A URL without fragment, in one form for all that are equivalent (RFC 3986, 6.2.2), so that it is a name."""

    url: str
    scheme: str
    host: str
    port: int

    @property
    def entry(self) -> str:
        """What the configuration must name for it: the host, and the port where it is not the scheme's own."""
        return self.host if self.port == _PORTS[self.scheme] else f"{self.host}:{self.port}"

    @property
    def encrypted(self) -> bool:
        """Whether nobody between here and there can change what is sent: https, or this machine."""
        return self.scheme == "https" or self._loopback

    @property
    def _loopback(self) -> bool:
        literal = _literal(self.host)
        return self.host == "localhost" or (literal is not None and literal.is_loopback)

    @property
    def stored(self) -> str:
        """Where it is stored below `FOLDER`: parts of letters, digits, "_", "-" and ".", none of which hides or climbs.

        Whatever that does not keep apart, the query too, goes as a digest into the name.
        """
        folder = self.host if (self.scheme, self.port) == ("https", 443) else f"{self.host}_{self.port}"
        path, _, query = self.url.split("/", 3)[3].partition("?")
        written = path.split("/")
        parts = [re.sub(r"[^A-Za-z0-9._-]|^\.+", "_", unquote(p))[:_LONGEST_PART] for p in written]
        # No folder is called like a file, no file without an ending.
        parts = [re.sub(r"\.(?=\w+$)", "_", p) if p.lower().endswith(_ENDINGS) else p for p in parts[:-1]] + parts[-1:]
        stem, ending = os.path.splitext(parts[-1])
        if ending.lower() not in _ENDINGS:
            stem, ending = parts[-1] or "index", ".yaml"
        parts = [*[p for p in parts[:-1] if p][-_MOST_PARTS:], stem + ending]
        if query or parts != written:
            digest = hashlib.sha256(self.url.encode()).hexdigest()[:12]
            parts[-1] = f"{stem}-{digest}{ending}"
        return "/".join([re.sub(r"[^a-z0-9._-]", "_", folder), *parts])


def is_url(text: str) -> bool:
    """Whether a reference, or the name of a file, is that of another host."""
    return re.match(r"https?://", text, re.IGNORECASE) is not None


def address(base: str, target: str) -> Address:
    """The address that `target` names in the document at the URL `base` (RFC 3986, 5.2). Raises `Unfetched`.

    The base is the URL in the reference, not where a redirect led: the stored copy knows nothing of that.
    """
    try:
        url = urljoin(base, target).partition("#")[0]
    except ValueError:
        url = ""
    m = _URL.fullmatch(url) if len(url) <= _LONGEST_URL else None
    if m is None or not 0 < int(m[3] or 1) < 65536:
        if is_url(url) and "@" in url.split("/")[2]:
            raise Unfetched("a URL with a user name or a password is not fetched")
        raise Unfetched("mcpgen fetches nothing that nobody asked for")
    scheme, host = m[1].lower(), m[2].lower()
    port = int(m[3] or _PORTS[scheme])
    place = host if port == _PORTS[scheme] else f"{host}:{port}"
    query = "" if m[5] is None else "?" + _escaped(m[5])
    return Address(f"{scheme}://{place}{_without_dots(_escaped(m[4] or '/'))}{query}", scheme, host, port)


def _escaped(text: str) -> str:
    """`text` with what must be escaped, and only that; "%2e" is "." (RFC 3986, 6.2.2.2)."""

    def plain(m: re.Match[str]) -> str:
        char = chr(int(m[1], 16))
        return char if char.isascii() and (char.isalnum() or char in "-._~") else m[0].upper()

    text = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", text)
    return quote(re.sub(r"%([0-9A-Fa-f]{2})", plain, text), safe=_SAFE, errors="replace")


def _without_dots(path: str) -> str:
    """`path` without the segments "." and "..", which lead no higher than the root (RFC 3986, 5.2.4)."""
    kept: list[str] = []
    *above, last = path.split("/")[1:]
    for part in [*above, last]:
        if part == "..":
            kept[-1:] = []
        elif part != ".":
            kept.append(part)
    return "/" + "/".join(kept + [""] * (last in (".", "..") and bool(kept)))


def _literal(host: str) -> Any:
    """The IP address that `host` is; None when it is a name."""
    import ipaddress

    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


# -- what the configuration allows ------------------------------


@dataclass(frozen=True, slots=True)
class Remote:
    """Which hosts' documents belong to ours, and whether they are fetched: "never", when "missing", or "again"."""

    hosts: tuple[str, ...] = ()
    fetching: str = "never"
    progress: Callable[[str], None] = field(default=lambda _: None)

    def allows(self, place: Address) -> bool:
        return place.encrypted and self.names(place)

    def names(self, place: Address) -> bool:
        """Whether the configuration names the host; without a port that means the scheme's own."""
        return place.entry in self.hosts or f"{place.host}:{place.port}" in self.hosts

    def file(self, place: Address, folder: Path) -> Path:
        """The stored copy, below `folder`, of what is at `place`; it is fetched where that is wanted.

        Raises `Unfetched`.
        """
        path = folder / FOLDER / place.stored
        top = Path(os.path.realpath(folder), FOLDER)
        if not Path(os.path.realpath(path)).is_relative_to(top):
            raise Unfetched(f"a symbolic link leads out of the folder {FOLDER}")
        if self.fetching == "again" or (self.fetching == "missing" and not path.is_file()):
            self.progress(f"fetching {place.url}")
            content = fetch(place, self)
            part = path.with_name(path.name + ".part")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                part.write_bytes(content)
                part.replace(path)
            except OSError as e:
                raise Unfetched(f"it cannot be stored as {path.as_posix()}: {e.strerror}") from None
        if not path.is_file():
            hint = "run mcpgen build, without --check: it fetches the document; then commit that file"
            raise Unfetched(f"there is no stored copy {path.as_posix()}", hint)
        return path


NOTHING: Final = Remote()
"""No other host's documents."""


# -- fetching ------------------------------


def fetch(place: Address, remote: Remote) -> bytes:
    """The document at `place`. Raises `Unfetched`.

    It runs in a thread that is left behind when the time is over, because nothing else bounds all of it: each of the
    resolver, the handshake, and a server that sends a byte now and then has a clock of its own, or none.
    """
    import http.client
    import queue
    import socket
    import threading
    import zlib

    answers: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()
    sockets: list[socket.socket] = []

    def run() -> None:
        try:
            answers.put(_follow(place, remote, sockets))
        except Exception as e:
            answers.put(e)

    threading.Thread(target=run, daemon=True).start()
    try:
        answer = answers.get(timeout=MAX_SECONDS)
    except queue.Empty:
        answer = TimeoutError()
    finally:
        for opened in sockets:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()
    if isinstance(answer, TimeoutError):
        raise Unfetched(f"fetching it took longer than {MAX_SECONDS:g} s")
    if isinstance(answer, OSError | http.client.HTTPException | ValueError | zlib.error):
        raise Unfetched(f"fetching it failed: {answer or type(answer).__name__}")
    if isinstance(answer, Exception):
        raise answer
    return answer


def _follow(place: Address, remote: Remote, sockets: "list[socket.socket]") -> bytes:
    for _ in range(MAX_REDIRECTS + 1):
        response = _ask(place, sockets)
        if response.status not in (301, 302, 303, 307, 308):
            return _content(response)
        target = response.getheader("Location", "")
        try:
            place = address(place.url, target)
        except Unfetched:
            raise Unfetched(f"it redirects to {target!r}, which is not followed") from None
        if not place.encrypted:
            raise Unfetched(f"it redirects to {place.url}, which is not https")
        if not remote.allows(place):
            raise Unfetched(f"it redirects to {place.url}, and allow_hosts does not name {place.entry}")
    raise Unfetched(f"it redirects more than {MAX_REDIRECTS} times")


def _ask(place: Address, sockets: "list[socket.socket]") -> "HTTPResponse":
    """The answer to a GET that carries nothing of ours: `http.client` knows no proxy, netrc, cookie or credential."""
    import http.client
    import socket
    import ssl

    connect = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
    connection = connect(place.host.strip("[]"), place.port, timeout=MAX_SECONDS)
    # The connection goes to the address that was checked: a name that is resolved twice may lead elsewhere then.
    error: OSError = OSError("the name has no address")
    for ip in _resolved(place):
        try:
            plain = socket.create_connection((ip, place.port), MAX_SECONDS)
            break
        except OSError as e:
            error = e
    else:
        raise error
    sockets.append(plain)
    if place.scheme == "https":
        context = ssl.create_default_context()
        plain = context.wrap_socket(plain, server_hostname=place.host.strip("[]"))
        sockets[-1] = plain  # the one before is detached
    connection.sock = plain
    path = "/" + place.url.split("/", 3)[3]
    accept = "application/yaml, application/json;q=0.9, */*;q=0.5"
    connection.request("GET", path, headers={"Accept": accept, "User-Agent": "mcpgen", "Connection": "close"})
    return connection.getresponse()


def _resolved(place: Address) -> list[str]:
    """The addresses of the host. Raises `Unfetched` when one of them is not public, unless it is the one allowed."""
    import ipaddress
    import socket

    found = socket.getaddrinfo(place.host.strip("[]"), place.port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    if _literal(place.host) is not None:
        return addresses
    for text in addresses:
        ip = ipaddress.ip_address(text.partition("%")[0])
        if ip.is_loopback if place.host == "localhost" else ip.is_global and not ip.is_multicast:
            continue
        raise Unfetched(f"{place.host} leads to {text}, which is no public address")
    return addresses


def _content(response: "HTTPResponse") -> bytes:
    """The body; it is asked for as it is, but some servers know packed files only."""
    import zlib

    large = f"it is larger than {MAX_REMOTE_BYTES / 1_000_000:g} MB"
    if response.status != 200:
        raise Unfetched(f"the answer is {response.status}, not 200")
    if (response.length or 0) > MAX_REMOTE_BYTES:
        raise Unfetched(large)
    content = response.read(MAX_REMOTE_BYTES + 1)
    if len(content) > MAX_REMOTE_BYTES:
        raise Unfetched(large)
    broken = bool(response.length)
    coding = response.getheader("Content-Encoding", "identity").strip().lower()
    if coding in ("gzip", "x-gzip"):
        unpacker = zlib.decompressobj(wbits=31)
        content = unpacker.decompress(content, MAX_REMOTE_BYTES + 1)
        if len(content) > MAX_REMOTE_BYTES:
            raise Unfetched(large)
        broken |= not unpacker.eof or bool(unpacker.unused_data)
    elif coding not in ("", "identity"):
        raise Unfetched(f"it is packed as {coding!r}, which nobody asked for")
    if broken:
        raise Unfetched("the answer breaks off")
    return content
