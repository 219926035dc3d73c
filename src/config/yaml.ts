/** @file YAML 1.2 text to a ConfigTree. */
import { LineCounter, isAlias, isMap, isScalar, isSeq, parseDocument, type Document, type ParsedNode, type Scalar as YamlScalar } from "yaml";
import type { Problem } from "../core/errors.ts";
import type { ConfigTree, Origin, Scalar } from "./tree.ts";

/** The origin of a character offset of the text. */
type Locate = (offset: number) => Origin;

/** Aliases repeat what they point to; this bounds what a small text can grow to. */
const MAX_NODES = 100_000;

/** The tree of a file's text, or every syntax problem in it. `where` renders a line for a message. */
export function parseYamlFile(text: string, file: string, where: (line: number) => string): ConfigTree | readonly Problem[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const locate: Locate = (offset) => {
    const { line, col } = lines.linePos(offset);
    return { kind: "file", file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const syntax = [...document.errors, ...document.warnings].map((error): Problem => {
    const { line, col } = lines.linePos(error.pos[0]);
    return { kind: "ConfigError", where: `${where(line)}:${col}`, what: error.code === "MULTIPLE_DOCS" ? "got a second YAML document after ---, expected one" : `not valid YAML: ${error.message}` };
  });
  return syntax.length > 0 ? syntax : convert(document, locate, where);
}

/** The tree of a flag's value, e.g. `20`, `[a, b]` or `{ msa: high }`; a text that is no YAML gives undefined. */
export function parseYamlValue(text: string, origin: Origin): ConfigTree | undefined {
  const document = parseDocument(text, { prettyErrors: false });
  if (document.errors.length + document.warnings.length > 0) return undefined;
  const tree = convert(document, () => origin, () => "");
  return "kind" in tree ? tree : undefined;
}

function convert(document: Document.Parsed, locate: Locate, where: (line: number) => string): ConfigTree | readonly Problem[] {
  const problems: Problem[] = [];
  const open = new Set<ParsedNode>();
  let nodes = 0;

  const tooMuch = (node: ParsedNode, what: string): void => {
    const origin = locate(node.range[0]);
    const place = where(origin.kind === "file" ? origin.line : 0);
    if (problems.length === 0) problems.push({ kind: "ConfigError", where: place, what });
  };

  const visit = (node: ParsedNode | null, origin: Origin): ConfigTree => {
    const empty: ConfigTree = { kind: "scalar", value: null, origin };
    if (node === null || problems.length > 0) return empty;
    if (++nodes > MAX_NODES) {
      tooMuch(node, `got more than ${MAX_NODES} values, expected a config of a few hundred`);
      return empty;
    }
    if (isAlias(node)) {
      const target = node.resolve(document) as ParsedNode | undefined;
      return target === undefined ? empty : visit(target, origin);
    }
    if (open.has(node)) {
      tooMuch(node, "this anchor contains an alias of itself");
      return empty;
    }
    open.add(node);
    const tree = visitNode(node, origin);
    open.delete(node);
    return tree;
  };

  const visitNode = (node: ParsedNode, origin: Origin): ConfigTree => {
    if (isMap<ParsedNode, ParsedNode | null>(node)) {
      const entries = node.items.map(({ key, value }): [string, ConfigTree] => [keyText(key), visit(value, locate(key.range[0]))]);
      return { kind: "map", entries: new Map(entries), origin };
    }
    if (isSeq<ParsedNode>(node)) return { kind: "list", items: node.items.map((item) => visit(item, locate(item.range[0]))), origin };
    return { kind: "scalar", value: isScalar(node) ? scalarValue(node) : null, origin };
  };

  const tree = visit(document.contents, locate(document.contents?.range[0] ?? 0));
  return problems.length > 0 ? problems : tree;
}

function keyText(key: ParsedNode): string {
  return isScalar(key) ? String(key.value) : String(key);
}

/** Values of rarer tags (`!!binary`, big integers) count as the text they were written as. */
function scalarValue(node: YamlScalar): Scalar {
  const { value } = node;
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" || value === null ? value : (node.source ?? "");
}
