"""Every attack, by its name."""

from tests.faults.strangers import fields, frames, handshakes, streams

ATTACKS = frames.ATTACKS | streams.ATTACKS | fields.ATTACKS | handshakes.ATTACKS
