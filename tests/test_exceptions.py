"""Exceptions are raised fresh, because a shared one collects tracebacks."""

import importlib
import pkgutil

import muster


def _values(value):
    """Yield a value, the elements of a collection and the attributes of a class."""
    yield value
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from value
    elif isinstance(value, type):
        yield from vars(value).values()


def test_no_module_holds_an_instance_of_an_exception():
    names = [found.name for found in pkgutil.walk_packages(muster.__path__, "muster.")]
    modules = [
        importlib.import_module(name)
        for name in names
        if "migrations" not in name and not name.endswith("__main__")
    ]
    held = [
        f"{module.__name__}.{name}"
        for module in modules
        for name, value in vars(module).items()
        if any(isinstance(one, BaseException) for one in _values(value))
    ]
    assert len(modules) > 150
    assert not held
