"""The report as SARIF 2.1.0 (OASIS), for code scanning: a rule for each invariant, a result for each finding."""

from __future__ import annotations

import os
from urllib.parse import quote

import msgspec

from ..judge.invariants import invariant_of
from ..judge.machine import Plain
from ..judge.wording import plain
from .record import Report, Row

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "tarbiterSignature/v1"


def _uri(path: str) -> str:
    """A path below the working directory stays relative to it: that is where a checkout is."""
    near = os.path.relpath(path)
    return f"file://{quote(os.path.abspath(path))}" if near.startswith("..") else quote(near)


def _suppressions(row: Row) -> list[Plain]:
    """Results that a person has settled: SARIF's word for it, so that no one is asked again."""
    return [{"kind": "external", "status": "accepted", "justification": plain(row.standing)}]


def _result(row: Row, rules: list[str]) -> dict[str, Plain]:
    told = row.finding
    lines = [told.headline, told.account.sentence, told.promise, *told.evidence, *told.places]
    result: dict[str, Plain] = {
        "ruleId": told.invariant,
        "ruleIndex": rules.index(told.invariant),
        "level": invariant_of(told.invariant).level,
        "kind": "fail",
        "message": {"text": "\n".join(map(plain, lines))},
        "baselineState": "new" if row.fresh else "unchanged",
        "partialFingerprints": {FINGERPRINT: told.id},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(row.recipe)},
                    "region": {"startLine": 1, "endLine": max(1, told.case.count("\n"))},
                }
            }
        ],
        "properties": {
            "causes": list(told.causes),
            "families": list(told.families),
            "split": list(told.split),
            "features": list(told.features),
            "firstSeen": row.first_seen,
            "runs": row.runs,
            "replay": told.replay,
        },
    }
    if not row.open:
        result["suppressions"] = _suppressions(row)
    return result


def sarif(report: Report) -> bytes:
    """The SARIF log, one run."""
    rules = [row.invariant for row in report.invariants]
    invocation: dict[str, Plain] = {"executionSuccessful": True}
    if report.runs:
        last = report.runs[-1]
        invocation["startTimeUtc"] = last.began
        invocation["properties"] = {"seed": last.seed, "cases": last.cases, "contestants": dict(last.contestants)}
    log: dict[str, Plain] = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "tarbiter",
                        "version": report.tarbiter,
                        "rules": [
                            {
                                "id": row.invariant,
                                "shortDescription": {"text": row.promise},
                                "defaultConfiguration": {"level": invariant_of(row.invariant).level},
                            }
                            for row in report.invariants
                        ],
                    }
                },
                "automationDetails": {"id": "tarbiter/"},
                "invocations": [invocation],
                "columnKind": "unicodeCodePoints",
                "results": [_result(row, rules) for row in report.findings],
            }
        ],
    }
    return msgspec.json.format(msgspec.json.encode(log), indent=2)
