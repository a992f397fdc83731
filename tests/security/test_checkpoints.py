"""Weights are data: nothing in the product loads them in a way that could run what they bring along."""

from __future__ import annotations

import ast

import pytest

from tests.serving import REPOSITORY

RUNNING = frozenset(
    {"pickle.load", "pickle.loads", "eval", "exec", "yaml.load", "os.system", "marshal.loads", "torch.hub.load"}
)


@pytest.fixture(scope="module")
def calls() -> list[tuple[str, dict[str | None, str]]]:
    """Every call in the product that could matter: its name and its keywords, as written."""
    found = []
    for path in sorted((REPOSITORY / "server").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if any(word in text for word in ("load", "eval(", "exec(", "system(", "subprocess")):
            nodes = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
            found += [(ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}) for node in nodes]
    return found


def test_weights_are_never_loaded_with_code(calls):
    loads = [options for name, options in calls if name == "torch.load"]
    assert loads
    assert all(options.get("weights_only") == "True" for options in loads)


def test_nothing_unpickles_or_evaluates(calls):
    assert RUNNING.isdisjoint(name for name, _ in calls)
    assert all(options.get("allow_pickle", "False") == "False" for name, options in calls if name == "np.load")


def test_no_process_is_started_through_a_shell(calls):
    started = [options for name, options in calls if name.startswith("subprocess.")]
    assert started
    assert not any("shell" in options for options in started)
