"""Every directive of the reference is known: built, with all that belongs to it, or refused by name."""

from __future__ import annotations

import pytest

from shardns.config.errors import ConfigError
from shardns.plugins import BUILT, ORDER, is_built, order, plugin_class, schema
from tests.meta.load import load_text
from tests.meta.tree import TOP, plugin_folders

REFERENCE = 60  # directives of CoreDNS 1.14.7


def test_the_order_names_every_directive_of_the_reference_once() -> None:
    assert len(set(ORDER)) == len(ORDER) == REFERENCE


def test_what_is_built_stands_in_the_order_and_in_a_folder() -> None:
    assert list(BUILT) == [name for name in ORDER if name in BUILT]
    assert {path.name for path in plugin_folders()} == set(BUILT)


@pytest.mark.parametrize("directive", BUILT)
def test_a_built_directive_has_a_class_options_a_readme_and_tests(directive: str) -> None:
    assert plugin_class(directive).directive == directive
    assert schema(directive) is not None
    assert (TOP / "plugins" / directive / "README.md").exists()
    assert (TOP / "tests" / "plugins" / f"test_{directive}.py").exists()


@pytest.mark.parametrize("directive", [name for name in ORDER if not is_built(name)])
def test_a_directive_that_is_not_built_is_refused_by_name(directive: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(f". {{\n    {directive}\n}}\n")
    assert caught.value.text == f"plugin/{directive}: not implemented yet"


def test_third_party_plugins_stand_before_the_built_in_they_name() -> None:
    assert [name for name in order() if name in ORDER] == list(ORDER)
