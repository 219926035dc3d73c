/** @file BuildOptions: every rule of a build that people may want otherwise. Every default lives here. */
import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { z } from "zod";
import { UserError } from "../../core/errors.ts";
import { describeSystemError } from "../../core/files.ts";
import { didYouMean, nearestNames } from "../../core/suggest.ts";
import { MEDIA_STATUSES } from "../record.ts";

const seed = z.number().int().default(42);

const optionsSchema = z.strictObject({
  onBad: z.enum(["report", "error"]).default("report").describe("faults of the data: report and go on, or end the build without writing a dataset"),
  media: z
    .strictObject({
      probe: z.enum(["header", "none"]).default("header").describe("look into every clip's header, or only see whether the file is there"),
      use: z.array(z.enum(MEDIA_STATUSES)).default(["ok", "no-audio"]).describe("clips of these statuses are used; the others' utterances become text only"),
      minSeconds: z.number().nonnegative().default(0.2),
      minFrames: z.number().int().nonnegative().default(2),
      maxSeconds: z.number().positive().default(30),
    })
    .prefault({}),
  validation: z
    .strictObject({ share: z.number().min(0).lt(1).default(0), seed })
    .prefault({})
    .describe("share of the training records that goes to the validation split, for datasets without one"),
  emotions: z
    .strictObject({
      file: z.string().optional().describe("CSV with MOSEI's six intensities (default: the one below the root that has those columns)"),
      several: z.enum(["strongest", "unlabelled"]).default("strongest").describe("MOSEI clips with several emotions: the strongest, or none"),
      tie: z.enum(["first", "unlabelled"]).default("first").describe("equally strong: the first of happy, sad, anger, surprise, disgust, fear, or none"),
      none: z.enum(["neutral", "unlabelled"]).default("neutral").describe("MOSEI clips whose emotions are all 0"),
    })
    .prefault({}),
  sentiment: z.strictObject({ zero: z.enum(["neutral", "positive", "negative"]).default("neutral").describe("polarity of a score of exactly 0") }).prefault({}),
  meld: z.strictObject({ finalVideos: z.enum(["plain", "final"]).default("plain").describe("which edition of the 132 test clips that come twice") }).prefault({}),
  ecf: z.strictObject({ clips: z.enum(["auto", "own", "meld", "none"]).default("auto").describe("ECF's own clips, MELD's through the mapping, own before MELD's, or none") }).prefault({}),
  knownDefects: z.enum(["report", "text-only"]).default("report").describe("clips on the list of known defects: say so, or do not use them"),
  faces: z
    .strictObject({
      root: z.string().optional().describe("folder of OpenFace's CSV files"),
      minConfidence: z.number().min(0).max(1).default(0.75).describe("frames below are ignored, as are those without success"),
      presence: z.enum(["intensity", "classifier"]).default("intensity").describe("a unit is there by its intensity (AUxx_r) or by its classifier (AUxx_c)"),
      threshold: z.number().min(0).max(5).default(0.8).describe("lowest intensity that counts as present"),
      peakUnits: z.number().int().positive().default(5).describe("the peak frame maximises the summed intensity of so many of the clip's most frequent units"),
      empty: z.enum(["skip", "all-units"]).default("skip").describe("no detected unit belongs to the emotion: no FER label, or every detected unit"),
      seed,
    })
    .prefault({}),
  reasons: z
    .strictObject({
      file: z.string().optional().describe('JSON lines {"id": utterance or clip name, "reason": text}; m2se data reasons has a model write one'),
      compose: z.enum(["none", "template"]).default("none").describe("compose the reasons that are missing from the cues that are there; marked as such"),
      seed,
    })
    .prefault({}),
});

export type BuildOptions = z.infer<typeof optionsSchema>;

/**
 * Options of a YAML file and of `path=value` texts, which win.
 *
 * @throws UserError (ConfigError) with every unknown name and wrong value.
 */
export async function loadBuildOptions({ file, set = [] }: { readonly file?: string; readonly set?: readonly string[] } = {}): Promise<BuildOptions> {
  const written = file === undefined ? {} : await readOptionsFile(file);
  const problems: string[] = [];
  const merged = set.reduce<Readonly<Record<string, unknown>>>((tree, text) => {
    const at = text.indexOf("=");
    if (at < 1) problems.push(`--set ${text}: expected path=value, e.g. faces.threshold=1`);
    return at < 1 ? tree : placed(tree, text.slice(0, at).split("."), parseValue(text.slice(at + 1)));
  }, written);
  if (problems.length > 0) throw new UserError(problems.map((what) => ({ kind: "ConfigError", where: "m2se data build", what })));
  const parsed = optionsSchema.safeParse(merged);
  if (parsed.success) return parsed.data;
  throw new UserError(parsed.error.issues.flatMap((issue) => describe(issue, merged)));
}

async function readOptionsFile(file: string): Promise<Readonly<Record<string, unknown>>> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw describeSystemError(error, file);
  });
  const value = parseValue(text) ?? {};
  if (isTree(value)) return value;
  throw new UserError({ kind: "ConfigError", where: file, what: "this file holds no settings, expected YAML such as `faces: { threshold: 1 }`" });
}

function parseValue(text: string): unknown {
  try {
    return parse(text) as unknown;
  } catch {
    return text; // no YAML: a text, which the schema refuses or takes
  }
}

function placed(tree: Readonly<Record<string, unknown>>, [key = "", ...rest]: readonly string[], value: unknown): Readonly<Record<string, unknown>> {
  const inner = tree[key];
  return { ...tree, [key]: rest.length === 0 ? value : placed(isTree(inner) ? inner : {}, rest, value) };
}

function isTree(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function describe(issue: z.core.$ZodIssue, root: unknown): { kind: "ConfigError"; where: string; what: string; hint?: string }[] {
  const path = issue.path.map(String);
  const valueAt = (keys: readonly string[]): unknown => keys.reduce<unknown>((value, key) => (typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined), root);
  const where = (keys: readonly string[]): string => `option ${keys.join(".")}`;
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({ kind: "ConfigError", where: where([...path, key]), what: `there is no such option`, hint: didYouMean(key, optionNames(path)) }));
  }
  const value = valueAt(path);
  const got = `got ${value === undefined ? "nothing" : JSON.stringify(value)}`;
  if (issue.code === "invalid_value") {
    const known = issue.values.map(String);
    const [nearest] = nearestNames(String(value), known);
    return [{ kind: "ConfigError", where: where(path), what: `${got}, expected one of ${known.join(", ")}`, ...(nearest === undefined ? {} : { hint: `Did you mean "${nearest}"?` }) }];
  }
  return [{ kind: "ConfigError", where: where(path), what: `${got}, expected ${issue.code === "invalid_type" ? issue.expected : issue.message}` }];
}

/** Names of the options in a group; groups are one level deep. */
function optionNames([group]: readonly string[]): readonly string[] {
  const defaults: Readonly<Record<string, unknown>> = optionsSchema.parse({});
  const inner = group === undefined ? defaults : defaults[group];
  const optional = group === "faces" ? ["root"] : group === "reasons" || group === "emotions" ? ["file"] : [];
  return isTree(inner) ? [...Object.keys(inner), ...optional] : [];
}
