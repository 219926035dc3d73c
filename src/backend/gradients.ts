/**
 * @file tfjs-core's gradients. Its Node build registers none, and the file that does is ESM with extensionless imports
 * inside a CommonJS package, which plain Node refuses. tsx's CommonJS loader reads it; the engine and its registries
 * are process-global, so the second copy of the op code it brings is harmless.
 */
import { existsSync } from "node:fs";
import * as nodeModule from "node:module";
import { getGradient, type GradConfig, registerGradient } from "@tensorflow/tfjs-core";
import { require as requireEsm } from "tsx/cjs/api";
import { OWN_GRADIENTS } from "./own-gradients.ts";

/** Registers the gradient of every tfjs-core op and of our kernels, which takes a second; a second call does nothing. Only training needs them. */
export function registerGradients(): void {
  // tfjs-node brings tfjs's gradients, but not ours.
  if (registered("BatchMatMul") === undefined) filesBeforeFolders(loadGradients);
  for (const config of OWN_GRADIENTS) if (registered(config.kernelName) === undefined) registerGradient(config);
}

function loadGradients(): void {
  requireEsm("@tensorflow/tfjs-core/dist/register_all_gradients.js", import.meta.url);
}

/** tfjs's own declaration leaves out that an op may have no gradient. */
function registered(kernelName: string): GradConfig | undefined {
  return getGradient(kernelName);
}

interface ResolveContext {
  readonly parentURL?: string;
}
type Resolve = (specifier: string, context: ResolveContext, next: (specifier: string, context: ResolveContext) => unknown) => unknown;
type RegisterHooks = (hooks: { readonly resolve: Resolve }) => { readonly deregister: () => void };

/**
 * Node 22.15 has hooks for `require` too, and tsx uses them once its loader of ESM is on: there `../gradients` means the
 * folder of that name, while tfjs-core means `gradients.js` beside it. Older versions of Node lack the hooks and the fault.
 */
function filesBeforeFolders(load: () => void): void {
  const registerHooks = Reflect.get(nodeModule, "registerHooks") as RegisterHooks | undefined;
  const hooks = registerHooks?.({
    resolve: (specifier, context, next) => {
      const isOurs = specifier.startsWith(".") && context.parentURL?.includes("/tfjs-core/dist/") === true;
      const file = `${specifier}.js`;
      return next(isOurs && existsSync(new URL(file, context.parentURL)) ? file : specifier, context);
    },
  });
  try {
    load();
  } finally {
    hooks?.deregister();
  }
}
