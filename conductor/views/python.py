"""Python, as tree-sitter-python names it. Data only."""

from __future__ import annotations

from conductor.views.base import Language

PYTHON = Language(
    name="python",
    suffixes=(".py", ".pyi", ".pyw"),
    grammar="tree_sitter_python",
    functions=frozenset({"function_definition"}),
    classes=frozenset({"class_definition"}),
    wrapper="decorated_definition",
    decorator="decorator",
    clauses=frozenset(
        {"if_statement", "try_statement", "with_statement", "match_statement", "for_statement", "while_statement"}
    ),
    branches=frozenset({"elif_clause", "else_clause", "except_clause", "finally_clause", "case_clause"}),
    block="block",
    imports=frozenset({"import_statement", "import_from_statement", "future_import_statement"}),
    constants=frozenset({"assignment", "type_alias_statement"}),
    statement="expression_statement",
    strings=frozenset({"string", "concatenated_string"}),
    body="pass",
    hidden="... # Hidden",
)
