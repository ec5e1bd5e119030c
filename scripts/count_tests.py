"""Count the tests in junit files: count_tests.py TIER=FILE...

A tier that left no report, or executed no test, has shown nothing: it counts as one failure,
so that the closing line never looks better than the run was.
"""

import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    tier: str
    passed: int = 0
    failed: int = 0
    skip_reasons: Counter[str] = field(default_factory=Counter)
    complaint: str = ""

    def lines(self) -> list[str]:
        skipped = self.skip_reasons.total()
        executed = self.passed + self.failed
        text = f"{self.tier}: {executed} executed, {self.failed} failed, {skipped} skipped"
        reasons = [f"  {n} skipped: {why}" for why, n in self.skip_reasons.most_common()]
        return [text, *reasons, *([f"  FAILURE: {self.complaint}"] if self.complaint else [])]


def tally(tier: str, report: Path) -> Tally:
    try:
        cases = list(ElementTree.parse(report).iter("testcase"))
    except (OSError, ElementTree.ParseError) as error:
        return Tally(tier=tier, complaint=f"the {tier} tests left no report ({error})")
    passed = failed = 0
    skip_reasons: Counter[str] = Counter()
    for case in cases:
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif skip is not None:
            skip_reasons[skip.get("message") or "no reason given"] += 1
        else:
            passed += 1
    complaint = "" if passed or failed else f"not one {tier} test was executed"
    return Tally(
        tier=tier, passed=passed, failed=failed, skip_reasons=skip_reasons, complaint=complaint
    )


def main(arguments: list[str]) -> int:
    tallies = [tally(tier, Path(file)) for tier, _, file in (a.partition("=") for a in arguments)]
    print()
    for each in tallies:
        print(*each.lines(), sep="\n")
    passed = sum(each.passed for each in tallies)
    failed = sum(each.failed + bool(each.complaint) for each in tallies)
    skipped = sum(each.skip_reasons.total() for each in tallies)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
