"""uvicorn's HTTP/1.1 connection, with a slot among those of its port."""

import asyncio
from functools import partial
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from chassis.connection_slots import Slot


class HttpConnection(HttpToolsProtocol):
    """Releases its slot when it is lost. The protocol of an upgrade is given the slot."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        slot: Slot,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.slot = slot

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """The transport is connected, and the TLS handshake complete."""
        self.slot.is_established = True
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        self.slot.release()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """The connection is another object's from here on."""
        made: Any = self.ws_protocol_class
        self.ws_protocol_class = partial(made, slot=self.slot)  # type: ignore[assignment]  # uvicorn only calls it
        super().handle_websocket_upgrade()
