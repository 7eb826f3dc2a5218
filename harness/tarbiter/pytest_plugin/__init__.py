"""The pytest plugin: `pytest --tarbiter-target 'mytar -xf {archive} -C {dest}'` has one test per corpus case.

Tests are items of their own, behind those that pytest collects: `tarbiter::links/x[mytar-1f2e]`, marked `tarbiter`.
This module is loaded by every pytest that has tarbiter installed, so it imports nothing until it is asked.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, in a group of their own."""
    group = parser.getgroup("tarbiter", "tar extractors against the tarbiter corpus")
    group.addoption(
        "--tarbiter-target",
        action="append",
        default=[],
        metavar="CMD",
        help="your extractor, with {archive} and {dest}: one test for each case of the corpus",
    )
    group.addoption(
        "--tarbiter-with",
        action="append",
        default=[],
        metavar="NAME,...",
        help="contestants that tarbiter knows; `default` and `all` are those that are installed",
    )
    group.addoption(
        "--tarbiter-corpus", default="", metavar="DIR", help="the corpus; default: the one tarbiter has"
    )
    group.addoption(
        "--tarbiter-results", default="", metavar="DIR", help="recorded results; default: results/ in the corpus"
    )
    group.addoption(
        "--tarbiter-cases", action="append", default=[], metavar="CASE", help="only this case (topic/name) or topic"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and count the answers of contestants where there are to be some."""
    config.addinivalue_line("markers", "tarbiter: a case of the tarbiter corpus, run through an extractor")
    if config.getoption("--tarbiter-target") or config.getoption("--tarbiter-with"):
        from .items import Answers  # noqa: PLC0415  # see above

        config.pluginmanager.register(Answers(), "tarbiter-answers")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the tests; -k and -m choose among them as among all others."""
    if config.getoption("--tarbiter-target") or config.getoption("--tarbiter-with"):
        from .items import made  # noqa: PLC0415  # see above

        items.extend(made(session))


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the cells."""
    if config.getoption("--tarbiter-target") or config.getoption("--tarbiter-with"):
        from .items import end  # noqa: PLC0415  # see above

        end(config)
