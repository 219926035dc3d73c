/** @file A resolved config and the meaning of one setting as text. */
import type { DescribedValue, ExplainedSetting } from "../../config/index.ts";
import { renderTable } from "./table.ts";

/** Every value with its origin. */
export function renderConfig(values: readonly DescribedValue[]): string {
  return renderTable([{ title: "setting" }, { title: "value" }, { title: "from" }], values.map(({ path, value, origin }) => [path, JSON.stringify(value), origin]));
}

/** One setting: description, what it accepts, default, and what is inside. */
export function renderSetting({ path, description, accepts, default: fallback, keys }: ExplainedSetting): string {
  return [
    path === "" ? "the whole config" : path,
    ...(description === undefined ? [] : [`  ${description}`]),
    `  accepts: ${accepts}`,
    ...(fallback === undefined ? [] : [`  default: ${JSON.stringify(fallback)}`]),
    ...(keys.length === 0 ? [] : [`  inside:  ${keys.join(", ")}`]),
  ].join("\n");
}
