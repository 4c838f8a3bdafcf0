"""What is told of KEKs that the vault does without."""

from collections.abc import Mapping

import structlog

from chassis.metrics import Metrics
from vault_svc.ports.data_keys import KekUsage

_log = structlog.get_logger(__name__)


class KekTelemetry:
    """A gauge per lost KEK, and a warning."""

    def __init__(self, metrics: Metrics) -> None:
        self._namespaces = metrics.gauge(
            "vault_lost_kek_namespaces",
            "Namespaces with data keys under a KEK that is declared lost.",
            ("kek_id",),
        )

    def lost(self, keks: Mapping[str, KekUsage]) -> None:
        """These KEKs are not there, and the vault starts without them."""
        for kek_id, usage in keks.items():
            self._namespaces.labels(kek_id).set(usage.namespace_count)
            _log.warning(
                "started without a lost KEK: what lies under it is not decrypted",
                kek_id=kek_id,
                data_key_count=usage.data_key_count,
                namespace_count=usage.namespace_count,
            )
