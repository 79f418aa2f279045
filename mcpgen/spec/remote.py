"""Turns the URL of another document into a file beside ours, because a build reads nothing but files.

Nothing is fetched unless the configuration names the host and `mcpgen build` or `mcpgen fetch` runs; what was fetched
is stored, is committed with the rest, and is read from there ever after. What comes from elsewhere is as hostile as the
document itself: what it may cost is bounded here, what it says is read within the bounds of all other files.
"""

import hashlib
import math
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
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
MAX_SILENCE: Final = 30.0
"""Seconds without a byte, where more time is given than that."""
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
_T = TypeVar("_T")


class Unfetched(Exception):
    """Why a document of another host cannot be had, one phrase, and the way out."""

    def __init__(self, reason: str, hint: str = "", status: int = 0) -> None:
        self.hint = hint
        self.status = status  # of the answer, when that is the reason
        super().__init__(reason)


class NotPublic(Unfetched):
    """The name of a host leads to an address that is for a private network, or for this machine."""


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
    def origin(self) -> tuple[str, str, int]:
        """Whom a credential for it may be shown (RFC 6454, 4)."""
        return self.scheme, self.host, self.port

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
    bring: Callable[[str, bool], None] = field(default=lambda _, __: None)
    """Puts the file of that name, relative to the document, where it will be looked for; True: it is worth no refusal.

    It is what `mcpgen fetch` fills a folder with. What does not come is a file that is not there."""
    deadline: float = math.inf
    """On the monotonic clock; nothing is waited for beyond it."""

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


@dataclass(frozen=True, slots=True)
class Request:
    """A GET: what goes with it, where it may be led, and what the answer may cost."""

    place: Address
    remote: Remote = NOTHING
    """The hosts that are named, beside that of `place`."""
    anywhere: bool = False
    """Whether a redirect may lead to hosts that nobody named; their addresses are public ones then."""
    private: bool = False
    """Whether the host of `place` may have an address that is not public."""
    headers: tuple[tuple[str, str], ...] = ()
    """They go to the origin of `place`, and to nobody else."""
    etag: str = ""
    """What is there already; the answer may be that it still is."""
    max_bytes: int = MAX_REMOTE_BYTES
    seconds: float = MAX_SECONDS
    deadline: float = math.inf
    """On the monotonic clock, when that is before `seconds` are over."""
    progress: Callable[[int, int], None] = field(default=lambda _, __: None)
    """Is told how many bytes there are, and how many there will be; 0 when that is not known."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is there: None for what the ETag of the request names."""

    content: bytes | None
    etag: str


def fetch(place: Address, remote: Remote) -> bytes:
    """The document at `place`. Raises `Unfetched`."""
    request = Request(place, remote, max_bytes=MAX_REMOTE_BYTES, seconds=MAX_SECONDS, deadline=remote.deadline)
    return ask(request).content or b""


def ask(request: Request) -> Answer:
    """The answer to a request. Raises `Unfetched`."""
    import socket

    sockets: list[socket.socket] = []
    counts = [0, 0]
    try:
        return _in_time(
            lambda: _follow(request, sockets, counts),
            request.seconds,
            request.deadline,
            lambda: request.progress(counts[0], counts[1]),
        )
    finally:
        for opened in sockets:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()


def public(place: Address, seconds: float, deadline: float) -> list[str]:
    """The addresses of the host at `place`. Raises `Unfetched`, and `NotPublic` when one of them is not public."""
    return _in_time(lambda: _resolved(place, named=True, private=False), seconds, deadline)


def _in_time(
    work: Callable[[], _T], seconds: float, deadline: float = math.inf, progress: Callable[[], None] = lambda: None
) -> _T:
    """What `work` returns. Raises `Unfetched` when it fails, or takes longer.

    It runs in a thread that is left behind when the time is over, because nothing else bounds all of it: each of the
    resolver, the handshake, and a server that sends a byte now and then has a clock of its own, or none.
    """
    import http.client
    import queue
    import threading
    import zlib

    answers: queue.SimpleQueue[tuple[_T] | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put((work(),))
        except Exception as e:
            answers.put(e)

    end = min(time.monotonic() + seconds, deadline)
    threading.Thread(target=run, daemon=True).start()
    answer: tuple[_T] | Exception | None = None
    while answer is None:
        with suppress(queue.Empty):
            answer = answers.get(timeout=max(0.0, min(0.2, end - time.monotonic())))
        if answer is None and time.monotonic() >= end:
            raise Unfetched(f"fetching it took longer than {seconds:g} s")
        progress()
    if isinstance(answer, tuple):
        return answer[0]
    if isinstance(answer, TimeoutError):
        silent = seconds > MAX_SILENCE
        raise Unfetched(
            f"nothing came for {MAX_SILENCE:g} s" if silent else f"fetching it took longer than {seconds:g} s"
        )
    if isinstance(answer, OSError | http.client.HTTPException | ValueError | zlib.error):
        raise Unfetched(f"fetching it failed: {answer or type(answer).__name__}")
    raise answer


def _follow(request: Request, sockets: "list[socket.socket]", counts: list[int]) -> Answer:
    place = request.place
    for _ in range(MAX_REDIRECTS + 1):
        response = _ask(request, place, sockets)
        if response.status not in (301, 302, 303, 307, 308):
            if response.status == 304 and request.etag:
                return Answer(None, request.etag)
            return Answer(_content(response, request.max_bytes, counts), response.getheader("ETag", ""))
        target = response.getheader("Location", "")
        try:
            place = address(place.url, target)
        except Unfetched:
            raise Unfetched(f"it redirects to {target!r}, which is not followed") from None
        if not place.encrypted:
            raise Unfetched(f"it redirects to {place.url}, which is not https")
        if not (request.anywhere or _named(request, place)):
            raise Unfetched(f"it redirects to {place.url}, and allow_hosts does not name {place.entry}")
    raise Unfetched(f"it redirects more than {MAX_REDIRECTS} times")


def _named(request: Request, place: Address) -> bool:
    """Whether the configuration names the host, so that it may be this machine."""
    return place.entry == request.place.entry or request.remote.names(place)


def _ask(request: Request, place: Address, sockets: "list[socket.socket]") -> "HTTPResponse":
    """The answer to a GET that carries the request's headers only: `http.client` knows no proxy, netrc or cookie."""
    import http.client
    import socket
    import ssl

    silence = min(MAX_SILENCE, request.seconds)
    connect = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
    connection = connect(place.host.strip("[]"), place.port, timeout=silence)
    # The connection goes to the address that was checked: a name that is resolved twice may lead elsewhere then.
    error: OSError = OSError("the name has no address")
    private = request.private and place.host == request.place.host
    for ip in _resolved(place, named=_named(request, place), private=private):
        try:
            plain = socket.create_connection((ip, place.port), silence)
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
    headers = {"Accept": "application/yaml, application/json;q=0.9, */*;q=0.5", "User-Agent": "mcpgen"}
    headers |= {"Connection": "close"} | ({"If-None-Match": request.etag} if request.etag else {})
    if place.origin == request.place.origin:
        replaced = {name.lower() for name, _ in request.headers}
        headers = {n: v for n, v in headers.items() if n.lower() not in replaced} | dict(request.headers)
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


def _resolved(place: Address, *, named: bool, private: bool) -> list[str]:
    """The addresses of the host. Raises `Unfetched` when one of them is not public, unless it is the one allowed."""
    import ipaddress
    import socket

    found = socket.getaddrinfo(place.host.strip("[]"), place.port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    if private or (named and _literal(place.host) is not None):
        return addresses
    for text in addresses:
        ip = ipaddress.ip_address(text.partition("%")[0])
        if ip.is_loopback if named and place.host == "localhost" else ip.is_global and not ip.is_multicast:
            continue
        raise NotPublic(f"{place.host} leads to {text}, which is no public address")
    return addresses


def _content(response: "HTTPResponse", max_bytes: int, counts: list[int]) -> bytes:
    """The body; it is asked for as it is, but some servers know packed files only."""
    import zlib

    large = f"it is larger than {max_bytes / 1_000_000:g} MB"
    if response.status != 200:
        raise Unfetched(f"the answer is {response.status}, not 200", status=response.status)
    if (response.length or 0) > max_bytes:
        raise Unfetched(large)
    counts[1] = response.length or 0
    parts: list[bytes] = []
    while part := response.read(min(1 << 16, max_bytes + 1 - counts[0])):
        parts.append(part)
        counts[0] += len(part)
        if counts[0] > max_bytes:
            raise Unfetched(large)
    content = b"".join(parts)
    broken = bool(response.length)
    coding = response.getheader("Content-Encoding", "identity").strip().lower()
    if coding in ("gzip", "x-gzip"):
        unpacker = zlib.decompressobj(wbits=31)
        content = unpacker.decompress(content, max_bytes + 1)
        if len(content) > max_bytes:
            raise Unfetched(large)
        broken |= not unpacker.eof or bool(unpacker.unused_data)
    elif coding not in ("", "identity"):
        raise Unfetched(f"it is packed as {coding!r}, which nobody asked for")
    if broken:
        raise Unfetched("the answer breaks off")
    return content
