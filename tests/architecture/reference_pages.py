"""The pages of docs/ that are made, not written; `make docs` writes them.

cli.md, configuration.md and metrics.md come from the code, performance.md and its plot from the
figures of a run (docs/performance.json), acceptance.md from those of the drills
(docs/acceptance.json).
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import gateway.config
import metadata_svc.config
import vault_svc.config
from chassis import merged_metrics
from chassis.commits import show_overdue
from chassis.config import FieldDescription, describe
from chassis.metrics import MetricDescription, Metrics
from gateway.edge.http_metrics import HttpMetrics
from metadata_svc.use_cases.commits import Commits
from metadata_svc.watch_metrics import WatchMetrics
from tests.acceptance.page import PAGES as ACCEPTANCE_PAGES
from tests.architecture.cli_page import cli_page
from tests.bench.page import PAGES as PERFORMANCE_PAGES
from vault_svc.decision_log import StructuredDecisionLog
from vault_svc.kek_metrics import KekTelemetry
from vault_svc.worker import SweepTelemetry

DOCS = Path(__file__).resolve().parents[2] / "docs"
CONFIGURATIONS = {
    "metadata_svc": (metadata_svc.config.Config, metadata_svc.config.PREFIX),
    "vault_svc": (vault_svc.config.Config, vault_svc.config.PREFIX),
    "gateway": (gateway.config.Config, gateway.config.PREFIX),
}
MADE_BY = "<!-- Made by `make docs` from the code. -->"
FILES = """
## The issuers file

Named by `SPLITKEEP_METADATA_ISSUERS` and `SPLITKEEP_VAULT_ISSUERS`.
It says whose tokens count, and how far.
A claim outside an issuer's bounds makes the whole token invalid.
`"*"` in a bound means any, and only where it is written.

```json
{
  "issuers": [
    {
      "issuer": "https://issuer.example.com",
      "audiences": ["secret.grafana.app"],
      "algorithm": "ES256",
      "jwks_file": "jwks.json",
      "subjects": ["user:*", "service-account:*"],
      "namespaces": ["default"],
      "service_identities": ["k6-cloud"],
      "roles": ["Admin", "fixed:secret.securevalues:reader"],
      "actions": ["secret.securevalues:read"],
      "may_grant_decrypt": true
    }
  ]
}
```

`algorithm` is one of ES256, ES384, RS256 and EdDSA.
The keys are in a file beside this one (`jwks_file`, read again when it changes) or behind
`https` (`jwks_url`, with `jwks_ca` for an authority of your own and `jwks_proxy` for an HTTP
proxy on the way; proxies that the environment names are not used).
`actions` bounds what a token's `grants` may name, `may_grant_decrypt` whether its
`permissions` may decrypt.
`subjects` bounds `sub`: each item is exact, or a prefix followed by `*`.
A bound that is absent allows nothing; `subjects` alone allows any if it is absent.

## The KEK file

Named by `SPLITKEEP_VAULT_KEK_FILE`, readable by the vault's user alone.
[operations.md](operations.md) says what losing it means.

```json
{"active": "local-1", "keks": {"local-1": "<base64 of 32 random bytes>"}}
```
"""


def configuration_page() -> str:
    """Every setting of every process."""
    lines = [
        "# Configuration",
        "",
        MADE_BY,
        "",
        "Every setting is an environment variable, read once at start.",
        "A process refuses to start on a missing, misspelt or impossible one.",
        "It lists every problem at once, without the values.",
        "A secret is read from its variable or, better, from a file:",
        "the one that the variable with `_FILE` at its end names.",
        "",
        "`python -m metadata_svc migrate` and `python -m vault_svc migrate` need only the DSN.",
    ]
    for process, (kind, prefix) in CONFIGURATIONS.items():
        lines += ["", f"## {process}", "", "| variable | default | meaning |", "|---|---|---|"]
        lines += [_setting(entry) for entry in describe(kind, prefix)]
    return "\n".join(lines) + "\n" + FILES


def _setting(entry: FieldDescription) -> str:
    file = f" or `{entry.variable}_FILE`" if entry.sensitive else ""
    default = (
        "required" if entry.required else f"`{entry.default}`" if entry.default else "none"
    )
    return f"| `{entry.variable}`{file} | {default} | {entry.help}{_bounds(entry)} |"


def _bounds(entry: FieldDescription) -> str:
    bounds = [
        f"{word} {limit:g}"
        for word, limit in (("at least", entry.minimum), ("at most", entry.maximum))
        if limit is not None
    ]
    return f" ({', '.join(bounds)})" if bounds else ""


def metrics_page() -> str:
    """Every metric of every process."""
    every, gateways, vaults, metadatas = Metrics(), Metrics(), Metrics(), Metrics()
    WatchMetrics(metadatas, Commits())
    HttpMetrics(gateways)
    StructuredDecisionLog(vaults)
    SweepTelemetry(vaults)
    for database_user in (vaults, metadatas):
        show_overdue(database_user, lambda: 0)
    KekTelemetry(vaults)
    common = {metric.name for metric in every.catalogue()}
    sections = {
        "Every process": every.catalogue(),
        "metadata_svc and vault_svc with several workers": [
            MetricDescription(*described)
            for described in (merged_metrics.ALIVE, merged_metrics.RESTARTS)
        ],
        "gateway": [m for m in gateways.catalogue() if m.name not in common],
        "metadata_svc": [m for m in metadatas.catalogue() if m.name not in common],
        "vault_svc": [m for m in vaults.catalogue() if m.name not in common],
    }
    lines = [
        "# Metrics",
        "",
        MADE_BY,
        "",
        "Each process serves `/metrics` on its operations port, in Prometheus' text format.",
        "No label holds a name, a value or anything else that a caller may choose freely.",
        "",
        "A service with several workers shows the metrics of all of them,",
        f"with the label `{merged_metrics.LABEL}` on every series: the number of the worker.",
        "A worker that was replaced begins at zero, as after a restart.",
        "",
        "In the gateway the `grpc_server_…` metrics stay at zero: it serves HTTP only.",
    ]
    for title, metrics in sections.items():
        lines += ["", f"## {title}", "", "| metric | type | labels | meaning |"]
        lines += ["|---|---|---|---|", *_rows(metrics)]
    return "\n".join(lines) + "\n"


def _rows(metrics: Iterable[MetricDescription]) -> Iterator[str]:
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
        yield f"| `{metric.name}` | {metric.type} | {labels} | {metric.help} |"


PAGES = {
    "cli.md": cli_page,
    "configuration.md": configuration_page,
    "metrics.md": metrics_page,
    **PERFORMANCE_PAGES,
    **ACCEPTANCE_PAGES,
}


if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
