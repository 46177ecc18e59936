"""The exposition format as delimited protobuf messages (`io.prometheus.client.MetricFamily`), written by hand.

Only classic histograms: buckets with their bounds. Field numbers are those of client_model's metrics.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Sample

CONTENT_TYPE: Final = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
_TYPES: Final = {"counter": 0, "gauge": 1, "summary": 2, "unknown": 3, "histogram": 4}
_COUNTER, _GAUGE, _UNTYPED, _HISTOGRAM = 3, 2, 5, 7


def encode(families: Iterable[Family]) -> bytes:
    """Write families one after the other, each behind its length."""
    out = []
    for family in sorted(families, key=lambda f: f.name):
        message = _family(family)
        out.append(_varint(len(message)) + message)
    return b"".join(out)


def _family(family: Family) -> bytes:
    kind = family.type if family.type in _TYPES else "gauge"
    name = f"{family.name}_total" if kind == "counter" else family.name
    out = [_text(1, name), _text(2, family.documentation), _number(3, _TYPES[kind])]
    if kind == "histogram":
        out += [_bytes(4, _histogram(samples)) for samples in _grouped(family.samples)]
    else:
        field = {"counter": _COUNTER, "gauge": _GAUGE}.get(kind, _UNTYPED)
        out += [
            _bytes(4, _labels(s.labels) + _bytes(field, _double(1, s.value)))
            for s in family.samples
            if not s.name.endswith("_created")
        ]
    return b"".join(out)


def _grouped(samples: Iterable[Sample]) -> Iterable[list[Sample]]:
    """Yield the samples of each histogram: buckets, sum and count."""
    groups: dict[tuple[tuple[str, str], ...], list[Sample]] = {}
    for sample in samples:
        key = tuple(pair for pair in sample.labels.items() if pair[0] != "le")
        groups.setdefault(key, []).append(sample)
    return groups.values()


def _histogram(samples: list[Sample]) -> bytes:
    labels: dict[str, str] = {}
    body = b""
    buckets = b""
    for sample in samples:
        if sample.name.endswith("_bucket"):
            bound = float(sample.labels["le"])
            buckets += _bytes(3, _number(1, int(sample.value)) + _double(2, bound))
        elif sample.name.endswith("_sum"):
            labels = sample.labels
            body += _double(2, sample.value)
        elif sample.name.endswith("_count"):
            body += _number(1, int(sample.value))
    return _labels(labels) + _bytes(_HISTOGRAM, body + buckets)


def _labels(labels: dict[str, str]) -> bytes:
    return b"".join(_bytes(1, _text(1, name) + _text(2, value)) for name, value in labels.items())


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())
