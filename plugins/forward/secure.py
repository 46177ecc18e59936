"""Upstreams behind TLS: which class serves which transport, and whose certificates are believed under which name."""

from __future__ import annotations

import ssl

from shardns.config.errors import Refuse
from shardns.worker import client_certificates
from shardns.worker.plugin import SetupError

from . import texts
from .asker import Asker
from .dials import DialTime
from .engine import Engine
from .handshake import Trust
from .health import READ_TIMEOUT_S, Health
from .http import PROTOCOLS, Request
from .https import TIMEOUT_S, HttpsLine
from .options import Options
from .pool import Terms
from .targets import Target
from .tls import TlsLine
from .udp import DialFailed
from .upstream import Cells, Check, Upstream


class Security:
    """What the options of a line say of its upstreams behind TLS. A context is made where one of them needs it."""

    def __init__(self, options: Options) -> None:
        self._files = options.tls or ()
        self._name = options.tls_servername
        self._contexts: dict[str, ssl.SSLContext] = {}
        self.doh_method = options.doh_method

    def trust(self, target: Target) -> Trust:
        """Return how an upstream is to prove itself. Raises SetupError for files that have changed for the worse."""
        # `%NAME` counts for tls:// alone, as in the reference.
        own = target.server_name if target.transport == "tls" else ""
        return Trust(self._context(target.transport), self._name or own or target.host)

    def _context(self, transport: str) -> ssl.SSLContext:
        made = self._contexts.get(transport)
        if made is None:
            try:
                made = self._contexts[transport] = client_certificates.context(self._files)
            except Refuse as refusal:
                raise SetupError(f"plugin/forward: {refusal}") from None
            made.check_hostname = False  # `handshake` compares names, and can tell which ones there were
            if transport == "https":
                made.set_alpn_protocols(list(PROTOCOLS))
        return made


def upstream_of(target: Target, terms: Terms, check: Check, cells: Cells, security: Security) -> Upstream:
    """Return the upstream that a target stands for."""
    match target.transport:
        case "tls":
            return TlsUpstream(target, terms, check, cells, security.trust(target))
        case "https":
            request = Request(str(target), security.doh_method)
            return HttpsUpstream(target, terms, check, cells, security.trust(target), request)
    return Upstream(target.host, target.port, terms, check, cells)


class TlsUpstream(Upstream):
    """An upstream that is always asked over TLS streams, whatever the client came over."""

    def __init__(self, target: Target, terms: Terms, check: Check, cells: Cells, trust: Trust) -> None:
        super().__init__(target.host, target.port, terms, check, cells)
        self._trust = trust

    def start(self, engine: Engine) -> None:
        """Get ready for connections."""
        self.engine = engine
        self.tcp = self._line(engine, self.terms)
        self.lines = (self.tcp,)
        self.health = Health(engine, self._line(engine, self.terms.for_probes), self.check, self.cells)

    def ask(self, asker: Asker, stream: bool) -> None:
        """Begin an exchange over a pooled or new connection."""
        assert self.engine is not None
        if self.stopped:
            asker.failed(texts.STOPPED)
            return
        try:
            self._ask_tcp(asker, self.engine.loop.time())
        except DialFailed as failure:
            asker.failed(str(failure))

    def _line(self, engine: Engine, terms: Terms) -> TlsLine:
        return TlsLine(engine, self.host, self.port, self.text, terms, DialTime(), self._trust)


class HttpsUpstream(Upstream):
    """An upstream that is always asked by HTTPS requests, whatever the client came over."""

    def __init__(
        self, target: Target, terms: Terms, check: Check, cells: Cells, trust: Trust, request: Request
    ) -> None:
        super().__init__(target.host, target.port, terms, check, cells)
        self._trust = trust
        self._request = request
        self.https: HttpsLine

    def start(self, engine: Engine) -> None:
        """Get ready for connections."""
        self.engine = engine
        self.https = self._line(engine, self.terms, self._request, TIMEOUT_S)
        self.lines = (self.https,)
        probes = Request(self._request.authority)  # always POST
        line = self._line(engine, self.terms.for_probes, probes, READ_TIMEOUT_S)
        self.health = Health(engine, line, self.check, self.cells)

    def ask(self, asker: Asker, stream: bool) -> None:
        """Begin an exchange over a connection that has room."""
        if self.stopped:
            asker.failed(texts.STOPPED)
            return
        try:
            self.https.ask(asker)
        except DialFailed as failure:
            asker.failed(self.https.during(asker, str(failure)))

    def _line(self, engine: Engine, terms: Terms, request: Request, timeout_s: float) -> HttpsLine:
        return HttpsLine(engine, self.host, self.port, self.text, terms, self._trust, request, timeout_s)
