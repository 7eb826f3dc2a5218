"""What a case expects survives its text; what contradicts itself is told by file, line and key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tarbiter.archive.case import Case
from tarbiter.archive.expect import Entry, Expect, Reading
from tarbiter.archive.layers import Layer
from tarbiter.archive.text import CaseError, dumps, loads

names = st.binary(min_size=1, max_size=6)
entries = st.one_of(
    st.builds(
        Entry,
        name=names,
        data=st.none() | st.binary(max_size=80),
        same=st.none() | names,
        mode=st.none() | st.integers(0, 0o7777),
        mtime=st.none() | st.integers(-(2**40), 2**40),
    ),
    st.builds(Entry, type=st.just("symlink"), name=names, link=st.none() | st.binary(max_size=9)),
    st.builds(Entry, type=st.sampled_from(("dir", "fifo", "char", "block")), name=names),
)
trees = st.lists(entries, max_size=3, unique_by=lambda entry: entry.name).map(tuple)
outcomes = trees | st.just("refuse")
readings = st.lists(
    st.builds(Reading, name=st.text(min_size=1), why=st.text(), tree=outcomes),
    min_size=2,
    max_size=3,
    unique_by=lambda reading: reading.name,
).map(tuple)
absent = st.lists(names, max_size=2).map(tuple)
expects = st.one_of(
    st.builds(Expect, must=st.none() | outcomes, absent=absent), st.builds(Expect, may=readings, absent=absent)
)
layers = st.one_of(
    st.builds(
        Layer,
        splits=st.lists(st.integers(0, 999), max_size=3).map(sorted).map(tuple),
        name=st.none() | st.binary(max_size=9),
        comment=st.none() | st.binary(max_size=9),
        extra=st.none() | st.binary(max_size=9),
        header_crc=st.booleans(),
        crc=st.none() | st.integers(0, 2**32 - 1),
        length=st.none() | st.integers(0, 2**32 - 1),
        cut=st.integers(0, 99),
        tail=st.binary(max_size=9),
    ),
    st.builds(Layer, kind=st.sampled_from(("bzip2", "xz", "zstd")), cut=st.integers(0, 9)),
)


@given(st.builds(Case, expect=expects, layers=st.lists(layers, max_size=2).map(tuple)))
def test_expectations_survive(case: Case) -> None:
    assert loads(dumps(case)) == case
    assert dumps(loads(dumps(case))) == dumps(case)


def test_the_form() -> None:
    expect = Expect(must=(Entry(name=b"a", data=b"x", mode=0o640), Entry(type="symlink", name=b"l", link=b"a")))
    assert dumps(Case(expect=expect)) == (
        "[expect]\n"
        "must = [\n"
        '    { name = "a", data = "x", mode = 0o640 },\n'
        '    { type = "symlink", name = "l", link = "a" },\n'
        "]\n"
    )


@pytest.mark.parametrize(
    ("text", "line", "where", "words"),
    [
        pytest.param("[expect]\n\nmust = 5", 3, "expect.must", "found an integer", id="outcome"),
        pytest.param("[expect]\nmust = 'refused'", 2, "expect.must", 'or "refuse"', id="word"),
        pytest.param("[expect]\nmust = [\n{data='x'}]", 3, "expect.must[0]", "needs a name", id="no-name"),
        pytest.param("[expect]\nmust = [\n{name='x', typ='y'}]", 3, "expect.must[0].typ", "type?", id="key"),
        pytest.param("[expect]\nmust=[\n{name='x',type='fil'}]", 3, "expect.must[0].type", "file?", id="type"),
        pytest.param(
            "[expect]\nmust=[\n{name='x',type='dir',data=''}]", 3, "expect.must[0].data", "no data", id="dir-data"
        ),
        pytest.param("[expect]\nmust=[\n{name='x',link='y'}]", 3, "expect.must[0].link", "no link", id="link"),
        pytest.param("[expect]\nmust=[\n{name='x'},\n{name='x'}]", 4, "expect.must[1].name", "already", id="twice"),
        pytest.param("[[expect.may]]\nname='a'\ntree=[]", 1, "expect.may", "a must", id="one-reading"),
        pytest.param(
            "[expect]\nmust=[]\n[[expect.may]]\nname='a'\ntree=[]", 3, "expect.may", "one of the", id="both"
        ),
        pytest.param(
            "[[expect.may]]\nname='a'\ntree=[]\n[[expect.may]]\nname='a'\ntree=[]",
            5,
            "expect.may[1].name",
            "called 'a'",
            id="same-name",
        ),
        pytest.param("[[expect.may]]\nname='a'\n", 1, "expect.may[0]", "needs a tree", id="no-tree"),
        pytest.param("layers = [\n{kind='zip'}]", 2, "layers[0].kind", "gzip?", id="layer"),
        pytest.param("layers = [\n{kind='xz', crc=1}]", 2, "layers[0].crc", "gzip's", id="layer-field"),
        pytest.param("layers = [\n{splits=[2,1]}]", 2, "layers[0].splits", "in order", id="splits"),
        pytest.param("layers = [\n{cut=-1}]", 2, "layers[0].cut", "less than", id="cut"),
    ],
)
def test_no_expectations(text: str, line: int, where: str, words: str) -> None:
    with pytest.raises(CaseError) as caught:
        loads(text)
    assert (caught.value.where, caught.value.line) == (where, line)
    assert words in caught.value.detail
