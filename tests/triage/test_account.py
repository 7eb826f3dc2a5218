"""What a person is told of a finding: one sentence for each kind of it, and its causes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tarbiter.contest.observation import Change, Job, Listed, Observation
from tarbiter.triage.causal import Cause
from tarbiter.triage.explanation import account
from tarbiter.triage.target import Target
from tarbiter.triage.trial import Trial

from ..judge.observations import ended, extracted, file, folder, symlink

LONG = b"d/" * 2000 + b"f"

TABLE = [
    pytest.param(
        Target("contained", "tar", "", "content"),
        [
            extracted("tar", escapes=(Change(path=b"canary/x", what="content"),)),
            extracted("other"),
        ],
        "tar changes the content of 'canary/x', outside its destination; it takes \"symlink\".",
        id="contained",
    ),
    pytest.param(
        Target("alive", "tar", "", "crashed"),
        [ended("tar", "crashed", error_class="signal 11"), ended("other", "crashed"), extracted("third")],
        'tar and other crash (signal 11); it takes "symlink".',
        id="alive",
    ),
    pytest.param(
        Target("no-smuggling", "tar", "other", "names"),
        [extracted("tar", file(b"a")), extracted("other")],
        "Two contestants report success and leave different trees: tar leaves 'a' and other does not; "
        'it takes "symlink".',
        id="names",
    ),
    pytest.param(
        Target("no-smuggling", "tar", "other", "names"),
        [extracted("tar"), extracted("other", file(b"a"), file(b"b"))],
        "Two contestants report success and leave different trees: other leaves 'a' and tar does not (and 1 more); "
        'it takes "symlink".',
        id="names-the-other-way",
    ),
    pytest.param(
        Target("no-smuggling", "tar", "other", "types"),
        [extracted("tar", file(b"a")), extracted("other", folder(b"a"))],
        "Two contestants report success and leave different trees: 'a' is a file with tar and a dir with other; "
        'it takes "symlink".',
        id="types",
    ),
    pytest.param(
        Target("one-tree", "tar", "extractor-strict", "content"),
        [extracted("tar", file(b"a", b"1")), extracted("extractor-strict", file(b"a", b"22"))],
        "Strict mode finds one meaning in the archive and tar another: 'a' holds 1 bytes '1' with tar and 2 bytes "
        "'22' with extractor-strict; it takes \"symlink\".",
        id="one-tree",
    ),
    pytest.param(
        Target("disagreement", "tar", "other", "links"),
        [extracted("tar", symlink(b"a", b"x")), extracted("other", symlink(b"a", b"y"))],
        "No promise is broken, but the symlink 'a' leads to 'x' with tar and to 'y' with other; "
        'it takes "symlink".',
        id="links",
    ),
    pytest.param(
        Target("disagreement", "tar", "other", "status:extracted/refused"),
        [extracted("tar"), ended("other", "refused")],
        'No promise is broken, but tar reports success and other refuses the archive; it takes "symlink".',
        id="status",
    ),
    pytest.param(
        Target("no-silent-loss", "tar", "", "listing"),
        [extracted("tar", listing=(Listed(path=LONG),)), extracted("other")],
        f"tar reports success and lists {ascii(LONG[:60])[1:]}... (4001 bytes), which is not in its tree; "
        'it takes "symlink".',
        id="a-long-name",
    ),
]


def sentence(target: Target, seen: Sequence[Observation], *causes: str, whole: Sequence[Observation] = ()) -> str:
    names = tuple(one.contestant for one in seen)
    trial = Trial(Job(archive=b"", contestants=names), tuple(seen), tuple(whole))
    return account(target, trial.divergence(), seen, whole, causes, ()).sentence


@pytest.mark.parametrize(("target", "seen", "want"), TABLE)
def test_one_sentence(target: Target, seen: Sequence[Observation], want: str) -> None:
    assert sentence(target, seen, "symlink") == want


def test_arrival_tells_both_ways_of_arriving() -> None:
    late, whole = extracted("tar", file(b"a", b"1")), extracted("tar", file(b"a", b"2"))
    assert sentence(Target("arrival", "tar", "", "content"), [late], whole=[whole]) == (
        "The same bytes are two archives: 'a' holds 1 bytes '2' with tar when it arrives whole and 1 bytes '1' "
        "with tar when it arrives in pieces; an ordinary archive shows it."
    )


def test_reasons_stand_in_the_order_of_the_bytes_and_idle_ones_last() -> None:
    why = [
        Cause(words="a", verdict="idle"),
        Cause(words="world fifo", verdict="causal"),
        Cause(
            words="dir size",
            verdict="causal",
            part=2,
            field="size",
            offset=0x47C,
            raw=b"1\0",
            length=12,
            heeded=("tar",),
            ignored=("other", "third"),
        ),
        Cause(words="pax", verdict="untested", part=0, field="typeflag", offset=0x9C, raw=b"x", length=1),
    ]
    target, seen = (
        Target("no-smuggling", "tar", "other", "names"),
        [extracted("tar", file(b"a")), extracted("other")],
    )
    divergence = Trial(Job(archive=b"", contestants=("tar", "other")), tuple(seen)).divergence()
    told = account(target, divergence, seen, (), ("dir size", "pax", "world fifo"), why)
    assert [one.words for one in told.reasons] == ["pax", "dir size", "world fifo", "a"]
    size = told.reasons[1]
    assert size.where == "part 2, size, bytes 0x47c-0x487: '1'"
    assert size.readers == "do something else without it: tar; do the same: other and third"
    assert size.clauses[0].section.endswith("typeflag 5")
    assert (told.reasons[2].where, told.reasons[2].readers) == ("", "")


def test_what_an_older_store_kept_is_told_by_its_causes() -> None:
    seen = [extracted("tar", file(b"a")), extracted("other")]
    divergence = Trial(Job(archive=b"", contestants=("tar", "other")), tuple(seen)).divergence()
    told = account(Target("no-smuggling", "tar", "other", "names"), divergence, seen, (), ("dir size",), ())
    assert [(one.words, one.verdict) for one in told.reasons] == [("dir size", "untested")]
