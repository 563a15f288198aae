"""The languages of the extra `languages`, as their grammars name things. Data only."""

from __future__ import annotations

from types import MappingProxyType

from conductor.views.braced import BracedLanguage


def _kinds(names: str) -> frozenset[str]:
    return frozenset(names.split())


_TYPESCRIPT = BracedLanguage(
    name="typescript",
    suffixes=(".ts", ".mts", ".cts"),
    grammar="tree_sitter_typescript",
    entry="language_typescript",
    bodies=MappingProxyType(
        {
            "statement_block": "hide",
            "internal_module/statement_block": "enter",
            "module/statement_block": "enter",
            "class_body": "enter",
            "interface_body": "enter",
            "enum_body": "fields",
        }
    ),
    shown=_kinds(
        "function_declaration generator_function_declaration class_declaration abstract_class_declaration "
        "method_definition abstract_method_signature method_signature function_signature call_signature "
        "construct_signature interface_declaration type_alias_declaration enum_declaration internal_module module"
    ),
    imports=frozenset({"import_statement"}),
    fields=frozenset({"property_signature", "index_signature"}),
    through=_kinds(
        "lexical_declaration variable_declaration variable_declarator arrow_function function_expression "
        "generator_function assignment_expression class export_statement ambient_declaration expression_statement"
    ),
    values=_kinds("lexical_declaration variable_declaration public_field_definition field_definition"),
    wrappers=frozenset({"export_statement", "ambient_declaration", "expression_statement"}),
    attributes=frozenset({"decorator"}),
)
_JAVASCRIPT = _TYPESCRIPT._replace(
    name="javascript",
    suffixes=(".js", ".mjs", ".cjs", ".jsx"),
    grammar="tree_sitter_javascript",
    entry="language",
)
_GO = BracedLanguage(
    name="go",
    suffixes=(".go",),
    grammar="tree_sitter_go",
    entry="language",
    bodies=MappingProxyType(
        {"block": "hide", "type_spec/interface_type": "enter", "struct_type/field_declaration_list": "enter"}
    ),
    shown=_kinds("function_declaration method_declaration type_declaration method_elem type_elem"),
    imports=frozenset({"package_clause", "import_declaration"}),
    fields=frozenset({"const_declaration", "var_declaration", "field_declaration"}),
    through=frozenset({"type_spec", "struct_type"}),
    parts=_kinds("type_spec type_alias const_spec var_spec import_spec"),
    hidden="",
)
_RUST = BracedLanguage(
    name="rust",
    suffixes=(".rs",),
    grammar="tree_sitter_rust",
    entry="language",
    bodies=MappingProxyType(
        {
            "block": "hide",
            "declaration_list": "enter",
            "struct_item/field_declaration_list": "fields",
            "union_item/field_declaration_list": "fields",
            "enum_variant_list": "fields",
        }
    ),
    shown=_kinds(
        "function_item function_signature_item struct_item union_item enum_item trait_item impl_item mod_item "
        "foreign_mod_item type_item associated_type"
    ),
    imports=frozenset({"use_declaration", "extern_crate_declaration"}),
    fields=frozenset({"const_item", "static_item"}),
    attributes=frozenset({"attribute_item"}),
)
_JAVA = BracedLanguage(
    name="java",
    suffixes=(".java",),
    grammar="tree_sitter_java",
    entry="language",
    bodies=MappingProxyType(
        {
            "block": "hide",
            "constructor_body": "hide",
            "class_body": "enter",
            "interface_body": "enter",
            "enum_body": "enter",
            "annotation_type_body": "enter",
        }
    ),
    shown=_kinds(
        "class_declaration interface_declaration enum_declaration record_declaration annotation_type_declaration "
        "method_declaration constructor_declaration compact_constructor_declaration "
        "annotation_type_element_declaration"
    ),
    imports=frozenset({"package_declaration", "import_declaration"}),
    fields=frozenset({"field_declaration", "constant_declaration", "enum_constant"}),
    listed=frozenset({"enum_constant"}),
    groups=(("enum_body_declarations", ";"),),
)
LANGUAGES = (
    _TYPESCRIPT,
    _TYPESCRIPT._replace(suffixes=(".tsx",), entry="language_tsx"),
    _JAVASCRIPT,
    _GO,
    _RUST,
    _JAVA,
)
