/** @file What is wrong with a value that a schema refuses, in words: field, got, expected, nearest known name. */
import type { z } from "zod";
import { nearestNames } from "../core/suggest.ts";
import { recordSchema, utteranceSchema } from "./record.ts";

/** The `what` and `hint` of a problem; `root` is the refused value, from which the offending part is quoted. */
export function describeIssue(issue: z.core.$ZodIssue, root: unknown): { readonly what: string; readonly hint?: string } {
  const field = fieldName(issue.path);
  const subject = `${ownerName(root)}${field === "" ? "" : `${field}: `}`;
  const got = `got ${quote(valueAt(root, issue.path))}`;
  switch (issue.code) {
    case "unrecognized_keys":
      return { what: `${subject}unknown field ${issue.keys.map((key) => `"${key}"`).join(", ")}`, ...suggestion(issue.keys, FIELD_NAMES) };
    case "invalid_value": {
      const known = issue.values.map(String);
      return { what: `${subject}${got}, expected one of ${known.join(", ")}`, ...suggestion([String(valueAt(root, issue.path))], known) };
    }
    case "invalid_type":
      return { what: `${subject}${got}, expected ${issue.expected}` };
    case "too_small":
      return { what: `${subject}${got}, expected ${sizeUnit(issue.origin)}at least ${issue.minimum}` };
    case "too_big":
      return { what: `${subject}${got}, expected ${sizeUnit(issue.origin)}at most ${issue.maximum}` };
    default:
      return { what: `${subject}${got}, expected ${issue.message}` };
  }
}

/** `utterances[1].media.video`. */
function fieldName(path: readonly PropertyKey[]): string {
  return path.reduce<string>((name, key) => (typeof key === "number" ? `${name}[${key}]` : name === "" ? String(key) : `${name}.${String(key)}`), "");
}

/** Every field of the manifests and of dataset.json, for "did you mean". */
const FIELD_NAMES: readonly string[] = [
  ...Object.keys(recordSchema.shape),
  ...Object.keys(utteranceSchema.shape),
  ...["video", "audio", "score", "polarity", "unit", "intensity", "emotionUtterance", "causeUtterance"],
  ...["name", "seed", "mediaRoot", "counts", "records"],
];

function ownerName(root: unknown): string {
  const id = valueAt(root, ["id"]);
  return typeof id === "string" && id !== "" ? `record "${id}", ` : "";
}

function suggestion(typed: readonly string[], known: readonly string[]): { readonly hint?: string } {
  const nearest = typed.flatMap((word) => nearestNames(word, known).slice(0, 1));
  return nearest.length === 0 ? {} : { hint: `Did you mean ${nearest.map((name) => `"${name}"`).join(", ")}?` };
}

function sizeUnit(origin: string): string {
  return origin === "string" ? "a text of length " : origin === "array" ? "a list of length " : "";
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined), root);
}

function quote(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
