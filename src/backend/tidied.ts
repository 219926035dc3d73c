/** @file tf.tidy for a result that is not made of tensors. */
import { tidy } from "@tensorflow/tfjs-core";

/** The result of `body`; every tensor it made is freed. */
export function tidied<T>(body: () => T): T {
  let result: { readonly value: T } | undefined;
  tidy(() => {
    result = { value: body() };
  });
  if (result === undefined) throw new Error("tf.tidy did not run its body");
  return result.value;
}
