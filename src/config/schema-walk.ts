/** @file Questions to the schema itself: which keys a group knows, what a setting means and accepts. */
import { z } from "zod";
import { runConfigSchema } from "./schema.ts";
import type { ConfigPath } from "./tree.ts";

/** The schema of a setting; undefined when a step of the path is unknown. List positions and names are any step. */
export function schemaAt(path: ConfigPath): z.core.$ZodType | undefined {
  return path.reduce((schema: z.core.$ZodType | undefined, step) => (schema === undefined ? undefined : childSchema(schema, String(step))), runConfigSchema);
}

/** The keys a group accepts; empty for plain values and for groups with free keys. */
export function knownKeys(path: ConfigPath): string[] {
  const schema = unwrap(schemaAt(path));
  if (schema instanceof z.ZodObject) return Object.keys(schema.shape);
  if (schema instanceof z.ZodRecord && schema.keyType instanceof z.ZodEnum) return schema.keyType.options.map(String);
  return [];
}

function childSchema(parent: z.core.$ZodType, step: string): z.core.$ZodType | undefined {
  const schema = unwrap(parent);
  if (schema instanceof z.ZodObject) return (schema.shape as Readonly<Record<string, z.core.$ZodType>>)[step];
  if (schema instanceof z.ZodArray) return schema.element;
  if (schema instanceof z.ZodRecord) return schema.keyType instanceof z.ZodEnum && !schema.keyType.options.includes(step) ? undefined : schema.valueType;
  return undefined;
}

/** The schema below its default or optional wrapper. */
function unwrap(schema: z.core.$ZodType | undefined): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional) return unwrap(schema.unwrap());
  return schema;
}

/** The one-line description of a setting, wherever in its wrappers it was written. */
export function descriptionOf(schema: z.core.$ZodType | undefined): string | undefined {
  if (schema === undefined) return undefined;
  const own = z.globalRegistry.get(schema)?.description;
  if (own !== undefined) return own;
  const inner = schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional ? schema.unwrap() : undefined;
  return descriptionOf(inner);
}

/** The default of a setting; undefined when it must be given, or is left out when absent. */
export function defaultOf(schema: z.core.$ZodType | undefined): unknown {
  if (schema instanceof z.ZodDefault) return schema.def.defaultValue;
  if (schema instanceof z.ZodOptional) return defaultOf(schema.unwrap());
  return undefined;
}

/** What a setting accepts, in words: `a whole number above 0`, `one of error, drop`. */
export function expectation(schema: z.core.$ZodType): string {
  return acceptedWords(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }));
}

type JsonSchema = z.core.JSONSchema.BaseSchema;

function acceptedWords(schema: JsonSchema): string {
  if (schema.enum !== undefined) return `one of ${schema.enum.join(", ")}`;
  if (schema.anyOf !== undefined) return schema.anyOf.map((one) => (typeof one === "boolean" ? "anything" : (one.description ?? acceptedWords(one)))).join(" or ");
  if (schema.type === "integer" || schema.type === "number") return numberWords(schema);
  if (schema.type === "boolean") return "true or false";
  if (schema.type === "string") return schema.pattern === undefined ? "a text" : `a text that matches ${schema.pattern}`;
  if (schema.type === "array") return listWords(schema);
  return "a group of settings";
}

function numberWords({ type, minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema): string {
  const noun = type === "integer" ? "a whole number" : "a number";
  const bounds = [
    exclusiveMinimum === undefined ? undefined : `above ${exclusiveMinimum}`,
    minimum === undefined || minimum === Number.MIN_SAFE_INTEGER ? undefined : `from ${minimum}`,
    exclusiveMaximum === undefined ? undefined : `below ${exclusiveMaximum}`,
    maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? undefined : `up to ${maximum}`,
  ];
  return [noun, ...bounds.filter((bound) => bound !== undefined)].join(" ");
}

function listWords({ items, minItems }: JsonSchema): string {
  const first = Array.isArray(items) ? items[0] : items;
  const inner = first === undefined || typeof first === "boolean" ? "" : ` (each ${acceptedWords(first)})`;
  return `a list${minItems === undefined ? "" : ` of at least ${minItems}`}${inner}`;
}
