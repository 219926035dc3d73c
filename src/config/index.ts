/** @file The public surface of config. */
export * from "./schema.ts";
export { loadConfig, type ConfigOrigins, type LoadedConfig, type LoadOptions } from "./load.ts";
export { describeConfig, explainSetting, idleSettings, type DescribedValue, type ExplainedSetting } from "./describe.ts";
export { flagOverride, type Override } from "./set.ts";
export { backendHint, isBackendName } from "../backend/names.ts";
