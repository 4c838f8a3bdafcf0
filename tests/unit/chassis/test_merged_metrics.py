"""The metrics of several workers as one text that Prometheus takes."""

from prometheus_client.parser import text_string_to_metric_families

from chassis.merged_metrics import WorkerCounts, exposition, merged
from chassis.metrics import Metrics

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def series(text: str) -> Series:
    """What Prometheus reads. The parser refuses what is not valid."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def a_worker(calls: int) -> str:
    """The exposition of a worker that has answered so many calls."""
    metrics = Metrics()
    counter = metrics.counter("answers", "Answers, and \\ what of it.", ("code",))
    counter.labels('a "quoted" {brace}, comma').inc(calls)
    metrics.gauge("level", "A level.", ()).set(calls)
    metrics.histogram("took_seconds", "Time.", ("what",), buckets=(0.1, 1)).labels("x").observe(
        calls
    )
    return metrics.exposition().decode()


def test_every_series_of_every_worker_is_there_with_its_number() -> None:
    texts = {0: a_worker(3), 4: a_worker(5)}

    expected = {
        (name, tuple(sorted((*labels, ("worker", str(number)))))): value
        for number, text in texts.items()
        for (name, labels), value in series(text).items()
    }
    assert series(merged(texts)) == expected


def test_a_family_is_described_once_and_stands_together() -> None:
    text = merged({0: a_worker(3), 1: a_worker(5)})

    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    families = [family.name for family in text_string_to_metric_families(text)]
    assert len(families) == len(set(families))


def test_a_family_that_one_worker_alone_has_is_there() -> None:
    text = merged({0: "# HELP a A.\n# TYPE a gauge\na 1.0\n", 1: ""})

    assert series(text) == {("a", (("worker", "0"),)): 1.0}


def test_without_workers_there_is_nothing() -> None:
    assert merged({}) == ""


def test_the_supervisor_counts_its_workers() -> None:
    text = exposition(WorkerCounts(alive=1, restarts=(0, 2), refusals={}))

    assert series(text) == {
        ("workers_alive", ()): 1,
        ("worker_restarts_total", (("worker", "0"),)): 0,
        ("worker_restarts_total", (("worker", "1"),)): 2,
    }
