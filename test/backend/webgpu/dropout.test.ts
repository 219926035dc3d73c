import { expect, test } from "vitest";
import { dropoutMask, fillDropoutMask } from "../../../src/backend/dropout-mask.ts";
import { counterKey } from "../../../src/core/rng.ts";
import { describeOnGpu, useGpu, valuesOf } from "./software-gpu.ts";

describeOnGpu("masks of dropout on a GPU", () => {
  test.each([[[1, 1]], [[5, 7]], [[300, 301]]] as const)("they are the host's, number for number: %j", async ([rows, width]) => {
    await useGpu();
    for (const name of ["q_proj", "k_proj"]) {
      const key = counterKey("dropout", 1, "see", 2, 0, name);
      const [mask] = await valuesOf([dropoutMask([rows, width], { rate: 0.05, key })]);
      const expected = new Float32Array(rows * width);
      fillDropoutMask(expected, { low: key[0], high: key[1], rate: 0.05 });
      expect(mask).toEqual(expected);
    }
  });
});
