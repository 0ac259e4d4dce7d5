"""What a Python source imports, read from its syntax tree without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Import:
    """One imported module.

    Attributes:
        importer: dotted name of the module that imports.
        imported: dotted name of what it imports; for ``from a import b`` it is ``a.b`` where that is a module.
        line: line of the statement.
        at_import: whether importing the importer runs it (not inside a function, not for the type checker only).
    """

    importer: str
    imported: str
    line: int
    at_import: bool


class Sources:
    """The modules below one package folder.

    Args:
        package: folder whose name is the package's.
    """

    def __init__(self, package: Path) -> None:
        self.package = package
        self.files = {self._module_name(path): path for path in sorted(package.rglob("*.py"))}

    def _module_name(self, path: Path) -> str:
        parts = path.relative_to(self.package.parent).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def imports(self) -> list[Import]:
        """All imports of all modules, in order."""
        return [found for module in self.files for found in self._imports_of(module)]

    def _imports_of(self, module: str) -> Iterator[Import]:
        path = self.files[module]
        for node, at_import in _walk(ast.parse(path.read_text(encoding="utf-8"), str(path)), True):
            for name in self._imported_names(module, node):
                yield Import(module, name, node.lineno, at_import)

    def _imported_names(self, module: str, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                is_package = self.files[module].name == "__init__.py"
                parts = module.split(".")
                parts = parts[: len(parts) - node.level + is_package]
                base = ".".join([*parts, base]).rstrip(".")
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield name if name in self.files else base
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in {"import_module", "__import__"}:
                yield str(node.args[0].value)


def _walk(node: ast.AST, at_import: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom | ast.Call, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom | ast.Call):
            yield child, at_import
        deferred = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        checking = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        yield from _walk(child, at_import and not deferred and not checking)


def first_cycle(edges: dict[str, set[str]]) -> list[str] | None:
    """A cycle of the graph as the list of its nodes, the first one repeated at the end, or None."""
    finished: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str] | None:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in finished:
            return None
        for target in sorted(edges.get(node, ())):
            cycle = visit(target, [*path, node])
            if cycle:
                return cycle
        finished.add(node)
        return None

    return next((cycle for node in sorted(edges) if (cycle := visit(node, []))), None)
