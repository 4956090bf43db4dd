"""A built site, served on localhost: its pages, their addresses and their links."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without logging; the browser reports what failed."""

    protocol_version = "HTTP/1.1"  # keeps the connection for several files

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the base class
        pass


@dataclass
class Markup(HTMLParser):
    """The links and identifiers of a page."""

    targets: list[str] = field(default_factory=list)  # every address in a link, an image, a script or a style sheet
    identifiers: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        attributes = {name: value or "" for name, value in attrs}
        if "id" in attributes:
            self.identifiers[attributes["id"]] += 1
        self.targets += [attributes[name] for name in ("href", "src") if name in attributes]
        self.targets += [part.split()[0] for part in attributes.get("srcset", "").split(",") if part.strip()]


@dataclass(frozen=True)
class Site:
    """A folder of pages and the address at which it is served."""

    folder: Path
    address: str

    @cached_property
    def markup(self) -> dict[str, Markup]:
        """Each page's markup, by its path within the site."""
        pages = {}
        for name in page_names(self.folder):
            pages[name] = Markup()
            pages[name].feed((self.folder / name).read_text(encoding="utf-8"))
        return pages

    def url(self, page: str) -> str:
        return f"{self.address}/{page}"

    def broken_links(self, page: str) -> list[str]:
        """Links within the site whose file, or whose place in the file, does not exist."""
        broken = []
        for target in self.markup[page].targets:
            parts = urlsplit(urljoin(self.url(page), target))
            if f"{parts.scheme}://{parts.netloc}" != self.address:
                continue
            path, fragment = unquote(parts.path).lstrip("/"), unquote(parts.fragment)
            if path == "" or path.endswith("/"):
                path += "index.html"
            if not (self.folder / path).is_file():
                broken.append(f"{target}: no such file")
            elif fragment and path in self.markup and fragment not in self.markup[path].identifiers:
                broken.append(f"{target}: no such place on the page")
        return broken

    def repeated_identifiers(self, page: str) -> list[str]:
        """Identifiers that occur twice on a page, so that a link to them is ambiguous."""
        return [name for name, count in self.markup[page].identifiers.items() if count > 1]


def page_names(folder: Path) -> list[str]:
    """The paths of the site's pages, without the theme's own files."""
    paths = (path.relative_to(folder) for path in folder.rglob("*.html"))
    return sorted(path.as_posix() for path in paths if path.parts[0] != "_static")


@contextmanager
def serve(folder: Path) -> Iterator[Site]:
    """Serve `folder` on localhost, at a free port, until the block ends."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield Site(folder, f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
